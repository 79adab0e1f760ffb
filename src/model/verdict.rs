//! How a run ended, and the exit code that says so.

use serde::{Deserialize, Serialize};

/// How a run ended. See [`Verdict::exit_code`] for the documented codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The hypothesis held and the system recovered.
    Held,
    /// The steady state did not hold during the fault.
    Deviated,
    /// The baseline was not steady; nothing was injected.
    NotSteady,
    /// Stopped early by a stop condition; rolled back.
    Stopped,
    /// Not recovered within the objective.
    NotRecovered,
    /// Too few samples to say.
    Inconclusive,
    /// The fault was not effective, so nothing was tested.
    Invalid,
    /// Something could not be put back.
    Residue,
    /// Ended by a signal; rolled back.
    Interrupted,
    /// The run could not begin: a service or a proxy did not come up. Nothing was injected.
    NotRun,
}

impl Verdict {
    /// The exit code of `chaos run`.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Deviated => 1,
            Self::NotRun => 2,
            Self::NotSteady => 3,
            Self::Stopped => 4,
            Self::NotRecovered => 5,
            Self::Inconclusive | Self::Invalid => 6,
            Self::Residue => 7,
            Self::Interrupted => 8,
        }
    }

    /// The headline of a report.
    pub const fn headline(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Deviated => "DEVIATED",
            Self::NotSteady => "BASELINE NOT STEADY",
            Self::Stopped => "STOPPED",
            Self::NotRecovered => "NOT RECOVERED",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Invalid => "INVALID",
            Self::Residue => "RESIDUE",
            Self::Interrupted => "INTERRUPTED",
            Self::NotRun => "NOT RUN",
        }
    }
}

/// The exit codes of runs, the worst first, as the code of a suite is found: what is left on the machine or may be (7,
/// 70); what ended it from outside (8); what was found, the most serious first (5, 4, 1); what could not be found out (2,
/// 3, 6); and nothing wrong.
pub const WORST_FIRST: [u8; 10] = [7, 70, 8, 5, 4, 1, 2, 3, 6, 0];

/// The exit code of a suite whose runs ended with these; 0 of none. A code that is not known is the worst after residue.
pub fn worst_code(codes: impl IntoIterator<Item = u8>) -> u8 {
    let rank = |code: &u8| WORST_FIRST.iter().position(|known| known == code).unwrap_or(1);
    codes.into_iter().min_by_key(rank).unwrap_or_default()
}

/// Whether a run breaks things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Faults are injected.
    Inject,
    /// Observer mode: the same phases and probes, nothing injected.
    Observe,
}

#[cfg(test)]
mod tests {
    use super::{Verdict, WORST_FIRST, worst_code};

    #[test]
    fn residue_is_worse_than_anything_and_a_finding_worse_than_no_answer() {
        assert_eq!(worst_code([0, 1, 6]), 1);
        assert_eq!(worst_code([6, 3, 2]), 2);
        assert_eq!((worst_code([1, 5, 4]), worst_code([8, 5])), (5, 8));
        assert_eq!((worst_code([70, 8]), worst_code([8, 7, 70])), (70, 7));
        assert_eq!((worst_code([0, 0]), worst_code([]), worst_code([0, 101])), (0, 0, 101));
    }

    #[test]
    fn every_verdict_has_its_rank() {
        use Verdict::{
            Deviated, Held, Inconclusive, Interrupted, Invalid, NotRecovered, NotRun, NotSteady, Residue, Stopped,
        };
        let all =
            [Held, Deviated, NotSteady, Stopped, NotRecovered, Inconclusive, Invalid, Residue, Interrupted, NotRun];
        assert!(all.iter().all(|verdict| WORST_FIRST.contains(&verdict.exit_code())));
    }
}

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

/// Whether a run breaks things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Faults are injected.
    Inject,
    /// Observer mode: the same phases and probes, nothing injected.
    Observe,
}

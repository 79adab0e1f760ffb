//! `process.pause`: stops processes, which keep their sockets and answer nobody.

use std::time::Duration;

use crate::fault::victims::{needs, whom};
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, Meter, ProcessState, VictimReading};
use crate::model::fault::{FaultSpec, TargetKind};
use crate::model::step::{Act, Check, Step, Undo};
use crate::model::units::Timespan;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "process.pause",
    summary: "stops processes, which keep their sockets and answer nobody",
    breaks: "a process that hangs: a long collection, a stuck disk, a debugger",
    mechanism: "SIGSTOP by pidfd",
    privileges: "none for a service of the experiment and for processes of our own user, else root (CAP_KILL)",
    dose: "every process is in state T",
    undo: "SIGCONT, always, to the very processes that were stopped",
    remains: "what their peers did about the silence",
    targets: &[TargetKind::Process],
    needs: Need::Signals,
    example: &[],
};

pub(super) fn plan(fault: &FaultSpec, facts: &Facts) -> Result<FaultPlan, String> {
    let whom = whom(fault, facts)?;
    Ok(FaultPlan {
        meter: Meter::Processes { whom: whom.clone() },
        needs: needs(&whom),
        steps: vec![Step {
            apply: Act::Pause { whom: whom.clone() },
            undo: Undo::Resume { whom: whom.clone() },
            verify: Check::Running { whom },
        }],
    })
}

pub(super) fn dose(victims: &[VictimReading], lasted: Duration) -> Dose {
    let parts = victims.iter().map(|victim| {
        let stopped = victim.state == ProcessState::Stopped;
        let measured = match (victim.state, &victim.replaced_by) {
            (ProcessState::Stopped, _) => format!("stopped for {}", Timespan(lasted)),
            (ProcessState::Running, _) => "running".to_owned(),
            (ProcessState::Gone, Some(other)) => format!("replaced by {other}"),
            (ProcessState::Gone, None) => "gone".to_owned(),
            (ProcessState::Unknown, _) => "not known".to_owned(),
        };
        words::part(&victim.name, "stopped", measured, f64::from(u8::from(stopped)))
    });
    let parts: Vec<_> = parts.collect();
    let ineffective = match parts.iter().find(|part| part.number < 1.0) {
        Some(part) => Some(format!("{} should be stopped and is {}", part.what, part.measured)),
        None if parts.is_empty() => Some("no process was hit".to_owned()),
        None => None,
    };
    Dose { parts, ineffective }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault, victim};
    use crate::model::dose::ProcessState;
    use crate::model::fault::{FaultKind, ProcessPause, Target};

    #[test]
    fn is_one_stop_that_is_always_continued() {
        conforms(&fault(FaultKind::ProcessPause(ProcessPause {}), Target::service("demo")));
    }

    #[test]
    fn only_the_very_process_in_state_t_counts() {
        let second = Duration::from_secs(1);
        assert_eq!(dose(&[victim(ProcessState::Stopped, None)], second).ineffective, None);
        for (state, replaced) in [
            (ProcessState::Running, None),
            (ProcessState::Gone, None),
            (ProcessState::Unknown, None),
            (ProcessState::Gone, Some("demo (pid 8)")),
        ] {
            let both = [victim(ProcessState::Stopped, None), victim(state, replaced)];
            assert!(dose(&both, second).ineffective.is_some(), "one that goes on is one too many");
        }
        assert!(dose(&[], second).ineffective.is_some());
    }
}

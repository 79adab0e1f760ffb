//! `process.kill`: kills a service of the experiment's own.
//!
//! - breaks: one process, at once, with all it had not written
//! - mechanism: a signal by pidfd, so never to another process that got the same pid
//! - privileges: none, as the service is ours
//! - dose: the process is gone, or another one stands in its place
//! - undo: the service is started again unless it did so by itself, and its readiness is awaited
//! - remains: what the killed process lost

use crate::fault::{FaultPlan, words};
use crate::model::dose::{Dose, Meter, ProcessState};
use crate::model::fault::{FaultSpec, ProcessKill, Target};
use crate::model::step::{Act, Check, Step, Undo};

pub(super) fn plan(fault: &FaultSpec, settings: &ProcessKill) -> FaultPlan {
    let service = service_of(&fault.target);
    FaultPlan {
        meter: Meter::Service { service: service.clone() },
        needs: "nothing: the service is ours",
        steps: vec![Step {
            apply: Act::KillService { service: service.clone(), signal: settings.signal },
            undo: Undo::ReviveService { service: service.clone() },
            verify: Check::ServiceReady { service },
        }],
    }
}

/// The name of the service; empty (which no service is called) for a target of another kind.
pub(super) fn service_of(target: &Target) -> String {
    match target {
        Target::Service(name) => name.clone(),
        Target::Proxy(_) | Target::Host => String::new(),
    }
}

pub(super) fn dose(settings: &ProcessKill, state: ProcessState, replaced: bool) -> Dose {
    let measured = match (replaced, state) {
        (true, _) => "gone, replaced",
        (false, ProcessState::Gone) => "gone",
        (false, ProcessState::Running | ProcessState::Stopped) => "still there",
        (false, ProcessState::Unknown) => "not known",
    };
    let gone = replaced || state == ProcessState::Gone;
    Dose {
        parts: vec![words::part("process", settings.signal.name(), measured, f64::from(u8::from(gone)))],
        ineffective: match state {
            _ if gone => None,
            ProcessState::Unknown => Some("whether the process ended could not be found out".to_owned()),
            _ => Some(format!("the process outlived {}", settings.signal.name())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ProcessState;
    use crate::model::fault::{FaultKind, KillSignal, ProcessKill, Target};

    #[test]
    fn is_one_kill_after_which_the_service_is_started_again() {
        conforms(&fault(FaultKind::ProcessKill(ProcessKill::default()), Target::Service("demo".into())));
    }

    #[test]
    fn gone_or_replaced_is_effective_and_a_caught_signal_is_not() {
        let polite = ProcessKill { signal: KillSignal::Term };
        assert_eq!(dose(&polite, ProcessState::Gone, false).ineffective, None);
        assert_eq!(dose(&polite, ProcessState::Running, true).ineffective, None);
        let outlived = dose(&polite, ProcessState::Running, false).ineffective;
        assert_eq!(outlived.as_deref(), Some("the process outlived SIGTERM"));
    }
}

//! `process.pause`: stops a service of the experiment's own, which keeps its sockets and answers nobody.
//!
//! - breaks: a process that hangs: a long collection, a stuck disk, a debugger
//! - mechanism: SIGSTOP by pidfd
//! - privileges: none, as the service is ours
//! - dose: the process is in state T
//! - undo: SIGCONT, always, to the very process that was stopped
//! - remains: what its peers did about the silence

use std::time::Duration;

use crate::fault::process_kill::service_of;
use crate::fault::{FaultPlan, words};
use crate::model::dose::{Dose, Meter, ProcessState};
use crate::model::fault::FaultSpec;
use crate::model::step::{Act, Check, Step, Undo};
use crate::model::units::Timespan;

pub(super) fn plan(fault: &FaultSpec) -> FaultPlan {
    let service = service_of(&fault.target);
    FaultPlan {
        meter: Meter::Service { service: service.clone() },
        needs: "nothing: the service is ours",
        steps: vec![Step {
            apply: Act::PauseService { service: service.clone() },
            undo: Undo::ResumeService { service: service.clone() },
            verify: Check::ServiceRunning { service },
        }],
    }
}

pub(super) fn dose(state: ProcessState, replaced: bool, lasted: Duration) -> Dose {
    let stopped = state == ProcessState::Stopped && !replaced;
    let measured = match (replaced, state) {
        (true, _) => "replaced by another process".to_owned(),
        (false, ProcessState::Stopped) => format!("stopped for {}", Timespan(lasted)),
        (false, ProcessState::Running) => "running".to_owned(),
        (false, ProcessState::Gone) => "gone".to_owned(),
        (false, ProcessState::Unknown) => "not known".to_owned(),
    };
    Dose {
        ineffective: (!stopped).then(|| format!("the process should be stopped and is {measured}")),
        parts: vec![words::part("process", "stopped", measured, f64::from(u8::from(stopped)))],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ProcessState;
    use crate::model::fault::{FaultKind, ProcessPause, Target};

    #[test]
    fn is_one_stop_that_is_always_continued() {
        conforms(&fault(FaultKind::ProcessPause(ProcessPause {}), Target::Service("demo".into())));
    }

    #[test]
    fn only_the_very_process_in_state_t_counts() {
        let second = Duration::from_secs(1);
        assert_eq!(dose(ProcessState::Stopped, false, second).ineffective, None);
        for (state, replaced) in
            [(ProcessState::Running, false), (ProcessState::Gone, false), (ProcessState::Stopped, true)]
        {
            assert!(dose(state, replaced, second).ineffective.is_some());
        }
    }
}

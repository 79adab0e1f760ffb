//! `process.kill`: kills processes.
//!
//! - breaks: processes, at once, with all they had not written
//! - mechanism: a signal by pidfd, so never to another process that got the same pid
//! - privileges: none for a service of the experiment and for processes of our own user, else root (CAP_KILL)
//! - dose: each process is gone, or another one stands in its place
//! - undo: a service of the experiment is started again unless it did so by itself, and its readiness is awaited; anybody
//!   else is not ours to start, so that takes consent (`allow_irreversible`)
//! - remains: what the killed processes lost

use crate::fault::victims::{needs, whom};
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::dose::{Dose, Meter, ProcessState, VictimReading};
use crate::model::fault::{FaultSpec, ProcessKill};
use crate::model::step::{Act, Check, Step, Undo};

pub(super) fn plan(fault: &FaultSpec, settings: &ProcessKill, facts: &Facts) -> Result<FaultPlan, String> {
    let whom = whom(fault, facts)?;
    let service = whom.target.by.service().map(ToOwned::to_owned);
    let (undo, verify) = match service {
        Some(service) => (Undo::ReviveService { service: service.clone() }, Check::ServiceReady { service }),
        None => {
            let because = "a killed process is not ours to start again, and what it had not written is lost";
            (Undo::None { because: because.to_owned() }, Check::Nothing)
        }
    };
    Ok(FaultPlan {
        meter: Meter::Processes { whom: whom.clone() },
        needs: needs(&whom),
        steps: vec![Step { apply: Act::Kill { whom, signal: settings.signal }, undo, verify }],
    })
}

pub(super) fn dose(settings: &ProcessKill, victims: &[VictimReading]) -> Dose {
    let signal = settings.signal.name();
    let parts = victims.iter().map(|victim| {
        let measured = match (&victim.replaced_by, victim.state) {
            (Some(other), ProcessState::Gone) => format!("gone, replaced by {other}"),
            (None, ProcessState::Gone) => "gone".to_owned(),
            (_, ProcessState::Running | ProcessState::Stopped) => "still there".to_owned(),
            (_, ProcessState::Unknown) => "not known".to_owned(),
        };
        words::part(&victim.name, signal, measured, f64::from(u8::from(victim.state == ProcessState::Gone)))
    });
    let parts = parts.collect();
    let ineffective = match victims.iter().find(|victim| victim.state != ProcessState::Gone) {
        Some(VictimReading { name, state: ProcessState::Unknown, .. }) => {
            Some(format!("whether {name} ended could not be found out"))
        }
        Some(VictimReading { name, .. }) => Some(format!("{name} outlived {signal}")),
        None if victims.is_empty() => Some("no process was hit".to_owned()),
        None => None,
    };
    Dose { parts, ineffective }
}

#[cfg(test)]
mod tests {
    use super::{dose, plan};
    use crate::fault::testing::{conforms, facts, fault, victim};
    use crate::model::dose::ProcessState;
    use crate::model::fault::{FaultKind, KillSignal, ProcessKill, ProcessTarget, Selector, Target};
    use crate::model::step::Undo;

    #[test]
    fn is_one_kill_after_which_the_service_is_started_again() {
        conforms(&fault(FaultKind::ProcessKill(ProcessKill::default()), Target::service("demo")));
    }

    #[test]
    fn who_is_not_ours_is_not_started_again_and_that_is_said_beforehand() {
        let target = Target::Process(ProcessTarget { by: Selector::Name("nginx".into()), children: false });
        let kill = ProcessKill::default();
        let fault = fault(FaultKind::ProcessKill(kill.clone()), target);
        let plan = plan(&fault, &kill, &facts()).expect("can be planned");
        assert!(matches!(plan.steps[0].undo, Undo::None { .. }));
        conforms(&fault);
    }

    #[test]
    fn gone_or_replaced_is_effective_and_a_caught_signal_is_not() {
        let polite = ProcessKill { signal: KillSignal::Term };
        assert_eq!(dose(&polite, &[victim(ProcessState::Gone, None)]).ineffective, None);
        let replaced = dose(&polite, &[victim(ProcessState::Gone, Some("demo (pid 8)"))]);
        assert_eq!(replaced.ineffective, None);
        assert_eq!(replaced.parts[0].measured, "gone, replaced by demo (pid 8)");
        let outlived = dose(&polite, &[victim(ProcessState::Running, None)]).ineffective;
        assert_eq!(outlived.as_deref(), Some("demo (pid 7) outlived SIGTERM"));
    }
}

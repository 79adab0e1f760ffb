//! `process.kill`: kills processes.

use std::time::Duration;

use crate::fault::victims::{needs, whom};
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, Meter, ProcessState, VictimReading};
use crate::model::fault::{FaultSpec, ProcessKill, TargetKind};
use crate::model::step::{Act, Check, Step, Undo};
use crate::model::units::Timespan;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "process.kill",
    summary: "kills processes",
    breaks: "processes, at once, with all they had not written",
    mechanism: "a signal by pidfd, so never to another process that got the same pid",
    privileges: "none for a service of the experiment and for processes of our own user, else root (CAP_KILL)",
    dose: "each process is gone, or another one stands in its place; with `every` how many that were",
    undo: "a service of the experiment is started again unless it did so by itself, and its readiness is awaited; \
        anybody else is not ours to start, so that takes consent (`allow_irreversible`)",
    remains: "what the killed processes lost",
    targets: &[TargetKind::Process],
    needs: Need::Signals,
    example: &["signal: TERM"],
};

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
    let once = Step { apply: Act::Kill { whom: whom.clone(), signal: settings.signal }, undo, verify };
    let again = settings.every.map(|every| Step {
        apply: Act::KeepKilling { whom: whom.clone(), signal: settings.signal, every },
        undo: Undo::StopKilling { whom: whom.clone() },
        verify: Check::KillingStopped { whom: whom.clone() },
    });
    Ok(FaultPlan {
        meter: Meter::Processes { whom: whom.clone() },
        needs: needs(&whom),
        steps: [once].into_iter().chain(again).collect(),
    })
}

/// More victims are told as one number.
const MOST_TOLD: usize = 8;

pub(super) fn dose(settings: &ProcessKill, victims: &[VictimReading], lasted: Duration) -> Dose {
    let signal = settings.signal.name();
    let gone = victims.iter().filter(|victim| victim.state == ProcessState::Gone).count();
    let often = settings.every.map(|every| {
        words::part("kills", format!("every {every}"), format!("{gone} in {}", Timespan(lasted)), gone as f64)
    });
    let victims_told = victims.len().min(MOST_TOLD);
    let parts = victims[..victims_told].iter().map(|victim| {
        let measured = match (&victim.replaced_by, victim.state) {
            (Some(other), ProcessState::Gone) => format!("gone, replaced by {other}"),
            (None, ProcessState::Gone) => "gone".to_owned(),
            (_, ProcessState::Running | ProcessState::Stopped) => "still there".to_owned(),
            (_, ProcessState::Unknown) => "not known".to_owned(),
        };
        words::part(&victim.name, signal, measured, f64::from(u8::from(victim.state == ProcessState::Gone)))
    });
    let parts = often.into_iter().chain(parts).collect();
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
    use std::time::Duration;

    use super::{dose, plan};
    use crate::fault::testing::{conforms, facts, fault, victim};
    use crate::model::dose::ProcessState;
    use crate::model::fault::{FaultKind, KillSignal, ProcessKill, ProcessTarget, Selector, Target};
    use crate::model::step::Undo;
    use crate::model::units::Timespan;

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
    fn again_and_again_is_a_step_of_its_own_and_the_first_to_be_undone() {
        let every = ProcessKill { every: Some(Timespan::seconds(2)), ..ProcessKill::default() };
        let fault = fault(FaultKind::ProcessKill(every.clone()), Target::service("demo"));
        conforms(&fault);
        assert_eq!(plan(&fault, &every, &facts()).expect("can be planned").steps.len(), 2);
        let seen: Vec<_> = (0..20).map(|_| victim(ProcessState::Gone, None)).collect();
        let told = dose(&every, &seen, Duration::from_secs(40));
        assert_eq!((told.ineffective, told.parts[0].measured.as_str()), (None, "20 in 40s"));
        assert!(told.parts.len() < 12, "no list without end");
    }

    #[test]
    fn gone_or_replaced_is_effective_and_a_caught_signal_is_not() {
        let polite = ProcessKill { signal: KillSignal::Term, every: None };
        assert_eq!(dose(&polite, &[victim(ProcessState::Gone, None)], Duration::from_secs(1)).ineffective, None);
        let replaced = dose(&polite, &[victim(ProcessState::Gone, Some("demo (pid 8)"))], Duration::from_secs(1));
        assert_eq!(replaced.ineffective, None);
        assert_eq!(replaced.parts[0].measured, "gone, replaced by demo (pid 8)");
        let outlived = dose(&polite, &[victim(ProcessState::Running, None)], Duration::from_secs(1)).ineffective;
        assert_eq!(outlived.as_deref(), Some("demo (pid 7) outlived SIGTERM"));
    }
}

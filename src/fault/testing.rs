//! What every fault must pass, and what they are tested with.

use std::time::Duration;

use crate::host::Facts;
use crate::model::fault::{FaultKind, FaultSpec, Target};
use crate::model::step::{Act, Check, Undo};
use crate::model::testing::experiment;
use crate::model::units::Timespan;

pub(super) fn facts() -> Facts {
    Facts { cores: vec![0, 1], memory_available: 4 << 30 }
}

pub(super) fn fault(kind: FaultKind, target: Target) -> FaultSpec {
    FaultSpec { name: "it".into(), kind, target, start: Timespan::ZERO, duration: Timespan::seconds(5) }
}

/// The conformance of a fault: it acts, every act has its way back and a read-back of the same thing, and a meter of
/// another kind is never taken for a dose.
pub(super) fn conforms(fault: &FaultSpec) {
    let plan = super::plan(fault, &experiment(), &facts()).expect("can be planned");
    assert!(!plan.steps.is_empty(), "a fault without steps breaks nothing");
    for step in &plan.steps {
        assert!(mirrors(&step.apply, &step.undo, &step.verify), "{step:?} is not undone by its undo");
    }
    assert_eq!(fault.target.kind(), fault.kind.takes());
    let alien = match plan.meter {
        crate::model::dose::Meter::Worker { .. } => crate::model::dose::Reading::Toxic(Default::default()),
        _ => crate::model::dose::Reading::Worker(Default::default()),
    };
    assert!(super::dose(fault, &experiment(), &facts(), &alien, Duration::from_secs(1)).ineffective.is_some());
}

fn mirrors(act: &Act, undo: &Undo, check: &Check) -> bool {
    match (act, undo, check) {
        (
            Act::AddToxic { proxy, toxic },
            Undo::RemoveToxic { proxy: p, toxic: t },
            Check::ToxicGone { proxy: q, toxic: u },
        ) => (proxy, &toxic.name) == (p, t) && (p, t) == (q, u),
        (Act::StartWorker { worker, .. }, Undo::StopWorker { worker: w }, Check::WorkerGone { worker: v }) => {
            worker == w && w == v
        }
        (Act::PauseService { service }, Undo::ResumeService { service: s }, Check::ServiceRunning { service: r })
        | (Act::KillService { service, .. }, Undo::ReviveService { service: s }, Check::ServiceReady { service: r }) => {
            service == s && s == r
        }
        _ => false,
    }
}

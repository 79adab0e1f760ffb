//! What every fault must pass, and what they are tested with.

use std::time::Duration;

use crate::host::Facts;
use crate::model::dose::{ProcessState, VictimReading};
use crate::model::fault::{FaultKind, FaultSpec, Target};
use crate::model::step::{Act, Check, Job, Undo};
use crate::model::testing::experiment;
use crate::model::units::Timespan;

pub(super) fn facts() -> Facts {
    Facts { cores: vec![0, 1], memory_available: 4 << 30, ..Facts::default() }
}

/// What a meter shows of pid 7.
pub(super) fn victim(state: ProcessState, replaced_by: Option<&str>) -> VictimReading {
    VictimReading { name: "demo (pid 7)".into(), state, replaced_by: replaced_by.map(ToOwned::to_owned) }
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
    assert!(fault.kind.takes().contains(&fault.target.kind()));
    let about = super::CATALOGUE.iter().find(|about| about.word == fault.kind.word()).expect("is in the catalogue");
    assert_eq!(about.targets, fault.kind.takes(), "the catalogue names other targets");
    let alien = match plan.meter {
        crate::model::dose::Meter::Worker { .. } | crate::model::dose::Meter::Slowed { .. } => {
            crate::model::dose::Reading::Toxic(Default::default())
        }
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
        (
            Act::StartWorker { worker, job: Job::Fill { path, .. }, .. },
            Undo::EndFill { worker: w, folder: f },
            Check::FillGone { worker: v, folder: g },
        ) => (worker, path) == (w, f) && (w, f) == (v, g),
        (Act::LimitGroup { name, .. }, Undo::RestoreGroup { name: n }, Check::GroupRestored { name: m }) => {
            name == n && n == m
        }
        (Act::Pause { whom }, Undo::Resume { whom: w }, Check::Running { whom: v }) => whom == w && w == v,
        (Act::Kill { whom, .. }, Undo::ReviveService { service: s }, Check::ServiceReady { service: r }) => {
            whom.target.by.service() == Some(s) && s == r
        }
        (Act::TakeCharge { whom }, Undo::Resume { whom: w }, Check::Running { whom: v }) => whom == w && w == v,
        (Act::KeepKilling { whom, .. }, Undo::StopKilling { whom: w }, Check::KillingStopped { whom: v }) => {
            whom == w && w == v
        }
        (
            Act::LimitOpenFiles { whom, limits, .. },
            Undo::RestoreOpenFiles { whom: w, limits: l },
            Check::OpenFilesRestored { whom: v, limits: k },
        ) => (whom, limits) == (w, l) && (w, l) == (v, k),
        (Act::Run { name, check, .. }, Undo::Run { name: n, .. }, Check::NotInPlace { name: m, check: c }) => {
            name == n && n == m && check == c
        }
        (Act::Kill { whom, .. }, Undo::None { because }, Check::Nothing) => {
            whom.target.by.service().is_none() && !because.is_empty()
        }
        _ => false,
    }
}

//! What the runner's tests share: small experiments, and a whole run on the fake machine with a paused clock.
#![allow(dead_code, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use chaos::host::fake::FakeMachine;
use chaos::host::signals::Cancel;
use chaos::journal::{Journal, MemoryStore, Store};
use chaos::model::event::{Event, EventKind, RunHeader};
use chaos::model::expectation::{Expectation, Limit, Metric, Must, Operator, StopCondition, Subject};
use chaos::model::experiment::{BlastRadius, Experiment, Protocol, Proxy, Recovery, Scope, Service};
use chaos::model::fault::{
    CpuLimit, CpuStress, FaultKind, FaultSpec, FdExhaust, ProcessExec, ProcessKill, ProcessPause, ProcessSlow,
    ProcessTarget, Selector, Target,
};
use chaos::model::http::HttpError;
use chaos::model::phase::Phase;
use chaos::model::probe::{OnNoData, ProbeKind, ProbeSpec, TcpProbe};
use chaos::model::profile::Profile;
use chaos::model::units::{Share, Timespan};
use chaos::model::verdict::Mode;
use chaos::runner::{self, Ending};
use tokio::sync::mpsc::unbounded_channel;

pub fn probe() -> ProbeSpec {
    let limit = Limit::Share(Share(0.9));
    ProbeSpec {
        name: "ask".into(),
        kind: ProbeKind::Tcp(TcpProbe { address: "127.0.0.1:1".into() }),
        interval: Timespan::millis(50),
        timeout: Timespan::seconds(1),
        expect: vec![Expectation {
            text: "success_rate >= 90%".into(),
            metric: Metric::SuccessRate,
            must: Must::Compare { operator: Operator::AtLeast, limit },
        }],
        on_no_data: OnNoData::Stop,
        independent_of: Vec::new(),
    }
}

pub fn stop_at_half() -> StopCondition {
    StopCondition {
        text: "ask.error_rate > 50%".into(),
        subject: Subject::Probe { probe: 0, metric: Metric::ErrorRate },
        breach: Must::Compare { operator: Operator::More, limit: Limit::Share(Share(0.5)) },
        hold: None,
    }
}

/// A service behind a proxy, a probe, and the given faults; eight seconds of blast radius.
pub fn experiment(faults: Vec<FaultSpec>) -> Experiment {
    let service = Service {
        name: "demo".into(),
        command: vec!["demo".into()],
        ready: None,
        ready_within: Timespan::seconds(5),
        env: Default::default(),
        directory: None,
        restart: false,
    };
    let proxy = Proxy {
        name: "generator".into(),
        listen: ([127, 0, 0, 1], 9).into(),
        upstream: "127.0.0.1:10".into(),
        protocol: Protocol::Http,
        users: None,
    };
    Experiment {
        name: "a test".into(),
        description: None,
        tags: Vec::new(),
        services: vec![service],
        proxies: vec![proxy],
        steady_state: vec![probe()],
        faults,
        blast_radius: BlastRadius {
            scope: Scope::SingleInstance,
            traffic: Share::ALL,
            max_affected_users: None,
            duration: Timespan::seconds(8),
        },
        stop_conditions: Vec::new(),
        baseline: Timespan::seconds(3),
        recovery: Recovery { within: Timespan::seconds(15), watch: None },
        allow_irreversible: false,
    }
}

/// The ways in which faults are undone: by a toxic, a worker, a signal, a restart; and of strangers by a signal, a limit that
/// is restored, a worker and a signal; by a value that is set back; and
/// by a command, with a check of its own and without.
pub const WAYS: usize = 10;

/// A fault that is undone in this way.
pub fn fault(way: usize, name: &str, start: Timespan, duration: Timespan) -> FaultSpec {
    let (kind, target) = match way % WAYS {
        0 => {
            let error = HttpError::default();
            (FaultKind::HttpError(error), Target::Proxy("generator".into()))
        }
        1 => (
            FaultKind::CpuStress(CpuStress { load: Share(0.5), cores: Some(1), profile: Profile::Constant }),
            Target::Host,
        ),
        2 => (FaultKind::ProcessPause(ProcessPause {}), Target::service("demo")),
        3 => (FaultKind::ProcessKill(ProcessKill::default()), Target::service("demo")),
        4 => (FaultKind::ProcessPause(ProcessPause {}), strangers()),
        5 => (FaultKind::FdExhaust(FdExhaust { leave: 1 }), strangers()),
        6 => (FaultKind::ProcessSlow(ProcessSlow { share: Share(0.5), period: Timespan::millis(100) }), strangers()),
        way @ 7..=8 => {
            let words = |word: &str| vec![word.to_owned(), name.to_owned()];
            let (check, within) = ((way == 7).then(|| words("check")), Timespan::seconds(10));
            let exec = ProcessExec { command: words("do"), undo: words("undo"), check, within };
            (FaultKind::ProcessExec(exec), Target::Host)
        }
        _ => (FaultKind::CpuLimit(CpuLimit { quota: Share(0.5), cores: 1 }), Target::service("demo")),
    };
    FaultSpec { name: name.into(), kind, target, start, duration }
}

fn strangers() -> Target {
    Target::Process(ProcessTarget { by: Selector::Name("fake".into()), children: false })
}

pub fn header(experiment: Experiment, mode: Mode) -> RunHeader {
    RunHeader {
        format: 1,
        run: "00000000-0000-7000-8000-000000000000".into(),
        tool: "test".into(),
        started: Default::default(),
        file: "test.yaml".into(),
        mode,
        seed: 1,
        folder: None,
        variables: Vec::new(),
        experiment,
    }
}

/// A whole run; its events and how it ended. Call it on a paused clock.
pub async fn run(
    header: RunHeader,
    machine: &FakeMachine,
    store: Box<dyn Store>,
    cancel: Cancel,
) -> (Vec<Event>, Ending) {
    let (sender, mut receiver) = unbounded_channel();
    let ending =
        runner::run(header, Arc::new(machine.clone()), Journal::resumed(store, Vec::new()), cancel, sender).await;
    let mut events = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
    (events, ending)
}

/// The same with a journal in memory and nobody who cancels.
pub async fn undisturbed(experiment: Experiment, machine: &FakeMachine) -> Vec<Event> {
    run(header(experiment, Mode::Inject), machine, Box::new(MemoryStore::default()), Cancel::never()).await.0
}

pub fn phases(events: &[Event]) -> Vec<Phase> {
    let phase = |event: &Event| match event.kind {
        EventKind::PhaseStarted { phase } => Some(phase),
        _ => None,
    };
    events.iter().filter_map(phase).collect()
}

/// When something was told first.
pub fn when(events: &[Event], wanted: impl Fn(&EventKind) -> bool) -> Option<Duration> {
    events.iter().find(|event| wanted(&event.kind)).map(|event| event.at)
}

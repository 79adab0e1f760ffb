//! Who is hit: the very process that was meant, and never one that must not be.

use std::process::{Child, Command};

use chaos::guard::protected;
use chaos::host::Machine;
use chaos::host::process::{self, Signal};
use chaos::model::dose::ProcessState;
use chaos::model::experiment::{BlastRadius, Experiment, Recovery, Scope, Service};
use chaos::model::fault::{KillSignal, ProcessTarget, Selector};
use chaos::model::policy::{Policy, Rule};
use chaos::model::step::{Act, Receipt, Undo};
use chaos::model::target::{Victim, Victims};
use chaos::model::units::{Share, Timespan};
use chaos::runner::LinuxMachine;

use crate::alone::{Own, alone};

/// So many forced swaps.
const SWAPS: usize = 20;

#[allow(clippy::disallowed_methods, reason = "processes that are none of the tool's")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn sleeper() -> Child {
    command("sleep").arg("1000").spawn().expect("starts")
}

fn end(mut child: Child) {
    child.kill().expect("kills");
    child.wait().expect("reaps");
}

#[test]
fn a_pid_that_names_somebody_else_by_now_is_never_signalled() {
    if !alone(Own::Processes, "targets::a_pid_that_names_somebody_else_by_now_is_never_signalled") {
        return;
    }
    for _ in 0..SWAPS {
        let first = sleeper();
        let meant = process::identity(first.id().cast_signed()).expect("an identity");
        end(first);
        let mut swapped = swapped_for(meant.pid);
        assert_eq!(process::state(&meant), ProcessState::Gone);
        assert_eq!(process::profile(&meant), Ok(None), "nobody else is looked at in its place");
        assert_eq!(process::send_signal(&meant, Signal::Kill(KillSignal::Kill)), Ok(false));
        assert_eq!(process::group_led_by(&meant), Ok(Vec::new()));
        assert!(swapped.try_wait().expect("a child").is_none(), "somebody else was killed");
        let there = process::identity(meant.pid).expect("an identity");
        assert_ne!(there, meant);
        assert_eq!(process::send_signal(&there, Signal::Kill(KillSignal::Kill)), Ok(true), "this one was meant");
        swapped.wait().expect("reaps");
    }
}

/// A process that got this pid.
fn swapped_for(pid: i32) -> Child {
    for _ in 0..100 {
        #[allow(clippy::disallowed_methods, reason = "the only way to choose a pid")]
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).expect("a namespace of our own");
        let child = sleeper();
        if child.id().cast_signed() == pid {
            return child;
        }
        end(child);
    }
    panic!("the pid {pid} could not be had again");
}

#[test]
fn those_we_come_from_are_protected() {
    let us = process::relatives().expect("a look");
    assert!(!us.ancestors.is_empty());
    for pid in us.ancestors.iter().chain([&us.pid]) {
        // Ancestors of another user cannot always be looked at.
        let Some(profile) = process::identity(*pid).and_then(|process| process::profile(&process).ok().flatten())
        else {
            continue;
        };
        assert!(protected::why(&profile, &us).is_some(), "{profile:?}");
    }
    let child = sleeper();
    let stranger = process::identity(child.id().cast_signed()).expect("an identity");
    let profile = process::profile(&stranger).expect("a look").expect("it lives");
    end(child);
    assert_eq!(protected::why(&profile, &us), None, "{profile:?}");
}

fn experiment() -> Experiment {
    let service = Service {
        name: "demo".into(),
        command: vec!["sleep".into(), "1000".into()],
        ready: None,
        ready_within: Timespan::seconds(5),
        env: Default::default(),
        directory: None,
        restart: false,
    };
    Experiment {
        name: "targets".into(),
        description: None,
        tags: Vec::new(),
        services: vec![service],
        proxies: Vec::new(),
        steady_state: Vec::new(),
        faults: Vec::new(),
        blast_radius: BlastRadius {
            scope: Scope::SingleInstance,
            traffic: Share::ALL,
            max_affected_users: None,
            duration: Timespan::seconds(5),
        },
        stop_conditions: Vec::new(),
        baseline: Timespan::seconds(1),
        recovery: Recovery { within: Timespan::seconds(5), watch: None },
        allow_irreversible: false,
    }
}

#[tokio::test]
async fn a_process_is_looked_at_again_just_before_it_is_hit() {
    let logs = tempfile::tempdir().expect("a folder");
    let nobody = Policy {
        file: "policy.yaml".into(),
        allow_uids: Some(Rule { value: Vec::new(), line: 3 }),
        ..Policy::default()
    };
    for (policies, hit) in [(vec![nobody], false), (Vec::new(), true)] {
        let experiment = experiment();
        let machine = LinuxMachine::new(&experiment, 1, logs.path().to_owned()).under(policies);
        let start = Act::StartService { service: experiment.services[0].clone() };
        let receipt = machine.apply(&start, Receipt::default()).await.expect("starts");
        let service = receipt.process.clone().expect("a process");
        let target = ProcessTarget { by: Selector::Service("demo".into()), children: false };
        let victim = Victim { process: service.clone(), name: "demo".into(), service: Some("demo".into()) };
        let paused =
            machine.apply(&Act::Pause { whom: Victims { target, chosen: vec![victim] } }, Receipt::default()).await;
        assert_eq!(paused.is_ok(), hit, "{paused:?}");
        if let Err(trouble) = paused {
            let told = trouble.to_string();
            assert!(told.contains("must not be hit") && told.contains("policy.yaml:3: `allow_uids`"), "{told}");
            assert_eq!(process::state(&service), ProcessState::Running);
        }
        machine.undo(&Undo::StopService { service: "demo".into() }, &Receipt::default()).await.expect("stops");
    }
}

//! Thousands of seeded runs on the fake machine with everything going wrong: failing and hanging acts, refused, lying and
//! impossible undos, blind read-backs, a failing journal, signals at any moment. Whatever happens, no fault remains
//! unless it is reported.
//!
//! A failing seed replays by `CHAOS_SEED=N cargo test --test simulation`.
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use chaos::analysis::{Run, baseline_problems};
use chaos::host::clock::Clock;
use chaos::host::fake::{Deed, FakeMachine, Trials};
use chaos::host::signals::Cancel;
use chaos::journal::Store;
use chaos::model::event::{Event, EventKind};
use chaos::model::experiment::Experiment;
use chaos::model::phase::Phase;
use chaos::model::units::Timespan;
use chaos::model::verdict::Mode;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HISTORIES: u64 = 1_500;

/// A journal whose disk is full now and then.
struct Flaky {
    dice: ChaCha8Rng,
    fails: f64,
}

impl Store for Flaky {
    fn append(&mut self, _: &str) -> std::io::Result<()> {
        if self.dice.random_bool(self.fails) { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

fn trials(dice: &mut ChaCha8Rng) -> Trials {
    let mut sometimes =
        |chance: f64, most: f64| if dice.random_bool(chance) { dice.random_range(0.0..most) } else { 0.0 };
    Trials {
        act_fails: sometimes(0.4, 0.5),
        act_fails_late: sometimes(0.4, 0.5),
        act_hangs: sometimes(0.2, 0.3),
        undo_refused: sometimes(0.6, 0.8),
        undo_lies: sometimes(0.3, 0.5),
        stuck: sometimes(0.3, 0.5),
        check_unknown: sometimes(0.4, 0.6),
        sample_fails: sometimes(0.2, 0.3),
        sample_fails_when_broken: sometimes(0.7, 1.0),
        sample_fails_afterwards: sometimes(0.2, 1.0),
    }
}

fn random_experiment(dice: &mut ChaCha8Rng) -> Experiment {
    let count = dice.random_range(1..=4);
    let faults = (0..count).map(|place| {
        let start = Timespan::millis(dice.random_range(0..4) * 700);
        let duration = Timespan::millis(dice.random_range(1..6) * 700);
        support::fault(dice.random_range(0..4), &format!("fault {place}"), start, duration)
    });
    let mut experiment = support::experiment(faults.collect());
    if dice.random_bool(0.5) {
        experiment.stop_conditions = vec![support::stop_at_half()];
    }
    experiment
}

struct History {
    events: Vec<Event>,
    machine: FakeMachine,
    mode: Mode,
}

fn history(seed: u64) -> History {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let machine = FakeMachine::new(seed, trials(&mut dice));
    let mode = if dice.random_bool(0.1) { Mode::Observe } else { Mode::Inject };
    let header = support::header(random_experiment(&mut dice), mode);
    let fails = if dice.random_bool(0.2) { 0.2 } else { 0.0 };
    let signals: Vec<u64> = match dice.random_bool(0.5) {
        true => (0..dice.random_range(1..=2)).map(|_| dice.random_range(0..12_000)).collect(),
        false => Vec::new(),
    };
    let store = Box::new(Flaky { dice, fails });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("runs");
    let events = runtime.block_on(async {
        let (handle, cancel) = Cancel::manual();
        tokio::spawn(async move {
            for pause in signals {
                Clock::Tokio.sleep(Duration::from_millis(pause)).await;
                handle.request("SIGINT");
            }
            std::future::pending::<()>().await;
        });
        support::run(header, &machine, store, cancel).await.0
    });
    History { events, machine, mode }
}

fn assert_invariants(seed: u64, history: &History) {
    let History { events, machine, mode } = history;
    let deeds = machine.deeds();
    let residue: Vec<&String> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Residue { what, .. } => Some(what),
            _ => None,
        })
        .collect();
    let leftovers = machine.leftovers();
    assert!(leftovers.len() <= residue.len(), "seed {seed}: left {leftovers:?}, reported only {residue:?}");
    for thing in &leftovers {
        // "toxic NAME on PROXY", "worker NAME", "paused SERVICE": the name must be told.
        let name = thing.split_once(' ').and_then(|(_, rest)| rest.split(" on ").next()).unwrap_or(thing);
        assert!(residue.iter().any(|what| what.contains(name)), "seed {seed}: {thing} is not among {residue:?}");
    }
    for (place, deed) in deeds.iter().enumerate() {
        let Deed::Undid(thing) = deed else { continue };
        assert!(deeds[..place].contains(&Deed::Did(thing.clone())), "seed {seed}: {thing} was undone but never done");
    }
    let rolled_back = events.iter().any(|event| event.kind == EventKind::RolledBack);
    let fault_left = leftovers.iter().any(|thing| !thing.starts_with("service ") && !thing.starts_with("proxy "));
    assert!(!(rolled_back && fault_left), "seed {seed}: claimed to be rolled back with {leftovers:?}");
    assert_phases(seed, events);
    let faulty = |deed: &Deed| matches!(deed, Deed::Did(thing) if !thing.starts_with("service ") && !thing.starts_with("proxy "));
    if *mode == Mode::Observe || !support::phases(events).contains(&Phase::Inject) {
        assert!(!deeds.iter().any(faulty), "seed {seed}: injected though it must not");
    }
}

fn assert_phases(seed: u64, events: &[Event]) {
    let phases = support::phases(events);
    assert!(phases.is_sorted(), "seed {seed}: {phases:?}");
    assert_eq!(phases.last(), Some(&Phase::TearDown), "seed {seed}");
    assert_eq!(phases.contains(&Phase::Inject), phases.contains(&Phase::Rollback), "seed {seed}: {phases:?}");
    assert!(events.is_sorted_by_key(|event| event.at), "seed {seed}: time ran backwards");
    assert_eq!(events.last().map(|event| &event.kind), Some(&EventKind::RunEnded), "seed {seed}");
}

/// No fault is active longer than the blast radius, one tick and the patience of its undo.
fn assert_blast_radius(seed: u64, history: &History) {
    let applied = support::when(&history.events, |kind| matches!(kind, EventKind::FaultApplied { .. }));
    let rollback = support::when(&history.events, |kind| *kind == EventKind::PhaseStarted { phase: Phase::Rollback });
    if let (Some(applied), Some(rollback)) = (applied, rollback) {
        // Applying a further fault may hang for as long as one act may take.
        let most = Duration::from_secs(8 + 60 + 26) + Duration::from_millis(200);
        assert!(rollback.saturating_sub(applied) <= most, "seed {seed}: active for {:?}", rollback - applied);
    }
}

#[test]
fn whatever_happens_no_fault_remains_unless_it_is_reported() {
    let seeds = match std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..HISTORIES,
    };
    for seed in seeds {
        let history = history(seed);
        assert_invariants(seed, &history);
        assert_blast_radius(seed, &history);
        assert_the_baseline_is_read_as_it_was_judged(seed, &history.events);
    }
}

/// The samples that the analysis takes for the baseline give the judgement that the runner made live.
fn assert_the_baseline_is_read_as_it_was_judged(seed: u64, events: &[Event]) {
    let run = Run::fold(events).expect("it has its header");
    let (Some(at), Some(live)) = (run.baseline_judged_at, &run.baseline_problems) else { return };
    let from = run.phase(Phase::Baseline).expect("it was judged").start;
    let again = baseline_problems(run.experiment(), &run.baseline, from, at);
    let steady = live.iter().filter(|problem| !problem.contains("would stop the run"));
    assert!(steady.eq(&again), "seed {seed}: live {live:?}, afterwards {again:?}");
}

#[test]
fn the_simulation_visits_what_it_claims_to() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        for event in &history(seed).events {
            seen.insert(match event.kind {
                EventKind::Residue { .. } => "residue",
                EventKind::StopFired { .. } => "stop",
                EventKind::Interrupted { .. } => "interrupted",
                EventKind::FaultFailed { .. } => "fault failed",
                EventKind::SetUpFailed { .. } => "set-up failed",
                EventKind::FaultSkipped { .. } => "skipped",
                EventKind::RecoveryEnded { recovered: true } => "recovered",
                EventKind::RecoveryEnded { recovered: false } => "not recovered",
                EventKind::BaselineJudged { ref problems } if !problems.is_empty() => "not steady",
                EventKind::Note { .. } => "journal failed during undo",
                _ => "other",
            });
        }
    }
    assert_eq!(seen.len(), 11, "only {seen:?}");
}

#[test]
fn a_seed_repeats_its_history_exactly() {
    for seed in 0..5 {
        assert_eq!(history(seed).events, history(seed).events);
    }
}

//! The order of phases, acts and undos on the fake machine, read like sentences.
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use chaos::analysis::{Run, analyse};
use chaos::host::fake::{Deed, FakeMachine, Trials};
use chaos::host::signals::Cancel;
use chaos::journal::{Entry, MemoryStore, State, Store};
use chaos::model::event::{Event, EventKind, StopCause};
use chaos::model::expectation::{Limit, Must, Operator, StopCondition, Subject};
use chaos::model::fault::{FaultSpec, ProcessTarget, Selector, Target};
use chaos::model::glob::Glob;
use chaos::model::phase::Phase;
use chaos::model::units::Timespan;
use chaos::model::verdict::{Mode, Verdict};
use chaos::runner::Ending;
use support::{experiment, fault, header, phases, run, stop_at_half, undisturbed, when};

const SECOND: Timespan = Timespan::seconds(1);

fn calm() -> FakeMachine {
    FakeMachine::new(1, Trials::default())
}

fn did(thing: &str) -> Deed {
    Deed::Did(thing.into())
}

fn undid(thing: &str) -> Deed {
    Deed::Undid(thing.into())
}

#[tokio::test(start_paused = true)]
async fn a_good_run_walks_all_phases_and_leaves_nothing() {
    let machine = calm();
    let events =
        undisturbed(experiment(vec![fault(0, "errors", Timespan::ZERO, Timespan::seconds(4))]), &machine).await;
    let all = [
        Phase::SetUp,
        Phase::Baseline,
        Phase::Inject,
        Phase::Observe,
        Phase::Rollback,
        Phase::Recovery,
        Phase::TearDown,
    ];
    assert_eq!(phases(&events), all);
    assert!(machine.leftovers().is_empty());
    assert_eq!(events.last().map(|event| &event.kind), Some(&EventKind::RunEnded));
}

#[tokio::test(start_paused = true)]
async fn proxies_come_up_before_services_and_everything_goes_newest_first() {
    let machine = calm();
    undisturbed(experiment(vec![fault(0, "errors", Timespan::ZERO, SECOND)]), &machine).await;
    let expected = [
        did("proxy generator"),
        did("service demo"),
        did("toxic errors on generator"),
        undid("toxic errors on generator"),
        undid("service demo"),
        undid("proxy generator"),
    ];
    assert_eq!(machine.deeds(), expected);
}

#[tokio::test(start_paused = true)]
async fn staggered_faults_begin_and_end_at_their_own_times() {
    let machine = calm();
    let faults = vec![
        fault(0, "first", Timespan::ZERO, Timespan::seconds(2)),
        fault(1, "second", Timespan::seconds(1), Timespan::seconds(4)),
        fault(2, "third", Timespan::seconds(2), Timespan::seconds(1)),
    ];
    let events = undisturbed(experiment(faults), &machine).await;
    let expected = [
        did("toxic first on generator"),
        did("worker second"),
        undid("toxic first on generator"),
        did("paused demo"),
        undid("paused demo"),
        undid("worker second"),
    ];
    assert_eq!(machine.deeds()[2..8], expected);
    let observe = when(&events, |kind| *kind == EventKind::PhaseStarted { phase: Phase::Observe }).expect("observed");
    let rollback =
        when(&events, |kind| *kind == EventKind::PhaseStarted { phase: Phase::Rollback }).expect("rolled back");
    let took = (rollback - observe).as_secs_f64();
    assert!((5.0..5.3).contains(&took), "observed for {took} s");
}

/// A fault of this way on whoever is found like this.
fn found(by: Selector, way: usize, name: &str, start: Timespan) -> FaultSpec {
    let target = Target::Process(ProcessTarget { by, children: false });
    FaultSpec { target, ..fault(way, name, start, Timespan::seconds(2)) }
}

#[tokio::test(start_paused = true)]
async fn two_faults_that_would_hold_the_same_of_one_process_are_refused_before_the_baseline() {
    let other = Selector::Command(Glob::new("fake*"));
    for (start, refused) in [(SECOND, true), (Timespan::seconds(2), false)] {
        let machine = calm();
        let hangs = fault(4, "hangs", Timespan::ZERO, Timespan::seconds(2));
        let events = undisturbed(experiment(vec![hangs, found(other.clone(), 6, "limps", start)]), &machine).await;
        let why = events.iter().find_map(|event| match &event.kind {
            EventKind::SetUpFailed { why } => Some(why.clone()),
            _ => None,
        });
        let named = why.as_ref().is_some_and(|why| why.contains("`hangs` and `limps` would both stop fake (pid"));
        assert_eq!((why.is_some(), named), (refused, refused), "{why:?}");
        assert_eq!(phases(&events).contains(&Phase::Baseline), !refused);
        assert!(machine.leftovers().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn observer_mode_walks_the_same_phases_and_touches_nothing() {
    let machine = calm();
    let faults = vec![fault(0, "errors", Timespan::ZERO, SECOND), fault(1, "load", SECOND, SECOND)];
    let header = header(experiment(faults), Mode::Observe);
    let (events, _) = run(header, &machine, Box::new(MemoryStore::default()), Cancel::never()).await;
    assert_eq!(phases(&events).len(), 7);
    let set_up_only = [did("proxy generator"), did("service demo"), undid("service demo"), undid("proxy generator")];
    assert_eq!(machine.deeds(), set_up_only);
    let skipped = events.iter().filter(|event| matches!(event.kind, EventKind::FaultSkipped { .. }));
    assert_eq!(skipped.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unsteady_baseline_injects_nothing() {
    let machine = FakeMachine::new(1, Trials { sample_fails: 0.5, ..Trials::default() });
    let events = undisturbed(experiment(vec![fault(1, "load", Timespan::ZERO, SECOND)]), &machine).await;
    assert_eq!(phases(&events), [Phase::SetUp, Phase::Baseline, Phase::TearDown]);
    assert!(!machine.deeds().contains(&did("worker load")));
    assert!(machine.leftovers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_system_that_is_back_is_watched_for_as_long_as_the_file_asks() {
    for (watch, least, most) in [(None, 1, 10), (Some(Timespan::seconds(40)), 40, 50)] {
        let mut experiment = experiment(vec![fault(0, "errors", Timespan::ZERO, SECOND)]);
        experiment.recovery.watch = watch;
        let events = undisturbed(experiment, &calm()).await;
        let run = Run::fold(&events).expect("its header");
        let phase = run.phase(Phase::Recovery).expect("it was watched");
        let watched = (phase.end - phase.start).as_secs();
        assert!((least..=most).contains(&watched), "{watched} s where {watch:?} was asked for");
        assert!(run.recovery_ended.is_some_and(|end| end.recovered), "also beyond the objective of 15 s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_condition_ends_the_fault_at_once_and_recovery_is_still_watched() {
    let machine = FakeMachine::new(1, Trials { sample_fails_when_broken: 1.0, ..Trials::default() });
    let mut experiment = experiment(vec![fault(0, "errors", Timespan::ZERO, Timespan::seconds(6))]);
    experiment.stop_conditions = vec![stop_at_half()];
    let events = undisturbed(experiment, &machine).await;
    let fired = when(&events, |kind| matches!(kind, EventKind::StopFired { .. })).expect("fired");
    let rolled_back = when(&events, |kind| *kind == EventKind::RolledBack).expect("rolled back");
    assert!(rolled_back - fired < Duration::from_millis(200), "the undo starts at once");
    assert!(phases(&events).contains(&Phase::Recovery));
    assert!(machine.leftovers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_watched_by_the_clock_is_watched_also_while_samples_keep_coming() {
    let mut experiment = experiment(vec![fault(0, "errors", Timespan::ZERO, Timespan::seconds(6))]);
    let breach = Must::Compare { operator: Operator::AtLeast, limit: Limit::Number(1.0) };
    let text = "affected_users >= 1".into();
    experiment.stop_conditions = vec![StopCondition { text, subject: Subject::AffectedUsers, breach, hold: None }];
    experiment.steady_state[0].interval = Timespan::millis(10);
    let events = undisturbed(experiment, &calm()).await;
    let applied = when(&events, |kind| matches!(kind, EventKind::FaultApplied { .. })).expect("applied");
    let fired = when(&events, |kind| matches!(kind, EventKind::StopFired { .. })).expect("fired");
    assert!(fired - applied <= Duration::from_millis(200), "fired {:?} after the first user", fired - applied);
}

/// An experiment whose one fault hangs while it is applied, although it bites.
async fn hanging(sample_fails_when_broken: f64) -> (FakeMachine, Vec<Event>) {
    let machine = FakeMachine::new(1, Trials { act_hangs: 1.0, sample_fails_when_broken, ..Trials::default() });
    let mut bare = experiment(vec![fault(1, "load", Timespan::ZERO, Timespan::seconds(6))]);
    (bare.services, bare.proxies) = (Vec::new(), Vec::new());
    bare.stop_conditions = vec![stop_at_half()];
    let events = undisturbed(bare, &machine).await;
    (machine, events)
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_bites_while_it_is_still_being_applied_is_stopped_too() {
    let (machine, events) = hanging(1.0).await;
    let inject = when(&events, |kind| *kind == EventKind::PhaseStarted { phase: Phase::Inject }).expect("injected");
    let fired = when(&events, |kind| matches!(kind, EventKind::StopFired { .. })).expect("fired");
    assert!(fired - inject < Duration::from_secs(2), "fired only after {:?}", fired - inject);
    assert!(machine.leftovers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_is_never_complete_ends_with_the_blast_radius_and_is_no_silence_of_the_probes() {
    let (machine, events) = hanging(0.0).await;
    let inject = when(&events, |kind| *kind == EventKind::PhaseStarted { phase: Phase::Inject }).expect("injected");
    let failed = when(&events, |kind| matches!(kind, EventKind::FaultFailed { .. })).expect("given up");
    let took = (failed - inject).as_secs_f64();
    assert!((8.0..8.2).contains(&took), "given up after {took} s");
    assert!(when(&events, |kind| matches!(kind, EventKind::StopFired { .. })).is_none());
    assert!(machine.leftovers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_cannot_be_applied_undoes_the_ones_before_it() {
    let machine = FakeMachine::new(1, Trials { act_fails: 1.0, ..Trials::default() });
    let mut bare = experiment(vec![fault(0, "errors", Timespan::ZERO, SECOND)]);
    (bare.services, bare.proxies) = (Vec::new(), Vec::new());
    let events = undisturbed(bare, &machine).await;
    assert!(when(&events, |kind| matches!(kind, EventKind::FaultFailed { .. })).is_some());
    assert!(phases(&events).contains(&Phase::Rollback));
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_is_refused_for_ever_is_residue_with_its_command_and_stops_no_other_undo() {
    let machine = FakeMachine::new(1, Trials { stuck: 1.0, ..Trials::default() });
    let faults = vec![fault(2, "pause", Timespan::ZERO, SECOND), fault(1, "load", Timespan::ZERO, SECOND)];
    let events = undisturbed(experiment(faults), &machine).await;
    let commands: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Residue { command, .. } => {
                Some(command.clone().map(|command| command.trim_end_matches(char::is_numeric).to_owned()))
            }
            _ => None,
        })
        .collect();
    let expected = [Some("kill -KILL "), Some("kill -CONT "), Some("kill -KILL -- -"), None];
    assert_eq!(commands, expected.map(|command| command.map(str::to_owned)));
    assert!(when(&events, |kind| *kind == EventKind::RolledBack).is_none(), "never claimed");
}

#[tokio::test(start_paused = true)]
async fn every_act_is_in_the_journal_before_it_happens() {
    struct Checking(FakeMachine, MemoryStore);
    impl Store for Checking {
        fn append(&mut self, line: &str) -> std::io::Result<()> {
            let entry: Entry = serde_json::from_str(line).expect("reads back");
            if entry.state == State::Intent {
                let acts = self.0.deeds().iter().filter(|deed| matches!(deed, Deed::Did(_))).count();
                assert_eq!(acts as u64, entry.number - 1, "the act came before its record");
            }
            self.1.append(line)
        }
    }
    let machine = calm();
    let store = Box::new(Checking(machine.clone(), MemoryStore::default()));
    let header = header(experiment(vec![fault(0, "errors", Timespan::ZERO, SECOND)]), Mode::Inject);
    let (_, ending) = run(header, &machine, store, Cancel::never()).await;
    assert_eq!((ending, machine.leftovers().len()), (Ending::Complete, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_nothing_is_touched() {
    struct FullDisk;
    impl Store for FullDisk {
        fn append(&mut self, _: &str) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }
    let machine = calm();
    let header = header(experiment(vec![fault(0, "errors", Timespan::ZERO, SECOND)]), Mode::Inject);
    let (events, _) = run(header, &machine, Box::new(FullDisk), Cancel::never()).await;
    assert_eq!(machine.deeds(), []);
    assert!(when(&events, |kind| matches!(kind, EventKind::SetUpFailed { .. })).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_ours_still_puts_everything_back() {
    struct Exploding(u32);
    impl Store for Exploding {
        fn append(&mut self, _: &str) -> std::io::Result<()> {
            self.0 += 1;
            assert!(self.0 != 6, "a bug of ours");
            Ok(())
        }
    }
    let machine = calm();
    let header = header(experiment(vec![fault(0, "errors", Timespan::ZERO, SECOND)]), Mode::Inject);
    let (events, ending) = run(header, &machine, Box::new(Exploding(0)), Cancel::never()).await;
    assert_eq!(ending, Ending::Panicked("a bug of ours".into()));
    assert_eq!(machine.leftovers(), Vec::<String>::new());
    assert_eq!(events.last().map(|event| &event.kind), Some(&EventKind::RunEnded));
}

#[tokio::test(start_paused = true)]
async fn a_signal_in_any_phase_rolls_back_and_is_told() {
    for after in [10, 500, 3_050, 5_000, 7_100, 8_500] {
        let machine = calm();
        let (handle, cancel) = Cancel::manual();
        tokio::spawn(async move {
            chaos::host::clock::Clock::Tokio.sleep(Duration::from_millis(after)).await;
            handle.request("SIGTERM");
        });
        let faults = vec![fault(1, "load", Timespan::ZERO, Timespan::seconds(4))];
        let header = header(experiment(faults), Mode::Inject);
        let (events, _) = run(header, &machine, Box::new(MemoryStore::default()), cancel).await;
        let interrupted = EventKind::Interrupted { signal: "SIGTERM".into() };
        assert!(when(&events, |kind| *kind == interrupted).is_some(), "after {after} ms");
        assert!(machine.leftovers().is_empty(), "after {after} ms: {:?}", machine.leftovers());
    }
}

#[tokio::test(start_paused = true)]
async fn the_blast_radius_ends_what_takes_longer() {
    let machine = calm();
    let mut experiment = experiment(vec![fault(0, "errors", Timespan::ZERO, Timespan::seconds(60))]);
    experiment.blast_radius.duration = Timespan::seconds(5);
    let events = undisturbed(experiment, &machine).await;
    let applied = when(&events, |kind| matches!(kind, EventKind::FaultApplied { .. })).expect("applied");
    let undone = when(&events, |kind| matches!(kind, EventKind::FaultUndone { .. })).expect("undone");
    assert!(undone - applied < Duration::from_millis(5_200), "active for {:?}", undone - applied);
    assert_eq!(stops(&events), [StopCause::BlastRadius], "what was cut off is told");
}

fn stops(events: &[Event]) -> Vec<StopCause> {
    let cause = |event: &Event| match event.kind {
        EventKind::StopFired { cause, .. } => Some(cause),
        _ => None,
    };
    events.iter().filter_map(cause).collect()
}

fn verdict(events: &[Event]) -> Verdict {
    analyse(&Run::fold(events).expect("its header")).verdict
}

#[tokio::test(start_paused = true)]
async fn the_time_that_applying_takes_is_not_held_against_a_fault() {
    let mut experiment = experiment(vec![fault(0, "errors", Timespan::ZERO, Timespan::seconds(5))]);
    experiment.blast_radius.duration = Timespan::seconds(5);
    assert_eq!(stops(&undisturbed(experiment, &calm()).await), []);
}

/// A run whose targets are lost after so long.
async fn losing_targets(way: usize, after: Duration) -> Vec<Event> {
    let machine = calm();
    let lost = machine.clone();
    tokio::spawn(async move {
        chaos::host::clock::Clock::Tokio.sleep(after).await;
        lost.lose_targets();
    });
    let events = undisturbed(experiment(vec![fault(way, "a", Timespan::ZERO, Timespan::seconds(6))]), &machine).await;
    assert!(machine.leftovers().is_empty());
    events
}

#[tokio::test(start_paused = true)]
async fn a_target_that_ends_although_the_fault_was_not_to_end_it_is_a_stop() {
    for way in [0, 2] {
        let events = losing_targets(way, Duration::from_secs(5)).await;
        assert_eq!((stops(&events), verdict(&events)), (vec![StopCause::TargetGone], Verdict::Stopped));
        let fired = when(&events, |kind| matches!(kind, EventKind::StopFired { .. })).expect("fired");
        let undone = when(&events, |kind| *kind == EventKind::RolledBack).expect("rolled back");
        // Whoever starts it again had 200 ms to do so.
        assert!(fired <= Duration::from_millis(5_400) && undone - fired < Duration::from_millis(200), "{fired:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_target_that_was_to_be_killed_is_none_nor_is_one_after_the_fault() {
    assert_eq!(stops(&losing_targets(3, Duration::from_secs(5)).await), []);
    assert_eq!(stops(&losing_targets(2, Duration::from_millis(9_500)).await), []);
}

#[tokio::test(start_paused = true)]
async fn a_lost_guardian_is_a_stop_in_every_phase_and_rolls_back() {
    for after in [500, 5_000, 9_800] {
        let machine = calm();
        let (handle, cancel) = Cancel::manual();
        tokio::spawn(async move {
            chaos::host::clock::Clock::Tokio.sleep(Duration::from_millis(after)).await;
            handle.lose_guardian();
            std::future::pending::<()>().await;
        });
        let header = header(experiment(vec![fault(1, "load", Timespan::ZERO, Timespan::seconds(6))]), Mode::Inject);
        let (events, _) = run(header, &machine, Box::new(MemoryStore::default()), cancel).await;
        assert_eq!((stops(&events), verdict(&events)), (vec![StopCause::GuardianLost], Verdict::Stopped), "{after}");
        assert!(machine.leftovers().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_condition_is_heard_while_another_fault_is_being_undone() {
    let machine = FakeMachine::new(1, Trials { undo_refused: 1.0, sample_fails_when_broken: 1.0, ..Trials::default() });
    let faults = vec![
        fault(1, "short", Timespan::ZERO, Timespan::millis(100)),
        fault(0, "long", Timespan::ZERO, Timespan::seconds(8)),
    ];
    let mut experiment = experiment(faults);
    experiment.stop_conditions = vec![stop_at_half()];
    let events = undisturbed(experiment, &machine).await;
    let injected = when(&events, |kind| *kind == EventKind::PhaseStarted { phase: Phase::Inject }).expect("injected");
    let fired = when(&events, |kind| matches!(kind, EventKind::StopFired { .. })).expect("fired");
    assert!(fired - injected < Duration::from_secs(2), "only after {:?}", fired - injected);
}

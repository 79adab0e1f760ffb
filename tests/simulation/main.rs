//! Ten thousand seeded histories of a tool, its guardian and its rollbacks on a machine made of memory, with everything
//! going wrong: each of them dies at any step, before, in the middle of or after a write or an act; the tool is stopped
//! and goes on, beats late, hangs; acts fail or hang, undos and signals are refused, lie or have no effect, looks fail;
//! files cannot be written; pids are taken by others, the machine starts anew, a part of the journal is lost. Whatever
//! happens, no fault remains unless it is reported, and nobody else's process is touched.
//!
//! A failing seed replays by `CHAOS_SEED=N cargo test --test simulation`.
#![allow(missing_docs)]

mod bad;
mod fate;
mod history;
mod invariants;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use bad::Bad;
use history::{History, history};

const HISTORIES: u64 = 10_000;
/// So many of them catch every known mistake: a twentieth.
const SOON: u64 = 500;
/// The analysis of a whole run takes longer than the run itself does here: only every so many histories are analysed.
const ANALYSED: u64 = 20;

/// Walks through all seeds on two threads; the first seed that is found wrong ends it.
fn each_of(seeds: std::ops::Range<u64>, look: impl Fn(u64, &History) + Sync) {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < seeds.end) {
            let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(seed, &history(seed, None))));
            if let Err(panic) = failed {
                next.store(seeds.end, Ordering::Relaxed);
                chaos::host::output::stderr(&format!("\nto replay: CHAOS_SEED={seed} cargo test --test simulation\n"));
                std::panic::resume_unwind(panic);
            }
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work();
        if let Err(panic) = other.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn seeds(most: u64) -> std::ops::Range<u64> {
    match std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..most,
    }
}

#[test]
fn whatever_happens_no_fault_remains_unless_it_is_reported_and_nobody_else_is_touched() {
    each_of(seeds(HISTORIES), |seed, history| {
        let wrong = invariants::broken(history);
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}\nits fate: {:?}", history.fate);
    });
}

#[test]
fn held_is_never_said_with_missing_data() {
    each_of(seeds(HISTORIES / ANALYSED), |seed, history| {
        // However far it came: a stream that breaks off is read, too.
        for end in [history.events.len(), history.events.len() * 9 / 10] {
            let wrong = invariants::held_without_evidence(&history.events[..end]);
            assert_eq!(wrong, None, "seed {seed}, {end} of {} events", history.events.len());
        }
    });
}

#[test]
fn every_known_mistake_is_caught_soon() {
    let mistakes = [
        Bad::RecordsAfterTheAct,
        Bad::SkipsTheNewest,
        Bad::BelievesItsSignals,
        Bad::TrustsPids,
        Bad::OverwritesOthers,
        Bad::IgnoresTheBoot,
        Bad::IgnoresALostPart,
        Bad::IgnoresExitCodes,
        Bad::IgnoresWriteErrors,
        Bad::DeafGuardian,
        Bad::NobodyRecovers,
    ];
    for mistake in mistakes {
        let caught = (0..SOON).find(|seed| !invariants::broken(&history(*seed, Some(mistake))).is_empty());
        assert!(caught.is_some(), "{mistake:?} was not caught within {SOON} histories");
    }
}

#[test]
fn the_simulation_visits_what_it_claims_to() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let history = history(seed, None);
        seen.extend(history.seen.iter().map(ToString::to_string));
        seen.extend(history.alarm.iter().map(|(alarm, ..)| format!("{alarm:?}")));
        seen.extend(history.events.iter().map(|event| told(&event.kind).to_owned()));
    }
    let expected = [
        "a lost part was told",
        "a part of the journal was lost",
        "a recovery died",
        "no journal, no run",
        "residue told by a recovery",
        "the guardian acted",
        "the machine started anew",
        "the tool was killed",
        "two recoveries at once",
        "undone",
        "Dead",
        "Hangs",
        "Overdue",
        "residue",
        "stop",
        "interrupted",
        "fault failed",
        "set-up failed",
        "skipped",
        "recovered",
        "not recovered",
        "not steady",
        "a note",
    ];
    let missing: Vec<&str> = expected.into_iter().filter(|one| !seen.contains(*one)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}

fn told(kind: &chaos::model::event::EventKind) -> &'static str {
    use chaos::model::event::EventKind;
    match kind {
        EventKind::Residue { .. } => "residue",
        EventKind::StopFired { .. } => "stop",
        EventKind::Interrupted { .. } => "interrupted",
        EventKind::FaultFailed { .. } => "fault failed",
        EventKind::SetUpFailed { .. } => "set-up failed",
        EventKind::FaultSkipped { .. } => "skipped",
        EventKind::RecoveryEnded { recovered: true } => "recovered",
        EventKind::RecoveryEnded { recovered: false } => "not recovered",
        EventKind::BaselineJudged { problems } if !problems.is_empty() => "not steady",
        EventKind::Note { .. } => "a note",
        _ => "anything else",
    }
}

#[test]
fn a_seed_repeats_its_history_exactly() {
    for seed in 0..100 {
        let (one, other) = (history(seed, None), history(seed, None));
        assert_eq!(one.events, other.events, "seed {seed}");
        assert_eq!(one.machine.deeds(), other.machine.deeds(), "seed {seed}");
        assert_eq!((one.alarm, one.seen), (other.alarm, other.seen), "seed {seed}");
    }
}

/// However little of a journal is left, replaying it harms nobody, and doing it again changes nothing.
#[test]
fn replay_from_any_prefix_of_the_journal_is_safe() {
    for seed in 0..300 {
        let mut history = history::abandoned(seed);
        for (path, share) in [(history::PERSISTENT, seed % 7), (history::VOLATILE, seed % 11)] {
            let length = history.machine.file(path.as_ref()).map_or(0, |bytes| bytes.len());
            history.machine.spoil_file(path.as_ref(), Some(length * usize::try_from(share).expect("small") / 7));
        }
        history.machine.reuse_pids(false);
        let once = history.recover_undisturbed();
        let files = [history::PERSISTENT, history::VOLATILE].map(|path| history.machine.file(path.as_ref()));
        let again = history.recover_undisturbed();
        let unknown = again.is_none();
        assert_eq!(once.is_none(), unknown, "seed {seed}: what cannot be known does not come to be known");
        assert!(
            unknown
                || files == [history::PERSISTENT, history::VOLATILE].map(|path| history.machine.file(path.as_ref()))
        );
        assert_eq!(history.machine.harm(), Vec::<String>::new(), "seed {seed}");
        assert!(
            history.wrong.iter().all(|wrong| wrong.contains("called it clean")),
            "seed {seed}: {:?}",
            history.wrong
        );
    }
}

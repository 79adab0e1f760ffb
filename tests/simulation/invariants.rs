//! What must hold in every history.

use std::collections::BTreeMap;
use std::time::Duration;

use chaos::analysis::{Run, analyse, baseline_problems};
use chaos::host::fake::Deed;
use chaos::journal::apart::Mark;
use chaos::journal::guardian::{BEAT, LEASE, SECOND_CHANCE};
use chaos::journal::recover::Recovered;
use chaos::journal::{Entry, Header, State};
use chaos::model::event::{Event, EventKind};
use chaos::model::phase::Phase;
use chaos::model::sample::Sample;
use chaos::model::verdict::{Mode, Verdict};

use crate::fate::Standstill;
use crate::history::History;
use crate::support::{phases, when};

/// What is not legal in a file of a journal: a finished line without sense, or a forbidden transition.
pub fn illegal(bytes: &[u8]) -> Option<String> {
    let finished = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut states: BTreeMap<u64, State> = BTreeMap::new();
    for (place, line) in bytes[..finished].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty())
    {
        let known = match place {
            0 => serde_json::from_slice::<Header>(line).is_ok(),
            _ => serde_json::from_slice::<Mark>(line).is_ok(),
        };
        if known {
            continue;
        }
        let Ok(entry) = serde_json::from_slice::<Entry>(line) else {
            return Some(format!("line {} makes no sense: {}", place + 1, String::from_utf8_lossy(line)));
        };
        let before = states.insert(entry.number, entry.state);
        let legal = before.map_or(entry.state == State::Intent, |before| before.may_become(entry.state));
        if !legal {
            return Some(format!("step {} goes from {before:?} to {:?}", entry.number, entry.state));
        }
    }
    None
}

/// What is wrong with a history; empty when nothing is.
pub fn broken(history: &History) -> Vec<String> {
    let mut wrong = history.wrong.clone();
    wrong.extend(undone_but_not_done(history));
    wrong.extend(injected_too_long(history));
    if history.ending.is_some() {
        wrong.extend(untold(history));
        wrong.extend(phases_out_of_order(&history.events));
        wrong.extend(undo_that_waits(history));
        wrong.extend(baseline_read_otherwise(&history.events));
    }
    wrong.extend(injected_against_orders(history));
    wrong
}

/// Nothing is undone that we did not do.
fn undone_but_not_done(history: &History) -> Vec<String> {
    let deeds = history.machine.deeds();
    let undone = deeds.iter().enumerate().filter_map(|(place, deed)| match deed {
        Deed::Undid(thing) if !deeds[..place].contains(&Deed::Did(thing.clone())) => Some(thing),
        _ => None,
    });
    undone.map(|thing| format!("{thing} was undone but never done")).collect()
}

/// No fault is in place longer than the blast radius and the lease before its undo begins.
fn injected_too_long(history: &History) -> Vec<String> {
    let fate = &history.fate;
    // Nobody is there to act (a guardian that died, or dies at its work, beside a tool that hangs), or the guardian cannot
    // and says so, or the tool hangs and beats: then its longest time is the limit, which is tested by itself.
    let nobody = history.ending.is_none() && history.alarm.is_none();
    let refused = matches!(history.alarm, Some((.., Some(Ok(Recovered::Refused(_)) | Err(_)))));
    let guardian_dead = fate.guardian_killed.is_some() || fate.guardian_dies.is_some();
    let alone = guardian_dead && !fate.standstills.is_empty();
    if nobody || alone || refused || fate.standstills.iter().any(|still| still.beats) {
        return Vec::new();
    }
    let lease = LEASE + SECOND_CHANCE + BEAT + Duration::from_millis(fate.late_beats);
    let still = |still: &Standstill| lease.min(Duration::from_millis(still.lasts));
    let most = fate.experiment.blast_radius.duration.0
        + fate.standstills.iter().map(still).sum::<Duration>()
        + Duration::from_millis(300);
    let longer = history.injected.iter().filter(|(_, time)| *time > most);
    longer.map(|(fault, time)| format!("{fault} was in place for {time:?}, at most {most:?} allowed")).collect()
}

/// What is left when the tool came to its end was told by it. (What only lived inside it is gone by now.)
fn untold(history: &History) -> Vec<String> {
    let residue: Vec<&String> = history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Residue { what, .. } => Some(what),
            _ => None,
        })
        .collect();
    let rolled_back = history.events.iter().any(|event| event.kind == EventKind::RolledBack);
    let mut wrong = Vec::new();
    for thing in &history.left_by_tool {
        // "toxic NAME on PROXY", "worker NAME", "paused SERVICE": the name must be told.
        let name = thing.split_once(' ').and_then(|(_, rest)| rest.split(" on ").next()).unwrap_or(thing);
        if !residue.iter().any(|what| what.contains(name)) {
            wrong.push(format!("{thing} is left and is not among {residue:?}"));
        }
        if rolled_back && is_fault(thing) {
            wrong.push(format!("claimed to be rolled back with {thing}"));
        }
    }
    wrong
}

fn phases_out_of_order(events: &[Event]) -> Vec<String> {
    let phases = phases(events);
    let so = [
        (phases.is_sorted(), "the phases are out of order"),
        (phases.last() == Some(&Phase::TearDown), "it does not end with the tear-down"),
        (phases.contains(&Phase::Inject) == phases.contains(&Phase::Rollback), "injected without a rollback"),
        (events.is_sorted_by_key(|event| event.at), "time ran backwards"),
        (events.last().map(|event| &event.kind) == Some(&EventKind::RunEnded), "it does not say that it ended"),
    ];
    so.iter().filter(|(so, _)| !so).map(|(_, what)| format!("{what}: {phases:?}")).collect()
}

/// A decision to stop begins the undo in the same tick.
fn undo_that_waits(history: &History) -> Option<String> {
    let fired = when(&history.events, |kind| matches!(kind, EventKind::StopFired { .. }))?;
    let rollback = when(&history.events, |kind| *kind == EventKind::PhaseStarted { phase: Phase::Rollback })?;
    let waits = rollback > fired && history.fate.standstills.is_empty();
    waits.then(|| format!("stopped at {fired:?}, rolled back from {rollback:?} on"))
}

/// The samples that the analysis takes for the baseline give the judgement that the runner made live.
fn baseline_read_otherwise(events: &[Event]) -> Option<String> {
    let run = Run::fold(events)?;
    let (at, live) = (run.baseline_judged_at?, run.baseline_problems.as_ref()?);
    let from = run.phase(Phase::Baseline)?.start;
    let known: Vec<Sample> = run.baseline().cloned().collect();
    let again = baseline_problems(run.experiment(), &known, from, at);
    let steady = live.iter().filter(|problem| !problem.contains("would stop the run"));
    (!steady.eq(&again)).then(|| format!("live {live:?}, afterwards {again:?}"))
}

fn injected_against_orders(history: &History) -> Option<String> {
    let injects = history.fate.mode == Mode::Inject && phases(&history.events).contains(&Phase::Inject);
    let fault = |deed: &Deed| matches!(deed, Deed::Did(thing) if is_fault(thing));
    (!injects && history.machine.deeds().iter().any(fault)).then(|| "injected though it must not".to_owned())
}

/// `held` is never said with missing data: not of a run that broke off, nor of one in which something went wrong.
pub fn held_without_evidence(events: &[Event]) -> Option<String> {
    let run = Run::fold(events)?;
    if analyse(&run).verdict != Verdict::Held {
        return None;
    }
    let (from, to) = (run.first_applied(), run.verified_undo());
    let watched = |from, to| run.samples.iter().any(|sample| (from..to).contains(&sample.intended()));
    let so = [
        (run.ended, "the run did not end"),
        (run.residue.is_empty() && run.stop.is_none() && run.interrupted.is_none(), "something ended it early"),
        (run.observes_only() || from.zip(to).is_some_and(|(from, to)| watched(from, to)), "nobody watched the fault"),
        (run.faults.iter().all(|fault| run.observes_only() || fault.dose.is_some()), "a dose is not known"),
    ];
    so.iter().find(|(so, _)| !so).map(|(_, what)| format!("held, but {what}"))
}

fn is_fault(thing: &str) -> bool {
    !thing.starts_with("service ") && !thing.starts_with("proxy ")
}

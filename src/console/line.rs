//! An event as a line for people; none for what is only of interest to the report.

use std::time::Duration;

use super::board::Board;
use super::frame::clock;
use super::gauge::Reading;
use crate::diagnostic::clean::clean;
use crate::model::dose::Dose;
use crate::model::event::EventKind;
use crate::model::experiment::Experiment;
use crate::model::phase::Phase;
use crate::model::units::Timespan;

/// A line says how so many probes stand.
const PROBES: usize = 4;

/// The line of an event. Text that comes from outside is made harmless for a terminal.
pub(super) fn of(event: &EventKind, experiment: Option<&Experiment>) -> Option<String> {
    let fault = |place: &usize| {
        let fault = experiment.and_then(|experiment| experiment.faults.get(*place));
        fault.map_or_else(|| "the fault".to_owned(), |fault| format!("\"{}\"", fault.name))
    };
    let line = match event {
        EventKind::RunStarted(header) => format!("{} (run {})", header.experiment.name, header.run),
        EventKind::PhaseStarted { phase } => begins(*phase, experiment?)?,
        EventKind::ServiceReady { service, pid, .. } => format!("service {service} is ready (pid {pid})"),
        EventKind::ProxyListening { proxy, address } => format!("proxy {proxy} listens on {address}"),
        EventKind::SetUpFailed { why } => format!("set-up failed: {why}"),
        EventKind::BaselineJudged { problems } if problems.is_empty() => "the baseline is steady".to_owned(),
        EventKind::BaselineJudged { problems } => {
            format!("the baseline is not steady, nothing is injected: {}", problems.join("; "))
        }
        EventKind::FaultApplied { fault: place } => format!("{} is active", fault(place)),
        EventKind::FaultFailed { fault: place, why } => format!("{} could not be applied: {why}", fault(place)),
        EventKind::FaultSkipped { fault: place } => format!("observer mode: {} is not applied", fault(place)),
        EventKind::FaultUndone { fault: place } => format!("{} is undone and read back", fault(place)),
        EventKind::DoseRead { fault: place, dose } => format!("{}: {}", fault(place), told(dose)),
        EventKind::Residue { what, why, command, .. } => {
            let command = command.as_ref().map(|command| format!("; run by hand: {command}")).unwrap_or_default();
            format!("RESIDUE: {what}: {why}{command}")
        }
        EventKind::StopFired { condition, measured, .. } => format!("STOP: {condition}: {measured}"),
        EventKind::Interrupted { signal } => format!("{signal}: rolling back (once more to hurry)"),
        EventKind::RecoveryEnded { recovered: true } => "the steady state is back".to_owned(),
        EventKind::RecoveryEnded { recovered: false } => "the steady state is not back in time".to_owned(),
        EventKind::Note { text } => text.clone(),
        EventKind::Sample(_)
        | EventKind::StepApplied { .. }
        | EventKind::StepUndone { .. }
        | EventKind::RolledBack
        | EventKind::AffectedUsers { .. }
        | EventKind::Traffic { .. }
        | EventKind::RunEnded => return None,
    };
    Some(clean(&line))
}

fn begins(phase: Phase, experiment: &Experiment) -> Option<String> {
    Some(match phase {
        Phase::Baseline => format!("baseline: measuring the steady state for {}", experiment.baseline),
        Phase::Observe => format!("observe: watching for {}", Timespan(length(phase, experiment)?)),
        Phase::Recovery => format!("recovery: awaiting the steady state, at most {}", experiment.recovery.within),
        _ => return None,
    })
}

fn told(dose: &Dose) -> String {
    let parts =
        dose.parts.iter().map(|part| format!("{}: asked {}, measured {}", part.what, part.asked, part.measured));
    let parts = parts.collect::<Vec<_>>().join("; ");
    match &dose.ineffective {
        None => parts,
        Some(why) => format!("NOT EFFECTIVE: {why}"),
    }
}

/// How a phase stands, in one line: probes that fail first, and no more than a few.
pub(super) fn standing(board: &Board, at: Duration) -> Option<String> {
    let (phase, lasted, length) = board.progress(at)?;
    let of = length.map(|length| format!(" of {}", Timespan(length))).unwrap_or_default();
    let probes = board.header.experiment.steady_state.iter().zip(&board.gauges);
    let mut told: Vec<(bool, String)> = probes
        .map(|(probe, gauge)| {
            let Reading { rate, errors, is_failing, p50, p95 } = gauge.reading(at);
            (!is_failing, format!("{} {rate}, {errors} errors, p50 {p50}, p95 {p95}", probe.name))
        })
        .collect();
    told.sort_by_key(|(fine, _)| *fine);
    let hidden = told.len().saturating_sub(PROBES);
    let mut parts: Vec<String> = told.into_iter().take(PROBES).map(|(_, words)| words).collect();
    if hidden > 0 {
        parts.push(format!("{hidden} probes more"));
    }
    let near = board.stop.as_ref().map(|stop| stop.nearness(board.users)).unwrap_or_default();
    let nearest = near.into_iter().filter(|near| near.share > 0.0).max_by(|a, b| a.share.total_cmp(&b.share));
    parts.extend(
        nearest.and_then(|near| Some(format!("nearest stop: {} {} of {}", near.subject, near.measured?, near.limit))),
    );
    Some(clean(&format!("{phase}: {}{of}: {}", clock(lasted), parts.join("; "))))
}

/// How long a phase lasts, where that is known beforehand.
pub(super) fn length(phase: Phase, experiment: &Experiment) -> Option<Duration> {
    match phase {
        Phase::Baseline => Some(experiment.baseline.0),
        Phase::Observe if !experiment.faults.is_empty() => Some(experiment.fault_window().0),
        Phase::Recovery => Some(experiment.recovery.within.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::model::event::EventKind;

    #[test]
    fn hostile_text_cannot_steer_the_terminal() {
        let line = of(&EventKind::Note { text: "a\u{1b}[2Jb\nc".into() }, None).expect("a line");
        assert_eq!(line, "a\\u{1b}[2Jb c");
    }

    #[test]
    fn residue_names_the_command_to_run_by_hand() {
        let event = EventKind::Residue {
            step: 1,
            what: "pause service demo".into(),
            why: "refused".into(),
            command: Some("kill -CONT 7".into()),
            help: String::new(),
        };
        assert_eq!(
            of(&event, None).expect("a line"),
            "RESIDUE: pause service demo: refused; run by hand: kill -CONT 7"
        );
    }
}

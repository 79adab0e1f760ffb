//! Rules about what this run was worth.

use super::super::analyse::Seen;
use super::super::findings::{DoseFindings, DoseStatus, Level, Standing};
use super::super::impact::subject;
use super::{Case, Found, advice};
use crate::model::sample::Outcome;
use crate::model::units::Share;
use crate::model::verdict::Verdict;

/// A run that would have shown this much shows a tolerance when it shows nothing.
const SENSITIVE: f64 = 0.1;

/// R23: the dose is verified, every expectation held, nothing got worse, and a tenth worse would have shown.
pub(super) fn r23_tolerance_confirmed(case: &Case<'_>) -> Option<Found> {
    let analysis = case.analysis;
    let bitten = !analysis.doses.is_empty() && analysis.doses.iter().all(|dose| dose.status == DoseStatus::Effective);
    let visible = analysis.impact.smallest_visible.filter(|visible| *visible <= SENSITIVE)?;
    if analysis.verdict != Verdict::Held || !bitten || analysis.impact.level != Level::None {
        return None;
    }
    let doses: Vec<String> = analysis.doses.iter().map(words).collect();
    let visible = Share((visible * 1e3).round() / 1e3);
    advice(
        "Tolerance confirmed up to this dose",
        format!("{}; nothing got worse, and {visible} worse would have shown", doses.join("; ")),
        "Raise the dose, or widen the blast radius, until something gives: that is the number worth knowing.",
    )
}

/// R24: a fault did not do what it was asked to.
pub(super) fn r24_not_effective(case: &Case<'_>) -> Option<Found> {
    let failed = case.analysis.doses.iter().filter(|dose| {
        matches!(dose.status, DoseStatus::Ineffective | DoseStatus::Failed)
            || (dose.status == DoseStatus::NotMeasured && case.analysis.verdict == Verdict::Invalid)
    });
    let evidence: Vec<String> = failed
        .map(|dose| format!("{} on {}: {}", dose.fault, dose.target, dose.why.as_deref().unwrap_or("no dose measured")))
        .collect();
    if evidence.is_empty() {
        return None;
    }
    advice(
        "The fault was not effective: this run says nothing",
        evidence.join("; "),
        "Check the target: is it really in the path (does the client connect through the proxy), does traffic pass \
         during the fault, do old connections bypass it?",
    )
}

/// R25: what limits the measurement.
pub(super) fn r25_limited(case: &Case<'_>) -> Option<Found> {
    if case.run.baseline_problems.is_none() || case.run.interrupted.is_some() {
        return None;
    }
    let limits: Vec<String> = case
        .seen
        .iter()
        .flat_map(|seen| [restless(case, seen), drift(seen), saturated(seen), blind(case, seen)])
        .flatten()
        .collect();
    let stop = case.run.stop.as_ref().map(|stop| format!("stopped early by `{}`", stop.condition));
    let what_to_do = match (limits.is_empty(), &stop) {
        (true, None) => return None,
        (true, Some(_)) => {
            "The fault was cut short, so its numbers may be too low. Mend the cause, or lower the dose, and run it again."
        }
        (false, _) => {
            "Measure for longer (baseline and fault) or at a higher rate, give this tool a machine or cores of its own, \
             and compare runs at equal load only."
        }
    };
    let evidence: Vec<String> = limits.into_iter().chain(stop).collect();
    advice("The measurement is limited", evidence.join("; "), what_to_do)
}

/// The baseline against itself, in the metrics of the hypothesis.
fn restless(case: &Case<'_>, seen: &Seen<'_>) -> Option<String> {
    let rows = &case.analysis.probes.get(seen.place)?.expectations;
    let moved = rows.iter().find(|row| row.compared.as_ref().is_some_and(|compared| compared.baseline_moved))?;
    let shift = moved.compared.as_ref()?.baseline_shift?;
    let shift = Share((shift * 1e3).round() / 1e3);
    let (name, metric) = (&seen.probe.name, subject(&moved.expected));
    Some(format!("{name}: the baseline moved by itself, the {metric} of its second half by {shift}"))
}

/// The offered rate must be the same before and during.
fn drift(seen: &Seen<'_>) -> Option<String> {
    let [before, during] = seen.rates;
    seen.drifted().then(|| format!("{}: the rate drifted from {before:.1}/s to {during:.1}/s", seen.probe.name))
}

/// Samples that this tool could not send.
fn saturated(seen: &Seen<'_>) -> Option<String> {
    let tallies = [&seen.baseline, &seen.fault, &seen.after];
    let missed: usize = tallies.iter().map(|tally| tally.count_of(Outcome::Saturated)).sum();
    let total: usize = tallies.iter().map(|tally| tally.total).sum();
    (missed * 100 >= total && missed > 0)
        .then(|| format!("{}: {missed} of {total} samples could not be sent in time", seen.probe.name))
}

/// Expectations that the samples of the fault do not decide.
fn blind(case: &Case<'_>, seen: &Seen<'_>) -> Option<String> {
    let rows = &case.analysis.probes.get(seen.place)?.expectations;
    let undecided = rows.iter().find(|row| row.result == Standing::Inconclusive)?;
    let why = undecided.fault.why.as_deref().unwrap_or("too few samples");
    Some(format!("{}: {} could not be judged: {why}", seen.probe.name, undecided.expected))
}

fn words(dose: &DoseFindings) -> String {
    match dose.parts.first() {
        Some(part) => format!("{}: {} {}", dose.fault, part.what, part.measured),
        None => dose.fault.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised};
    use crate::model::sample::Outcome;

    #[test]
    fn a_healthy_run_is_told_how_far_its_tolerance_goes_and_nothing_else() {
        let run = Story::slow_generator().often().dose("added delay", 0.4).tell();
        assert_eq!(advised(&run), ["R23"]);
        assert!(advised(&Story::slow_generator().tell()).is_empty(), "too few samples confirm nothing");
        assert!(advice_of(&run, "R23").evidence.contains("slow generator: added delay 400ms"));
    }

    #[test]
    fn a_run_that_moved_a_metric_confirms_no_tolerance() {
        let run = Story::slow_generator().fault(|_| (100.0, Outcome::Ok)).tell();
        assert!(!advised(&run).contains(&"R23".to_owned()));
    }

    #[test]
    fn an_ineffective_fault_is_explained() {
        let run = Story::slow_generator().ineffective("no connection passed").tell();
        assert_eq!(advised(&run), ["R24"]);
        assert!(advice_of(&run, "R24").evidence.contains("no connection passed"));
    }

    #[test]
    fn a_baseline_that_moves_by_itself_limits_the_measurement() {
        let moving = |i: usize| (if i < 275 { 10.0 } else { 20.0 }, Outcome::Ok);
        let run = Story::slow_generator().baseline(moving).tell();
        assert!(advice_of(&run, "R25").evidence.contains("the p95 of its second half by 100%"));
    }

    #[test]
    fn a_generator_that_falls_behind_limits_the_measurement() {
        let behind = |i: usize| (2.0, if i.is_multiple_of(20) { Outcome::Saturated } else { Outcome::Ok });
        let run = Story::slow_generator().fault(behind).tell();
        assert!(advice_of(&run, "R25").evidence.contains("could not be sent in time"));
    }

    #[test]
    fn an_early_stop_limits_the_measurement() {
        let run = Story::slow_generator().stopped_by("ask.p99 > 2s", 14.0).tell();
        assert!(advice_of(&run, "R25").evidence.contains("stopped early by `ask.p99 > 2s`"));
    }
}

//! Rules about what this run was worth.

use super::super::analyse::Seen;
use super::super::estimate::Tally;
use super::super::findings::{Advice, DoseFindings, DoseStatus, Level, Standing};
use super::super::window::{self, Window, samples_in};
use super::{Case, advice, time};
use crate::model::sample::Outcome;
use crate::model::units::Share;
use crate::model::verdict::Verdict;

/// Rates that differ by more than this are not the same load.
const DRIFT: f64 = 0.1;
/// Differences of latency below this are the scheduler's.
const NOISE_SECONDS: f64 = 1e-3;

/// R23: the dose is verified, every expectation held, and nothing got worse by a tenth.
pub(super) fn r23_tolerance_confirmed(case: &Case<'_>) -> Option<Advice> {
    let analysis = case.analysis;
    let bitten = !analysis.doses.is_empty() && analysis.doses.iter().all(|dose| dose.status == DoseStatus::Effective);
    let unmoved = matches!(analysis.impact.level, Level::None | Level::Low);
    if analysis.verdict != Verdict::Held || !bitten || !unmoved {
        return None;
    }
    let doses: Vec<String> = analysis.doses.iter().map(words).collect();
    let worst = Share((analysis.impact.degradation.unwrap_or_default().max(0.0) * 1e3).round() / 1e3);
    advice(
        "R23",
        "Tolerance confirmed up to this dose",
        format!("{}; the worst metric got {worst} worse", doses.join("; ")),
        "Raise the dose, or widen the blast radius, until something gives: that is the number worth knowing.",
    )
}

/// R24: a fault did not do what it was asked to.
pub(super) fn r24_not_effective(case: &Case<'_>) -> Option<Advice> {
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
        "R24",
        "The fault was not effective: this run says nothing",
        evidence.join("; "),
        "Check the target: is it really in the path (does the client connect through the proxy), does traffic pass \
         during the fault, do old connections bypass it?",
    )
}

/// R25: what limits the measurement.
pub(super) fn r25_limited(case: &Case<'_>) -> Option<Advice> {
    if case.run.baseline_problems.is_none() || case.run.interrupted.is_some() {
        return None;
    }
    let limits: Vec<String> = case
        .seen
        .iter()
        .flat_map(|seen| [restless(case, seen), drift(case, seen), saturated(seen), blind(case, seen)])
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
    advice("R25", "The measurement is limited", evidence.join("; "), what_to_do)
}

/// The baseline against itself: the medians of its halves must agree.
fn restless(case: &Case<'_>, seen: &Seen<'_>) -> Option<String> {
    let whole = window::baseline(case.run)?.settled();
    let middle = whole.from + whole.length() / 2;
    let halves = [Window::new(whole.from, middle), Window::new(middle, whole.to)];
    let [first, second] = halves.map(|half| Tally::of(seen.probe, samples_in(&case.run.baseline, seen.place, &[half])));
    if seen.probe.kind.has_value() || first.evidence() < 50 || second.evidence() < 50 {
        return None;
    }
    // Until there are batch intervals: the middle halves of the samples must not even touch.
    let spread =
        |tally: &Tally| Some((tally.latency(0.25)?.number, tally.latency(0.5)?.number, tally.latency(0.75)?.number));
    let (a, b) = (spread(&first)?, spread(&second)?);
    let apart = a.2 < b.0 || b.2 < a.0;
    let shift = (b.1 - a.1).abs();
    (apart && shift >= DRIFT * a.1 && shift >= NOISE_SECONDS).then(|| {
        format!("{}: the baseline moved by itself, its median from {} to {}", seen.probe.name, time(a.1), time(b.1))
    })
}

/// The offered rate must be the same before and during.
fn drift(case: &Case<'_>, seen: &Seen<'_>) -> Option<String> {
    let seconds =
        |windows: &[Window]| windows.iter().map(|window| window.settled().length().as_secs_f64()).sum::<f64>();
    let before = seen.baseline.total as f64 / seconds(window::baseline(case.run).as_slice());
    let during = seen.fault.total as f64 / seconds(&window::faults(case.run));
    let enough = seen.baseline.total >= 30 && seen.fault.total >= 30;
    (enough && (during / before - 1.0).abs() > DRIFT)
        .then(|| format!("{}: the rate drifted from {before:.1}/s to {during:.1}/s", seen.probe.name))
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
        let run = Story::slow_generator().dose("added delay", 0.4).tell();
        assert_eq!(advised(&run), ["R23"]);
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
        assert!(advice_of(&run, "R25").evidence.contains("its median from 10ms to 20ms"));
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

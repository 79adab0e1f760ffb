//! How hard it hit. First version: the rule of the point values (`impact_point`); the confirmed one, with intervals,
//! grows beside it.

use std::time::Duration;

use super::findings::{Actual, ExpectationFindings, Impact, Level, ProbeFindings, RecoveryStatus, Standing};
use super::run::Run;
use super::window::Window;
use crate::model::expectation::{Expectation, Metric, Must, Operator};
use crate::model::probe::{ProbeKind, ProcessMeasure};
use crate::model::sample::Sample;
use crate::model::units::Share;
use crate::model::verdict::Verdict;

/// The stretch over which half of the availability must be lost to be critical.
const STRETCH: Duration = Duration::from_secs(10);
/// So many samples make a stretch.
const ENOUGH: usize = 10;
/// So many restarts are a crash loop.
pub(super) const CRASH_LOOP: f64 = 3.0;

/// How much worse the fault's number is than the baseline's, as a share of the baseline; positive is worse. Error and
/// success rates are compared as availabilities. Numbers that must lie around a centre are compared by their
/// distance from it, as a share of the centre. None when one of them is missing.
pub fn degradation(expectation: &Expectation, baseline: &Actual, fault: &Actual) -> Option<f64> {
    let (before, during) = (baseline.number?, fault.number?);
    match (expectation.metric, &expectation.must) {
        (Metric::ErrorRate, _) => relative(during - before, 1.0 - before),
        (Metric::SuccessRate, _) => relative(before - during, before),
        (_, Must::Compare { operator: Operator::Less | Operator::AtMost, limit }) => {
            relative(during - before, nonzero(before, limit.number()))
        }
        (_, Must::Compare { limit, .. }) => relative(before - during, nonzero(before, limit.number())),
        (_, Must::Within { tolerance, centre }) => {
            let distance = |number: f64| (number - centre.number()).abs();
            relative(distance(during) - distance(before), nonzero(centre.number(), tolerance.number()))
        }
    }
}

/// The level of the whole run: the maximum over the metrics. Where every expectation held all the same it says so, lest
/// a level that is high reads as a contradiction.
pub fn impact(run: &Run, probes: &[ProbeFindings], recovery: RecoveryStatus, verdict: Verdict) -> Impact {
    let mut impact = measured(run, probes, recovery, verdict);
    if verdict == Verdict::Held && impact.level > Level::None {
        impact.why.push_str("; by point values, the expectations allow it");
    }
    impact
}

fn measured(run: &Run, probes: &[ProbeFindings], recovery: RecoveryStatus, verdict: Verdict) -> Impact {
    if !run.baseline_problems.as_ref().is_some_and(Vec::is_empty) {
        return level(Level::Unknown, "there is no valid baseline to compare with");
    }
    if let Some(why) = critical(run, recovery) {
        return Impact { degradation: worst(probes).map(|(_, _, d)| d), ..level(Level::Critical, &why) };
    }
    if verdict == Verdict::Invalid {
        return level(Level::Inconclusive, "the fault was not effective");
    }
    let undecided = probes.iter().flat_map(|probe| &probe.expectations).any(undecided);
    match worst(probes) {
        Some((probe, row, degradation)) => {
            let of = of_degradation(degradation);
            if undecided && of <= Level::None {
                return level(Level::Inconclusive, "not every expectation could be measured");
            }
            let why =
                if of == Level::None { "nothing got worse".to_owned() } else { got_worse(probe, row, degradation) };
            Impact { degradation: Some(degradation), ..level(of, &why) }
        }
        None if deviated(probes) => level(Level::High, "an expectation deviated that has no number to compare"),
        None => level(Level::Inconclusive, "nothing could be measured before and during the fault"),
    }
}

/// The cuts of the point rule.
pub const fn of_degradation(degradation: f64) -> Level {
    if degradation <= 0.0 {
        Level::None
    } else if degradation < 0.1 {
        Level::Low
    } else if degradation < 0.3 {
        Level::Medium
    } else {
        Level::High
    }
}

/// The largest rise of a process probe's count of restarts above what it was before the fault, and the probe's name.
pub fn restarts(run: &Run) -> Option<(&str, f64)> {
    let from = run.first_applied()?;
    let rises = run.experiment().steady_state.iter().enumerate().filter_map(|(place, probe)| {
        let ProbeKind::Process(process) = &probe.kind else { return None };
        if process.measure != ProcessMeasure::Restarts {
            return None;
        }
        let counts = run.samples.iter().filter(|sample| sample.probe == place);
        let (before, after): (Vec<&Sample>, Vec<&Sample>) = counts.partition(|sample| sample.intended < from);
        let most =
            |samples: &[&Sample]| samples.iter().filter_map(|sample| sample.measurement.value).max_by(f64::total_cmp);
        Some((probe.name.as_str(), most(&after)? - most(&before).unwrap_or(0.0)))
    });
    rises.filter(|(_, rise)| *rise > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))
}

fn critical(run: &Run, recovery: RecoveryStatus) -> Option<String> {
    if !run.residue.is_empty() {
        return Some("not everything could be put back".to_owned());
    }
    if recovery == RecoveryStatus::NotRecovered && !run.observes_only() {
        return Some("the system did not recover in time".to_owned());
    }
    if let Some((probe, rise)) = restarts(run).filter(|(_, rise)| *rise >= CRASH_LOOP) {
        return Some(format!("{probe}: restarted {rise} times"));
    }
    let from = super::window::faults(run).first()?.from;
    let watched = [Window::new(from, run.last)];
    run.experiment().steady_state.iter().enumerate().find_map(|(place, probe)| {
        let samples: Vec<&Sample> = super::window::samples_in(&run.samples, place, &watched).collect();
        let lowest = lowest_availability(&samples)?;
        (lowest < 0.5).then(|| format!("{}: only {} available over 10 s", probe.name, Share(lowest)))
    })
}

/// The lowest share of good answers over any ten seconds that are wholly covered by samples.
fn lowest_availability(samples: &[&Sample]) -> Option<f64> {
    let evidence: Vec<&&Sample> = samples.iter().filter(|sample| sample.measurement.outcome.is_data()).collect();
    let last = evidence.last()?.intended;
    let mut lowest: Option<f64> = None;
    let (mut end, mut failed) = (0, 0_usize);
    let fails = |sample: &Sample| usize::from(sample.measurement.outcome.is_error());
    for (start, first) in evidence.iter().enumerate() {
        let until = first.intended + STRETCH;
        while end < evidence.len() && evidence[end].intended < until {
            failed += fails(evidence[end]);
            end += 1;
        }
        let count = end - start;
        // A stretch is covered when samples go on up to its end, give or take the time from one to the next.
        let gap = STRETCH / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        if last + gap < until {
            break;
        }
        if count >= ENOUGH {
            let availability = 1.0 - failed as f64 / count as f64;
            lowest = Some(lowest.map_or(availability, |lowest| lowest.min(availability)));
        }
        failed -= fails(first);
    }
    lowest
}

fn worst(probes: &[ProbeFindings]) -> Option<(&ProbeFindings, &ExpectationFindings, f64)> {
    let rows = probes.iter().flat_map(|probe| probe.expectations.iter().map(move |row| (probe, row)));
    let known = rows.filter_map(|(probe, row)| row.degradation.map(|degradation| (probe, row, degradation)));
    known.max_by(|a, b| a.2.total_cmp(&b.2))
}

fn deviated(probes: &[ProbeFindings]) -> bool {
    probes.iter().flat_map(|probe| &probe.expectations).any(|row| row.result == Standing::Deviated)
}

fn undecided(row: &ExpectationFindings) -> bool {
    matches!(row.result, Standing::Inconclusive | Standing::NotMeasured)
}

fn got_worse(probe: &ProbeFindings, row: &ExpectationFindings, degradation: f64) -> String {
    let (name, subject) = (&probe.name, subject(&row.expected));
    let (before, during) = (&row.baseline.shown, &row.fault.shown);
    // Nothing is a percentage worse than zero.
    if row.baseline.number == Some(0.0) {
        return format!("{name}: {subject} from {before} to {during}");
    }
    let sign = if row.fault.at_least { "at least " } else { "" };
    format!("{name}: {subject} {sign}{} ({before} -> {during})", worse(degradation))
}

/// A degradation for people: a share while that can be grasped, a factor beyond.
fn worse(degradation: f64) -> String {
    if degradation < 10.0 {
        format!("{} worse", Share((degradation * 1e3).round() / 1e3))
    } else {
        format!("{:.0} times as bad", 1.0 + degradation)
    }
}

/// What an expectation is about: the first word of it.
fn subject(expected: &str) -> &str {
    expected.split_whitespace().next().unwrap_or(expected)
}

fn level(level: Level, why: &str) -> Impact {
    Impact { level, rule: "impact_point".to_owned(), why: why.to_owned(), degradation: None }
}

fn nonzero(first: f64, second: f64) -> f64 {
    [first, second].into_iter().map(f64::abs).find(|number| *number > 0.0).unwrap_or(1.0)
}

fn relative(worse: f64, base: f64) -> Option<f64> {
    let share = worse / base;
    share.is_finite().then_some(share)
}

#[cfg(test)]
mod tests {
    use super::{Level, degradation, of_degradation};
    use crate::analysis::analyse;
    use crate::analysis::findings::{Actual, Standing};
    use crate::analysis::testing::{Story, expect, expecting, restarts};
    use crate::model::sample::Outcome;

    fn worse(text: &str, before: f64, during: f64) -> Option<f64> {
        let actual = |number| Actual { number: Some(number), ..Actual::missing(Standing::Held, "") };
        let share = degradation(&expect(text), &actual(before), &actual(during));
        share.map(|share| (share * 1e6).round() / 1e6)
    }

    #[test]
    fn worse_is_positive_whichever_way_is_worse() {
        assert_eq!(worse("p95 <= 250ms", 0.1, 0.125), Some(0.25));
        assert_eq!(worse("success_rate >= 99%", 1.0, 0.8), Some(0.2));
        assert_eq!(worse("error_rate <= 1%", 0.0, 0.2), Some(0.2));
        assert_eq!(worse("value >= 4", 10.0, 5.0), Some(0.5));
        assert_eq!(worse("value within 5 of 10", 10.0, 13.0), Some(0.3));
        assert_eq!(worse("value within 5 of 10", 12.0, 9.0), Some(-0.1));
    }

    #[test]
    fn a_baseline_of_zero_is_compared_with_the_limit() {
        assert_eq!(worse("value <= 4", 0.0, 1.0), Some(0.25));
        assert_eq!(worse("value <= 0", 0.0, 0.0), Some(0.0));
    }

    #[test]
    fn the_cuts_of_the_point_rule() {
        let levels = [-0.5, 0.0, 0.09, 0.1, 0.29, 0.3].map(of_degradation);
        assert_eq!(levels, [Level::None, Level::None, Level::Low, Level::Medium, Level::Medium, Level::High]);
    }

    #[test]
    fn the_worst_metric_decides_not_the_mean() {
        let run = Story::slow_generator().fault(|_| (412.0, Outcome::Ok)).tell();
        let impact = analyse(&run).impact;
        assert_eq!(impact.level, Level::High, "the success rate is as before, the p95 is not");
        assert!(impact.why.contains("p95"), "{}", impact.why);
    }

    #[test]
    fn an_impact_that_the_expectations_allow_says_so() {
        let allowed = analyse(&Story::slow_generator().fault(|_| (200.0, Outcome::Ok)).tell()).impact;
        let why = "ask: p95 100 times as bad (2ms -> 200ms); by point values, the expectations allow it";
        assert_eq!((allowed.level, allowed.why.as_str()), (Level::High, why));
        let forbidden = analyse(&Story::slow_generator().fault(|_| (412.0, Outcome::Ok)).tell()).impact;
        assert!(!forbidden.why.contains("allow"), "{}", forbidden.why);
        let nothing = analyse(&Story::slow_generator().tell()).impact;
        assert_eq!((nothing.level, nothing.why.as_str()), (Level::None, "nothing got worse"));
    }

    #[test]
    fn a_count_that_was_zero_is_told_without_a_percentage() {
        let restarts = expecting(restarts("restarts"), &["value <= 1"]);
        let impact = analyse(&Story::slow_generator().also(restarts, |n| f64::from(u8::from(n > 3))).tell()).impact;
        assert_eq!(impact.why, "restarts: value from 0 to 1; by point values, the expectations allow it");
    }

    #[test]
    fn an_outage_of_ten_seconds_is_critical_and_a_shorter_one_is_not() {
        let outage = |seconds: usize| {
            let refused = move |i: usize| (1.0, if i < seconds * 50 { Outcome::Refused } else { Outcome::Ok });
            analyse(&Story::slow_generator().fault(refused).tell()).impact
        };
        assert_eq!(outage(6).level, Level::Critical, "6 of 10 s");
        assert_eq!(outage(4).level, Level::High, "4 of 10 s");
    }

    #[test]
    fn a_fault_that_did_not_bite_has_no_impact_not_even_none() {
        let run = Story::slow_generator().ineffective("no connection passed").tell();
        assert_eq!(analyse(&run).impact.level, Level::Inconclusive);
    }

    #[test]
    fn without_a_valid_baseline_the_impact_is_unknown() {
        let run = Story::slow_generator().unsteady(&["ask: p95 <= 250ms, measured 412ms over 450 samples"]).tell();
        assert_eq!(analyse(&run).impact.level, Level::Unknown);
    }
}

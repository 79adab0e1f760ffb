//! How hard it hit by the point values: the first rule, kept beside the confirmed one.

use super::findings::{Actual, ExpectationFindings, ImpactPoint, Level, ProbeFindings, Standing};
use super::impact::{of_degradation, subject, worse};
use crate::model::expectation::{Expectation, Metric, Must, Operator};

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

/// The level by the worst point value; `given` where something else decides it.
pub fn impact_point(given: Option<(Level, String)>, probes: &[ProbeFindings]) -> ImpactPoint {
    let worst = worst(probes);
    let degradation = worst.as_ref().map(|(_, _, degradation)| *degradation);
    if let Some((level, why)) = given {
        return ImpactPoint { level, why, degradation };
    }
    let (level, why) = match worst {
        Some((probe, row, degradation)) => match of_degradation(degradation) {
            Level::None if undecided(probes) => {
                (Level::Inconclusive, "not every expectation could be measured".to_owned())
            }
            Level::None => (Level::None, "nothing got worse".to_owned()),
            level => (level, got_worse(probe, row, degradation)),
        },
        None if deviated(probes) => (Level::High, "an expectation deviated that has no number to compare".to_owned()),
        None => (Level::Inconclusive, "nothing could be measured before and during the fault".to_owned()),
    };
    ImpactPoint { level, why, degradation }
}

fn worst(probes: &[ProbeFindings]) -> Option<(&ProbeFindings, &ExpectationFindings, f64)> {
    let rows = probes.iter().flat_map(|probe| probe.expectations.iter().map(move |row| (probe, row)));
    let known = rows.filter_map(|(probe, row)| row.degradation.map(|degradation| (probe, row, degradation)));
    known.max_by(|a, b| a.2.total_cmp(&b.2))
}

fn deviated(probes: &[ProbeFindings]) -> bool {
    probes.iter().flat_map(|probe| &probe.expectations).any(|row| row.result == Standing::Deviated)
}

fn undecided(probes: &[ProbeFindings]) -> bool {
    let mut rows = probes.iter().flat_map(|probe| &probe.expectations);
    rows.any(|row| matches!(row.fault.seems, Standing::Inconclusive | Standing::NotMeasured))
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

fn nonzero(first: f64, second: f64) -> f64 {
    [first, second].into_iter().map(f64::abs).find(|number| *number > 0.0).unwrap_or(1.0)
}

fn relative(worse: f64, base: f64) -> Option<f64> {
    let share = worse / base;
    share.is_finite().then_some(share)
}

#[cfg(test)]
mod tests {
    use super::degradation;
    use crate::analysis::analyse;
    use crate::analysis::findings::{Actual, Level, Standing};
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
    fn the_worst_metric_decides_not_the_mean() {
        let impact = analyse(&Story::slow_generator().fault(|_| (412.0, Outcome::Ok)).tell()).impact_point;
        assert_eq!(impact.level, Level::High, "the success rate is as before, the p95 is not");
        assert_eq!(impact.why, "ask: p95 206 times as bad (2ms -> 412ms)");
    }

    #[test]
    fn a_count_that_was_zero_is_told_without_a_percentage() {
        let restarts = expecting(restarts("restarts"), &["value <= 1"]);
        let run = Story::slow_generator().also(restarts, |n| f64::from(u8::from(n > 3))).tell();
        assert_eq!(analyse(&run).impact_point.why, "restarts: value from 0 to 1");
    }
}

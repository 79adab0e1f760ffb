//! How hard it hit, as far as the samples confirm it: the maximum over the metrics of the hypothesis, never a mean (a mean
//! hides a dead probe behind healthy ones).
//!
//! | level | when |
//! |---|---|
//! | unknown | there is no valid baseline to compare with |
//! | inconclusive | too few samples, unequal load, or an interval from not worse to 10 % worse or more |
//! | none | not confirmed worse, and less than 10 % worse for sure |
//! | low, medium, high | confirmed worse: by less than 10 %, less than 30 %, more |
//! | critical | see [`super::critical`] |

use super::critical::critical;
use super::degradation::{Phases, compare};
use super::findings::{
    Compared, Doubt, ExpectationFindings, Impact, ImpactPoint, Level, ProbeFindings, RecoveryStatus, Standing,
};
use super::formulas::holm;
use super::impact_point::impact_point;
use super::run::Run;
use crate::model::expectation::Expectation;
use crate::model::probe::ProbeSpec;
use crate::model::units::Share;
use crate::model::verdict::Verdict;

/// The chance of one false claim in a run.
const ALPHA: f64 = 0.05;
/// Up to here a degradation that cannot be excluded is none to speak of.
const NONE_BELOW: f64 = 0.1;
/// Rates that differ by more than this are not the same load.
pub(super) const DRIFT: f64 = 0.1;

/// Compares every metric of one probe: a level each. `drifted` when the load was not the same before and during.
pub fn rows(probe: &ProbeSpec, rows: &mut [ExpectationFindings], phases: Phases<'_>, drifted: bool) {
    for (row, expectation) in rows.iter_mut().zip(&probe.expect) {
        row.compared = compared(probe, expectation, &[phases], drifted);
    }
}

/// Compares one metric over one run or several.
pub(super) fn compared(
    probe: &ProbeSpec,
    expectation: &Expectation,
    runs: &[Phases<'_>],
    drifted: bool,
) -> Option<Compared> {
    let mut compared = compare(expectation, probe, runs)?;
    if drifted {
        compared.doubt = Some(Doubt::RateDrifted);
    }
    Some(compared)
}

/// Confirms what stays confirmed when all metrics of the run are taken together, and gives every row its level.
pub fn confirm(probes: &mut [ProbeFindings]) {
    let rows = || probes.iter().flat_map(|probe| &probe.expectations);
    let p_values: Vec<f64> = rows().filter_map(|row| row.compared.as_ref()).map(|compared| compared.p).collect();
    let mut adjusted = holm(&p_values).into_iter();
    for probe in probes {
        for row in &mut probe.expectations {
            if let Some(compared) = &mut row.compared {
                compared.confirmed &= adjusted.next().is_some_and(|p| p < ALPHA);
            }
            row.level = level(row);
            row.level_why = (row.level == Level::Inconclusive).then(|| not_said(&probe.name, row));
        }
    }
}

/// The level of one metric.
fn level(row: &ExpectationFindings) -> Level {
    let Some(compared) = &row.compared else {
        // Too many errors to have a latency at all.
        let gone = row.result == Standing::Deviated && row.fault.number.is_none();
        return if gone { Level::High } else { Level::Inconclusive };
    };
    match compared.doubt {
        Some(Doubt::FewSamples { .. } | Doubt::RateDrifted) => Level::Inconclusive,
        Some(Doubt::FewEpisodes { .. }) if compared.confirmed => Level::Inconclusive,
        _ if compared.confirmed => of_degradation(compared.degradation),
        _ if compared.high.is_some_and(|high| high < NONE_BELOW) => Level::None,
        _ => Level::Inconclusive,
    }
}

/// The cuts between the levels.
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

/// The levels of the whole run: as confirmed, and by the point values.
pub fn impact(
    run: &Run,
    probes: &[ProbeFindings],
    recovery: RecoveryStatus,
    verdict: Verdict,
) -> (Impact, ImpactPoint) {
    let given = given(run, recovery, verdict);
    let point = impact_point(given.clone(), probes);
    let mut impact = match given {
        Some((level, why)) => Impact { why, ..told(level, worst(probes)) },
        None => measured(probes),
    };
    impact.smallest_visible = smallest_visible(probes);
    if verdict == Verdict::Held && impact.level > Level::None {
        impact.why.push_str("; the expectations allow it");
    }
    (impact, point)
}

/// What decides the level before any metric does.
fn given(run: &Run, recovery: RecoveryStatus, verdict: Verdict) -> Option<(Level, String)> {
    if !run.baseline_problems.as_ref().is_some_and(Vec::is_empty) {
        return Some((Level::Unknown, "there is no valid baseline to compare with".to_owned()));
    }
    if let Some(why) = critical(run, recovery) {
        return Some((Level::Critical, why));
    }
    (verdict == Verdict::Invalid).then(|| (Level::Inconclusive, "the fault was not effective".to_owned()))
}

type Row<'a> = (&'a ProbeFindings, &'a ExpectationFindings);

/// What the metrics confirm.
pub(super) fn measured(probes: &[ProbeFindings]) -> Impact {
    let worst = worst(probes);
    match worst {
        Some((probe, row)) if row.level > Level::None => {
            Impact { why: got_worse(probe, row), ..told(row.level, worst) }
        }
        Some(_) => match all(probes).find(|(_, row)| row.level == Level::Inconclusive) {
            Some((probe, row)) => {
                let why = row.level_why.clone().unwrap_or_default();
                Impact { why, ..told(Level::Inconclusive, Some((probe, row))) }
            }
            None => Impact { why: "nothing got worse".to_owned(), ..told(Level::None, worst) },
        },
        None => Impact { why: "nothing could be compared".to_owned(), ..told(Level::Inconclusive, None) },
    }
}

fn all(probes: &[ProbeFindings]) -> impl Iterator<Item = Row<'_>> {
    probes.iter().flat_map(|probe| probe.expectations.iter().map(move |row| (probe, row)))
}

/// The row with the highest level, and of those the largest degradation.
fn worst(probes: &[ProbeFindings]) -> Option<Row<'_>> {
    let degradation =
        |row: &ExpectationFindings| row.compared.as_ref().map_or(f64::MIN, |compared| compared.degradation);
    let harder =
        |a: &Row<'_>, b: &Row<'_>| a.1.level.cmp(&b.1.level).then(degradation(a.1).total_cmp(&degradation(b.1)));
    all(probes).max_by(harder)
}

fn told(level: Level, row: Option<Row<'_>>) -> Impact {
    let compared = row.and_then(|(_, row)| row.compared.as_ref());
    Impact {
        level,
        why: String::new(),
        degradation: compared.map(|compared| compared.degradation),
        low: compared.and_then(|compared| compared.low),
        high: compared.and_then(|compared| compared.high),
        smallest_visible: None,
    }
}

fn smallest_visible(probes: &[ProbeFindings]) -> Option<f64> {
    let visible: Option<Vec<f64>> = all(probes).map(|(_, row)| row.compared.as_ref()?.smallest_visible).collect();
    visible?.into_iter().max_by(f64::total_cmp)
}

fn got_worse(probe: &ProbeFindings, row: &ExpectationFindings) -> String {
    let (name, subject) = (&probe.name, subject(&row.expected));
    let (before, during) = (&row.baseline.shown, &row.fault.shown);
    let Some(compared) = &row.compared else { return format!("{name}: {subject} from {before} to {during}") };
    // Nothing is a percentage worse than zero.
    if row.baseline.number == Some(0.0) {
        return format!("{name}: {subject} from {before} to {during}");
    }
    let sign = if row.fault.at_least { "at least " } else { "" };
    let sure = between(compared);
    format!("{name}: {subject} {sign}{}{sure}, {before} -> {during}", worse(compared.degradation))
}

/// ` (95% sure: 20% to 30%)`; nothing where the interval has no width.
fn between(compared: &Compared) -> String {
    let (Some(low), Some(high)) = (compared.low, compared.high) else { return String::new() };
    if high - low < 1e-3 * compared.degradation.abs() {
        return String::new();
    }
    format!(" (95% sure: {} to {})", amount(low), amount(high))
}

/// Why one metric does not say.
fn not_said(probe: &str, row: &ExpectationFindings) -> String {
    let about = format!("{probe}: {}", subject(&row.expected));
    let Some(compared) = &row.compared else { return format!("{about} could not be compared") };
    match compared.doubt {
        Some(Doubt::FewSamples { of, least }) => {
            format!("{about} needs {least} samples before the fault, there were {of}")
        }
        Some(Doubt::FewEpisodes { of, .. }) if compared.confirmed => {
            format!("{about}: its errors came in {of} episode(s), which show no rate")
        }
        Some(Doubt::RateDrifted) => format!("{about}: the load was not the same before and during"),
        _ => {
            let end = |end: Option<f64>| end.map_or_else(|| "any".to_owned(), amount);
            format!("{about} may be {} to {} worse", end(compared.low), end(compared.high))
        }
    }
}

/// A degradation for people: a share while that can be grasped, a factor beyond.
pub(super) fn worse(degradation: f64) -> String {
    if degradation < 10.0 {
        format!("{} worse", Share((degradation * 1e3).round() / 1e3))
    } else {
        format!("{:.0} times as bad", 1.0 + degradation)
    }
}

/// A degradation for people, without a word: an end of an interval.
pub fn amount(degradation: f64) -> String {
    if degradation < 10.0 {
        Share((degradation * 1e3).round() / 1e3).to_string()
    } else {
        format!("{:.0}x", 1.0 + degradation)
    }
}

/// What an expectation is about: the first word of it.
pub fn subject(expected: &str) -> &str {
    expected.split_whitespace().next().unwrap_or(expected)
}

#[cfg(test)]
mod tests {
    use super::of_degradation;
    use crate::analysis::analyse;
    use crate::analysis::findings::{Impact, Level};
    use crate::analysis::testing::{Story, every, expecting, http, restarts};
    use crate::model::sample::Outcome;

    /// A run at 200/s: enough samples to compare its p95.
    fn dense(millis: f64) -> Story {
        Story::slow_generator().often().fault(move |_| (millis, Outcome::Ok))
    }

    fn impact(story: &Story) -> Impact {
        analyse(&story.tell()).impact
    }

    #[test]
    fn the_cuts_between_the_levels() {
        let levels = [-0.5, 0.0, 0.09, 0.1, 0.29, 0.3].map(of_degradation);
        assert_eq!(levels, [Level::None, Level::None, Level::Low, Level::Medium, Level::Medium, Level::High]);
    }

    #[test]
    fn the_worst_metric_decides_not_the_mean() {
        let found = impact(&dense(412.0));
        assert_eq!((found.level, found.why.as_str()), (Level::High, "ask: p95 206 times as bad, 2ms -> 412ms"));
        assert_eq!(impact(&dense(2.3)).level, Level::Medium, "15 % worse");
        assert_eq!(impact(&dense(2.1)).level, Level::Low, "5 % worse");
    }

    #[test]
    fn an_impact_that_the_expectations_allow_says_so() {
        assert_eq!(impact(&dense(200.0)).why, "ask: p95 100 times as bad, 2ms -> 200ms; the expectations allow it");
        assert!(!impact(&dense(412.0)).why.contains("allow"));
        let nothing = impact(&dense(2.0));
        assert_eq!((nothing.level, nothing.why.as_str()), (Level::None, "nothing got worse"));
        assert!(nothing.smallest_visible.is_some_and(|visible| visible < 0.01), "{nothing:?}");
    }

    #[test]
    fn too_few_samples_claim_nothing_whatever_the_numbers_say() {
        let analysis = analyse(&Story::slow_generator().fault(|_| (200.0, Outcome::Ok)).tell());
        assert_eq!(analysis.impact.level, Level::Inconclusive);
        assert_eq!(analysis.impact.why, "ask: p95 needs 1000 samples before the fault, there were 450");
        assert_eq!(analysis.impact_point.level, Level::High);
    }

    #[test]
    fn one_open_metric_leaves_a_run_open_and_one_confirmed_one_decides_it() {
        let open = || every(1.0, expecting(restarts("slow"), &["value <= 100"]));
        let found = impact(&dense(2.0).also(open(), |n| f64::from(u8::from(n > 8))));
        assert_eq!(found.level, Level::Inconclusive, "nine readings: {}", found.why);
        assert_eq!(impact(&dense(412.0).also(open(), |_| 0.0)).level, Level::High);
    }

    #[test]
    fn a_load_that_was_not_the_same_compares_nothing() {
        let half = dense(412.0).missing_during(|i| i % 2 == 0);
        assert_eq!(impact(&half).why, "ask: success_rate: the load was not the same before and during");
    }

    #[test]
    fn no_answers_at_all_are_high_without_a_number() {
        let only_latency = Story::slow_generator()
            .with(|experiment| experiment.steady_state[0] = expecting(http("ask"), &["p95 <= 250ms"]))
            .fault(|i| (0.2, if (249..=300).contains(&i) { Outcome::Ok } else { Outcome::Refused }))
            .fault_seconds(8.0);
        assert_eq!(impact(&only_latency).level, Level::Critical, "unavailable for 10 s");
        let short = only_latency.fault_seconds(3.0);
        assert_eq!(impact(&short).level, Level::High);
    }

    #[test]
    fn a_fault_that_did_not_bite_has_no_impact_not_even_none() {
        assert_eq!(impact(&dense(2.0).ineffective("no connection passed")).level, Level::Inconclusive);
    }

    #[test]
    fn without_a_valid_baseline_the_impact_is_unknown() {
        let run = Story::slow_generator().unsteady(&["ask: p95 <= 250ms, measured 412ms over 450 samples"]);
        assert_eq!(impact(&run).level, Level::Unknown);
    }
}

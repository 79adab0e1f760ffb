//! What the samples of a phase say about an expectation: that it held, that it did not, or that they do not say.
//!
//! An expectation held when the whole 95 % interval of what was measured is as it must be, and did not when the whole
//! interval is not; else the samples do not say. The intervals:
//!
//! - shares: Wilson's ([`wilson`]). A limit of 100 % (of errors: 0 %) speaks of every single sample, as `value` does: no
//!   number of good samples could ever confirm it otherwise;
//! - quantiles: the samples whose ranks bound it ([`quantile_ranks`](super::formulas::quantile_ranks)), which is the same
//!   question as Wilson's asked of the share of slow samples;
//! - means: from the spread of batches ([`Spread`](super::batches::Spread));
//! - `value`, `min` and `max` speak of every sample that was taken, so they have none.
//!
//! They are about what happened in this phase of this run. Whether a *difference* between phases is the fault's doing is
//! another question, with wider intervals: [`super::degradation`]. Too few samples are inconclusive, never a pass: see
//! [`least_samples`]; and so are results of which more than a tenth of the samples say nothing.

use super::batches::Spread;
use super::findings::{Actual, Standing};
use super::formulas::Z95;
use super::tally::{Estimate, Tally};
use crate::model::expectation::{Expectation, Metric, Must};
use crate::model::statistics::wilson;
use crate::model::units::Share;

/// The largest share of samples without evidence that a result bears.
const BLIND: f64 = 0.1;
/// More samples than this are not asked for.
const MOST_SAMPLES: u64 = 10_000_000;

/// How many samples a result needs: 10 for shares and mean latencies, `5 / (1 - q)` for a quantile (100 for p95; at
/// least 10, at most 1000) so that a handful of samples lies beyond it, 3 for values.
pub fn least_samples(metric: Metric, must: &Must) -> usize {
    match metric {
        Metric::SuccessRate | Metric::ErrorRate => 10,
        Metric::Quantile(q) => {
            let beyond = q.min(1.0 - q).max(0.005);
            // Rounded first: 5 / (1 - 0.95) is a hair above 100.
            ((5.0 / beyond * 1e6).round() / 1e6).ceil().clamp(10.0, 1000.0) as usize
        }
        Metric::Mean if must.is_time() => 10,
        Metric::Mean | Metric::Min | Metric::Max | Metric::Value => 3,
    }
}

/// Judges one expectation by the samples of one phase.
pub fn judge(expectation: &Expectation, tally: &Tally) -> Actual {
    judged(expectation, tally, None)
}

/// Judges one expectation by one phase of several runs of an experiment: by all their samples together, with an interval
/// that is no narrower than that of the runs' own numbers (Student's, a run being one observation; of the logarithms for
/// times). What one run did not hold alone did not hold, and what every run held alone held.
pub fn judge_runs(expectation: &Expectation, pooled: &Tally, runs: &[&Tally]) -> Actual {
    let mut all = judged(expectation, pooled, Some(runs));
    let alone: Vec<Standing> = runs.iter().map(|run| judge(expectation, run).result).collect();
    let count = |standing| alone.iter().filter(|result| **result == standing).count();
    let (held, deviated) = (count(Standing::Held), count(Standing::Deviated));
    if deviated > 0 && all.result != Standing::Deviated {
        all.result = Standing::Deviated;
        all.why = Some(format!("it did not hold in {deviated} of {} runs alone", runs.len()));
    } else if held == runs.len() {
        (all.result, all.why) = (Standing::Held, None);
    }
    all
}

fn judged(expectation: &Expectation, tally: &Tally, runs: Option<&[&Tally]>) -> Actual {
    let must = &expectation.must;
    if tally.total == 0 {
        return Actual::missing(Standing::NotMeasured, "no samples");
    }
    if tally.blind_share() > BLIND {
        let why = format!("{} of the samples are no evidence", Share(tally.blind_share()));
        return Actual::missing(Standing::Inconclusive, &why);
    }
    let Some(estimate) = tally.measure(expectation.metric, must) else {
        return unanswered(tally);
    };
    let least = least_samples(expectation.metric, must);
    let interval = interval(expectation, tally, estimate);
    let interval = runs.map_or(interval, |runs| scattered(expectation, estimate.number, interval, runs));
    let standing = standing(must, interval);
    // One value on the wrong side proves that not every value is on the right one.
    let proven = expectation.metric == Metric::Value && standing == Standing::Deviated;
    let few = estimate.samples < least && !proven;
    if few && mostly_errors(tally) {
        return unanswered(tally);
    }
    let (result, why) = match standing {
        _ if few => (Standing::Inconclusive, Some(format!("{} of at least {least} samples", estimate.samples))),
        Standing::Inconclusive => (standing, Some(open(expectation, tally, estimate, interval))),
        standing => (standing, None),
    };
    Actual {
        number: Some(estimate.number),
        at_least: estimate.at_least,
        shown: estimate.show(must),
        low: end(interval.0),
        high: end(interval.1),
        shown_interval: (interval.0 < interval.1).then(|| between(must, interval)),
        samples: estimate.samples,
        result,
        seems: if few { Standing::Inconclusive } else { seems(must, estimate) },
        why,
    }
}

/// An end of an interval, to a billionth; none where nothing bounds it.
fn end(number: f64) -> Option<f64> {
    let rounded = (number * 1e9).round() / 1e9;
    number.is_finite().then_some(if rounded.is_finite() { rounded } else { number })
}

/// By the number alone, without its interval.
fn seems(must: &Must, estimate: Estimate) -> Standing {
    let high = if estimate.at_least { f64::INFINITY } else { estimate.number };
    standing(must, (estimate.number, high))
}

/// The 95 % interval of what was measured; its upper end is infinite where nothing bounds it.
fn interval(expectation: &Expectation, tally: &Tally, estimate: Estimate) -> (f64, f64) {
    let (metric, must) = (expectation.metric, &expectation.must);
    let exact = (estimate.number, if estimate.at_least { f64::INFINITY } else { estimate.number });
    let around =
        |half: f64| (estimate.number - half, if estimate.at_least { f64::INFINITY } else { estimate.number + half });
    match metric {
        Metric::SuccessRate | Metric::ErrorRate if wants_all(metric, must) => exact,
        Metric::SuccessRate => wilson(tally.ok as u64, tally.evidence() as u64, Z95),
        Metric::ErrorRate => wilson(tally.failed() as u64, tally.evidence() as u64, Z95),
        Metric::Quantile(q) if must.is_time() => tally.latency_interval(q),
        Metric::Quantile(q) => tally.value_interval(q),
        Metric::Mean if must.is_time() => around(tally.latency_spread),
        Metric::Mean => around(tally.value_spread),
        Metric::Min | Metric::Max | Metric::Value => exact,
    }
}

/// The interval, wide enough for how much the numbers of the runs differ; without bounds where a run has no number.
fn scattered(expectation: &Expectation, all: f64, interval: (f64, f64), runs: &[&Tally]) -> (f64, f64) {
    let (metric, must) = (expectation.metric, &expectation.must);
    let exact = matches!(metric, Metric::Min | Metric::Max | Metric::Value)
        || (matches!(metric, Metric::SuccessRate | Metric::ErrorRate) && wants_all(metric, must));
    if exact {
        return interval;
    }
    let numbers = runs.iter().map(|run| run.measure(metric, must).filter(|found| !found.at_least));
    let numbers: Option<Vec<f64>> = numbers.map(|found| Some(found?.number)).collect();
    let Some(numbers) = numbers else { return (interval.0, f64::INFINITY) };
    if must.is_time() && numbers.iter().chain([&all]).all(|number| *number > 0.0) {
        let logs: Vec<f64> = numbers.iter().map(|number| number.ln()).collect();
        let half = Spread::of(&logs).map_or(0.0, Spread::half);
        return (interval.0.min(all * (-half).exp()), interval.1.max(all * half.exp()));
    }
    let half = Spread::of(&numbers).map_or(0.0, Spread::half);
    let (low, high) = (interval.0.min(all - half), interval.1.max(all + half));
    match metric {
        Metric::SuccessRate | Metric::ErrorRate => (low.max(0.0), high.min(1.0)),
        _ => (low, high),
    }
}

/// No share but the best one will do.
pub(super) fn wants_all(metric: Metric, must: &Must) -> bool {
    match metric {
        Metric::SuccessRate => must.holds(1.0) && !must.holds(1.0 - 1e-9),
        _ => must.holds(0.0) && !must.holds(1e-9),
    }
}

/// Whether an interval is wholly as it must be, wholly not, or neither.
fn standing(must: &Must, (low, high): (f64, f64)) -> Standing {
    let same_side = match *must {
        Must::Compare { .. } => true,
        Must::Within { centre, .. } => (low - centre.number()) * (high - centre.number()) > 0.0,
    };
    match (must.holds(low), must.holds(high)) {
        (true, true) => Standing::Held,
        (false, false) if same_side => Standing::Deviated,
        _ => Standing::Inconclusive,
    }
}

/// Why the samples do not say: what they leave open, and how many would say.
fn open(expectation: &Expectation, tally: &Tally, estimate: Estimate, (low, high): (f64, f64)) -> String {
    let must = &expectation.must;
    if estimate.at_least && seems(must, estimate) == Standing::Inconclusive {
        return "beyond the probe's timeout".to_owned();
    }
    let between = between(must, (low, high));
    let more = match expectation.metric {
        Metric::SuccessRate => enough(must, 1.0 - tally.error_share().unwrap_or_default()),
        Metric::ErrorRate => enough(must, tally.error_share().unwrap_or_default()),
        _ => None,
    };
    let more = more.map(|samples| format!("; about {samples} samples like these would say")).unwrap_or_default();
    format!("{} samples leave {between} open{more}", estimate.samples)
}

/// `98.1% to 100%`, `441ms or more`.
fn between(must: &Must, (low, high): (f64, f64)) -> String {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("{} to {}", must.show(low), must.show(high)),
        (true, false) => format!("{} or more", must.show(low)),
        (false, true) => format!("{} or less", must.show(high)),
        (false, false) => "anything".to_owned(),
    }
}

/// How many samples with this share would decide; none where no number of them would in practice.
pub(super) fn enough(must: &Must, share: f64) -> Option<u64> {
    let decides = |n: u64| standing(must, wilson((share * n as f64).round() as u64, n, Z95)) != Standing::Inconclusive;
    let mut few = 1;
    while !decides(few * 2) {
        few *= 2;
        if few > MOST_SAMPLES {
            return None;
        }
    }
    let mut many = few * 2;
    while many - few > 1 {
        let middle = u64::midpoint(few, many);
        if decides(middle) { many = middle } else { few = middle }
    }
    Some(many)
}

/// Hardly an answer to measure: when that is because most samples failed, the expectation did not hold.
fn unanswered(tally: &Tally) -> Actual {
    if mostly_errors(tally) {
        let why = format!("{} errors", Share(tally.error_share().unwrap_or_default()));
        Actual { shown: "no answers".to_owned(), ..Actual::missing(Standing::Deviated, &why) }
    } else {
        Actual::missing(Standing::Inconclusive, "nothing to measure it by")
    }
}

fn mostly_errors(tally: &Tally) -> bool {
    tally.failed() >= 3 && tally.error_share().is_some_and(|share| share > 0.5)
}

#[cfg(test)]
mod tests {
    use super::{Standing, Tally, enough, judge, least_samples};
    use crate::analysis::testing::{expect, http, prometheus, sample, value};
    use crate::model::expectation::Metric;
    use crate::model::sample::{Outcome, Sample};

    fn answers(count: usize, millis: f64) -> Vec<Sample> {
        (0..count).map(|i| sample(i as f64 * 0.02, millis, Outcome::Ok)).collect()
    }

    fn failures(count: usize, outcome: Outcome, millis: f64) -> Vec<Sample> {
        (0..count).map(|i| sample(i as f64 * 0.02, millis, outcome)).collect()
    }

    #[test]
    fn a_timeout_is_censored_at_its_limit() {
        let samples = [answers(90, 2.0), failures(10, Outcome::Timeout, 1000.4)].concat();
        let tally = Tally::of(&http("ask"), &samples);
        let p95 = judge(&expect("p95 <= 250ms"), &tally);
        assert_eq!((p95.shown.as_str(), p95.result), (">= 1s", Standing::Deviated));
        assert_eq!(judge(&expect("p50 <= 250ms"), &tally).shown, "2ms");
    }

    #[test]
    fn what_lies_beyond_the_timeout_can_not_be_judged_against_a_later_limit() {
        let tally = Tally::of(&http("ask"), &failures(200, Outcome::Timeout, 1000.0));
        let p95 = judge(&expect("p95 <= 5s"), &tally);
        assert_eq!(p95.result, Standing::Inconclusive);
    }

    #[test]
    fn a_fast_refusal_does_not_make_the_latency_look_better() {
        let slow = answers(200, 400.0);
        let refused = [slow.clone(), failures(150, Outcome::Refused, 0.1)].concat();
        let p50 = |samples: &[Sample]| judge(&expect("p50 <= 250ms"), &Tally::of(&http("ask"), samples)).number;
        assert_eq!(p50(&slow), p50(&refused));
    }

    #[test]
    fn without_answers_a_latency_did_not_hold() {
        let tally = Tally::of(&http("ask"), &failures(200, Outcome::Refused, 0.1));
        let p95 = judge(&expect("p95 <= 250ms"), &tally);
        assert_eq!((p95.shown.as_str(), p95.result), ("no answers", Standing::Deviated));
    }

    #[test]
    fn too_few_samples_are_never_a_pass() {
        for (text, enough) in [("p95 <= 250ms", 100), ("p50 <= 250ms", 10), ("success_rate >= 99%", 381)] {
            let result = |n| judge(&expect(text), &Tally::of(&http("ask"), &answers(n, 2.0))).result;
            assert_eq!(result(enough - 1), Standing::Inconclusive, "{text}");
            assert_eq!(result(enough), Standing::Held, "{text}");
        }
    }

    #[test]
    fn what_the_samples_leave_open_is_told_with_how_many_would_say() {
        let rate = judge(&expect("success_rate >= 99%"), &Tally::of(&http("ask"), &answers(200, 2.0)));
        assert_eq!((rate.result, rate.seems), (Standing::Inconclusive, Standing::Held));
        let why = "200 samples leave 98.12% to 100% open; about 381 samples like these would say";
        assert_eq!(rate.why.as_deref(), Some(why));
        assert_eq!(enough(&expect("success_rate >= 99%").must, 0.99), None, "on the very limit nothing ever says");
    }

    #[test]
    fn a_share_is_as_it_must_be_when_its_whole_interval_is() {
        let result = |bad: usize| {
            let samples = [answers(1000 - bad, 2.0), failures(bad, Outcome::Wrong, 2.0)].concat();
            judge(&expect("success_rate >= 99%"), &Tally::of(&http("ask"), &samples)).result
        };
        assert_eq!([3, 10, 30].map(result), [Standing::Held, Standing::Inconclusive, Standing::Deviated]);
    }

    #[test]
    fn a_limit_of_all_is_broken_by_one_and_held_by_none() {
        let result =
            |samples: &[Sample]| judge(&expect("success_rate >= 100%"), &Tally::of(&http("ask"), samples)).result;
        assert_eq!(result(&answers(50, 2.0)), Standing::Held);
        assert_eq!(result(&[answers(50, 2.0), failures(1, Outcome::Wrong, 2.0)].concat()), Standing::Deviated);
    }

    #[test]
    fn a_quantile_near_its_limit_is_open() {
        let spread: Vec<Sample> = (0..1000).map(|i| sample(f64::from(i) * 0.02, f64::from(i), Outcome::Ok)).collect();
        let result = |text: &str| judge(&expect(text), &Tally::of(&http("ask"), &spread)).result;
        assert_eq!(result("p50 <= 600ms"), Standing::Held);
        assert_eq!(result("p50 <= 520ms"), Standing::Inconclusive);
        assert_eq!(result("p50 <= 400ms"), Standing::Deviated);
        assert_eq!(result("p50 within 10ms of 500ms"), Standing::Inconclusive);
        assert_eq!(result("mean <= 600ms"), Standing::Inconclusive, "a series that climbs has no steady mean");
    }

    #[test]
    fn without_samples_nothing_was_measured() {
        let nothing = judge(&expect("p95 <= 250ms"), &Tally::default());
        assert_eq!(nothing.result, Standing::NotMeasured);
    }

    #[test]
    fn more_than_a_tenth_without_data_is_inconclusive() {
        let mostly = [answers(900, 2.0), failures(101, Outcome::NoData, 0.0)].concat();
        let enough = [answers(900, 2.0), failures(100, Outcome::Saturated, 0.0)].concat();
        let result =
            |samples: &[Sample]| judge(&expect("success_rate >= 99%"), &Tally::of(&http("ask"), samples)).result;
        assert_eq!(result(&mostly), Standing::Inconclusive);
        assert_eq!(result(&enough), Standing::Held);
    }

    #[test]
    fn no_data_is_neither_good_nor_bad() {
        let samples = [answers(99, 2.0), failures(1, Outcome::Wrong, 2.0), failures(8, Outcome::NoData, 0.0)].concat();
        let rate = judge(&expect("success_rate >= 99%"), &Tally::of(&http("ask"), &samples));
        assert_eq!((rate.shown.as_str(), rate.samples), ("99%", 100));
    }

    #[test]
    fn every_single_value_must_be_right_and_the_worst_is_shown() {
        let probe = prometheus("depth");
        let tally = |values: &[f64]| Tally::of(&probe, &values.iter().map(|v| value(0.0, *v)).collect::<Vec<_>>());
        let within = expect("value within 5 of 10");
        assert_eq!(judge(&within, &tally(&[9.0, 10.0, 14.0])).shown, "14");
        let wrong = judge(&within, &tally(&[10.0, 3.0]));
        assert_eq!((wrong.shown.as_str(), wrong.result), ("3", Standing::Deviated), "one is proof enough");
        assert_eq!(judge(&within, &tally(&[10.0, 9.0])).result, Standing::Inconclusive);
        assert_eq!(judge(&expect("value >= 4"), &tally(&[9.0, 5.0, 7.0])).shown, "5");
    }

    #[test]
    fn rare_quantiles_need_many_samples() {
        let must = expect("p99 <= 1s").must;
        let needed = [0.5, 0.9, 0.95, 0.99, 0.999].map(|q| least_samples(Metric::Quantile(q), &must));
        assert_eq!(needed, [10, 50, 100, 500, 1000]);
    }
}

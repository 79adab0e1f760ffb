//! One metric before and during the fault: how much worse it got, the 95 % interval of that, and the smallest
//! degradation that this run could have shown.
//!
//! Both phases are cut into batches of equally many samples (unequal ones would bias a quantile), the metric is taken of
//! each, and the batches are compared: see [`super::batches`]. Latencies are compared as ratios, through their logarithms;
//! shares as availabilities, where the wider of Newcombe's interval and that of the batches counts; values by their
//! difference, as a share of the baseline's mean.
//!
//! The baseline is compared with itself, too: its first half with its second. Where those differ, or seem to by 10 %, the
//! baseline is not steady enough to be precise, and the interval is widened by that shift on both sides.

use super::availability::{availability, episodes};
use super::batches::{Block, Difference, Spread, batch, over_runs};
use super::findings::{Compared, Doubt};
use super::tally::mean;
use crate::model::expectation::{Expectation, Metric, Must, Operator};
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Outcome, Sample};
use crate::model::statistics::quantile;

/// A shift of the baseline that is not put down to chance, whatever its interval says.
const SHIFT: f64 = 0.1;
/// A shift that chance brings about less often than this is told as no accident: healthy runs must not be told of it often.
const ACCIDENT: f64 = 0.01;
/// A phase is cut into so many batches, or a few more.
const BATCHES: usize = 10;
/// The fewest samples in a batch of requests.
const LEAST_BATCH: usize = 20;
/// So many samples of a batch must lie beyond its quantile.
const BEYOND: f64 = 5.0;

/// The samples of one probe before and during the fault, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Phases<'a> {
    /// Before.
    pub baseline: &'a [&'a Sample],
    /// During.
    pub fault: &'a [&'a Sample],
}

/// How a number that got worse is told from one that got better.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// Ratios of latencies: higher is worse, or lower.
    Ratio { higher_is_worse: bool },
    /// Availabilities.
    Share,
    /// Differences of values, higher being worse once they are turned that way.
    Plain,
}

/// A degradation and its interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) degradation: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// How likely such a difference would be without any.
    pub(super) p: f64,
    /// The smallest degradation that would be above zero.
    pub(super) visible: f64,
}

impl Found {
    /// Whether this is no accident between two halves of a baseline.
    fn is_real(&self) -> bool {
        self.is_sure() || self.degradation.abs() >= SHIFT
    }

    fn is_sure(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The fewest samples that a batch may have: 20, and for a quantile so many that five lie beyond it.
pub(super) fn least_batch(metric: Metric) -> usize {
    match metric {
        Metric::Quantile(q) => {
            let beyond = (BEYOND / q.min(1.0 - q).max(1e-6) * 1e6).round() / 1e6;
            LEAST_BATCH.max(beyond.ceil() as usize)
        }
        _ => LEAST_BATCH,
    }
}

/// The fewest baseline samples on which a degradation of this metric can be claimed: 200, 1000 for a p95, 5000 for a p99;
/// 10 for values, which tell of the system's state without the noise of single requests.
pub fn least_baseline(metric: Metric, must: &Must) -> usize {
    if reads_values(metric, must) { BATCHES } else { BATCHES * least_batch(metric) }
}

/// Compares one metric of one run, or of several of the same experiment, each with both phases. None when it was not
/// measured in one of the phases, or in one of the runs.
pub fn compare(expectation: &Expectation, probe: &ProbeSpec, runs: &[Phases<'_>]) -> Option<Compared> {
    let (metric, must) = (expectation.metric, &expectation.must);
    let scale = scale(metric, must);
    let of = |phases: &Phases<'_>| [phases.baseline, phases.fault].map(|samples| series(expectation, probe, samples));
    let numbers: Vec<Block> = runs.iter().map(of).collect();
    let least = if reads_values(metric, must) { 1 } else { least_batch(metric) };
    let size = batch_size(&numbers, least);
    let before = length(&numbers, 0);
    let few = (before < BATCHES * least).then_some(Doubt::FewSamples { of: before, least: BATCHES * least });
    let batches = |phase: &Vec<f64>| batch(phase, size, |batch| statistic(metric, scale, batch));
    let blocks: Vec<Block> = numbers.iter().map(|run| run.each_ref().map(batches)).collect();
    let found = difference(scale, must, &blocks, &numbers)?;
    let shift = itself(scale, must, &blocks, &numbers, size);
    let wider = shift.filter(|shift| shift.is_real()).map_or(0.0, |shift| shift.degradation.abs());
    let episodes = if scale == Scale::Share { episodes(runs.iter().map(|run| run.fault), &numbers) } else { None };
    Some(Compared {
        degradation: rounded(found.degradation),
        low: finite(found.low - wider),
        high: finite(found.high + wider),
        p: rounded(found.p),
        confirmed: found.p < 0.05 && found.low - wider > 0.0,
        smallest_visible: finite(found.visible + wider),
        baseline_shift: shift.map(|shift| rounded(shift.degradation)),
        baseline_moved: shift.is_some_and(|shift| shift.p < ACCIDENT && shift.degradation.abs() >= SHIFT),
        doubt: few.or(episodes).or((wider > 0.0).then_some(Doubt::BaselineMoved)),
    })
}

/// All samples of a phase.
fn length(numbers: &[Block], phase: usize) -> usize {
    numbers.iter().map(|run| run[phase].len()).sum()
}

/// Of all runs together there are about ten batches of each phase, at least. A batch never spans two runs, so it is no
/// longer than the shortest phase of a run, where that is enough for the metric.
fn batch_size(numbers: &[Block], least: usize) -> usize {
    let (before, during) = (length(numbers, 0), length(numbers, 1));
    let size = (before.min(during) / BATCHES).max(least).min(before / BATCHES).max(1);
    let shortest = numbers.iter().flatten().map(Vec::len).min().unwrap_or_default();
    if numbers.len() > 1 { size.min(shortest.max(least)) } else { size }
}

fn reads_values(metric: Metric, must: &Must) -> bool {
    !matches!(metric, Metric::SuccessRate | Metric::ErrorRate) && !must.is_time()
}

fn scale(metric: Metric, must: &Must) -> Scale {
    match (metric, must) {
        (Metric::SuccessRate | Metric::ErrorRate, _) => Scale::Share,
        (_, Must::Compare { operator, .. }) if must.is_time() => {
            Scale::Ratio { higher_is_worse: matches!(operator, Operator::Less | Operator::AtMost) }
        }
        _ => Scale::Plain,
    }
}

/// The numbers of a phase in their order: 1 for an answer and 0 for an error, seconds, or values turned so that higher is
/// worse.
fn series(expectation: &Expectation, probe: &ProbeSpec, samples: &[&Sample]) -> Vec<f64> {
    let (metric, must) = (expectation.metric, &expectation.must);
    let data = samples.iter().filter(|sample| sample.outcome().is_data());
    if scale(metric, must) == Scale::Share {
        return data.map(|sample| f64::from(u8::from(!sample.outcome().is_error()))).collect();
    }
    if reads_values(metric, must) {
        return data.filter_map(|sample| sample.value()).map(|value| worse_up(must, value)).collect();
    }
    let latency = |sample: &&Sample| match sample.outcome() {
        Outcome::Ok => Some(sample.latency().as_secs_f64().max(1e-9)),
        Outcome::Timeout => Some(probe.timeout.0.as_secs_f64()),
        _ => None,
    };
    let latencies = data.filter_map(latency);
    if scale(metric, must) == Scale::Plain {
        return latencies.map(|seconds| worse_up(must, seconds)).collect();
    }
    latencies.collect()
}

/// A number turned so that higher is worse: its distance where it must lie around a centre.
fn worse_up(must: &Must, number: f64) -> f64 {
    match must {
        Must::Compare { operator: Operator::Less | Operator::AtMost, .. } => number,
        Must::Compare { .. } => -number,
        Must::Within { centre, .. } => (number - centre.number()).abs(),
    }
}

/// The metric of one batch. What must hold for every single value is compared by its mean.
fn statistic(metric: Metric, scale: Scale, batch: &[f64]) -> f64 {
    let sorted = || {
        let mut sorted = batch.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    let found = match (metric, scale) {
        (Metric::Quantile(q), Scale::Ratio { .. }) => quantile(&sorted(), q),
        (Metric::Min, Scale::Ratio { .. }) => quantile(&sorted(), 0.0),
        (Metric::Max, Scale::Ratio { .. }) => quantile(&sorted(), 1.0),
        _ => mean(batch),
    };
    let found = found.unwrap_or_default();
    if matches!(scale, Scale::Ratio { .. }) { found.ln() } else { found }
}

/// From batches (and, for shares, from the samples they were made of).
fn difference(scale: Scale, must: &Must, batches: &[Block], samples: &[Block]) -> Option<Found> {
    let found = over_runs(batches)?;
    Some(match scale {
        Scale::Ratio { higher_is_worse } => ratio(found, higher_is_worse),
        Scale::Share => availability(found, samples)?,
        Scale::Plain => {
            let usual: Vec<f64> = batches.iter().filter_map(|[first, _]| usual(first)).collect();
            plain(found, unit(must, mean(&usual)?))
        }
    })
}

/// The mean of a run's batches: that of their groups where there is more than one, as for the difference.
fn usual(batches: &[f64]) -> Option<f64> {
    Spread::of(batches).map(|spread| spread.mean).or_else(|| mean(batches))
}

/// From a difference of logarithms.
fn ratio(found: Difference, higher_is_worse: bool) -> Found {
    let Difference { mean, half, p } = found;
    if higher_is_worse {
        let [degradation, low, high] = [mean, mean - half, mean + half].map(f64::exp_m1);
        return Found { degradation, low, high, p, visible: half.exp_m1() };
    }
    let [degradation, low, high] = [mean, mean + half, mean - half].map(|log| -log.exp_m1());
    Found { degradation, low, high, p, visible: -(-half).exp_m1() }
}

fn plain(found: Difference, unit: f64) -> Found {
    let Difference { mean, half, p } = found;
    Found { degradation: mean / unit, low: (mean - half) / unit, high: (mean + half) / unit, p, visible: half / unit }
}

/// The baseline against itself: the second half of its batches against the first.
/// Of several runs each has its halves: what they differ by in all of them is no chance.
fn itself(scale: Scale, must: &Must, batches: &[Block], samples: &[Block], size: usize) -> Option<Found> {
    let halves = |all: &[f64], at: usize| {
        let (first, second) = all.split_at(at.min(all.len()));
        [first.to_vec(), second.to_vec()]
    };
    let of_batches = batches.iter().map(|[before, _]| halves(before, before.len() / 2));
    let of_samples = samples.iter().zip(batches).map(|([all, _], [before, _])| halves(all, before.len() / 2 * size));
    difference(scale, must, &of_batches.collect::<Vec<_>>(), &of_samples.collect::<Vec<_>>())
}

/// What a difference of values is a share of: the baseline's mean, else the limit, else one.
fn unit(must: &Must, usual: f64) -> f64 {
    let (first, second) = match must {
        Must::Compare { limit, .. } => (usual, limit.number()),
        Must::Within { centre, tolerance } => (centre.number(), tolerance.number()),
    };
    [first, second].into_iter().map(f64::abs).find(|number| *number > 0.0).unwrap_or(1.0)
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(rounded(number))
}

/// To a millionth: more is neither known nor read back from every JSON.
fn rounded(share: f64) -> f64 {
    if share.abs() < 1e9 { (share * 1e6).round() / 1e6 } else { share }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Phases, compare, least_baseline};
    use crate::analysis::findings::{Compared, Doubt};
    use crate::analysis::testing::{expect, http, prometheus, sample, value};
    use crate::model::sample::{Outcome, Sample};

    /// Fifty samples a second, with a little noise that repeats.
    fn answers(count: usize, millis: f64, spread: f64) -> Vec<Sample> {
        let noise = |i: usize| 1.0 + spread * ((i * 7919 % 1009) as f64 / 1009.0 - 0.5);
        (0..count).map(|i| sample(i as f64 * 0.02, millis * noise(i), Outcome::Ok)).collect()
    }

    /// Compares one metric of `ask`.
    pub(in crate::analysis) fn compared(text: &str, before: &[Sample], during: &[Sample]) -> Option<Compared> {
        let (before, during): (Vec<&Sample>, Vec<&Sample>) = (before.iter().collect(), during.iter().collect());
        compare(&expect(text), &http("ask"), &[Phases { baseline: &before, fault: &during }])
    }

    #[test]
    fn a_quarter_more_is_seen_as_a_quarter_more_with_its_interval() {
        let found = compared("p95 <= 1s", &answers(1000, 10.0, 0.5), &answers(1000, 12.5, 0.5)).expect("compared");
        let (low, high) = (found.low.expect("a bound"), found.high.expect("a bound"));
        assert!(low < 0.25 && 0.25 < high && high - low < 0.1, "{found:?}");
        assert!(found.confirmed && found.doubt.is_none(), "{found:?}");
    }

    #[test]
    fn faster_is_better_unless_a_least_time_is_wanted() {
        let (slow, fast) = (answers(1000, 20.0, 0.5), answers(1000, 10.0, 0.5));
        assert!(compared("p50 <= 1s", &slow, &fast).expect("compared").degradation < -0.4);
        assert!(compared("p50 >= 1ms", &slow, &fast).expect("compared").degradation > 0.4);
    }

    #[test]
    fn quantiles_need_samples_beyond_them() {
        let least = ["p50 <= 1s", "p95 <= 1s", "p99 <= 1s", "success_rate >= 99%", "value <= 4", "mean <= 1s"];
        let least = least.map(|text| least_baseline(expect(text).metric, &expect(text).must));
        assert_eq!(least, [200, 1000, 5000, 200, 10, 200]);
        let few =
            compared("p95 <= 1s", &answers(999, 10.0, 0.5), &answers(999, 50.0, 0.5)).expect("shown all the same");
        assert_eq!(few.doubt, Some(Doubt::FewSamples { of: 999, least: 1000 }));
        assert!(few.degradation > 3.0, "{few:?}");
    }

    #[test]
    fn a_short_fault_is_cut_into_batches_of_the_same_size() {
        let found = compared("p95 <= 1s", &answers(3000, 10.0, 0.5), &answers(500, 10.0, 0.5)).expect("compared");
        assert_eq!(found.doubt, None, "five batches of a hundred");
        let short = compared("p95 <= 1s", &answers(3000, 10.0, 0.5), &answers(150, 10.0, 0.5));
        assert_eq!(short, None, "one batch has no spread");
    }

    #[test]
    fn a_baseline_that_moves_widens_the_interval_by_as_much() {
        let moving: Vec<Sample> = [answers(500, 10.0, 0.1), answers(500, 12.0, 0.1)].concat();
        let found = compared("p50 <= 1s", &moving, &answers(1000, 13.0, 0.1)).expect("compared");
        assert!(found.baseline_shift.is_some_and(|shift| (shift - 0.2).abs() < 0.02), "{found:?}");
        assert!(!found.confirmed && found.doubt == Some(Doubt::BaselineMoved), "{found:?}");
        let far = compared("p50 <= 1s", &moving, &answers(1000, 100.0, 0.1)).expect("compared");
        assert!(far.confirmed, "nine times as slow is more than a baseline that moves by a fifth: {far:?}");
    }

    #[test]
    fn values_are_compared_by_their_difference() {
        let values = |depth: f64| (0..20).map(|i| value(f64::from(i), depth + f64::from(i % 2))).collect::<Vec<_>>();
        let (before, during) = (values(9.5), values(19.5));
        let (before, during): (Vec<&Sample>, Vec<&Sample>) = (before.iter().collect(), during.iter().collect());
        let phases = Phases { baseline: &before, fault: &during };
        let found = compare(&expect("value <= 50"), &prometheus("depth"), &[phases]).expect("compared");
        assert!(found.confirmed && (found.degradation - 1.0).abs() < 1e-9, "{found:?}");
        let within = compare(&expect("value within 5 of 10"), &prometheus("depth"), &[phases]).expect("compared");
        assert!(within.degradation > 0.9 && within.confirmed, "{within:?}");
    }

    #[test]
    fn without_answers_there_is_nothing_to_compare() {
        let refused: Vec<Sample> = (0..500).map(|i| sample(f64::from(i) * 0.02, 0.1, Outcome::Refused)).collect();
        assert_eq!(compared("p95 <= 1s", &answers(1000, 10.0, 0.5), &refused), None);
    }
}

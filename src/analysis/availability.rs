//! Shares of good answers before and during the fault: the wider of two intervals counts, Newcombe's, which takes answers for
//! independent, and that of the batches, which does not need that but is blind where hardly anything fails.

use std::time::Duration;

use super::batches::{Block, Difference};
use super::degradation::Found;
use super::findings::Doubt;
use super::formulas::{Z95, newcombe, normal_cdf};
use super::tally::mean;
use crate::model::sample::Sample;

/// Errors that are at least this far apart are of separate episodes.
const EPISODE: Duration = Duration::from_secs(1);
/// Fewer episodes than this show no rate, unless errors are many.
const EPISODES: usize = 5;
/// So many errors speak for themselves.
const MANY_ERRORS: f64 = 0.2;

/// From the difference of the batches' availabilities, and the answers they were made of (1 good, 0 failed). None where
/// there was nothing to lose, or nothing to compare with.
/// Of several runs all answers of a phase are counted together.
pub(super) fn availability(found: Difference, answers: &[Block]) -> Option<Found> {
    let count = |phase: usize| {
        let all = answers.iter().flat_map(|run| &run[phase]);
        (all.clone().sum::<f64>() as u64, all.count() as u64)
    };
    let (first, second) = (count(0), count(1));
    if first.0 == 0 || second.1 == 0 {
        return None;
    }
    let usual = first.0 as f64 / first.1 as f64;
    let lost = usual - second.0 as f64 / second.1 as f64;
    let (low, high) = newcombe(first, second, Z95);
    let (low, high) = (low.min(lost - found.half), high.max(lost + found.half));
    let p = found.p.max(newcombe_p(first, second));
    // Without an error there is nothing that batches could differ by: Newcombe's interval alone says what is known.
    let p = if found.half == 0.0 { newcombe_p(first, second) } else { p };
    Some(Found {
        degradation: lost / usual,
        low: low / usual,
        high: high / usual,
        p,
        visible: (high - low) / 2.0 / usual,
    })
}

/// How likely such a difference of shares would be without any: where Newcombe's interval ends at zero, by halving.
fn newcombe_p(first: (u64, u64), second: (u64, u64)) -> f64 {
    let excludes = |z: f64| {
        let (low, high) = newcombe(first, second, z);
        low > 0.0 || high < 0.0
    };
    let (mut inside, mut outside) = (0.0, 40.0);
    for _ in 0..50 {
        let middle = f64::midpoint(inside, outside);
        if excludes(middle) { inside = middle } else { outside = middle }
    }
    2.0 * (1.0 - normal_cdf(inside))
}

/// Whether the errors during the faults of all runs are of too few episodes to speak of a rate.
pub(super) fn episodes<'a>(faults: impl Iterator<Item = &'a [&'a Sample]>, answers: &[Block]) -> Option<Doubt> {
    let count: usize = faults.map(episodes_of).sum();
    let during: Vec<f64> = answers.iter().flat_map(|run| run[1].iter().copied()).collect();
    let share = 1.0 - mean(&during)?;
    ((1..EPISODES).contains(&count) && share < MANY_ERRORS).then_some(Doubt::FewEpisodes { of: count, least: EPISODES })
}

fn episodes_of(fault: &[&Sample]) -> usize {
    let errors = fault.iter().filter(|sample| sample.outcome().is_error()).map(|sample| sample.intended());
    let mut last = None;
    let mut count = 0;
    for at in errors {
        count += usize::from(last.is_none_or(|last| at.saturating_sub(last) >= EPISODE));
        last = Some(at);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::newcombe_p;
    use crate::analysis::degradation::tests::compared;
    use crate::analysis::findings::Doubt;
    use crate::analysis::testing::sample;
    use crate::model::sample::{Outcome, Sample};

    #[test]
    fn chance_is_one_in_twenty_where_the_interval_just_touches_zero() {
        // 5 of 56 against none of 29: Newcombe's interval includes zero, and so chance explains it well.
        assert!(newcombe_p((5, 56), (0, 29)) > 0.05);
        assert!(newcombe_p((56, 70), (48, 80)) < 0.05, "0.0524 to 0.3339");
        assert!((newcombe_p((10, 20), (10, 20)) - 1.0).abs() < 1e-6);
    }

    fn failing(count: usize, fails: impl Fn(usize) -> bool) -> Vec<Sample> {
        let outcome = |i| if fails(i) { Outcome::Wrong } else { Outcome::Ok };
        (0..count).map(|i| sample(i as f64 * 0.02, 2.0, outcome(i))).collect()
    }

    #[test]
    fn availability_is_compared_by_the_wider_interval() {
        let steady = compared("success_rate >= 99%", &failing(500, |_| false), &failing(500, |i| i % 4 == 0));
        let steady = steady.expect("compared");
        assert!(steady.confirmed && (steady.degradation - 0.25).abs() < 1e-9, "{steady:?}");
        assert!(steady.low.is_some_and(|low| (0.2..0.22).contains(&low)), "Newcombe's: {steady:?}");
        let outage = compared("success_rate >= 99%", &failing(500, |_| false), &failing(500, |i| i < 125));
        assert!(outage.expect("compared").low.is_some_and(|low| low < 0.0), "the batches': one long outage");
    }

    #[test]
    fn errors_of_few_episodes_are_no_rate() {
        let once = compared("error_rate <= 1%", &failing(500, |_| false), &failing(500, |i| i == 9)).expect("compared");
        assert_eq!(once.doubt, Some(Doubt::FewEpisodes { of: 1, least: 5 }));
        let often = compared("error_rate <= 1%", &failing(500, |_| false), &failing(500, |i| i % 60 == 0));
        assert_eq!(often.expect("compared").doubt, None);
    }
}

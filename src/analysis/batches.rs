//! Batch means: what neighbouring samples have in common (a slow second, a full queue) is also what makes an interval that
//! takes them for independent too narrow. So a phase is cut into batches of consecutive samples, and the spread of the
//! batches gives the interval.
//!
//! Source: G. S. Fishman, "Grouping Observations in Digital Simulation", Management Science 24 (1978); A. M. Law,
//! "Simulation Modeling and Analysis", 5th ed. (2015), section 9.5.3. The comparison of two phases with unequal spreads
//! is B. L. Welch's, "The Generalization of 'Student's' Problem", Biometrika 34 (1947).

use super::formulas::{student_cdf, student_quantile};
use super::tally::mean;

/// More batches than this are joined to so many groups.
pub const GROUPS: usize = 10;
/// The probability of the upper end of a two-sided 95 % interval.
const UPPER: f64 = 0.975;

/// The means of the groups of one phase: their mean, and the variance of that mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The variance of the mean.
    pub variance: f64,
    /// The number of groups it was made from, less one.
    pub freedom: f64,
}

/// The difference of two phases, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The second less the first.
    pub mean: f64,
    /// Half the width of the interval.
    pub half: f64,
    /// How likely a difference like this, or a greater one, would be without any: two-sided.
    pub p: f64,
}

impl Spread {
    /// Of batch statistics in their order. None of fewer than two.
    pub fn of(batches: &[f64]) -> Option<Self> {
        let groups = grouped(batches);
        let count = groups.len() as f64;
        if groups.len() < 2 {
            return None;
        }
        let mean = mean(&groups)?;
        let squares: f64 = groups.iter().map(|group| (group - mean).powi(2)).sum();
        Some(Self { mean, variance: squares / (count - 1.0) / count, freedom: count - 1.0 })
    }

    /// Half the width of the 95 % interval of the mean.
    pub fn half(self) -> f64 {
        if self.variance == 0.0 { 0.0 } else { student_quantile(UPPER, self.freedom) * self.variance.sqrt() }
    }

    /// How far a later phase is from this one.
    pub fn until(self, later: Self) -> Difference {
        let variance = self.variance + later.variance;
        let welch = variance.powi(2) / (self.variance.powi(2) / self.freedom + later.variance.powi(2) / later.freedom);
        Difference::of(later.mean - self.mean, variance, welch)
    }
}

impl Difference {
    fn of(mean: f64, variance: f64, freedom: f64) -> Self {
        if variance == 0.0 {
            return Self { mean, half: 0.0, p: if mean == 0.0 { 1.0 } else { 0.0 } };
        }
        let t = mean / variance.sqrt();
        let p = 2.0 * (1.0 - student_cdf(t.abs(), freedom));
        Self { mean, half: student_quantile(UPPER, freedom) * variance.sqrt(), p }
    }
}

/// The batch statistics of the two phases of one run.
pub type Block = [Vec<f64>; 2];

/// How far the second phase is from the first, over several runs: the mean of what each run shows by itself, so that what
/// makes one run as a whole slower than the next does not matter. Its interval is the wider of two: from how much the
/// batches differ within the runs, and from how much the runs differ (Student's, a run being one observation), which is
/// all that is known about what the next run would show. None where a run has no batch of a phase, or nothing tells of
/// any spread.
///
/// Source: the randomised complete block design with a run as its block, for instance D. C. Montgomery, "Design and Analysis
/// of Experiments", 8th ed. (2013), chapter 4; two runs make a paired comparison, section 2.5.
pub fn over_runs(runs: &[Block]) -> Option<Difference> {
    if let [[first, second]] = runs {
        return Some(Spread::of(first)?.until(Spread::of(second)?));
    }
    let differences: Option<Vec<f64>> = runs.iter().map(|[first, second]| Some(mean(second)? - mean(first)?)).collect();
    let between = Spread::of(&differences?)?;
    let between = Difference::of(between.mean, between.variance, between.freedom);
    let Some(within) = within_runs(runs) else { return Some(between) };
    let within = Difference::of(between.mean, within.0, within.1);
    Some(Difference { mean: between.mean, half: between.half.max(within.half), p: between.p.max(within.p) })
}

/// The variance of that mean by the batches within the runs, and its degrees of freedom (Satterthwaite); none where every
/// run has but one batch.
fn within_runs(runs: &[Block]) -> Option<(f64, f64)> {
    let phase = |phase: usize| {
        let batches: Vec<&Vec<f64>> = runs.iter().map(|run| &run[phase]).collect();
        let freedom: f64 = batches.iter().map(|batches| batches.len() as f64 - 1.0).sum();
        let around = |batches: &[f64]| {
            let mean = mean(batches).unwrap_or_default();
            batches.iter().map(|batch| (batch - mean).powi(2)).sum::<f64>()
        };
        let squares: f64 = batches.iter().map(|batches| around(batches)).sum();
        let shares: f64 = batches.iter().map(|batches| 1.0 / batches.len() as f64).sum();
        (freedom > 0.0).then(|| (squares / freedom * shares / (runs.len() as f64).powi(2), freedom))
    };
    let ((first, of_first), (second, of_second)) = (phase(0)?, phase(1)?);
    let variance = first + second;
    Some((variance, variance.powi(2) / (first.powi(2) / of_first + second.powi(2) / of_second)))
}

/// A statistic of each batch of `size` consecutive numbers; what does not fill a batch at the end is left out.
pub fn batch(numbers: &[f64], size: usize, statistic: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    numbers.chunks_exact(size.max(1)).map(statistic).collect()
}

/// The mean of each of at most [`GROUPS`] groups of neighbours, as equal in size as can be.
fn grouped(batches: &[f64]) -> Vec<f64> {
    let groups = batches.len().min(GROUPS);
    let edge = |group: usize| group * batches.len() / groups;
    (0..groups).filter_map(|group| mean(&batches[edge(group)..edge(group + 1)])).collect()
}

#[cfg(test)]
mod tests {
    use super::{Spread, batch, grouped, over_runs};
    use crate::analysis::tally::mean;

    #[test]
    fn welch_matches_a_published_example() {
        // Two columns of ten hours of sleep, "Student", Biometrika 6 (1908); R 4, t.test(extra ~ group, data = sleep):
        // t = -1.8608, df = 17.776, p = 0.07939, interval of the difference -3.3655 to 0.2055.
        let first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let spread = |numbers: &[f64]| Spread::of(numbers).expect("ten numbers");
        let found = spread(&first).until(spread(&second));
        assert!((found.mean - 1.58).abs() < 1e-9, "{found:?}");
        assert!((found.p - 0.07939).abs() < 1e-5, "{found:?}");
        assert!((found.mean - found.half + 0.2055).abs() < 1e-4, "{found:?}");
        assert!((found.mean + found.half - 3.3655).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn runs_are_blocks_and_the_wider_of_their_two_intervals_counts() {
        let block = |level: f64, effect: f64, noise: f64| {
            let phase = |middle: f64| [-1.0, 0.0, 1.0].map(|step| middle + step * noise).to_vec();
            [phase(level), phase(level + effect)]
        };
        // However much the levels of the runs differ: a pair is compared with itself.
        let paired =
            over_runs(&[block(1.0, 2.0, 0.1), block(50.0, 2.0, 0.1), block(9.0, 2.0, 0.1)]).expect("three runs");
        assert!(
            (paired.mean - 2.0).abs() < 1e-9 && (0.0..0.3).contains(&paired.half) && paired.p < 0.001,
            "{paired:?}"
        );
        // Where effects differ, their spread counts: Student's t of 1, 2 and 6 is 3 +- 4.303 * 2.6458 / 3^0.5.
        let scattered =
            over_runs(&[block(0.0, 1.0, 0.1), block(0.0, 2.0, 0.1), block(0.0, 6.0, 0.1)]).expect("three runs");
        assert!((scattered.mean - 3.0).abs() < 1e-9 && (scattered.half - 6.572).abs() < 1e-3, "{scattered:?}");
        // Where they agree by chance, what the batches of the runs show counts.
        let noisy = over_runs(&[block(0.0, 1.0, 5.0), block(0.0, 1.0, 5.0)]).expect("two runs");
        assert!(noisy.half > 5.0, "{noisy:?}");
        // One batch a run tells of no spread within it.
        let short = over_runs(&[[vec![1.0], vec![2.0]], [vec![1.0], vec![2.5]]]).expect("two runs");
        assert!((short.half - 12.706 * 0.25).abs() < 0.01, "{short:?}");
        assert_eq!(over_runs(&[[vec![], vec![2.0]], [vec![1.0], vec![2.5]]]), None);
    }

    #[test]
    fn without_spread_every_difference_is_certain() {
        let spread = |number: f64| Spread::of(&[number; 10]).expect("ten numbers");
        assert_eq!(spread(1.0).until(spread(2.0)).p, 0.0);
        assert_eq!((spread(1.0).until(spread(1.0)).p, spread(1.0).half()), (1.0, 0.0));
    }

    #[test]
    fn batches_are_full_and_groups_are_neighbours() {
        let numbers: Vec<f64> = (0..25).map(f64::from).collect();
        let mean_of = |batch: &[f64]| mean(batch).expect("not empty");
        assert_eq!(batch(&numbers, 10, mean_of), [4.5, 14.5], "five are left over");
        assert_eq!(grouped(&numbers).len(), 10);
        assert_eq!(grouped(&numbers)[0], 0.5, "the first two");
        assert_eq!(Spread::of(&[1.0]), None);
    }
}

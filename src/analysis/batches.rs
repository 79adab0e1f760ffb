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
        let mean = later.mean - self.mean;
        let variance = self.variance + later.variance;
        if variance == 0.0 {
            return Difference { mean, half: 0.0, p: if mean == 0.0 { 1.0 } else { 0.0 } };
        }
        let welch = variance.powi(2) / (self.variance.powi(2) / self.freedom + later.variance.powi(2) / later.freedom);
        let t = mean / variance.sqrt();
        let p = 2.0 * (1.0 - student_cdf(t.abs(), welch));
        Difference { mean, half: student_quantile(UPPER, welch) * variance.sqrt(), p }
    }
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
    use super::{Spread, batch, grouped};
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

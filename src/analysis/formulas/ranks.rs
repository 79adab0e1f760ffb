//! Which samples bound a quantile.

use super::Z95;

/// The ranks (1 to `n`) of the samples that bound the `q` quantile of `n` samples with 95 % confidence, whatever their
/// distribution. None for an end that lies beyond the samples: with few of them nothing bounds a p99 from above.
///
/// Source: M. J. Campbell, M. J. Gardner, "Calculating confidence intervals for some non-parametric analyses", BMJ 296
/// (1988); W. J. Conover, "Practical Nonparametric Statistics", 3rd ed. (1999), section 3.2.
pub fn quantile_ranks(n: usize, q: f64) -> (Option<usize>, Option<usize>) {
    let place = n as f64 * q;
    let half = Z95 * (place * (1.0 - q)).sqrt();
    let low = (place - half).round();
    let high = (1.0 + place + half).round();
    ((low >= 1.0).then_some(low as usize), (high <= n as f64).then_some(high as usize))
}

#[cfg(test)]
mod tests {
    use super::quantile_ranks;

    #[test]
    fn the_ranks_of_a_median_match_the_published_table() {
        // Campbell and Gardner, the table of exact ranks for the median.
        for (n, low, high) in [(10, 2, 9), (20, 6, 15), (30, 10, 21), (50, 18, 33), (70, 27, 44), (100, 40, 61)] {
            assert_eq!(quantile_ranks(n, 0.5), (Some(low), Some(high)), "{n} samples");
        }
    }

    #[test]
    fn few_samples_do_not_bound_a_rare_quantile_from_above() {
        assert_eq!(quantile_ranks(100, 0.99).1, None);
        assert!(quantile_ranks(500, 0.99).1.is_some());
        assert_eq!(quantile_ranks(5, 0.5), (None, None));
    }
}

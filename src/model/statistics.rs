//! The few formulas that more than one room needs.

/// The Wilson score interval of a share: `bad` of `n`, with the normal quantile `z`. `(0, 1)` when `n` is 0.
///
/// Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
pub fn wilson(bad: u64, n: u64, z: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (bad, n) = (bad as f64, n as f64);
    let p = bad / n;
    let z2 = z * z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The `q` quantile (0 to 1) of values that are **sorted** in rising order, by linear interpolation between the
/// closest ranks (Hyndman and Fan, type 7). None when there are no values.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(last);
    if part == 0.0 || sorted[low] == sorted[high] {
        return Some(sorted[low]);
    }
    Some(sorted[low] + (sorted[high] - sorted[low]) * part)
}

#[cfg(test)]
mod tests {
    use super::{quantile, wilson};

    #[test]
    fn wilson_matches_published_values() {
        // Newcombe, "Two-sided confidence intervals for the single proportion", Stat. Med. 17 (1998), table I.
        for (bad, n, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let (l, h) = wilson(bad, n, 1.959_964);
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{bad}/{n}: {l} {h}");
        }
    }

    #[test]
    fn without_samples_nothing_is_known() {
        assert_eq!(wilson(0, 0, 2.0), (0.0, 1.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn quantiles_interpolate_between_ranks() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 1.0), Some(4.0));
        assert_eq!(quantile(&[1.0, f64::INFINITY], 0.0), Some(1.0));
    }
}

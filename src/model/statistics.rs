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

/// The chance of `count` or more of `n` when each is so with probability `p` (0 to 1). None where floating point cannot
/// say: when even one of so many is all but certain.
pub fn at_least(count: u64, n: u64, p: f64) -> Option<f64> {
    let mut term = (1.0 - p).powf(n as f64);
    if term < f64::MIN_POSITIVE {
        return None;
    }
    let mut below = 0.0;
    for k in 0..count.min(n + 1) {
        below += term;
        term *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
    }
    Some((1.0 - below).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::{at_least, quantile, wilson};

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

    #[test]
    fn the_chance_of_so_many_is_the_binomial_one() {
        for (count, n, p, chance) in
            [(3, 10, 0.05, 0.011_504), (4, 27, 0.05, 0.043_3), (0, 5, 0.5, 1.0), (1, 5, 0.0, 0.0)]
        {
            let found = at_least(count, n, p).expect("a number");
            assert!((found - chance).abs() < 1e-3, "{count} of {n} at {p}: {found}");
        }
        assert!(at_least(5, 5, 0.5).is_some_and(|all| (all - 1.0 / 32.0).abs() < 1e-12));
        assert_eq!(at_least(6, 5, 0.5), Some(0.0));
        assert_eq!(at_least(1, 200, 1.0), None);
    }
}

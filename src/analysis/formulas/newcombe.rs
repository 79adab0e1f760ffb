//! Two shares.

use crate::model::statistics::wilson;

/// The interval of a difference of two shares, `first - second`, each as (count, of), with the normal quantile `z`:
/// Newcombe's hybrid of two Wilson intervals.
///
/// Source: R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of
/// eleven methods", Statistics in Medicine 17 (1998), method 10.
pub fn newcombe(first: (u64, u64), second: (u64, u64), z: f64) -> (f64, f64) {
    let share = |(count, of): (u64, u64)| count as f64 / of.max(1) as f64;
    let (p1, p2) = (share(first), share(second));
    let ((l1, u1), (l2, u2)) = (wilson(first.0, first.1, z), wilson(second.0, second.1, z));
    let difference = p1 - p2;
    (difference - (p1 - l1).hypot(u2 - p2), difference + (u1 - p1).hypot(p2 - l2))
}

#[cfg(test)]
mod tests {
    use super::newcombe;
    use crate::analysis::formulas::Z95;

    #[test]
    fn newcombe_matches_published_values() {
        // Table II of the paper, method 10.
        for (first, second, low, high) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((6, 7), (2, 7), 0.0582, 0.8062),
            ((5, 56), (0, 29), -0.0381, 0.1926),
            ((0, 10), (0, 20), -0.1611, 0.2775),
            ((0, 10), (0, 10), -0.2775, 0.2775),
            ((10, 10), (0, 20), 0.6791, 1.0),
            ((10, 10), (0, 10), 0.6075, 1.0),
        ] {
            let (l, h) = newcombe(first, second, Z95);
            assert!((l - low).abs() < 5e-5 && (h - high).abs() < 5e-5, "{first:?} - {second:?}: {l} {h}");
        }
    }
}

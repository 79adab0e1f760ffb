//! The normal distribution.

/// The share of a standard normal variable below `z`, to 7.5e-8.
///
/// Source: M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions" (1964), formula 26.2.17.
pub fn normal_cdf(z: f64) -> f64 {
    const TERMS: [f64; 5] = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let beyond = density * TERMS.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    if z >= 0.0 { 1.0 - beyond } else { beyond }
}

#[cfg(test)]
mod tests {
    use super::normal_cdf;

    #[test]
    fn the_normal_distribution_matches_published_values() {
        // The same handbook, table 26.1.
        for (z, share) in [(0.0, 0.5), (1.0, 0.841_344_746), (1.96, 0.975_002_105), (3.0, 0.998_650_102)] {
            assert!((normal_cdf(z) - share).abs() < 1e-7, "{z}");
            assert!((normal_cdf(-z) - (1.0 - share)).abs() < 1e-7, "-{z}");
        }
    }
}

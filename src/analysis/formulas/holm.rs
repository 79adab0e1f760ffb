//! Several claims at once.

/// Holm's step-down adjustment: each p-value in its place, adjusted so that comparing all of them with 0.05 keeps the
/// chance of a single false claim among them at 5 %.
///
/// Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statist. 6 (1979).
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max(p_values[place] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[place] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::holm;

    #[test]
    fn holm_matches_published_values() {
        // R 4, p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm"), the example of its manual.
        let adjusted = holm(&[0.01, 0.02, 0.03, 0.04, 0.05]);
        for (found, published) in adjusted.iter().zip([0.05, 0.08, 0.09, 0.09, 0.09]) {
            assert!((found - published).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn the_order_of_the_claims_does_not_matter_and_one_claim_is_left_alone() {
        assert_eq!(holm(&[0.04, 0.001]), [0.04, 0.002]);
        assert_eq!(holm(&[0.03]), [0.03]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
    }
}

//! Seeded dice: the same seed, proxy, toxic and connection always roll the same numbers, whatever else goes on.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::host::dice::seeded;

/// The rolls of one toxic for one connection (TCP) or request (HTTP).
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of a toxic for the connection or request of that number.
    pub(super) fn new(seed: u64, proxy: &str, toxic: &str, number: u64) -> Self {
        let mut rng = seeded(seed, [proxy, toxic]);
        rng.set_stream(number);
        Self(rng)
    }

    /// A number from 0 (included) to 1 (excluded), uniform over 53 bits.
    pub(super) fn roll(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    fn rolls(seed: u64, proxy: &str, toxic: &str, number: u64) -> Vec<f64> {
        let mut dice = Dice::new(seed, proxy, toxic, number);
        (0..4).map(|_| dice.roll()).collect()
    }

    #[test]
    fn a_seed_replays_and_everything_else_that_names_a_roll_changes_it() {
        let first = rolls(7, "generator", "slow", 1);
        assert_eq!(first, rolls(7, "generator", "slow", 1));
        assert_ne!(first, rolls(8, "generator", "slow", 1));
        assert_ne!(first, rolls(7, "retriever", "slow", 1));
        assert_ne!(first, rolls(7, "generator", "fast", 1));
        assert_ne!(first, rolls(7, "generator", "slow", 2));
    }

    #[test]
    fn rolls_are_uniform_from_zero_to_below_one() {
        let all: Vec<f64> = (0..10_000).map(|number| Dice::new(1, "p", "t", number).roll()).collect();
        assert!(all.iter().all(|roll| (0.0..1.0).contains(roll)));
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((mean - 0.5).abs() < 0.015, "five standard errors of a uniform mean: {mean}");
    }
}

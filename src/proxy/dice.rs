//! Seeded dice: the same seed, proxy, toxic and connection always roll the same numbers, whatever else goes on.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The rolls of one toxic for one connection (TCP) or request (HTTP).
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of a toxic for the connection or request of that number.
    pub(super) fn new(seed: u64, proxy: &str, toxic: &str, number: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(proxy).to_le_bytes());
        key[16..24].copy_from_slice(&fnv1a(toxic).to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(number);
        Self(rng)
    }

    /// A number from 0 (included) to 1 (excluded), uniform over 53 bits.
    pub(super) fn roll(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// FNV-1a, 64 bits: unlike the standard library's hashes it is the same in every build, so that a seed replays.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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

//! Chance from the operating system, and dice that a seed replays: everything that is random in a run is drawn from one seed
//! that the report prints.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A fresh seed.
pub fn random_seed() -> u64 {
    rand::random()
}

/// The dice for what has these names: the same seed and names always roll the same numbers, whatever else goes on.
pub fn seeded(seed: u64, names: [&str; 2]) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&fnv1a(names[0]).to_le_bytes());
    key[16..24].copy_from_slice(&fnv1a(names[1]).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// FNV-1a, 64 bits: unlike the standard library's hashes it is the same in every build, so that a seed replays.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

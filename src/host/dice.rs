//! Chance from the operating system. Everything else that is random is drawn from a seed that the report prints.

/// A fresh seed.
pub fn random_seed() -> u64 {
    rand::random()
}

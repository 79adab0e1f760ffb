//! `chaos`: breaks something on purpose, measures, always puts it back and tells the truth.
//!
//! The rooms stand on floors; a room uses only rooms on lower floors (`tests/house.rs` enforces it, and
//! `docs/ARCHITECTURE.md` explains it).

pub mod analysis;
pub mod host;
pub mod model;
pub mod report;

//! `chaos`: breaks something on purpose, measures, always puts it back and tells the truth.
//!
//! The rooms stand on floors; a room uses only rooms on lower floors (`tests/house.rs` enforces it, and
//! `docs/ARCHITECTURE.md` explains it).

pub mod analysis;
pub mod fault;
pub mod guard;
pub mod demo;
pub mod host;
pub mod journal;
pub mod model;
pub mod probe;
pub mod proxy;
pub mod runner;
pub mod worker;

//! The probes: how the system under test feels, as timed samples. One file a probe; [`schedule`] sends them in an open
//! loop. `README.md` beside this file says how to add one. Floor 3.

mod in_flight;
mod phase_cell;
mod recorder;
pub mod schedule;

pub use phase_cell::PhaseCell;
pub use recorder::Recorder;

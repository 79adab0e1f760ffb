//! The nouns and units of chaos engineering as this tool speaks them. Floor 0: no I/O, no clock, no other room.

pub mod dose;
pub mod event;
pub mod expectation;
pub mod experiment;
pub mod fault;
pub mod glob;
pub mod http;
mod left;
pub mod phase;
pub mod policy;
pub mod probe;
pub mod sample;
pub mod secret;
pub mod statistics;
pub mod step;
#[cfg(test)]
pub mod testing;
pub mod units;
pub mod verdict;

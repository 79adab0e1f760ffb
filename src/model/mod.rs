//! The nouns and units of chaos engineering as this tool speaks them. Floor 0: no I/O, no clock, no other room.

pub mod about;
pub mod after_undo;
pub mod cgroup;
pub mod dose;
pub mod event;
pub mod expectation;
pub mod experiment;
pub mod fault;
pub mod glob;
pub mod hold;
pub mod http;
mod left;
pub mod phase;
pub mod policy;
pub mod probe;
pub mod profile;
pub mod redaction;
pub mod sample;
pub mod secret;
pub(crate) mod shape;
pub mod statistics;
pub mod step;
pub mod target;
#[cfg(test)]
pub mod testing;
pub mod traffic;
pub mod units;
pub mod verdict;

//! The real machine: Linux.

pub(in crate::host) mod census;
pub mod cgroup;
pub(in crate::host) mod child;
pub(in crate::host) mod held;
pub(in crate::host) mod holders;
pub(in crate::host) mod identity;
mod log_writer;
pub(in crate::host) mod marked;
pub(in crate::host) mod open_files;
pub(in crate::host) mod owner;
pub mod powers;
pub(in crate::host) mod profile;
pub(in crate::host) mod spawner;
pub(in crate::host) mod strays;
pub mod trial;
pub(in crate::host) mod usage;

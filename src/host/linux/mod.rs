//! The real machine: Linux.

pub(in crate::host) mod child;
pub(in crate::host) mod identity;
mod log_writer;
pub(in crate::host) mod marked;
pub(in crate::host) mod spawner;
pub(in crate::host) mod usage;

//! `chaos`: breaks something on purpose, measures, always puts it back and tells the truth.
//!
//! The rooms stand on floors; a room uses only rooms on lower floors (`tests/house.rs` enforces it, and
//! `docs/ARCHITECTURE.md` explains it).

pub mod analysis;
pub mod cli;
pub mod console;
pub mod demo;
pub mod diagnostic;
pub mod fault;
pub mod guard;
pub mod host;
pub mod journal;
pub mod model;
pub mod probe;
pub mod proxy;
pub mod report;
pub mod runner;
pub mod spec;
pub mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line, the program's own name first; the exit codes are those of `chaos run --help`.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    cli::main(words)
}

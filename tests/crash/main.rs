//! The crash matrix: real runs of the built binary, killed at every point; then a look for residue with an oracle that
//! is not ours. `docs/CRASH.md` says how to run, read and replay it.
//!
//! A runner of its own, because every mode is one row of one table, and because a mode that must leak passes by leaking.
#![allow(missing_docs)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::disallowed_macros,
    reason = "the tool is looked at from outside, with nothing but the standard library"
)]

mod abandoned;
mod bad;
#[path = "../binary/mod.rs"]
mod binary;
mod calls;
mod disk;
mod experiment;
mod guardian;
mod home;
mod matrix;
mod memory;
mod needs;
mod oracle;
mod race;
mod recovery;
mod reuse;
mod run;
mod signals;
mod stranger;
mod table;
mod target;
mod together;
mod tool;
mod tracer;
mod words;

use std::process::ExitCode;

use matrix::Mode;
use words::Words;

/// Every row of the matrix.
static MODES: [Mode; 13] = [
    tool::MODE,
    together::MODE,
    recovery::MODE,
    guardian::MODE,
    guardian::SILENT,
    signals::MODE,
    signals::STOPPED,
    disk::MODE,
    race::MODE,
    target::MODE,
    reuse::MODE,
    memory::MODE,
    bad::MODE,
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [bad::COMMAND, experiment, state] => return bad::main(experiment, state),
        [reuse::COMMAND, rest @ ..] => return reuse::main(rest),
        [memory::COMMAND] => return memory::main(),
        // The bad tool starts the demo and workers as the binary that it is.
        ["demo" | "__worker", ..] => return chaos::run(std::env::args_os()),
        _ => {}
    }
    let words = Words::of(&words);
    let modes: Vec<&'static Mode> = MODES.iter().filter(|mode| words.want(mode.name)).collect();
    if words.list {
        modes.iter().for_each(|mode| println!("{}: test", mode.name));
        return ExitCode::SUCCESS;
    }
    matrix::run(&modes)
}

//! The doses of workers on this machine, and those of `stress-ng` and `fio` where they are installed, in one run.
//!
//! Workers run in processes of their own (this program with the word `__worker`) and are looked at from outside: CPU time
//! by the CPU clocks of processes, which are exact at any moment (ticks of `/proc/stat` are not), memory by
//! `/proc/PID/statm`. Operations of a disk are counted by whoever does them.
//!
//!     cargo bench --bench resources                     # everything, about four minutes
//!     cargo bench --bench resources -- cpu-one disk     # parts: cpu-one, cpu-all, memory, disk, signals
//!     CHAOS_BENCH_DIR=/data cargo bench --bench resources -- disk

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a bench measures and tells"
)]
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

mod cpu;
mod disk;
mod memory;
mod outside;
mod signals;

use std::process::{Command, ExitCode};

use chaos::host::clock::Clock;
use chaos::host::workers::Workers;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let second = || words.get(1).expect("an argument");
    match words.first().map(String::as_str) {
        Some("__worker") => return chaos::worker::main(second()),
        Some("__mmap") => return memory::reference(second(), words.get(2).expect("bytes")),
        Some("__threads") => return signals::threads(second()),
        _ => {}
    }
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("cpu-one") {
            cpu::measure(1).await;
        }
        if wanted("cpu-all") {
            cpu::measure(chaos::host::system::cores().len()).await;
        }
        if wanted("memory") {
            memory::measure().await;
        }
        if wanted("disk") {
            disk::measure().await;
        }
        if wanted("signals") {
            signals::measure().await;
        }
    });
    ExitCode::SUCCESS
}

/// Workers that are copies of this program.
fn workers() -> Workers {
    Workers::new(Clock::Real).with_binary(std::env::current_exe().expect("this program"))
}

/// A peer, if it is installed.
fn peer(program: &str) -> Option<Command> {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        println!("({program} is not installed, and is not beside it)");
    }
    there.then(|| Command::new(program))
}

/// The mean, and the standard deviation around it.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    (mean, variance.sqrt())
}

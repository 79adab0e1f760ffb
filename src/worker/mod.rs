//! What runs in child processes of ours: burners of CPU time, holders of memory, loaders of disks. Killing the process
//! undoes all of it, so nothing here ever needs to be put back. Floor 2.

mod cpu;
mod disk;
mod memory;

use std::process::ExitCode;
use std::time::Duration;

use crate::host::workers::Told;
use crate::host::{Trouble, output, this_process, thread};
use crate::model::dose::WorkerReading;
use crate::model::step::Job;

/// The time from one report to the next.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Does a job, given as JSON, until standard input ends or we are killed. Reports on standard output, one JSON line
/// each: [`Told::Ready`] once the whole dose is there, then readings, or one failure.
pub fn main(job: &str) -> ExitCode {
    match start(job).and_then(|load| report(&load)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            tell(&Told::Failed(trouble.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// What a job put on the machine; it ends with the process.
enum Load {
    Cpu,
    Memory,
    Disk(disk::Counters),
}

fn start(job: &str) -> Result<Load, Trouble> {
    this_process::die_with_parent()?;
    this_process::die_first_when_memory_ends()?;
    let job = serde_json::from_str(job).map_err(|error| Trouble::new("read the job of the worker", error))?;
    match job {
        Job::Cpu { load, cores } => cpu::burn(load, &cores).map(|()| Load::Cpu),
        Job::Memory { size } => memory::hold(size.0).map(|()| Load::Memory),
        Job::Disk { path, iops, block_size, read, file_size } => {
            let plan = disk::Plan { iops, block_size: block_size.0, read, file_size: file_size.0 };
            disk::load(&path, plan).map(Load::Disk)
        }
    }
}

fn report(load: &Load) -> Result<(), Trouble> {
    let (start, cpu_before) = (thread::now(), this_process::cpu_time());
    let mut heard = tell(&Told::Ready);
    while heard && !this_process::stdin_ends_within(REPORT_INTERVAL) {
        let (operations, failed) = match load {
            Load::Disk(counters) => counters.read(),
            Load::Cpu | Load::Memory => (0, 0),
        };
        heard = tell(&Told::Reading(WorkerReading {
            elapsed: thread::now() - start,
            cpu: this_process::cpu_time() - cpu_before,
            resident: this_process::resident()?,
            operations,
            failed,
        }));
    }
    Ok(())
}

fn tell(told: &Told) -> bool {
    serde_json::to_string(told).is_ok_and(|line| output::stdout(&(line + "\n")))
}

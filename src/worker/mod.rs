//! What runs in child processes of ours: burners of CPU time, holders of memory, loaders and fillers of disks. Killing the process
//! undoes all of it, so nothing here ever needs to be put back. Floor 2.

mod cpu;
mod disk;
mod fill;
mod memory;
mod slow;
mod track;

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::host::workers::Told;
use crate::host::{Trouble, output, this_process, thread};
use crate::model::dose::{Strayed, WorkerReading};
use crate::model::profile::Profile;
use crate::model::step::Job;
use track::Track;

/// The time from one report to the next.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// Does a job, given as JSON, until standard input ends or we are killed. Reports on standard output, one JSON line
/// each: [`Told::Ready`] once the whole dose is there, or what its profile asks at its beginning, then readings, or one
/// failure.
pub fn main(job: &str) -> ExitCode {
    match begin(job).and_then(report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            tell(&Told::Failed(trouble.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// What a job put on the machine; it ends with the process.
struct Load {
    /// The moment from which its time counts.
    start: Duration,
    kind: Kind,
}

enum Kind {
    Cpu { cores: f64, track: Track },
    Memory { size: f64, profile: Profile, held_back: memory::HeldBack, worst: Option<Strayed> },
    Disk { counters: disk::Counters, track: Track },
    Fill(fill::Taken),
    Slow(slow::Counters),
}

fn begin(job: &str) -> Result<Load, Trouble> {
    this_process::die_with_parent()?;
    this_process::die_first_when_memory_ends()?;
    let job = serde_json::from_str(job).map_err(|error| Trouble::new("read the job of the worker", error))?;
    let (start, kind) = match job {
        Job::Cpu { load, cores, profile } => {
            let track = Track::new(profile, load.0);
            (cpu::burn(load, profile, &cores)?, Kind::Cpu { cores: cores.len() as f64, track })
        }
        Job::Memory { size, leave_free, profile } => {
            let (start, held_back) = memory::hold(memory::Plan { size: size.0, leave_free: leave_free.0, profile })?;
            (start, Kind::Memory { size: size.0 as f64, profile, held_back, worst: None })
        }
        Job::Disk { path, iops, block_size, read, file_size, profile, .. } => {
            let plan = disk::Plan { iops, block_size: block_size.0, read, file_size: file_size.0, profile };
            let (start, counters) = disk::load(&path, plan)?;
            (start, Kind::Disk { counters, track: Track::new(profile, iops.0) })
        }
        Job::Slow { whom, share, period } => (thread::now(), Kind::Slow(slow::pace(&whom, share, period)?)),
        Job::Fill { path, size, leave_free } => {
            let plan = fill::Plan { size, leave_free: leave_free.map(|rest| rest.0) };
            (thread::now(), Kind::Fill(fill::fill(&path, plan)?))
        }
    };
    Ok(Load { start, kind })
}

fn report(mut load: Load) -> Result<(), Trouble> {
    let cpu_before = this_process::cpu_time();
    let own_before = thread::cpu_time();
    let mut heard = tell(&Told::Ready);
    let mut due = thread::now();
    loop {
        due = (due + REPORT_INTERVAL).max(thread::now());
        if !heard || this_process::stdin_ends_until(due) {
            return Ok(());
        }
        heard = tell(&Told::Reading(load.reading(cpu_before)?));
        cpu::reports_took(thread::cpu_time() - own_before);
    }
}

impl Load {
    fn reading(&mut self, cpu_before: Duration) -> Result<WorkerReading, Trouble> {
        let elapsed = thread::now().saturating_sub(self.start);
        let mut reading = WorkerReading {
            elapsed,
            cpu: this_process::cpu_time().saturating_sub(cpu_before),
            resident: this_process::resident()?,
            ..WorkerReading::default()
        };
        match &mut self.kind {
            Kind::Cpu { cores, track } => {
                track.see(elapsed, reading.cpu.as_secs_f64() / *cores);
                reading.worst = track.worst();
            }
            Kind::Memory { size, profile, held_back, worst } => {
                let (asked, measured) = (*size * profile.level(elapsed), reading.resident as f64);
                track::keep(worst, Strayed { at: elapsed, asked, measured });
                reading.worst = *worst;
                reading.held_back = held_back.load(Ordering::Relaxed);
            }
            Kind::Disk { counters, track } => {
                (reading.operations, reading.failed) = counters.read();
                reading.direct = counters.direct;
                track.see(elapsed, reading.operations as f64);
                reading.worst = track.worst();
            }
            Kind::Slow(counters) => (reading.operations, reading.failed, reading.stopped) = counters.read(),
            Kind::Fill(taken) => {
                let room = taken.room().map_err(|error| Trouble::new("look at the room that is taken", error))?;
                reading.room = Some(room);
            }
        }
        Ok(reading)
    }
}

fn tell(told: &Told) -> bool {
    serde_json::to_string(told).is_ok_and(|line| output::stdout(&(line + "\n")))
}

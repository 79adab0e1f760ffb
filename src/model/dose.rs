//! What a fault was asked to do, and what was measured that it did.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::step::{CommandLine, SoftLimit};
use super::target::Victims;

/// Where the dose of a fault is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// The counters of a toxic.
    Toxic {
        /// The proxy's name.
        proxy: String,
        /// The toxic's name.
        toxic: String,
    },
    /// The counters of a worker.
    Worker {
        /// Its name.
        worker: String,
    },
    /// The counters of the control group that a fault limits.
    Group {
        /// The fault's name.
        name: String,
    },
    /// The counters of a worker that slows processes down.
    Slowed {
        /// Its name.
        worker: String,
        /// Those that it slows down.
        whom: Victims,
    },
    /// The limits of open files, against those that were set.
    OpenFiles {
        /// Whose.
        whom: Victims,
        /// What was there and what was set, one for each.
        limits: Vec<SoftLimit>,
    },
    /// The states of the processes that the fault hit.
    Processes {
        /// Which.
        whom: Victims,
    },
    /// The command that tells whether another one is in place.
    Command {
        /// It; without it the exit code of the other one is all that is known.
        check: Option<CommandLine>,
    },
}

/// Whether what a command did is in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InPlace {
    /// Nothing tells; it had ended with exit code 0.
    Ended,
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// What a meter showed. Counters count since the fault was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Of a toxic.
    Toxic(ToxicReading),
    /// Of a worker.
    Worker(WorkerReading),
    /// Of a command.
    Command(InPlace),
    /// Of a control group.
    Group(GroupReading),
    /// Of processes, one for each that was hit.
    Processes(Vec<VictimReading>),
    /// Of limits of open files, one for each process.
    OpenFiles(Vec<LimitReading>),
}

/// The limit of open files of a process that was hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReading {
    /// For people: `nginx (pid 7)`.
    pub name: String,
    /// What was set.
    pub set: u64,
    /// The soft limit now; none when the process is gone.
    pub soft: Option<u64>,
    /// How many descriptors may be opened still; none when that cannot be seen.
    pub left: Option<u64>,
}

/// How it is with a process that was hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VictimReading {
    /// For people: `nginx (pid 7)`.
    pub name: String,
    /// The state of this very process now.
    pub state: ProcessState,
    /// For people: who stands in its place, where somebody does.
    pub replaced_by: Option<String>,
}

/// Counters of a toxic since it was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ToxicReading {
    /// Connections (TCP) or requests (HTTP) that passed while it was on.
    pub seen: u64,
    /// Those of them that it is meant for; with a toxic that chooses no requests, all of them.
    #[serde(default)]
    pub matched: u64,
    /// Those of them that it touched.
    pub touched: u64,
    /// Those touched that it could do nothing to after all: too long, too short, or not to be repeated.
    #[serde(default)]
    pub spared: u64,
    /// Those touched whose client gave up while they were held: of a TCP connection, said no more.
    #[serde(default)]
    pub given_up: u64,
    /// Bytes that it touched.
    pub bytes: u64,
    /// Those of them that it changed.
    #[serde(default)]
    pub changed: u64,
    /// Chunks that it delayed.
    pub delayed: u64,
    /// The mean delay it really added to a chunk; 0 when none was.
    #[serde(rename = "mean_delay_ns", with = "super::sample::nanos")]
    pub mean_delay: Duration,
    /// The median of those delays, within a sixteenth.
    #[serde(rename = "median_delay_ns", with = "super::sample::nanos", default)]
    pub median_delay: Duration,
    /// The delay that 99 % of those were not above, within a sixteenth.
    #[serde(rename = "p99_delay_ns", with = "super::sample::nanos", default)]
    pub p99_delay: Duration,
    /// Connections that it closed or reset.
    #[serde(default)]
    pub cut: u64,
    /// The time over which it let the bytes through that it slows down.
    #[serde(default, rename = "paced_ns", with = "super::sample::nanos")]
    pub paced: Duration,
    /// Distinct users it touched.
    pub users: u64,
    /// The listener was seen to refuse a connection, where the toxic makes it.
    #[serde(default)]
    pub refused: bool,
}

/// Counters of a worker since it reached its working state, told by the worker itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerReading {
    /// Time since then.
    #[serde(rename = "elapsed_ns", with = "super::sample::nanos")]
    pub elapsed: Duration,
    /// CPU time it used since then, all threads together.
    #[serde(rename = "cpu_ns", with = "super::sample::nanos")]
    pub cpu: Duration,
    /// Its resident bytes now, without those of files such as the program itself.
    pub resident: u64,
    /// Operations it completed since then.
    pub operations: u64,
    /// Operations that failed since then.
    pub failed: u64,
    /// The time for which it kept others stopped since then.
    #[serde(default, rename = "stopped_ns", with = "super::sample::nanos")]
    pub stopped: Duration,
    /// When it strayed furthest from what was asked; none before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Strayed>,
    /// Bytes that it was asked to take and did not, at most at one time, as they must stay free.
    #[serde(default)]
    pub held_back: u64,
    /// Whether its operations go past the page cache.
    #[serde(default)]
    pub direct: bool,
    /// The room it took of a disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomReading>,
}

/// What was asked and what was measured, at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Strayed {
    /// When, since the worker reached its working state: the end of that window.
    #[serde(rename = "at_ns", with = "super::sample::nanos")]
    pub at: Duration,
    /// What was asked: a share of the cores' time, resident bytes, operations per second.
    pub asked: f64,
    /// What was measured, in the same unit.
    pub measured: f64,
}

/// The room of a file system, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RoomReading {
    /// What was to be taken, worked out from the room there was.
    pub asked: u64,
    /// What the file has on the disk now.
    pub taken: u64,
    /// What was free before, for users without privileges.
    pub free_before: u64,
    /// What is free now.
    pub free_now: u64,
}

/// Counters of a control group since it was limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupReading {
    /// Time since then.
    #[serde(rename = "elapsed_ns", with = "super::sample::nanos")]
    pub elapsed: Duration,
    /// Why the limit is not in place any more; absent when every value read back is ours.
    pub not_in_place: Option<String>,
    /// Nanoseconds of CPU time it used; absent where that is not counted.
    pub cpu: Option<u64>,
    /// Periods of the CPU quota in which it wanted to run.
    pub periods: u64,
    /// Those of the periods in which it was held.
    pub throttled: u64,
    /// Bytes of memory that it uses now.
    pub memory: u64,
    /// How often it came up to the limit of memory.
    pub memory_hits: u64,
    /// How many of its processes were killed for want of memory.
    pub killed: u64,
    /// Bytes it read from and wrote to the disk.
    pub bytes: [u64; 2],
    /// Operations it read from and wrote to the disk with.
    pub operations: [u64; 2],
    /// Processes and threads there are now.
    pub processes: u64,
    /// How often it was refused another.
    pub refused: u64,
}

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It lives and may run.
    Running,
    /// It is stopped (state T).
    Stopped,
    /// It is no more, or a zombie.
    Gone,
    /// It could not be found out, for instance because no descriptors were left.
    Unknown,
}

/// The dose of one fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dose {
    /// What was measured against what was asked, the main thing first.
    pub parts: Vec<DosePart>,
    /// Why the fault did not bite; absent when it was effective.
    pub ineffective: Option<String>,
}

/// One measured quantity of a dose, in words for people; the numbers stand beside them for machines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DosePart {
    /// What: `added delay`, `load per core`, `resident memory`.
    pub what: String,
    /// What was asked, with its unit.
    pub asked: String,
    /// What was measured, with its unit.
    pub measured: String,
    /// The measured number: seconds, share 0-1, bytes, per second or a count.
    pub number: f64,
}

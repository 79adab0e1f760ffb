//! What a fault was asked to do, and what was measured that it did.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// The state of a service's process, against the process it was when the fault was applied.
    Service {
        /// The service's name.
        service: String,
    },
}

/// What a meter showed. Counters count since the fault was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Of a toxic.
    Toxic(ToxicReading),
    /// Of a worker.
    Worker(WorkerReading),
    /// Of a service's process.
    Service {
        /// Its state now.
        state: ProcessState,
        /// It is not the process it was when the fault was applied.
        replaced: bool,
    },
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
    /// Those touched whose client gave up while they were held.
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

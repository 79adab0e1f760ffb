//! What a process uses.

use std::time::Duration;

use procfs::process::Process;

use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

/// What a process uses now, and has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its threads since it started, in user and kernel mode. Never more than the truth; less by up to
    /// 20 ms once threads have ended.
    pub cpu: Duration,
    /// Resident bytes.
    pub resident: u64,
    /// Open file descriptors; none when we may not look.
    pub open_files: Option<u64>,
    /// Threads.
    pub threads: u64,
}

/// What a process uses; none when it is gone.
pub fn usage(process: &ProcessIdentity) -> Option<Usage> {
    // The open folder under /proc keeps naming the process it was opened for.
    let look = Process::new(process.pid).ok()?;
    let stat = look.stat().ok().filter(|stat| stat.starttime == process.start_ticks)?;
    let ticks = Duration::from_secs_f64((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64);
    let usage = Usage {
        // The kernel tells the time of the whole process in ticks, rounded down, and that of its living threads to the
        // nanosecond. Both are lower bounds of the truth; the greater is the nearer.
        cpu: ticks.max(living_threads(&look)),
        resident: look.statm().ok()?.resident * procfs::page_size(),
        open_files: look.fd_count().ok().map(|count| count as u64),
        threads: u64::try_from(stat.num_threads).unwrap_or_default(),
    };
    let lives = matches!(super::identity::state(process), ProcessState::Running | ProcessState::Stopped);
    lives.then_some(usage)
}

fn living_threads(process: &Process) -> Duration {
    let Ok(threads) = process.tasks() else { return Duration::ZERO };
    let times = threads.filter_map(|thread| thread.ok()?.schedstat().ok());
    Duration::from_nanos(times.map(|time| time.sum_exec_runtime).sum())
}

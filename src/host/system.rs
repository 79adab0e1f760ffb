//! What this machine has and how busy it is.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use procfs::{Current, CurrentSI, KernelStats, LoadAverage, Meminfo};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity};
use rustix::time::{ClockId, clock_getres};

use super::thread;

/// Time of all cores together, counted from some fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTimes {
    /// The part that was not idle.
    pub busy: Duration,
    /// All of it.
    pub total: Duration,
}

/// Memory of this machine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryInfo {
    /// All there is.
    pub total: u64,
    /// What can be taken without swapping, as the kernel estimates.
    pub available: u64,
}

/// Room of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskInfo {
    /// All there is.
    pub total: u64,
    /// What is free, the reserve of the superuser included.
    pub free: u64,
    /// What a user without privileges can still take.
    pub available: u64,
}

/// How much of something this process may have; none is as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open files, as far as the limit may be raised.
    pub open_files: Option<u64>,
    /// Processes of its user, as far as the limit may be raised.
    pub processes: Option<u64>,
}

/// The limits of this process.
pub fn limits() -> Limits {
    let most = |resource| getrlimit(resource).maximum;
    Limits { open_files: most(Resource::Nofile), processes: most(Resource::Nproc) }
}

/// The steps in which the monotonic clock counts.
pub fn clock_resolution() -> Duration {
    thread::duration(clock_getres(ClockId::Monotonic))
}

/// The numbers of the cores this process may use; never empty.
pub fn cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return vec![0] };
    (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
}

/// How the time of all cores was spent so far; compare two looks. The kernel samples the busy time by its tick, which
/// misses work in step with the tick, but measures the idle time: so busy is what was not idle.
pub fn cpu_times() -> Option<CpuTimes> {
    let stats = KernelStats::current().ok()?;
    let total = thread::now() * u32::try_from(stats.cpu_time.len()).ok()?;
    let idle = stats.total.idle_duration() + stats.total.iowait_duration().unwrap_or_default();
    Some(CpuTimes { busy: total.saturating_sub(idle), total })
}

/// The memory of this machine.
pub fn memory() -> Option<MemoryInfo> {
    let info = Meminfo::current().ok()?;
    Some(MemoryInfo { total: info.mem_total, available: info.mem_available? })
}

/// The room of the file system that an open folder is on.
pub fn disk_of(folder: &OwnedFd) -> io::Result<DiskInfo> {
    Ok(room(&rustix::fs::fstatvfs(folder)?))
}

/// The room of the file system that a path is on.
pub fn disk(path: &Path) -> io::Result<DiskInfo> {
    Ok(room(&rustix::fs::statvfs(path)?))
}

fn room(info: &rustix::fs::StatVfs) -> DiskInfo {
    let bytes = |blocks: u64| blocks.saturating_mul(info.f_frsize);
    DiskInfo { total: bytes(info.f_blocks), free: bytes(info.f_bfree), available: bytes(info.f_bavail) }
}

/// The id of this boot of the machine: random, and new each time.
pub fn boot() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The load average over one minute.
pub fn load() -> Option<f64> {
    LoadAverage::current().ok().map(|load| f64::from(load.one))
}

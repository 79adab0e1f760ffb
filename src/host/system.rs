//! What this machine has and how busy it is.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use procfs::{Current, CurrentSI, KernelStats, LoadAverage, Meminfo};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity};
use rustix::time::{ClockId, clock_getres};

use super::{Trouble, thread};

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

/// Files that a file system can have. Some do not count them: then all is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inodes {
    /// All there can be.
    pub total: u64,
    /// What a user without privileges can still make.
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

/// How many files the file system can have that an open folder is on.
pub fn inodes_of(folder: &OwnedFd) -> io::Result<Inodes> {
    let info = rustix::fs::fstatvfs(folder)?;
    Ok(Inodes { total: info.f_files, available: info.f_favail })
}

/// Whether the file system that an open folder is on keeps its files in memory.
pub fn is_in_memory(folder: &OwnedFd) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    rustix::fs::fstatfs(folder).is_ok_and(|info| matches!(info.f_type as u32, TMPFS | RAMFS))
}

/// The room of the file system that a path is on.
pub fn disk(path: &Path) -> io::Result<DiskInfo> {
    Ok(room(&rustix::fs::statvfs(path)?))
}

/// The numbers of the disk that a path is on, as `MAJOR:MINOR`: of the whole disk where the file system is on a part of it.
pub fn whole_disk_of(path: &Path) -> Result<String, Trouble> {
    let trouble = |why: String| {
        Trouble::new(format!("find the disk of {}", path.display()), why)
            .help("name a directory on a disk, such as /var/tmp")
    };
    let device = rustix::fs::stat(path).map_err(|error| trouble(error.to_string()))?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let numbers = format!("{major}:{minor}");
    let entry = Path::new("/sys/dev/block").join(&numbers);
    let there =
        entry.canonicalize().map_err(|_| trouble("its file system is on no disk that the kernel knows".to_owned()))?;
    if !there.join("partition").exists() {
        return Ok(numbers);
    }
    let whole = there.parent().map(|disk| std::fs::read_to_string(disk.join("dev")));
    let whole =
        whole.and_then(Result::ok).ok_or_else(|| trouble(format!("the disk of the part {numbers} is not known")))?;
    Ok(whole.trim().to_owned())
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

//! What a process uses, looked at from outside.

use procfs::process::{Process, all_processes};
use procfs::{CurrentSI, KernelStats};

/// The CPU clocks of a process and its descendants, as they are when this is made. They are exact at any moment, and count
/// as the scheduler, `top` and control groups do: time for which the hypervisor ran somebody else is left out.
pub struct Clocks(Vec<libc::clockid_t>);

impl Clocks {
    pub fn of(pid: i32) -> Self {
        Self(family(pid).into_iter().map(cpu_clock).collect())
    }

    /// CPU time of all of them, in seconds.
    pub fn seconds(&self) -> f64 {
        self.0.iter().map(|clock| read(*clock)).sum()
    }
}

/// A process and all that it started and they did.
pub fn family(pid: i32) -> Vec<i32> {
    let all: Vec<(i32, i32)> = all_processes()
        .expect("/proc")
        .filter_map(|process| process.and_then(|process| process.stat()).ok().map(|stat| (stat.pid, stat.ppid)))
        .collect();
    let mut family = vec![pid];
    let mut next = 0;
    while next < family.len() {
        let who = family[next];
        family.extend(all.iter().filter(|(_, parent)| *parent == who).map(|(pid, _)| *pid));
        next += 1;
    }
    family
}

/// Resident bytes of a process and its descendants, files aside.
pub fn resident(pid: i32) -> u64 {
    let of = |pid: i32| Process::new(pid).and_then(|process| process.statm()).ok();
    let pages = family(pid).into_iter().filter_map(of).map(|size| size.resident.saturating_sub(size.shared));
    pages.sum::<u64>() * procfs::page_size()
}

/// Time of cores that the hypervisor gave to somebody else since the machine started, in seconds.
pub fn stolen() -> f64 {
    let total = KernelStats::current().expect("/proc/stat").total;
    total.steal.unwrap_or_default() as f64 / procfs::ticks_per_second() as f64
}

#[allow(unsafe_code)]
fn cpu_clock(pid: i32) -> libc::clockid_t {
    let mut clock = 0;
    // SAFETY: the kernel's answer goes to a number that outlives the call.
    let failed = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    assert!(failed == 0, "process {pid} has no clock: error {failed}");
    clock
}

#[allow(unsafe_code)]
fn read(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time goes to a place that outlives the call.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert!(failed == 0, "clock_gettime: {}", std::io::Error::last_os_error());
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

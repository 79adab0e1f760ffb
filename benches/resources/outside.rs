//! What a process uses, looked at from outside.

use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;

use procfs::process::{Process, all_processes};

/// The task clocks of all threads of a process and its descendants, as they are when this is made.
pub struct Clocks(Vec<File>);

impl Clocks {
    pub fn of(pid: i32) -> Self {
        Self(family(pid).into_iter().flat_map(threads).map(task_clock).collect())
    }

    /// CPU time of all of them since this was made, in seconds.
    pub fn seconds(&mut self) -> f64 {
        let mut sum = 0;
        for clock in &mut self.0 {
            let mut nanos = [0; 8];
            clock.read_exact(&mut nanos).expect("a counter");
            sum += u64::from_ne_bytes(nanos);
        }
        sum as f64 / 1e9
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

fn threads(pid: i32) -> Vec<i32> {
    let tasks = Process::new(pid).and_then(|process| process.tasks());
    tasks.map(|tasks| tasks.filter_map(|task| task.ok().map(|task| task.tid)).collect()).unwrap_or_default()
}

/// `perf_event_open` with `PERF_COUNT_SW_TASK_CLOCK`: nanoseconds on a core, exact while the thread runs. Needs root, or
/// `perf_event_paranoid` of 1.
#[allow(unsafe_code)]
fn task_clock(thread: i32) -> File {
    const SOFTWARE: u32 = 1;
    const TASK_CLOCK: u64 = 1;
    let mut attributes = [0_u64; 8];
    attributes[0] = u64::from(SOFTWARE) | (64 << 32);
    attributes[1] = TASK_CLOCK;
    // SAFETY: the attributes are 64 bytes as the first version of `perf_event_attr` has them, and outlive the call.
    let descriptor = unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), thread, -1, -1, 0_u64) };
    assert!(descriptor >= 0, "perf_event_open: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel just gave us this descriptor, and nobody else has it.
    unsafe { File::from_raw_fd(descriptor as i32) }
}

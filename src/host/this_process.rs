//! What we ask of the kernel about ourselves: limits, and what a worker must know of its parent.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit, setsid};
use rustix::time::{ClockId, clock_gettime};

use super::{Trouble, thread};

/// The user we act as, by number.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// CPU time that this process has used, all threads together.
pub fn cpu_time() -> Duration {
    thread::duration(clock_gettime(ClockId::ProcessCPUTime))
}

/// Our resident bytes without those of files, such as our own program, which we share with whoever runs it.
pub fn resident() -> Result<u64, Trouble> {
    let size = procfs::process::Process::myself().and_then(|us| us.statm());
    let size = size.map_err(|error| Trouble::new("read our memory use", error))?;
    Ok(size.resident.saturating_sub(size.shared) * procfs::page_size())
}

/// Asks the kernel to kill us when the thread that started us ends.
pub fn die_with_parent() -> Result<(), Trouble> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Trouble::new("ask to die with our parent", error))
}

/// Asks the kernel to choose us first when memory runs out.
pub fn die_first_when_memory_ends() -> Result<(), Trouble> {
    let file = OpenOptions::new().write(true).open("/proc/self/oom_score_adj");
    let written = file.and_then(|mut file| file.write_all(b"1000"));
    written.map_err(|error| Trouble::new("write /proc/self/oom_score_adj", error))
}

/// Leaves the terminal, its signals and the folder we were started in; from now on only SIGKILL ends us.
#[allow(unsafe_code)]
pub fn stand_alone() -> Result<(), Trouble> {
    let trouble = |error: &dyn std::fmt::Display| Trouble::new("leave the terminal", error);
    setsid().map_err(|error| trouble(&error))?;
    std::env::set_current_dir("/").map_err(|error| trouble(&error))?;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE] {
        // SAFETY: SIG_IGN runs no code of ours, and no other thread changes the actions of signals.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(trouble(&io::Error::last_os_error()));
        }
    }
    // The locks that we hold are ours: a command that undoes a fault must not hold them on. Kernels before 5.11 cannot.
    // SAFETY: it marks open files and closes none.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Ok(())
}

/// Asks the kernel to spare us when memory runs out. Needs CAP_SYS_RESOURCE.
pub fn die_last_when_memory_ends() -> Result<(), Trouble> {
    let file = OpenOptions::new().write(true).open("/proc/self/oom_score_adj");
    let written = file.and_then(|mut file| file.write_all(b"-1000"));
    written.map_err(|error| Trouble::new("write -1000 into /proc/self/oom_score_adj", error))
}

/// Keeps what we have in memory, so that we need no disk to go on. Needs room below RLIMIT_MEMLOCK, or CAP_IPC_LOCK.
pub fn stay_in_memory() -> Result<(), Trouble> {
    mlockall(MlockAllFlags::CURRENT).map_err(|error| Trouble::new("lock our memory", error))
}

/// Both of the above as far as they are allowed: without them we go on as we are, small and asleep. `chaos doctor` says
/// whether they are.
pub fn survive_memory_end() {
    let _ = die_last_when_memory_ends();
    let _ = stay_in_memory();
}

/// Allows as many open files as this user may have: a stalled target keeps many requests open, and running out of
/// descriptors would look like its failure. A limit that cannot be raised stays as it is.
pub fn allow_many_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Waits until a moment on the clock of [`thread::now`], or until standard input ends: then whoever held its other end is gone, or wants us to end. What
/// arrives there is not looked at.
pub fn stdin_ends_until(deadline: Duration) -> bool {
    let stdin = io::stdin();
    loop {
        let left = deadline.saturating_sub(thread::now());
        let Ok(left) = Timespec::try_from(left) else { return true };
        let mut wait = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
        match poll(&mut wait, Some(&left)) {
            Ok(0) => return false,
            Ok(_) if matches!(stdin.lock().read(&mut [0; 512]), Ok(0) | Err(_)) => return true,
            Ok(_) | Err(rustix::io::Errno::INTR) => (),
            Err(_) => return true,
        }
    }
}

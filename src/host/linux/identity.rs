//! Who a process is. A pid is a number that is used again; the inode of a pidfd (pidfs, Linux 6.9) never is within one
//! boot. Where the kernel has no pidfs the start time must do, which is weaker: it counts in hundredths of a second.

use std::os::fd::{AsFd, OwnedFd};

use procfs::process::{Process, Stat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::host::Trouble;
use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

/// `PID_FS_MAGIC` of `linux/magic.h`.
const PID_FS_MAGIC: u64 = 0x5049_4446;

/// The identity of a living process; none when there is none of that pid, or it is a zombie.
pub fn identity(pid: i32) -> Option<ProcessIdentity> {
    let pidfd = open(pid)?;
    let identity = read(pid, &pidfd)?;
    // The two looks were at one and the same process only if the one we hold still lives.
    alive(&pidfd).then_some(identity)
}

/// The identity of a child that nobody has reaped: its pid names nobody else, even when it is dead already.
pub(in crate::host) fn of_child(pid: i32) -> Option<ProcessIdentity> {
    read(pid, &open(pid)?)
}

/// The state of a process; gone when its pid names somebody else by now.
pub fn state(process: &ProcessIdentity) -> ProcessState {
    let Some(pidfd) = hold(process) else { return ProcessState::Gone };
    let stopped = is_stopped(process.pid);
    match alive(&pidfd) {
        false => ProcessState::Gone,
        true if stopped => ProcessState::Stopped,
        true => ProcessState::Running,
    }
}

/// Sends a signal to this very process; false when it is gone.
pub(in crate::host) fn send(process: &ProcessIdentity, signal: Signal) -> Result<bool, Trouble> {
    let Some(pidfd) = hold(process) else { return Ok(false) };
    match pidfd_send_signal(&pidfd, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(Trouble::new(format!("send signal {} to {process}", signal.as_raw()), error)),
    }
}

/// A descriptor of this very process, which keeps naming it; none when it is gone or its pid names somebody else.
fn hold(process: &ProcessIdentity) -> Option<OwnedFd> {
    let pidfd = open(process.pid)?;
    (read(process.pid, &pidfd)? == *process && alive(&pidfd)).then_some(pidfd)
}

fn open(pid: i32) -> Option<OwnedFd> {
    // Zero and negative numbers name groups, never a process.
    let pid = (pid > 0).then(|| Pid::from_raw(pid)).flatten()?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn read(pid: i32, pidfd: &OwnedFd) -> Option<ProcessIdentity> {
    let stat = Process::new(pid).and_then(|process| process.stat()).ok()?;
    Some(ProcessIdentity { pid, pidfs_inode: pidfs_inode(pidfd), start_ticks: stat.starttime })
}

fn pidfs_inode(pidfd: &OwnedFd) -> u64 {
    let on_pidfs = rustix::fs::fstatfs(pidfd).is_ok_and(|system| system.f_type.cast_unsigned() == PID_FS_MAGIC);
    match rustix::fs::fstat(pidfd) {
        Ok(stat) if on_pidfs => stat.st_ino,
        _ => 0,
    }
}

/// A pidfd becomes readable when the last thread of its process has ended, reaped or not.
fn alive(pidfd: &OwnedFd) -> bool {
    let mut wait = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut wait, Some(&now)), Ok(0))
}

/// Whether every thread is stopped: a process of many threads takes a while to stop as a whole.
fn is_stopped(pid: i32) -> bool {
    let Ok(process) = Process::new(pid) else { return false };
    // Most often the first look says no, and the threads need not be asked.
    if !process.stat().is_ok_and(|stat| stopped(&stat)) {
        return false;
    }
    let Ok(mut threads) = process.tasks() else { return false };
    threads.all(|thread| match thread.and_then(|thread| thread.stat()) {
        Ok(stat) => stopped(&stat) || matches!(stat.state, 'Z' | 'X'),
        Err(_) => true,
    })
}

/// `T` is stopped by a signal, `t` by a tracer.
fn stopped(stat: &Stat) -> bool {
    matches!(stat.state, 'T' | 't')
}

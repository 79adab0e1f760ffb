//! Who a process is. A pid is a number that is used again; the inode of a pidfd (pidfs, Linux 6.9) never is within one
//! boot. Where the kernel has no pidfs the start time must do, which is weaker: it counts in hundredths of a second.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use procfs::process::{Process, Stat};
use procfs::{ProcError, ProcResult};
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
    let pidfd = open(pid).ok()??;
    let identity = read(pid, &pidfd).ok()??;
    // The two looks were at one and the same process only if the one we hold still lives.
    alive(&pidfd).then_some(identity)
}

/// The identity of a child that nobody has reaped: its pid names nobody else, even when it is dead already.
pub(in crate::host) fn of_child(pid: i32) -> Option<ProcessIdentity> {
    read(pid, &open(pid).ok()??).ok()?
}

/// The state of a process; gone when its pid names somebody else by now.
pub fn state(process: &ProcessIdentity) -> ProcessState {
    let looked = hold(process).and_then(|pidfd| match pidfd {
        None => Ok(ProcessState::Gone),
        Some(pidfd) => {
            let now = now(process.pid);
            // What was seen was this very process only if it still lives.
            if alive(&pidfd) { now } else { Ok(ProcessState::Gone) }
        }
    });
    looked.unwrap_or(ProcessState::Unknown)
}

/// Sends a signal to this very process; false when it is gone.
pub(in crate::host) fn send(process: &ProcessIdentity, signal: Signal) -> Result<bool, Trouble> {
    let sent = hold(process).and_then(|pidfd| match pidfd {
        None => Ok(false),
        Some(pidfd) => match pidfd_send_signal(&pidfd, signal) {
            Err(Errno::SRCH) => Ok(false),
            done => Ok(done.map(|()| true)?),
        },
    });
    sent.map_err(|error| Trouble::new(format!("send signal {} to {process}", signal.as_raw()), error))
}

/// A descriptor of this very process, which keeps naming it; none when it is gone or its pid names somebody else. An
/// error (such as no descriptors left) says nothing about the process.
pub(super) fn hold(process: &ProcessIdentity) -> io::Result<Option<OwnedFd>> {
    let Some(pidfd) = open(process.pid)? else { return Ok(None) };
    let same = read(process.pid, &pidfd)?.is_some_and(|now| now == *process);
    Ok((same && alive(&pidfd)).then_some(pidfd))
}

fn open(pid: i32) -> io::Result<Option<OwnedFd>> {
    // Zero and negative numbers name groups, never a process.
    let Some(pid) = (pid > 0).then(|| Pid::from_raw(pid)).flatten() else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        // The number of a thread that leads no process is invalid.
        Err(Errno::SRCH | Errno::INVAL) => Ok(None),
        done => Ok(Some(done?)),
    }
}

fn read(pid: i32, pidfd: &OwnedFd) -> io::Result<Option<ProcessIdentity>> {
    let stat = there(Process::new(pid).and_then(|process| process.stat()))?;
    Ok(stat.map(|stat| ProcessIdentity { pid, pidfs_inode: pidfs_inode(pidfd), start_ticks: stat.starttime }))
}

/// What was found under /proc; none when the process ended meanwhile.
fn there<T>(found: ProcResult<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(ProcError::NotFound(_)) => Ok(None),
        Err(ProcError::Io(error, _)) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(None),
        Err(ProcError::Io(error, _)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn pidfs_inode(pidfd: &OwnedFd) -> u64 {
    let on_pidfs = rustix::fs::fstatfs(pidfd).is_ok_and(|system| system.f_type.cast_unsigned() == PID_FS_MAGIC);
    match rustix::fs::fstat(pidfd) {
        Ok(stat) if on_pidfs => stat.st_ino,
        _ => 0,
    }
}

/// A pidfd becomes readable when the last thread of its process has ended, reaped or not.
pub(super) fn alive(pidfd: &OwnedFd) -> bool {
    let mut wait = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut wait, Some(&now)), Ok(0))
}

/// Stopped when every thread is: a process of many threads takes a while to stop as a whole.
fn now(pid: i32) -> io::Result<ProcessState> {
    let Some(process) = there(Process::new(pid))? else { return Ok(ProcessState::Gone) };
    // Most often the first look says no, and the threads need not be asked.
    if !there(process.stat())?.is_some_and(|stat| stopped(&stat)) {
        return Ok(ProcessState::Running);
    }
    for thread in there(process.tasks())?.into_iter().flatten() {
        let stat = there(thread.and_then(|thread| thread.stat()))?;
        if stat.is_some_and(|stat| !stopped(&stat) && !matches!(stat.state, 'Z' | 'X')) {
            return Ok(ProcessState::Running);
        }
    }
    Ok(ProcessState::Stopped)
}

/// `T` is stopped by a signal, `t` by a tracer.
fn stopped(stat: &Stat) -> bool {
    matches!(stat.state, 'T' | 't')
}

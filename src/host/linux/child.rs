//! A child of ours and the process group it leads. Until it is reaped its pid names nobody else, so all signals to the
//! group are sent under the lock that reaping takes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use procfs::ProcError;
use procfs::process::all_processes;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, test_kill_process_group, waitid,
    waitpid,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use crate::host::clock::Clock;
use crate::host::signals;
use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl End {
    const UNKNOWN: Self = Self { code: None, signal: None };
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => f.write_str(&signals::name(signal)),
            (None, None) => f.write_str("an unknown end"),
        }
    }
}

/// A running child; whatever is left of its group is killed when this is dropped.
#[must_use = "the child is killed when this is dropped"]
#[derive(Debug)]
pub(in crate::host) struct Child {
    identity: ProcessIdentity,
    group: Arc<Group>,
    ended: watch::Receiver<Option<End>>,
}

#[derive(Debug)]
struct Group {
    leader: Pid,
    /// When the leader was reaped, in clock ticks since boot. From then on the number may name another group.
    reaped: Mutex<Option<u64>>,
}

impl Child {
    /// Takes over an unreaped child that leads a process group of its own; a thread waits for its end and reaps it.
    pub fn watch(identity: ProcessIdentity, leader: Pid) -> std::io::Result<Self> {
        let group = Arc::new(Group { leader, reaped: Mutex::default() });
        let (tell, ended) = watch::channel(None);
        let reaper = Arc::clone(&group);
        let thread = std::thread::Builder::new().name("reaper".into()).spawn(move || {
            tell.send_replace(Some(reaper.reap()));
        });
        if let Err(error) = thread {
            group.signal(Signal::KILL);
            group.reap();
            return Err(error);
        }
        Ok(Self { identity, group, ended })
    }

    /// Who it is.
    pub fn identity(&self) -> &ProcessIdentity {
        &self.identity
    }

    /// How it ended; none while it runs.
    pub fn end(&self) -> Option<End> {
        *self.ended.borrow()
    }

    /// Waits until it has ended and is reaped. Cancel-safe.
    pub async fn ended(&self) -> End {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await.ok().and_then(|end| *end);
        end.unwrap_or(End::UNKNOWN)
    }

    /// Its state, from the kernel's own account of a child: stopped means every thread of it. Needs no descriptors.
    pub fn state(&self) -> ProcessState {
        self.group.state_of_leader()
    }

    /// Signals this one process; false when it has been reaped. Needs no descriptors: an unreaped pid names no other.
    pub fn signal(&self, signal: Signal) -> bool {
        self.group.signal_leader(signal)
    }

    /// Signals every process of its group; false when the child has been reaped.
    pub fn signal_group(&self, signal: Signal) -> bool {
        self.group.signal(signal)
    }

    /// Kills its group and waits until nothing of it is left; after the limit, says what is.
    pub async fn kill(&self, clock: Clock, limit: Duration) -> Result<(), String> {
        self.signal_group(Signal::KILL);
        let deadline = clock.now() + limit;
        tokio::select! { _ = self.ended() => (), () = clock.sleep_until(deadline) => () }
        // The others of the group are not our children: nobody tells us of their end.
        while let Some(left) = self.left() {
            if clock.now() >= deadline {
                return Err(left);
            }
            clock.sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// What is left of its group, zombies aside; none when it is gone for sure.
    pub fn left(&self) -> Option<String> {
        let reaped = *self.group.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        match reaped {
            None => Some(format!("{} has not ended", self.identity)),
            Some(at) => left_in_group(self.group.leader, at),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.group.signal(Signal::KILL);
    }
}

impl Group {
    fn state_of_leader(&self) -> ProcessState {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if reaped.is_some() {
            return ProcessState::Gone;
        }
        let look = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.leader), look) {
            Ok(None) => ProcessState::Running,
            Ok(Some(status)) if status.stopped() => ProcessState::Stopped,
            Ok(Some(_)) => ProcessState::Gone,
            Err(_) => ProcessState::Unknown,
        }
    }

    fn signal_leader(&self, signal: Signal) -> bool {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        reaped.is_none() && kill_process(self.leader, signal).is_ok()
    }

    fn signal(&self, signal: Signal) -> bool {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        reaped.is_none() && kill_process_group(self.leader, signal).is_ok()
    }

    /// Waits for the end of the leader, kills what it leaves behind in its group, as a service manager does, and reaps
    /// it: in this order, because the unreaped leader keeps the number of the group ours.
    fn reap(&self) -> End {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(self.leader), look), Err(Errno::INTR)) {}
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = kill_process_group(self.leader, Signal::KILL);
        let end = waitpid(Some(self.leader), WaitOptions::empty());
        *reaped = Some(ticks_since_boot());
        end.ok()
            .flatten()
            .map_or(End::UNKNOWN, |(_, status)| End { code: status.exit_status(), signal: status.terminating_signal() })
    }
}

/// A living process of this group that is older than the moment from which its number may be somebody else's. A look
/// that fails (no descriptors, no memory) is told too: what is not known is not gone.
fn left_in_group(group: Pid, before: u64) -> Option<String> {
    // Most often nobody has that number, and to be told so takes no descriptors.
    if test_kill_process_group(group) == Err(Errno::SRCH) {
        return None;
    }
    let mut processes = match all_processes() {
        Ok(processes) => processes,
        Err(error) => return Some(format!("cannot look for it: {error}")),
    };
    processes.find_map(|process| match process.and_then(|process| process.stat()) {
        Ok(stat) => {
            let ours = stat.pgrp == group.as_raw_pid() && stat.starttime <= before;
            (ours && !matches!(stat.state, 'Z' | 'X')).then(|| format!("pid {} of its group lives", stat.pid))
        }
        // It ended while we looked, or it is hidden from us, as no process of our user is.
        Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => None,
        Err(error) => Some(format!("cannot look for it: {error}")),
    })
}

fn ticks_since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let ticks = procfs::ticks_per_second();
    now.tv_sec.cast_unsigned() * ticks + now.tv_nsec.cast_unsigned() * ticks / 1_000_000_000
}

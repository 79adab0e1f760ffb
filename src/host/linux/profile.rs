//! What a process is, beyond who it is: what it is called, where it comes from, whom it belongs to.

use std::sync::{Mutex, PoisonError};

use procfs::process::Process;
use procfs::{ProcError, ProcResult};

use super::identity;
use crate::host::Trouble;
use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

/// `PF_KTHREAD` of the kernel's `sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;
/// No family is deeper than this; a longer look would go in circles.
const MOST_ANCESTORS: usize = 1000;

static GUARDIANS: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// What a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its process id.
    pub pid: i32,
    /// Its parent, the parent of that, and so on.
    pub ancestors: Vec<i32>,
    /// What the kernel calls it: at most 15 bytes.
    pub name: String,
    /// It is a thread of the kernel.
    pub kernel_thread: bool,
    /// Its effective user id.
    pub uid: u32,
    /// Its control groups, one of each hierarchy.
    pub cgroups: Vec<String>,
}

/// Us and those we come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relatives {
    /// This process.
    pub pid: i32,
    /// Our parent, its parent, and so on.
    pub ancestors: Vec<i32>,
    /// The processes that we started to outlive us.
    pub guardians: Vec<i32>,
}

/// What this very process is; none when it is gone. An error says nothing about the process.
pub fn profile(process: &ProcessIdentity) -> Result<Option<Profile>, Trouble> {
    let found = match of(process.pid) {
        Err(ProcError::NotFound(_)) => return Ok(None),
        found => found.map_err(|error| Trouble::new(format!("look at {process}"), error))?,
    };
    // What was seen was this very process only if it lives still.
    match identity::state(process) {
        ProcessState::Running | ProcessState::Stopped => Ok(Some(found)),
        ProcessState::Gone => Ok(None),
        ProcessState::Unknown => Err(Trouble::new(format!("look at {process}"), "its state cannot be read")),
    }
}

/// What this process is.
pub fn profile_of_us() -> Result<Profile, Trouble> {
    of(std::process::id().cast_signed()).map_err(|error| Trouble::new("look at ourselves", error))
}

/// Us and those we come from.
pub fn relatives() -> Result<Relatives, Trouble> {
    let pid = std::process::id().cast_signed();
    let ancestors = ancestors(pid).map_err(|error| Trouble::new("look at those who started us", error))?;
    let guardians = GUARDIANS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Relatives { pid, ancestors, guardians })
}

/// From now on this process is one of [`Relatives::guardians`].
pub(in crate::host) fn remember_guardian(pid: i32) {
    GUARDIANS.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
}

fn of(pid: i32) -> ProcResult<Profile> {
    let process = Process::new(pid)?;
    let stat = process.stat()?;
    let cgroups = process.cgroups()?.into_iter().map(|group| group.pathname).collect();
    Ok(Profile {
        pid,
        ancestors: ancestors(pid)?,
        name: stat.comm,
        kernel_thread: stat.flags & KERNEL_THREAD != 0,
        uid: process.status()?.euid,
        cgroups,
    })
}

fn ancestors(pid: i32) -> ProcResult<Vec<i32>> {
    let mut ancestors = Vec::new();
    let mut parent = Process::new(pid)?.stat()?.ppid;
    while parent > 0 && ancestors.len() < MOST_ANCESTORS {
        ancestors.push(parent);
        parent = match Process::new(parent).and_then(|process| process.stat()) {
            Ok(stat) => stat.ppid,
            // It ended meanwhile; those above it are nobody's parents any more.
            Err(ProcError::NotFound(_)) => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(ancestors)
}

#[cfg(test)]
mod tests {
    use super::{profile, profile_of_us, relatives};
    use crate::host::linux::identity::identity;

    #[test]
    fn we_are_who_we_are() {
        let us = identity(std::process::id().cast_signed()).expect("an identity");
        let profile = profile(&us).expect("a look").expect("a living process");
        assert_eq!(profile, profile_of_us().expect("a look"));
        assert_eq!(profile.uid, rustix::process::geteuid().as_raw());
        assert!(!profile.kernel_thread && !profile.cgroups.is_empty(), "{profile:?}");
        let parent = rustix::process::getppid().expect("a parent").as_raw_pid();
        assert_eq!(relatives().expect("a look").ancestors.first(), Some(&parent));
    }

    #[test]
    fn a_thread_of_the_kernel_is_told_apart() {
        // In a container there may be none to be seen.
        let kernel = identity(2).and_then(|kernel| profile(&kernel).expect("a look"));
        assert!(kernel.is_none_or(|kernel| kernel.kernel_thread || kernel.name != "kthreadd"));
    }
}

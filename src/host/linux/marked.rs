//! The processes of a run, found without its tool: every process started for a run carries the run's id in its
//! environment, hands it down to whatever it starts, and cannot lose it by leaving its group, its session or its parent.
//! A program that starts another with an emptied environment takes the mark off it. Such a one is known by its standard
//! output or error, which it inherits, too: it writes to the log of a service of the run. One that gives up both is found
//! only while it stays in a group that one of our children leads.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use procfs::ProcError;
use procfs::process::{Process, all_processes};

use super::identity::{identity, state};
use super::log_writer::writes_to_log;
use super::owner::Owner;
use crate::host::Trouble;
use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

/// The variable that names the run.
pub const VARIABLE: &str = "CHAOS_RUN";
/// The variable that says whose the run is and where its journal is kept: see [`Owner`].
pub const OWNER: &str = "CHAOS_OWNER";
/// The only variable of a guardian: its run. It must not carry the mark itself, or it would end itself.
pub const GUARDIAN: &str = "CHAOS_GUARDIAN";

static MARK: OnceLock<(String, OsString)> = OnceLock::new();

/// From now on whatever this process starts carries the id of this run, and says that this process makes it and keeps
/// its journal below this state folder. The first call counts.
pub fn mark_children(run: &str, state: &Path) {
    MARK.get_or_init(|| (run.to_owned(), Owner::this(state).map(|owner| owner.written()).unwrap_or_default()));
}

/// The run's id that children carry, if they do.
pub(in crate::host) fn mark() -> Option<&'static str> {
    MARK.get().map(|(run, _)| run.as_str())
}

/// Everything that children carry, name and value.
pub(in crate::host) fn variables() -> impl Iterator<Item = (&'static str, OsString)> {
    MARK.get().into_iter().flat_map(|(run, owner)| [(VARIABLE, run.into()), (OWNER, owner.clone())])
}

/// Every living process that carries the id of this run or writes to its logs, except this one. Those of other users
/// cannot be seen.
pub fn marked(run: &str) -> Result<Vec<ProcessIdentity>, Trouble> {
    let mark = format!("{VARIABLE}={run}");
    let carries = |process: &Process| environment(process.pid).is_ok_and(|all| has(&all, mark.as_bytes()));
    select(|process| Ok(carries(process) || writes_to_log(process.pid, run)))
}

/// Every living process of the group that this very process leads. Empty when it is gone, as the number of the group
/// may be somebody else's by now.
pub fn group_led_by(leader: &ProcessIdentity) -> Result<Vec<ProcessIdentity>, Trouble> {
    let found = select(|process| Ok(process.stat()?.pgrp == leader.pid))?;
    // Whoever was seen in that group was seen in ours only if the leader lived all the while.
    match state(leader) {
        ProcessState::Running | ProcessState::Stopped => Ok(found),
        ProcessState::Gone => Ok(Vec::new()),
        ProcessState::Unknown => Err(Trouble::new(format!("look at {leader}"), "it cannot be seen")),
    }
}

fn select(is_one: impl Fn(&Process) -> Result<bool, ProcError>) -> Result<Vec<ProcessIdentity>, Trouble> {
    let trouble = |error: &dyn std::fmt::Display| Trouble::new("look through all processes", error);
    let us = std::process::id().cast_signed();
    let mut found = Vec::new();
    for process in all_processes().map_err(|error| trouble(&error))? {
        let seen = process.and_then(|process| Ok((process.pid != us && is_one(&process)?).then_some(process.pid)));
        match seen {
            Ok(pid) => found.extend(pid.and_then(identity)),
            // It ended while we looked, or it is another user's.
            Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => {}
            Err(error) => return Err(trouble(&error)),
        }
    }
    Ok(found)
}

/// What a process was started with: `NAME=VALUE`, each ending in a zero.
pub(super) fn environment(pid: i32) -> io::Result<Vec<u8>> {
    std::fs::read(format!("/proc/{pid}/environ"))
}

fn has(environment: &[u8], mark: &[u8]) -> bool {
    environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

#[cfg(test)]
mod tests {
    use super::has;

    #[test]
    fn only_the_whole_variable_is_the_mark() {
        let mark = b"CHAOS_RUN=a-run";
        assert!(has(b"HOME=/\0CHAOS_RUN=a-run\0", mark));
        for other in [b"CHAOS_RUN=a-run-too\0".as_slice(), b"MY_CHAOS_RUN=a-run\0", b"X=CHAOS_RUN=a-run\0", b""] {
            assert!(!has(other, mark), "{}", String::from_utf8_lossy(other));
        }
    }
}

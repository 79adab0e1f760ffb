//! Every process that carries the mark of any run, and every guardian: found without a journal.

use std::io;

use procfs::process::{Process, all_processes};
use procfs::{ProcError, ProcResult};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::identity::{identity, state};
use super::marked::{GUARDIAN, OWNER, VARIABLE, environment};
use super::owner::Owner;
use crate::host::Trouble;
use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

/// A living process that carries the mark of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// Who it is.
    pub process: ProcessIdentity,
    /// The name of its program, as the kernel has it.
    pub program: String,
    /// Whether it is stopped.
    pub stopped: bool,
    /// The user it runs as.
    pub user: u32,
    /// Whether we are its child, or the child of its child.
    pub ancestor: bool,
    /// The run's id.
    pub run: String,
    /// Whose the run is; none when it does not say so.
    pub owner: Option<Owner>,
}

/// What is found in all environments that can be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The processes of runs.
    pub marked: Vec<Marked>,
    /// The guardians, each with the run that it guards.
    pub guardians: Vec<(String, ProcessIdentity)>,
}

/// The user this process runs as.
pub fn user() -> u32 {
    geteuid().as_raw()
}

impl Found {
    /// Looks through all processes. Those of other users are seen by root only.
    pub fn look() -> Result<Self, Trouble> {
        let trouble = |error: &dyn std::fmt::Display| Trouble::new("look through all processes", error);
        let ancestors = ancestors();
        let us = std::process::id().cast_signed();
        let mut found = Self::default();
        for process in all_processes().map_err(|error| trouble(&error))? {
            match process.and_then(|process| if process.pid == us { Ok(()) } else { found.take(&process, &ancestors) })
            {
                // It ended while we looked, or it is another user's.
                Ok(()) | Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => {}
                Err(error) => return Err(trouble(&error)),
            }
        }
        Ok(found)
    }

    fn take(&mut self, process: &Process, ancestors: &[i32]) -> ProcResult<()> {
        let environment = match environment(process.pid) {
            Ok(environment) => environment,
            Err(error) if is_hidden(&error) => return Ok(()),
            Err(error) => return Err(ProcError::Io(error, None)),
        };
        let value = |name: &str| value_of(&environment, name);
        let run = |name: &str| value(name).and_then(|value| std::str::from_utf8(value).ok()).filter(|run| is_run(run));
        if let (Some(run), Some(process)) = (run(GUARDIAN), identity(process.pid)) {
            self.guardians.push((run.to_owned(), process));
        }
        let (Some(run), Some(who)) = (run(VARIABLE), identity(process.pid)) else { return Ok(()) };
        let (program, user) = match (process.stat(), process.status()) {
            (Ok(stat), Ok(status)) => (stat.comm, status.euid),
            _ if state(&who) == ProcessState::Gone => return Ok(()),
            (stat, status) => return stat.map(drop).and(status.map(drop)),
        };
        self.marked.push(Marked {
            program,
            stopped: state(&who) == ProcessState::Stopped,
            user,
            ancestor: ancestors.contains(&who.pid),
            run: run.to_owned(),
            owner: value(OWNER).and_then(Owner::read),
            process: who,
        });
        Ok(())
    }
}

/// It ended while we looked, or it is another user's.
fn is_hidden(error: &io::Error) -> bool {
    let gone = error.raw_os_error() == Some(Errno::SRCH.raw_os_error());
    gone || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// Whether this is the id of a run: others may use a variable of that name for something else.
fn is_run(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok_and(|id| id.to_string() == text)
}

/// The last value counts, as for most programs; there should be one.
fn value_of<'a>(environment: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let variables = environment.split(|byte| *byte == 0);
    variables.filter_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).next_back()
}

/// Our parent, its parent, and so on.
fn ancestors() -> Vec<i32> {
    let parent = |pid: &i32| Process::new(*pid).and_then(|process| process.stat()).ok().map(|stat| stat.ppid);
    let us = std::process::id().cast_signed();
    std::iter::successors(parent(&us), parent).take_while(|pid| *pid > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::{ancestors, is_run, value_of};

    #[test]
    fn only_a_whole_id_of_a_run_is_one() {
        assert!(is_run("01a1fc08-8999-710d-a0a1-cb0d5a1f2584"));
        for other in ["", "a-run", "01a1fc088999710da0a1cb0d5a1f2584", "01A1FC08-8999-710D-A0A1-CB0D5A1F2584", "../x"] {
            assert!(!is_run(other), "{other}");
        }
    }

    #[test]
    fn a_variable_with_a_similar_name_is_another_one() {
        let environment = b"MY_CHAOS_RUN=a\0CHAOS_RUN_TOO=b\0CHAOS_RUN=c\0";
        assert_eq!(value_of(environment, "CHAOS_RUN"), Some(b"c".as_slice()));
        assert_eq!(value_of(b"CHAOS_RUN_TOO=b\0", "CHAOS_RUN"), None);
    }

    #[test]
    fn we_have_a_parent() {
        let parent = std::os::unix::process::parent_id().cast_signed();
        // In a pid namespace of its own the first process has none.
        assert_eq!(ancestors().first().copied().unwrap_or(0), parent);
    }
}

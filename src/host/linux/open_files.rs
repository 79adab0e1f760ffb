//! The soft limit of a process's open files, and what it has open.

use procfs::ProcError;
use procfs::process::{LimitValue, Process};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::census::census;
use super::identity;
use crate::host::Trouble;
use crate::model::dose::ProcessState;
use crate::model::step::{ProcessIdentity, SoftLimit};

/// What a process may open, and has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFiles {
    /// Whose they are.
    pub process: ProcessIdentity,
    /// The soft limit: no descriptor gets this number or a higher one.
    pub soft: u64,
    /// The hard limit, up to which the soft one may be raised.
    pub hard: u64,
    /// The numbers in use, rising.
    pub open: Vec<u64>,
}

/// What came of setting a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// It is as it should be.
    Set,
    /// The process is gone.
    Gone,
    /// Another one is there than was expected, and was left alone.
    Other(u64),
}

/// What this very process may open and has open; none when it is gone.
pub fn open_files(process: &ProcessIdentity) -> Result<Option<OpenFiles>, Trouble> {
    let look = || {
        let there = Process::new(process.pid)?;
        let limit = there.limits()?.max_open_files;
        let mut open: Vec<u64> = there.fd()?.flatten().filter_map(|open| u64::try_from(open.fd).ok()).collect();
        open.sort_unstable();
        Ok(OpenFiles {
            process: process.clone(),
            soft: number(&limit.soft_limit),
            hard: number(&limit.hard_limit),
            open,
        })
    };
    seen(process, "look at the open files of", look())
}

/// The soft and the hard limit of this very process; none when it is gone.
pub fn file_limit(process: &ProcessIdentity) -> Result<Option<(u64, u64)>, Trouble> {
    let limits = Process::new(process.pid).and_then(|there| there.limits());
    let both = limits.map(|all| (number(&all.max_open_files.soft_limit), number(&all.max_open_files.hard_limit)));
    seen(process, "read the limit of open files of", both)
}

/// What was found was of this very process only if it lives still.
fn seen<T>(process: &ProcessIdentity, what: &str, found: Result<T, ProcError>) -> Result<Option<T>, Trouble> {
    let trouble = |why: &dyn std::fmt::Display| Trouble::new(format!("{what} {process}"), why);
    match (identity::state(process), found) {
        (ProcessState::Gone, _) => Ok(None),
        (ProcessState::Unknown, _) => Err(trouble(&"its state cannot be read")),
        (_, Ok(found)) => Ok(Some(found)),
        (_, Err(error)) => Err(trouble(&error)),
    }
}

/// Sets the soft limit of this very process where it is the one that is expected; the hard one stays.
pub fn set_file_limit(process: &ProcessIdentity, expected: u64, wanted: u64) -> Result<Limited, Trouble> {
    let what = || format!("set the limit of open files of {process}");
    let Some((soft, hard)) = file_limit(process)? else { return Ok(Limited::Gone) };
    if soft == wanted {
        return Ok(Limited::Set);
    }
    if soft != expected {
        return Ok(Limited::Other(soft));
    }
    let Some(pid) = Pid::from_raw(process.pid) else { return Ok(Limited::Gone) };
    let put = |soft: u64| prlimit(Some(pid), Resource::Nofile, Rlimit { current: limit(soft), maximum: limit(hard) });
    let before = put(wanted).map_err(|error| Trouble::new(what(), error))?;
    match before.current.unwrap_or(u64::MAX) {
        was if was == expected || was == wanted => Ok(Limited::Set),
        // Somebody was faster by a moment: theirs it is.
        was => put(was).map(|_| Limited::Other(was)).map_err(|error| Trouble::new(what(), error)),
    }
}

/// Restores what was there before, and with it the limits of those that the process started meanwhile, which inherited it.
pub fn restore_file_limit(process: &ProcessIdentity, limit: SoftLimit) -> Result<Limited, Trouble> {
    let done = set_file_limit(process, limit.set, limit.before)?;
    if done == Limited::Set {
        let all = census()?;
        let mut family = vec![process.pid];
        // The oldest come first, and nobody is older than who started it.
        for one in &all {
            if family.contains(&one.parent) {
                family.push(one.process.pid);
                if file_limit(&one.process)?.is_some_and(|(soft, _)| soft == limit.set) {
                    set_file_limit(&one.process, limit.set, limit.before)?;
                }
            }
        }
    }
    Ok(done)
}

fn number(limit: &LimitValue) -> u64 {
    match limit {
        LimitValue::Value(value) => *value,
        LimitValue::Unlimited => u64::MAX,
    }
}

const fn limit(number: u64) -> Option<u64> {
    if number == u64::MAX { None } else { Some(number) }
}

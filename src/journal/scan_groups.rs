//! Control groups of ours whose run is over and whose journal does not say so: found by their names, which say whose they
//! are. Those of a run under way, and of tools in other pid name spaces, are left alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::host::cgroup::{self, Ours};
use crate::host::{Trouble, process, thread};
use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

/// How long who is killed in a group may take to be gone.
const LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// The groups of runs that are over, by the run. Looks only.
pub fn look() -> Result<BTreeMap<String, Vec<PathBuf>>, Trouble> {
    let found = cgroup::ours(&cgroup::hierarchies()?);
    let mut guarded = Vec::new();
    for run in found.iter().map(|group| &group.run) {
        if !guarded.contains(run) && super::scan::guardian_of(run)?.is_some() {
            guarded.push(run.clone());
        }
    }
    Ok(abandoned(found, process::pid_namespace(), &guarded, process::state))
}

/// Removes them, and whoever is in them.
pub fn remove(groups: &[PathBuf]) -> Result<(), Trouble> {
    let deadline = thread::now() + LIMIT;
    for group in groups {
        while let Err(trouble) = cgroup::remove(group) {
            if thread::now() >= deadline {
                return Err(trouble);
            }
            thread::sleep_until(thread::now() + PAUSE);
        }
    }
    Ok(())
}

/// Pure: those whose tool is seen to be dead, and which no guardian will remove.
fn abandoned(
    found: Vec<Ours>,
    namespace: Option<u64>,
    guarded: &[String],
    state: impl Fn(&ProcessIdentity) -> ProcessState,
) -> BTreeMap<String, Vec<PathBuf>> {
    let mut runs: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for Ours { run, namespace: theirs, tool, folder } in found {
        let seen = Some(theirs) == namespace;
        if seen && !guarded.contains(&run) && state(&tool) == ProcessState::Gone {
            runs.entry(run).or_default().push(folder);
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::abandoned;
    use crate::host::cgroup::Ours;
    use crate::model::dose::ProcessState;
    use crate::model::step::ProcessIdentity;

    fn group(run: &str, namespace: u64, pid: i32) -> Ours {
        let tool = ProcessIdentity { pid, pidfs_inode: 1, start_ticks: 1 };
        Ours { run: run.into(), namespace, tool, folder: format!("/g/{run}").into() }
    }

    #[test]
    fn only_groups_whose_tool_is_seen_to_be_dead_are_abandoned() {
        let state = |tool: &ProcessIdentity| match tool.pid {
            7 => ProcessState::Gone,
            8 => ProcessState::Unknown,
            _ => ProcessState::Running,
        };
        let found = vec![
            group("dead", 5, 7),
            group("unseen", 5, 8),
            group("alive", 5, 9),
            group("elsewhere", 6, 7),
            group("guarded", 5, 7),
        ];
        let runs = abandoned(found, Some(5), &["guarded".to_owned()], state);
        assert_eq!(runs.into_iter().collect::<Vec<_>>(), [("dead".to_owned(), vec!["/g/dead".into()])]);
    }
}

//! What protects the machine, and what is not permitted here.

use std::path::Path;
use std::time::Duration;

use crate::host::cgroup::{self, Hierarchy};
use crate::host::process;
use crate::host::storage::{self, Storage};
use crate::host::system::{self, Limits};
use crate::host::trial::Trials;
use crate::host::{Trouble, powers, thread};
use crate::journal;
use crate::model::step::ProcessIdentity;
use crate::model::units::{Bytes, Timespan};
use crate::report::doctor::{Finding, Section, State};

/// Where the administrator's policy is looked for.
const POLICY: &str = "/etc/chaos/policy.yaml";
const POLICY_FOLDER: &str = "/etc/chaos/policy.d";
/// What a stalled target needs: requests that stay open.
const FEW_FILES: u64 = 1024;
/// What a run, its services and its workers need at least.
const FEW_PROCESSES: u64 = 128;
/// Sleeps that end later than this spoil intended times.
const LATE: Duration = Duration::from_millis(1);

/// Everything, in the order of its weight.
pub(super) fn findings(trials: &Result<Trials, Trouble>, storage: &Storage) -> Vec<Finding> {
    let mut findings = match trials {
        Ok(trials) => of_trials(trials),
        Err(trouble) => {
            let fix =
                "without a process of its own beside it no run begins: is /proc mounted, may processes be started?";
            vec![about("guardian", trouble.to_string()).but(State::Problem, fix)]
        }
    };
    findings.push(identity(process::this().as_ref()));
    findings.extend(state_folder(storage));
    findings.extend(policy());
    findings.push(clock(system::clock_resolution(), thread::lateness()));
    findings.extend(limits(&system::limits()));
    findings.push(capabilities(powers::capabilities()));
    findings.push(control_groups(cgroup::hierarchies()));
    findings
}

fn about(name: &str, why: impl Into<String>) -> Finding {
    Finding::ok(Section::Safety, name, why)
}

/// Permitted, or how badly it is missed.
fn tried(name: &str, tried: &Result<(), String>, otherwise: State, fix: &str) -> Finding {
    match tried {
        Ok(()) => about(name, "permitted, as a child of ours tried"),
        Err(why) => about(name, format!("not permitted: {why}")).but(otherwise, fix),
    }
}

fn of_trials(trials: &Trials) -> Vec<Finding> {
    let Trials { session, spared, locked, parent_death, first, namespaces, signals } = trials;
    vec![
        tried(
            "guardian leaves the terminal (setsid)",
            session,
            State::Problem,
            "without it no guardian is ready, and no run begins",
        ),
        tried(
            "guardian dies last when memory ends (oom_score_adj -1000)",
            spared,
            State::Warning,
            "it goes on without, small and asleep; CAP_SYS_RESOURCE permits it. If memory ends and the guardian is chosen, the \
             run rolls back",
        ),
        tried(
            "guardian stays in memory (mlockall)",
            locked,
            State::Warning,
            "it goes on without, and may have to be read from disk to act; raise `ulimit -l` or grant CAP_IPC_LOCK",
        ),
        tried(
            "children die with the tool (PR_SET_PDEATHSIG)",
            parent_death,
            State::Problem,
            "workers and services would outlive a killed tool until its guardian ends them",
        ),
        tried(
            "workers die first when memory ends (oom_score_adj 1000)",
            first,
            State::Problem,
            "memory.stress could have another process killed in its place",
        ),
        tried(
            "signals through pidfds",
            signals,
            State::Problem,
            "nothing is signalled by a bare pid: Linux 5.3 or newer is needed",
        ),
        tried(
            "user and network name spaces",
            namespaces,
            State::Warning,
            "no fault of this version needs them; sysctl user.max_user_namespaces says how many may be made",
        ),
    ]
}

fn identity(this: Option<&ProcessIdentity>) -> Finding {
    let name = "identity of processes";
    match this {
        Some(ProcessIdentity { pidfs_inode: 1.., .. }) => {
            about(name, "the inode of a pidfd, which no other process ever has")
        }
        Some(_) => about(name, "the kernel has no pidfs (Linux 6.9): the start time must do").but(
            State::Warning,
            "it counts in hundredths of a second: a pid that is used again within one of them could be taken for ours",
        ),
        None => about(name, "no pidfd, or no entry in /proc")
            .but(State::Problem, "mount /proc; Linux 5.3 or newer is needed"),
    }
}

fn state_folder(storage: &Storage) -> Vec<Finding> {
    let Storage { folder, exists, kind, durable, direct, room } = storage;
    let there = if *exists { "" } else { " (the state folder will be made below it)" };
    let on = format!("{}{there} on {}", folder.display(), kind.as_deref().unwrap_or("an unknown file system"));
    let name = "state folder";
    let elsewhere = "pass --state-dir or set XDG_STATE_HOME: without a durable journal nothing is injected";
    let durable = match durable {
        Err(why) => about(name, format!("{on} cannot be used: {why}")).but(State::Problem, elsewhere),
        Ok(_) if room.is_some_and(|room| room < journal::ROOM) => {
            let room = Bytes(room.unwrap_or_default());
            about(name, format!("{on} has only {room} left")).but(State::Problem, elsewhere)
        }
        Ok(time) if storage.is_volatile() => {
            let why = format!("{on}: a block lasts after {}, until the machine starts anew", Timespan(*time));
            about(name, why)
                .but(State::Warning, "what outlives a restart of the machine should have its journal on a disk")
        }
        Ok(time) => {
            let room = room.map_or_else(String::new, |room| format!(", {} left", Bytes(room)));
            about(name, format!("{on}: writable, a block lasts after {} (fsync){room}", Timespan(*time)))
        }
    };
    let direct = match direct {
        Ok(()) => about("state folder past the page cache (O_DIRECT)", "works"),
        Err(why) => about("state folder past the page cache (O_DIRECT)", why).but(
            State::Warning,
            "nothing kept there needs it; disk.stress there would measure the page cache, and says so",
        ),
    };
    vec![durable, direct]
}

fn policy() -> Vec<Finding> {
    let mut findings = Vec::new();
    let folder = crate::host::files::list(Path::new(POLICY_FOLDER)).unwrap_or_default();
    for path in [Path::new(POLICY).to_owned()].into_iter().chain(folder) {
        match storage::ownership(&path) {
            Ok(None) => {}
            Ok(Some((owner, others))) => findings.push(policy_file(&path, owner, others)),
            Err(error) => findings.push(
                about("policy", format!("{}: {error}", path.display()))
                    .but(State::Warning, "what it limits cannot be seen"),
            ),
        }
    }
    if findings.is_empty() {
        findings.push(about("policy", format!("there is none ({POLICY}, {POLICY_FOLDER}): the built-in limits hold")));
    }
    findings
}

fn policy_file(path: &Path, owner: u32, others_write: bool) -> Finding {
    let shown = path.display();
    match (owner, others_write) {
        (0, false) => about("policy", format!("{shown} is root's, and only root may write it")),
        (0, true) => about("policy", format!("{shown} is root's, and others may write it"))
            .but(State::Problem, "whoever may write it may widen it")
            .command(format!("chmod go-w {shown}")),
        _ => about("policy", format!("{shown} belongs to user {owner}"))
            .but(State::Problem, "whoever owns it may widen it")
            .command(format!("chown root:root {shown}")),
    }
}

fn clock(resolution: Duration, late: Duration) -> Finding {
    let resolution = resolution.as_nanos();
    let why = format!("steps of {resolution}ns (CLOCK_MONOTONIC), sleeps end {} late", Timespan(late));
    let finding = about("clock", format!("{why} (median, timer slack 1ns)"));
    if late <= LATE {
        finding
    } else {
        finding.but(State::Warning, "the machine is busy or its timers are coarse: latencies are less exact")
    }
}

fn limits(limits: &Limits) -> Vec<Finding> {
    let shown = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    let judge = |name: &str, limit: Option<u64>, few: u64, fix: &str| {
        let finding = about(name, shown(limit));
        if limit.is_none_or(|limit| limit >= few) { finding } else { finding.but(State::Warning, fix) }
    };
    vec![
        judge(
            "open files (ulimit -Hn)",
            limits.open_files,
            FEW_FILES,
            "a stalled target keeps many requests open: raise it",
        ),
        judge(
            "processes (ulimit -Hu)",
            limits.processes,
            FEW_PROCESSES,
            "services and workers may fail to start: raise it",
        ),
    ]
}

fn capabilities(found: Result<Vec<String>, Trouble>) -> Finding {
    let name = "capabilities";
    match found {
        Ok(all) if all.is_empty() => about(name, "none, and the faults that exist need none"),
        Ok(all) => about(name, all.join(", ")),
        Err(trouble) => {
            about(name, trouble.to_string()).but(State::Warning, "what is permitted cannot be told beforehand")
        }
    }
}

fn control_groups(found: Result<Vec<Hierarchy>, Trouble>) -> Finding {
    let name = "control groups";
    match found {
        Ok(all) if all.is_empty() => {
            about(name, "none are mounted: limits, and stress for one service alone, cannot be had")
        }
        Ok(all) => about(name, all.iter().map(hierarchy).collect::<Vec<_>>().join("; ")),
        Err(trouble) => about(name, trouble.to_string()),
    }
}

fn hierarchy(one: &Hierarchy) -> String {
    let Hierarchy { version, place, controllers, refused, .. } = one;
    let what = if controllers.is_empty() { "no controllers".to_owned() } else { controllers.join(" ") };
    let how = refused.as_ref().map_or_else(|| "writable".to_owned(), |why| format!("not writable ({why})"));
    format!("v{version} {} ({what}) {how}", place.display())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::{clock, identity, limits, policy_file, state_folder};
    use crate::host::storage::Storage;
    use crate::host::system::Limits;
    use crate::model::step::ProcessIdentity;
    use crate::report::doctor::State;

    fn storage(kind: &str) -> Storage {
        Storage {
            folder: PathBuf::from("/state"),
            exists: true,
            kind: Some(kind.into()),
            durable: Ok(Duration::from_millis(2)),
            direct: Ok(()),
            room: Some(1 << 30),
        }
    }

    #[test]
    fn a_state_folder_that_cannot_keep_a_journal_is_a_problem() {
        let judged = |storage: Storage| state_folder(&storage)[0].state;
        assert_eq!(judged(storage("ext4")), State::Ok);
        assert_eq!(judged(storage("tmpfs")), State::Warning);
        assert_eq!(judged(Storage { room: Some(1 << 10), ..storage("ext4") }), State::Problem);
        assert_eq!(judged(Storage { durable: Err("read-only".into()), ..storage("ext4") }), State::Problem);
    }

    #[test]
    fn without_pidfs_the_weaker_identity_is_told() {
        let with = |pidfs_inode| ProcessIdentity { pid: 1, pidfs_inode, start_ticks: 1 };
        assert_eq!(identity(Some(&with(7))).state, State::Ok);
        let weak = identity(Some(&with(0)));
        assert!(weak.state == State::Warning && weak.fix.is_some_and(|fix| fix.contains("hundredths")));
        assert_eq!(identity(None).state, State::Problem);
    }

    #[test]
    fn a_policy_that_others_may_widen_is_a_problem_with_its_command() {
        let judged = |owner, others| policy_file(Path::new("/etc/chaos/policy.yaml"), owner, others);
        assert_eq!(judged(0, false).state, State::Ok);
        assert_eq!(judged(0, true).command.as_deref(), Some("chmod go-w /etc/chaos/policy.yaml"));
        assert_eq!(judged(1000, false).state, State::Problem);
    }

    #[test]
    fn few_files_and_late_sleeps_are_warned_of() {
        let few = limits(&Limits { open_files: Some(64), processes: None });
        assert_eq!((few[0].state, few[1].state), (State::Warning, State::Ok));
        let late = |ms| clock(Duration::from_nanos(1), Duration::from_millis(ms)).state;
        assert_eq!((late(0), late(5)), (State::Ok, State::Warning));
    }
}

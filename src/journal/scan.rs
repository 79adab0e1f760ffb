//! What is ours and has no journal that says so: found by the mark that processes carry. A run under way is never
//! touched: its processes say whose they are, and that process, or its guardian, lives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::host::process::{self, Found, Marked, Owner, Signal};
use crate::host::{Trouble, thread};
use crate::model::dose::ProcessState;
use crate::model::fault::KillSignal;
use crate::model::step::ProcessIdentity;

/// How long killed processes may take to be gone before they are called residue.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long a guardian at work is awaited.
const GUARDIAN_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// The processes of one run, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strays {
    /// The run's id.
    pub run: String,
    /// The state folders that they name; nobody has looked there.
    pub states: BTreeSet<PathBuf>,
    /// What may be done about them.
    pub fate: Fate,
    /// Those that we may end.
    pub processes: Vec<Marked>,
    /// Those that we may not: of other users, or we are their child.
    pub spared: Vec<Marked>,
}

/// What may be done about the processes of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The tool that makes the run lives.
    UnderWay(ProcessIdentity),
    /// The tool is dead and its guardian lives: it is at work, or is stopped.
    Guarded(ProcessIdentity),
    /// Whether the tool lives cannot be seen; why.
    Unknown(String),
    /// Nobody is left to put it back.
    Abandoned,
}

/// What became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// The processes that were killed, each with its program.
    pub killed: Vec<Marked>,
    /// Those that live still, and those that were spared.
    pub left: Vec<Marked>,
    /// What went wrong.
    pub troubles: Vec<String>,
}

/// Every run of which processes are there, by its id. Looks only.
pub fn look() -> Result<Vec<Strays>, Trouble> {
    Ok(sorted(Found::look()?, process::user(), process::pid_namespace(), process::state))
}

/// The same for one run; none when nothing of it is there.
pub fn look_for(run: &str) -> Result<Option<Strays>, Trouble> {
    Ok(look()?.into_iter().find(|strays| strays.run == run))
}

/// The guardian of a run, if it lives.
pub fn guardian_of(run: &str) -> Result<Option<ProcessIdentity>, Trouble> {
    Ok(Found::look()?.guardians.into_iter().find(|(guarded, _)| guarded == run).map(|(_, guardian)| guardian))
}

/// Kills what a dead run left, until two looks in a row find nothing that we may end; a run that turns out to be under
/// way is left alone.
pub fn clear(run: &str) -> Result<Cleared, Trouble> {
    let mut cleared = Cleared::default();
    let deadline = thread::now() + KILL_LIMIT;
    let mut clear_looks = 0;
    loop {
        let (ours, spared) = look_for(run)?.map_or_else(Default::default, Strays::told_apart);
        cleared.left = [ours.as_slice(), &spared].concat();
        clear_looks = if ours.is_empty() { clear_looks + 1 } else { 0 };
        if clear_looks == 2 || thread::now() >= deadline {
            return Ok(cleared);
        }
        ours.iter().for_each(|stray| kill(stray, &mut cleared.killed, &mut cleared.troubles));
        thread::sleep_until(thread::now() + PAUSE);
    }
}

/// Waits while the guardian of a run is at work, at most 10 s.
pub fn await_guardian(run: &str) -> Result<(), Trouble> {
    let deadline = thread::now() + GUARDIAN_LIMIT;
    while matches!(look_for(run)?, Some(Strays { fate: Fate::Guarded(_), .. })) && thread::now() < deadline {
        thread::sleep_until(thread::now() + PAUSE);
    }
    Ok(())
}

impl Strays {
    /// Those that may be killed now, and all others.
    fn told_apart(self) -> (Vec<Marked>, Vec<Marked>) {
        match self.fate {
            Fate::Abandoned => (self.processes, self.spared),
            Fate::UnderWay(_) | Fate::Guarded(_) | Fate::Unknown(_) => {
                (Vec::new(), [self.processes, self.spared].concat())
            }
        }
    }
}

fn kill(stray: &Marked, killed: &mut Vec<Marked>, troubles: &mut Vec<String>) {
    let known = killed.iter().any(|known| known.process == stray.process);
    match process::send_signal(&stray.process, Signal::Kill(KillSignal::Kill)) {
        Ok(true) if !known => killed.push(stray.clone()),
        Ok(_) => {}
        Err(trouble) if !troubles.contains(&trouble.to_string()) => troubles.push(trouble.to_string()),
        Err(_) => {}
    }
}

/// Pure: who belongs to which run, and what may be done about it.
fn sorted(
    found: Found,
    user: u32,
    namespace: Option<u64>,
    state: impl Fn(&ProcessIdentity) -> ProcessState,
) -> Vec<Strays> {
    let mut runs: BTreeMap<String, Vec<Marked>> = BTreeMap::new();
    for marked in found.marked {
        runs.entry(marked.run.clone()).or_default().push(marked);
    }
    let strays = |(run, all): (String, Vec<Marked>)| {
        let guardian = found.guardians.iter().find(|(guarded, _)| *guarded == run).map(|(_, guardian)| guardian);
        // What processes of other users say is not believed: they could say anything to have something killed.
        let credible = |marked: &&Marked| marked.user == user;
        let owners: Vec<Option<&Owner>> = all.iter().filter(credible).map(|marked| marked.owner.as_ref()).collect();
        let fate = fate(&owners, guardian, namespace, &state);
        let states = owners.iter().flatten().map(|owner| owner.state.clone()).collect();
        let (processes, spared) = all.into_iter().partition(|marked| may_end(marked, user));
        Strays { run, states, fate, processes, spared }
    };
    runs.into_iter().map(strays).collect()
}

fn may_end(stray: &Marked, user: u32) -> bool {
    stray.user == user && !stray.ancestor
}

/// Abandoned only when every process says whose it is, and all of those are seen to be dead.
fn fate(
    owners: &[Option<&Owner>],
    guardian: Option<&ProcessIdentity>,
    namespace: Option<u64>,
    state: impl Fn(&ProcessIdentity) -> ProcessState,
) -> Fate {
    let unknown = |why: &str| Fate::Unknown(why.to_owned());
    if owners.is_empty() {
        return unknown("it belongs to another user");
    }
    if let Some(owner) = owners
        .iter()
        .flatten()
        .find(|owner| Some(owner.namespace) == namespace && !matches!(state(&owner.process), ProcessState::Gone))
    {
        return Fate::UnderWay(owner.process.clone());
    }
    if owners.contains(&None) {
        return unknown("a process of it does not say which tool started it");
    }
    if owners.iter().flatten().any(|owner| Some(owner.namespace) != namespace) {
        return unknown("its tool ran in another pid namespace, into which nobody sees from here");
    }
    guardian.map_or(Fate::Abandoned, |guardian| Fate::Guarded(guardian.clone()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Fate, Strays, sorted};
    use crate::host::process::{Found, Marked, Owner};
    use crate::model::dose::ProcessState;
    use crate::model::step::ProcessIdentity;

    const US: u32 = 1000;
    const HERE: u64 = 5;

    fn who(pid: i32) -> ProcessIdentity {
        ProcessIdentity { pid, pidfs_inode: 1, start_ticks: 1 }
    }

    /// A process of ours, of a run whose tool has this pid; below 100 nobody lives.
    fn marked(pid: i32, tool: i32) -> Marked {
        let owner = Owner { namespace: HERE, process: who(tool), state: PathBuf::from("/state") };
        Marked {
            process: who(pid),
            program: "sleep".into(),
            stopped: false,
            user: US,
            ancestor: false,
            run: "run".into(),
            owner: Some(owner),
        }
    }

    fn strays(marked: Vec<Marked>, guardians: &[i32]) -> Strays {
        let guardians = guardians.iter().map(|pid| ("run".to_owned(), who(*pid))).collect();
        let state = |who: &ProcessIdentity| if who.pid < 100 { ProcessState::Gone } else { ProcessState::Running };
        let mut all = sorted(Found { marked, guardians }, US, Some(HERE), state);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn is_unknown(strays: &Strays) -> bool {
        matches!(strays.fate, Fate::Unknown(_))
    }

    #[test]
    fn a_run_is_abandoned_when_tool_and_guardian_are_dead() {
        let strays = strays(vec![marked(200, 7), marked(201, 7)], &[]);
        assert_eq!((strays.fate, strays.processes.len()), (Fate::Abandoned, 2));
        assert_eq!(strays.states, [PathBuf::from("/state")].into());
    }

    #[test]
    fn a_run_whose_tool_lives_is_under_way_even_when_one_process_says_otherwise() {
        assert_eq!(strays(vec![marked(200, 7), marked(201, 100)], &[]).fate, Fate::UnderWay(who(100)));
    }

    #[test]
    fn a_dead_tool_with_a_living_guardian_is_left_to_it() {
        assert_eq!(strays(vec![marked(200, 7)], &[300]).fate, Fate::Guarded(who(300)));
    }

    #[test]
    fn who_does_not_say_whose_it_is_is_not_abandoned() {
        let silent = Marked { owner: None, ..marked(201, 7) };
        assert!(is_unknown(&strays(vec![marked(200, 7), silent], &[])));
    }

    #[test]
    fn a_tool_in_another_pid_namespace_cannot_be_seen_to_be_dead() {
        let mut far = marked(200, 7);
        far.owner.as_mut().expect("has one").namespace = HERE + 1;
        assert!(is_unknown(&strays(vec![far], &[])));
    }

    #[test]
    fn a_tool_whose_state_cannot_be_read_counts_as_living() {
        let found = Found { marked: vec![marked(200, 7)], guardians: Vec::new() };
        let all = sorted(found, US, Some(HERE), |_| ProcessState::Unknown);
        assert_eq!(all[0].fate, Fate::UnderWay(who(7)));
    }

    #[test]
    fn processes_of_other_users_are_neither_ended_nor_believed() {
        let mut theirs = Marked { user: US + 1, ..marked(201, 7) };
        theirs.owner.as_mut().expect("has one").state = PathBuf::from("/theirs");
        assert!(is_unknown(&strays(vec![theirs.clone()], &[])));
        let strays = strays(vec![marked(200, 7), theirs], &[]);
        assert_eq!(strays.fate, Fate::Abandoned);
        assert_eq!((strays.processes.len(), strays.spared.len()), (1, 1));
        assert_eq!(strays.states, [PathBuf::from("/state")].into());
    }

    #[test]
    fn what_may_not_be_killed_is_never_forgotten() {
        let theirs = Marked { user: US + 1, ..marked(201, 7) };
        let (kill, others) = strays(vec![marked(200, 7), theirs.clone()], &[]).told_apart();
        assert_eq!((kill.len(), others.len()), (1, 1));
        let (kill, others) = strays(vec![theirs], &[]).told_apart();
        assert_eq!((kill.len(), others.len()), (0, 1), "also when nobody else of the run is left");
        let (kill, others) = strays(vec![marked(200, 100)], &[]).told_apart();
        assert_eq!((kill.len(), others.len()), (0, 1), "and a run under way is not killed");
    }

    #[test]
    fn our_own_ancestors_are_never_ended() {
        let shell = Marked { ancestor: true, ..marked(200, 7) };
        let strays = strays(vec![shell, marked(201, 7)], &[]);
        assert_eq!((strays.processes.len(), strays.spared.len()), (1, 1));
    }
}

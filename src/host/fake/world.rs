//! The fake machine itself: its processes, what lives inside the tool, and what must never happen to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::life::Life;
use super::paper::File;
use super::{Deed, Trials};
use crate::host::Trouble;
use crate::host::process::Signal;
use crate::model::dose::ProcessState;
use crate::model::step::{Act, ProcessIdentity, Receipt};

pub(super) struct World {
    pub dice: ChaCha8Rng,
    pub trials: Trials,
    /// The monotonic clock, as recovery sees it; the runner follows tokio's.
    pub now: Duration,
    pub boot: u64,
    pub run: String,
    /// The process of the tool.
    pub tool: ProcessIdentity,
    pub tool_life: Life,
    /// Everybody who ever was on this machine for the run.
    pub ever: Vec<ProcessIdentity>,
    pub processes: BTreeMap<i32, Process>,
    next: u64,
    things: BTreeMap<String, Thing>,
    pub files: BTreeMap<PathBuf, Arc<Mutex<File>>>,
    pub deeds: Vec<Deed>,
    pub was_broken: bool,
    /// What faults act on ended by itself.
    pub targets_gone: bool,
    /// When the first fault came to be.
    pub first_fault: Option<Duration>,
    /// What was done, and when it was first tried to undo it.
    pub made: Vec<String>,
    pub tried: BTreeMap<String, Duration>,
    /// When tokio's clock was looked at first.
    pub epoch: Option<tokio::time::Instant>,
    pub harm: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Process {
    pub identity: ProcessIdentity,
    /// The process group.
    pub group: i32,
    /// Started by the run, whose mark it carries.
    pub ours: bool,
    pub stopped: bool,
    dies_with_tool: bool,
    /// No signal has an effect on it.
    stuck: bool,
    /// Killed, and not gone before this moment.
    dies_at: Option<Duration>,
}

/// Something that the run brought about.
#[derive(Debug, Clone, PartialEq)]
enum Thing {
    /// Inside the tool's process; true when it can never be undone there.
    InTool(bool),
    /// These processes.
    Processes(Vec<ProcessIdentity>),
    /// This process does not go on.
    Stopped(ProcessIdentity),
}

impl World {
    pub fn new(seed: u64, trials: Trials, tool_life: Life) -> Self {
        let identity = ProcessIdentity { pid: 100, pidfs_inode: 100, start_ticks: 10 };
        let process = Process {
            identity: identity.clone(),
            group: 100,
            ours: false,
            stopped: false,
            dies_with_tool: false,
            stuck: false,
            dies_at: None,
        };
        Self {
            dice: ChaCha8Rng::seed_from_u64(seed),
            trials,
            now: Duration::ZERO,
            boot: 1,
            run: "a-run".to_owned(),
            tool: identity.clone(),
            tool_life,
            ever: vec![identity],
            processes: BTreeMap::from([(100, process)]),
            next: 101,
            things: BTreeMap::new(),
            files: BTreeMap::new(),
            deeds: Vec::new(),
            was_broken: false,
            targets_gone: false,
            first_fault: None,
            made: Vec::new(),
            tried: BTreeMap::new(),
            epoch: None,
            harm: Vec::new(),
        }
    }

    pub fn chance(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.dice.random_bool(chance)
    }

    /// What the run brought about and is there still.
    pub fn leftovers(&mut self) -> Vec<String> {
        let things: Vec<String> = self.things.keys().cloned().collect();
        things.into_iter().filter(|thing| self.is_there(thing)).collect()
    }

    pub fn is_there(&mut self, thing: &str) -> bool {
        match self.things.get(thing).cloned() {
            None => false,
            Some(Thing::InTool(_)) => self.tool_lives(),
            Some(Thing::Processes(all)) => all.iter().any(|one| self.process(one).is_some()),
            Some(Thing::Stopped(one)) => self.process(&one).is_some_and(|process| process.stopped),
        }
    }

    /// The processes of the run that live or are stopped, by their identities.
    pub fn processes_left(&mut self) -> Vec<ProcessIdentity> {
        self.bury();
        self.processes.values().filter(|process| process.ours).map(|process| process.identity.clone()).collect()
    }

    pub fn tool_lives(&mut self) -> bool {
        self.tool_life.lasts() && self.processes.contains_key(&self.tool.pid)
    }

    /// The end of the tool, however it comes: the kernel kills with it what asked for that.
    pub fn tool_dies(&mut self) {
        self.tool_life.kill();
        let tool = self.tool.clone();
        if self.process(&tool).is_some() {
            self.processes.remove(&self.tool.pid);
            self.processes.retain(|_, process| !process.dies_with_tool || process.stuck);
        }
    }

    /// This very process, if it lives.
    pub fn process(&mut self, identity: &ProcessIdentity) -> Option<&mut Process> {
        self.bury();
        self.processes.get_mut(&identity.pid).filter(|process| process.identity == *identity)
    }

    fn bury(&mut self) {
        let now = self.now;
        self.processes.retain(|_, process| process.dies_at.is_none_or(|at| at > now));
    }

    pub fn state(&mut self, identity: &ProcessIdentity) -> ProcessState {
        match self.process(identity) {
            None => ProcessState::Gone,
            Some(process) if process.stopped => ProcessState::Stopped,
            Some(_) => ProcessState::Running,
        }
    }

    /// A signal as the kernel delivers it; false when the process is gone.
    pub fn signal(&mut self, identity: &ProcessIdentity, signal: Signal) -> bool {
        let tool = self.tool.clone();
        let slow = self.trials.death_is_slow;
        let dies_at = self.chance(slow).then(|| self.now + Duration::from_millis(self.dice.random_range(1..900)));
        let Some(process) = self.process(identity) else { return false };
        let innocent = !process.ours && *identity != tool;
        match signal {
            _ if process.stuck => {}
            Signal::Stop => process.stopped = true,
            Signal::Continue => process.stopped = false,
            Signal::Kill(_) if *identity == tool => self.tool_dies(),
            Signal::Kill(_) if dies_at.is_some() => process.dies_at = process.dies_at.or(dies_at),
            Signal::Kill(_) => drop(self.processes.remove(&identity.pid)),
        }
        if innocent {
            self.harm.push(format!("{identity}, which is not ours, was sent {signal:?}"));
        }
        true
    }

    /// What an act brings about. The caller may die before each of the processes that it starts.
    pub fn make(&mut self, act: &Act, at: Duration) -> Result<Receipt, Trouble> {
        let (name, trials) = (super::thing_of(act), self.trials);
        let stuck = self.chance(trials.stuck);
        let mut process = None;
        let thing = match act {
            Act::StartService { .. } | Act::StartWorker { .. } => {
                let all = self.start(matches!(act, Act::StartWorker { .. }), stuck);
                process = all.first().cloned();
                Thing::Processes(all)
            }
            Act::PauseService { service } => {
                let leader = self.leader(service).ok_or_else(|| Trouble::new(act.to_string(), "it does not run"))?;
                if let Some(leader) = self.process(&leader) {
                    leader.stopped = true;
                    leader.stuck |= stuck;
                }
                process = Some(leader.clone());
                Thing::Stopped(leader)
            }
            Act::KillService { service, .. } => {
                let leader = self.leader(service).ok_or_else(|| Trouble::new(act.to_string(), "it does not run"))?;
                self.processes.retain(|_, process| process.group != leader.pid);
                process = Some(leader);
                Thing::InTool(stuck)
            }
            Act::OpenProxy { .. } | Act::AddToxic { .. } => Thing::InTool(stuck),
        };
        if super::is_fault(&name) {
            self.was_broken = true;
            self.first_fault.get_or_insert(at);
        }
        self.deeds.push(Deed::Did(name.clone()));
        self.made.push(name.clone());
        self.things.insert(name, thing);
        let address = if let Act::OpenProxy { proxy } = act { Some(proxy.listen) } else { None };
        Ok(Receipt { process, address })
    }

    /// Undoes one thing, as the runner does it.
    pub fn unmake(&mut self, name: &str) -> Result<(), Trouble> {
        let Some(thing) = self.things.get(name).cloned() else { return Ok(()) };
        match thing {
            Thing::InTool(true) => {}
            Thing::InTool(false) => drop(self.things.remove(name)),
            Thing::Processes(all) => all.iter().for_each(|one| self.end(one)),
            Thing::Stopped(one) => {
                if let Some(process) = self.process(&one).filter(|process| !process.stuck) {
                    process.stopped = false;
                }
            }
        }
        if self.is_there(name) {
            return Err(Trouble::new(format!("undo {name}"), "it will not go"));
        }
        self.things.remove(name);
        self.deeds.push(Deed::Undid(name.to_owned()));
        if let Some(service) = name.strip_prefix("killed ") {
            self.revive(service);
        }
        Ok(())
    }

    fn end(&mut self, identity: &ProcessIdentity) {
        if self.process(identity).is_some_and(|process| !process.stuck) {
            self.processes.remove(&identity.pid);
        }
    }

    /// The leader of a service, if it runs.
    fn leader(&mut self, service: &str) -> Option<ProcessIdentity> {
        let Some(Thing::Processes(all)) = self.things.get(&format!("service {service}")).cloned() else { return None };
        all.into_iter().find(|one| self.process(one).is_some_and(|process| process.group == process.identity.pid))
    }

    fn revive(&mut self, service: &str) {
        let again = self.start(false, false);
        if let Some(Thing::Processes(all)) = self.things.get_mut(&format!("service {service}")) {
            // A descendant that left the group was not killed and leads none of ours.
            let old = std::mem::replace(all, again);
            all.extend(old);
        }
    }

    /// A leader; a service has a child in its group and one that left it, too.
    fn start(&mut self, alone: bool, stuck: bool) -> Vec<ProcessIdentity> {
        let leader_dies = self.dice.random_bool(0.7);
        let leader = self.born(None, alone || leader_dies, stuck);
        let mut all = vec![leader.clone()];
        if !alone {
            all.push(self.born(Some(leader.pid), false, stuck));
            if self.dice.random_bool(0.5) {
                all.push(self.born(None, false, false));
            }
        }
        all
    }

    fn born(&mut self, group: Option<i32>, dies_with_tool: bool, stuck: bool) -> ProcessIdentity {
        let identity = self.fresh(None);
        self.ever.push(identity.clone());
        let group = group.unwrap_or(identity.pid);
        let process = Process {
            identity: identity.clone(),
            group,
            ours: true,
            stopped: false,
            dies_with_tool,
            stuck,
            dies_at: None,
        };
        self.processes.insert(identity.pid, process);
        identity
    }

    fn fresh(&mut self, pid: Option<i32>) -> ProcessIdentity {
        self.next += 1;
        let pid = pid.unwrap_or_else(|| self.next.try_into().unwrap_or(i32::MAX));
        ProcessIdentity { pid, pidfs_inode: self.next, start_ticks: 10 }
    }

    /// Somebody else's process takes a pid that is free: another one, or, in another boot, with the very same identity.
    pub fn intrude(&mut self, pid: i32, identity: Option<ProcessIdentity>) {
        self.bury();
        if !self.processes.contains_key(&pid) {
            let identity = identity.unwrap_or_else(|| self.fresh(Some(pid)));
            let stopped = self.dice.random_bool(0.5);
            let process = Process {
                identity,
                group: pid,
                ours: false,
                stopped,
                dies_with_tool: false,
                stuck: false,
                dies_at: None,
            };
            self.processes.insert(pid, process);
        }
    }

    /// What would not go is let go.
    pub fn heal(&mut self) {
        self.processes.values_mut().for_each(|process| process.stuck = false);
    }

    /// The machine starts anew: nothing runs any more.
    pub fn restart(&mut self) {
        self.boot += 1;
        self.processes.clear();
        self.things.clear();
    }
}

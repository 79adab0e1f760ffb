//! The fake machine itself: its processes, what lives inside the tool, and what must never happen to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::life::Life;
use super::paper::File;
use super::{Deed, Trials};
use crate::host::Trouble;
use crate::host::process::{Limited, OpenFiles, Signal};
use crate::model::cgroup::{GroupSetting, Whose};
use crate::model::dose::ProcessState;
use crate::model::fault::ProcessTarget;
use crate::model::step::{Act, Job, ProcessIdentity, Receipt, SoftLimit, Surroundings};
use crate::model::target::{Victim, Victims};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";
/// A value that nobody set.
const UNLIMITED: &str = "max";
/// A value that somebody else set.
const THEIRS: &str = "somebody else's";
/// The soft limit of open files that everybody begins with.
const FILE_LIMIT: u64 = 1024;

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
    /// Processes of others that faults may hit.
    strangers: Vec<ProcessIdentity>,
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
    /// The values of control groups; what is not here was never set.
    values: BTreeMap<PathBuf, String>,
    groups: BTreeSet<PathBuf>,
    /// Those that were removed.
    groups_gone: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Process {
    pub identity: ProcessIdentity,
    /// The process group.
    pub group: i32,
    /// Started by the run, whose mark it carries.
    pub ours: bool,
    /// Not of the run, and what its faults are to hit.
    pub target: bool,
    pub stopped: bool,
    dies_with_tool: bool,
    /// Its soft limit of open files.
    pub file_limit: u64,
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
    /// These processes do not go on.
    Stopped(Vec<ProcessIdentity>),
    /// This value is ours; true when it can never be undone.
    Value(GroupSetting, bool),
    /// A control group.
    Group(PathBuf),
    /// These processes have these limits.
    Limited(Vec<(ProcessIdentity, SoftLimit)>),
    /// Nobody knows where: it outlives the tool and the boot.
    Outside {
        /// Whether it cannot be undone now.
        stuck: bool,
        /// Whether more tells of it than the exit code of its undo.
        checked: bool,
    },
}

impl World {
    pub fn new(seed: u64, trials: Trials, tool_life: Life) -> Self {
        let identity = ProcessIdentity { pid: 100, pidfs_inode: 100, start_ticks: 10 };
        let process = Process {
            identity: identity.clone(),
            group: 100,
            ours: false,
            target: false,
            stopped: false,
            file_limit: FILE_LIMIT,
            dies_with_tool: false,
            stuck: false,
            dies_at: None,
        };
        let stranger = |pid: i32| {
            let identity = ProcessIdentity { pid, pidfs_inode: u64::from(pid.unsigned_abs()), start_ticks: 10 };
            Process { identity, group: pid, target: true, ..process.clone() }
        };
        let strangers = [stranger(90), stranger(91)];
        Self {
            dice: ChaCha8Rng::seed_from_u64(seed),
            trials,
            now: Duration::ZERO,
            boot: 1,
            run: "a-run".to_owned(),
            tool: identity.clone(),
            tool_life,
            ever: vec![identity],
            strangers: strangers.iter().map(|process| process.identity.clone()).collect(),
            processes: strangers.into_iter().chain([process]).map(|process| (process.identity.pid, process)).collect(),
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
            values: BTreeMap::new(),
            groups: BTreeSet::new(),
            groups_gone: BTreeSet::new(),
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
            Some(Thing::Limited(all)) => {
                all.iter().any(|(one, limit)| self.process(one).is_some_and(|process| process.file_limit == limit.set))
            }
            Some(Thing::Stopped(all)) => all.iter().any(|one| self.process(one).is_some_and(|process| process.stopped)),
            Some(Thing::Value(setting, _)) => setting.whose(self.value_there(&setting).as_deref()) == Whose::Ours,
            Some(Thing::Group(folder)) => self.groups.contains(&folder),
            Some(Thing::Outside { .. }) => true,
        }
    }

    /// Whether an undo may say that it took a thing away and leave it there: where nothing but the exit code of a command
    /// tells, nobody could know better.
    pub fn may_lie_of(&self, thing: &str) -> bool {
        !matches!(self.things.get(thing), Some(Thing::Outside { checked: false, .. }))
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
        let target = process.target && matches!(signal, Signal::Continue);
        let innocent = !process.ours && *identity != tool && !target;
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

    /// The value that is there now; none when its group is gone.
    pub fn value_there(&self, setting: &GroupSetting) -> Option<String> {
        let gone = setting.file.parent().is_some_and(|group| self.groups_gone.contains(group));
        (!gone).then(|| self.value(setting))
    }

    /// The value that is there now.
    pub fn value(&self, setting: &GroupSetting) -> String {
        self.values.get(&setting.file).cloned().unwrap_or_else(|| UNLIMITED.to_owned())
    }

    /// Restores what was before, where one of ours is there.
    pub fn restore_value(&mut self, setting: &GroupSetting) {
        if setting.whose(self.value_there(setting).as_deref()) == Whose::Ours {
            self.set_value(setting, &setting.before);
        }
    }

    /// Sets a value; nobody may overwrite what somebody else set.
    fn set_value(&mut self, setting: &GroupSetting, value: &str) {
        let stuck =
            self.things.values().any(|thing| matches!(thing, Thing::Value(one, true) if one.file == setting.file));
        if self.value(setting) == THEIRS {
            self.harm.push(format!("{setting}, which somebody else set, was overwritten with {value}"));
        }
        if !stuck {
            self.values.insert(setting.file.clone(), value.to_owned());
        }
    }

    /// Somebody else sets every value that we set.
    pub fn take_values(&mut self) {
        self.values.values_mut().for_each(|value| THEIRS.clone_into(value));
    }

    /// A value of this receipt that is somebody else's now.
    pub fn taken_by_others(&self, receipt: &Receipt) -> Option<PathBuf> {
        let others =
            |setting: &&GroupSetting| matches!(setting.whose(self.value_there(setting).as_deref()), Whose::Others(_));
        receipt.settings.iter().find(others).map(|setting| setting.file.clone())
    }

    pub fn has_group(&self, folder: &Path) -> bool {
        self.groups.contains(folder)
    }

    fn make_group(&mut self, folder: &Path) {
        self.groups.insert(folder.to_owned());
        self.groups_gone.remove(folder);
    }

    /// Those that this tool made for this run: all that were made.
    pub fn groups_of(&self, run: &str, tool: &ProcessIdentity) -> Vec<PathBuf> {
        let ours = run == self.run && *tool == self.tool;
        self.groups.iter().filter(|_| ours).cloned().collect()
    }

    /// Refused as long as a process of its service is there.
    pub fn remove_group(&mut self, folder: &Path) -> Result<(), Trouble> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if self.is_there(&format!("service {name}")) {
            return Err(Trouble::new(format!("remove {}", folder.display()), "somebody is in it"));
        }
        if self.groups.remove(folder) {
            self.groups_gone.insert(folder.to_owned());
            self.values.retain(|file, _| !file.starts_with(folder));
        }
        Ok(())
    }

    /// What is known before an act.
    pub fn prepare(&self, act: &Act) -> Receipt {
        match act {
            Act::MakeGroup { service, .. } => {
                Receipt { groups: vec![Path::new(GROUPS).join(service)], ..Receipt::default() }
            }
            Act::LimitGroup { name, whom, limit } => {
                // A service has a group of its own.
                let whose = whom.target.by.service().map_or_else(|| whom.target.to_string(), ToOwned::to_owned);
                let file = Path::new(GROUPS).join(whose).join(limit.controller().to_string());
                let ours = ["half of", "all of"].map(|part| format!("{part} {name}")).to_vec();
                let mut setting = GroupSetting { file, device: None, key: None, before: String::new(), ours };
                setting.before = self.value(&setting);
                Receipt { settings: vec![setting], ..Receipt::default() }
            }
            Act::Run { .. } => {
                let surroundings = Surroundings { directory: "/".into(), path: "/bin".into(), home: None };
                Receipt { surroundings: Some(surroundings), ..Receipt::default() }
            }
            _ => Receipt::default(),
        }
    }

    fn limit(&mut self, setting: &GroupSetting, stuck: bool) -> Thing {
        // An act that is cut short may have come half of the way.
        let value = if self.dice.random_bool(0.5) { setting.ours.first() } else { setting.ours.last() };
        let value = value.cloned().unwrap_or_default();
        // Whatever was there is in the receipt, and is set again: a limit on top of somebody else's does no harm.
        self.values.insert(setting.file.clone(), value);
        let taken = self.trials.value_taken;
        if self.chance(taken) {
            self.values.insert(setting.file.clone(), THEIRS.to_owned());
        }
        Thing::Value(setting.clone(), stuck)
    }

    /// What an act brings about. The caller may die before each of the processes that it starts.
    pub fn make(&mut self, act: &Act, prepared: &Receipt, at: Duration) -> Result<Receipt, Trouble> {
        let (name, trials) = (super::thing_of(act), self.trials);
        let stuck = self.chance(trials.stuck);
        let mut process = None;
        let thing = match act {
            Act::StartService { .. } | Act::StartWorker { .. } => {
                if let Act::StartWorker { job: Job::Slow { whom, .. }, .. } = act {
                    // It is stopped at whatever moment the worker dies.
                    for victim in self.living(act, whom)? {
                        let stopped = self.dice.random_bool(0.5);
                        self.process(&victim).into_iter().for_each(|process| process.stopped = stopped);
                    }
                }
                let all = self.start(matches!(act, Act::StartWorker { .. }), stuck);
                process = all.first().cloned();
                Thing::Processes(all)
            }
            Act::Pause { whom } => {
                let victims = self.living(act, whom)?;
                self.stop(&victims, stuck);
                Thing::Stopped(victims)
            }
            Act::Kill { whom, .. } => {
                let victims = self.living(act, whom)?;
                self.processes.retain(|_, process| !victims.iter().any(|victim| victim.pid == process.group));
                Thing::InTool(stuck)
            }
            Act::MakeGroup { .. } | Act::LimitGroup { .. } => match (&*prepared.groups, &*prepared.settings) {
                ([folder], _) => {
                    self.make_group(folder);
                    Thing::Group(folder.clone())
                }
                (_, [setting]) => self.limit(setting, stuck),
                _ => return Err(Trouble::new(act.to_string(), "nothing was prepared")),
            },
            Act::KeepKilling { .. } => Thing::InTool(stuck),
            Act::Run { check, .. } => Thing::Outside { stuck, checked: check.is_some() },
            Act::TakeCharge { whom } => Thing::Stopped(self.living(act, whom)?),
            Act::LimitOpenFiles { whom, limits, .. } => {
                let victims = self.living(act, whom)?;
                for (victim, limit) in victims.iter().zip(limits) {
                    if let Some(process) = self.process(victim) {
                        process.file_limit = limit.set;
                    }
                }
                Thing::Limited(victims.into_iter().zip(limits.iter().copied()).collect())
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
        Ok(Receipt { process, address, ..prepared.clone() })
    }

    fn stop(&mut self, victims: &[ProcessIdentity], stuck: bool) {
        for victim in victims {
            if let Some(process) = self.process(victim) {
                process.stopped = true;
                process.stuck |= stuck;
            }
        }
    }

    /// Undoes one thing, as the runner does it.
    pub fn unmake(&mut self, name: &str) -> Result<(), Trouble> {
        let Some(thing) = self.things.get(name).cloned() else { return Ok(()) };
        match thing {
            Thing::InTool(true) | Thing::Outside { stuck: true, .. } => {}
            Thing::Outside { stuck: false, .. } => drop(self.things.remove(name)),
            Thing::InTool(false) => drop(self.things.remove(name)),
            Thing::Processes(all) => all.iter().for_each(|one| self.end(one)),
            Thing::Value(setting, _) => self.restore_value(&setting),
            Thing::Group(folder) => self.remove_group(&folder)?,
            Thing::Limited(all) => all.into_iter().for_each(|(one, limit)| {
                self.restore_file_limit(&one, limit);
            }),
            Thing::Stopped(all) => {
                for one in all {
                    if let Some(process) = self.process(&one).filter(|process| !process.stuck) {
                        process.stopped = false;
                    }
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

    /// As a kernel does it: only what is as it was set is restored.
    pub fn restore_file_limit(&mut self, identity: &ProcessIdentity, limit: SoftLimit) -> Limited {
        let Some(process) = self.process(identity) else { return Limited::Gone };
        match process.file_limit {
            now if now == limit.set && process.stuck => Limited::Set,
            now if now == limit.set || now == limit.before => {
                process.file_limit = limit.before;
                Limited::Set
            }
            other => Limited::Other(other),
        }
    }

    /// What these have open, with room for many more.
    pub fn open_files(&mut self, victims: &[Victim]) -> Vec<OpenFiles> {
        let identities = victims.iter().map(|victim| victim.process.clone());
        let all = identities.filter_map(|process| {
            let soft = self.process(&process)?.file_limit;
            Some(OpenFiles { process, soft, hard: 4096, open: vec![0, 1, 2] })
        });
        all.collect()
    }

    /// Those whom an act hits; a trouble when one of them is gone.
    fn living(&mut self, act: &Act, whom: &Victims) -> Result<Vec<ProcessIdentity>, Trouble> {
        let victims: Vec<ProcessIdentity> = whom.identities().cloned().collect();
        match !victims.is_empty() && victims.iter().all(|victim| self.process(victim).is_some()) {
            true => Ok(victims),
            false => Err(Trouble::new(act.to_string(), "it does not run")),
        }
    }

    /// Who matches a target: the leader of a service, or those strangers that the tool may hit.
    pub fn find(&mut self, target: &ProcessTarget) -> Vec<Victim> {
        let victim = |process: ProcessIdentity, service: Option<&str>| Victim {
            process,
            name: "fake".to_owned(),
            service: service.map(ToOwned::to_owned),
        };
        match target.by.service() {
            Some(service) => self.leader(service).map(|leader| victim(leader, Some(service))).into_iter().collect(),
            None => {
                let strangers = self.strangers.clone();
                let living = strangers.into_iter().filter(|one| self.process(one).is_some());
                living.map(|one| victim(one, None)).collect()
            }
        }
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
            target: false,
            stopped: false,
            file_limit: FILE_LIMIT,
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
                target: false,
                stopped,
                file_limit: FILE_LIMIT,
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
        for thing in self.things.values_mut() {
            if let Thing::Value(_, stuck) | Thing::Outside { stuck, .. } = thing {
                *stuck = false;
            }
        }
    }

    /// The machine starts anew: nothing runs any more.
    pub fn restart(&mut self) {
        self.boot += 1;
        self.processes.clear();
        self.things.retain(|_, thing| matches!(thing, Thing::Outside { .. }));
        self.values.clear();
        self.groups.clear();
        self.groups_gone.clear();
    }
}

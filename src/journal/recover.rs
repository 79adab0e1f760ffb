//! Undoes what a dead tool left, by its journal alone: without the experiment, by system calls, and first of all on the
//! machine; the paper comes after. Doing it twice, or twice at once, does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::apart::{Damage, Whole};
use super::replay::{Holder, Measure, WayBack};
use super::survey::{Remains, Standing, survey};
use super::{Contents, Entry, Header, Journal, State, read};
use crate::host::Trouble;
use crate::host::process::Signal;
use crate::host::scene::{Paper, Scene, ThisMachine};
use crate::model::after_undo::judge;
use crate::model::cgroup::{GroupSetting, Whose};
use crate::model::dose::ProcessState;
use crate::model::fault::KillSignal;
use crate::model::step::{ProcessIdentity, SoftLimit};

/// How long killed processes may take to be gone before they are called residue.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long another recovery of the same run is awaited.
const LOCK_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// What recovery found and did.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovered {
    /// There was nothing to undo.
    Nothing,
    /// The tool lives: this is its own affair.
    Refused(Header),
    /// What was undone, and what was not.
    Undone(Account),
}

/// What was undone, and what was not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// The processes that were killed.
    pub killed: Vec<ProcessIdentity>,
    /// Every open step, the newest first.
    pub steps: Vec<Outcome>,
    /// What else is not well; the machine may be clean all the same.
    pub troubles: Vec<String>,
    /// The processes that are left.
    pub left: Vec<ProcessIdentity>,
    /// A line of the journal that makes no sense: what it said is not known to be undone.
    pub damaged: Option<Damage>,
    /// Whether the part of the journal is missing that told what dies with the boot: in this boot, so that what it said
    /// is not known to be undone.
    pub part_missing: bool,
    /// What there is to be told beside the steps.
    pub notes: Vec<String>,
    /// How it went with the commands that were run, by the numbers of their steps.
    ran: BTreeMap<u64, Result<String, String>>,
}

/// How it went with one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its number in the journal.
    pub number: u64,
    /// What had been done.
    pub what: String,
    /// How it was undone, or why it is not.
    pub undone: Result<String, String>,
}

impl Account {
    /// Whether all is undone and was read back.
    pub fn is_clean(&self) -> bool {
        let known = self.damaged.is_none() && !self.part_missing;
        known && self.left.is_empty() && self.steps.iter().all(|step| step.undone.is_ok())
    }
}

/// A journal that may have to be replayed, opened while all is well.
#[derive(Debug)]
pub struct Recovery<S: Scene = ThisMachine> {
    scene: S,
    persistent: Arc<dyn Paper>,
    volatile: OnceLock<Arc<dyn Paper>>,
}

/// The parts of a journal as they are now.
struct Parts {
    persistent: Contents,
    volatile: Option<Contents>,
    whole: Whole,
}

impl Recovery {
    /// Opens the journal.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        Self::open_on(ThisMachine, path)
    }
}

impl<S: Scene> Recovery<S> {
    /// Opens the journal on a machine: both its parts, as far as they are there.
    pub fn open_on(scene: S, path: &Path) -> Result<Self, Trouble> {
        let what = || format!("open the journal {}", path.display());
        let persistent = scene.open(path).map_err(|error| Trouble::new(what(), error))?;
        let persistent = persistent.ok_or_else(|| Trouble::new(what(), "there is none"))?;
        let recovery = Self { scene, persistent, volatile: OnceLock::new() };
        recovery.parts()?;
        Ok(recovery)
    }

    /// What the journal says now.
    pub fn contents(&self) -> Result<Whole, Trouble> {
        Ok(self.parts()?.whole)
    }

    /// Where the run stands. Looks only.
    pub fn survey(&self) -> Result<Standing, Trouble> {
        survey(&self.scene, &self.contents()?)
    }

    /// The machine that it was opened on.
    pub fn scene(&self) -> &S {
        &self.scene
    }

    /// Undoes what is left, newest first, reads it back and writes that down. An error says that it cannot be known what
    /// is left.
    pub fn recover(&self) -> Result<Recovered, Trouble> {
        self.lock()?;
        let parts = self.parts()?;
        match survey(&self.scene, &parts.whole)? {
            Standing::Running(header) => Ok(Recovered::Refused(header)),
            Standing::Finished => {
                // What a crash kept from being tidied up touches nothing; the next one will try again.
                let _ = self.resumed(parts).and_then(|mut journal| journal.finish());
                Ok(Recovered::Nothing)
            }
            Standing::Left(remains) => {
                let mut account = on_the_machine(&self.scene, &remains);
                match self.resumed(parts) {
                    Ok(mut journal) => on_paper(&self.scene, &remains, &mut account, &mut journal),
                    Err(error) => {
                        account.troubles.push(unwritten(&error));
                        read_all_back(&self.scene, &remains, &mut account);
                    }
                }
                Ok(Recovered::Undone(account))
            }
        }
    }

    fn parts(&self) -> Result<Parts, Trouble> {
        let read_part = |paper: &dyn Paper| {
            let bytes = paper.read().map_err(|error| Trouble::new("read the journal", error))?;
            Ok::<_, Trouble>(read(&bytes))
        };
        let persistent = read_part(&*self.persistent)?;
        let place = persistent.header.as_ref().and_then(|header| header.volatile.as_deref());
        let volatile = place.map(|place| self.volatile(place)).transpose()?.flatten();
        let volatile = volatile.map(|paper| read_part(&**paper)).transpose()?;
        let whole = Whole::of(&persistent, volatile.as_ref());
        Ok(Parts { persistent, volatile, whole })
    }

    /// The volatile part; none as long as there is none. Once it was opened it stays, even if its name is taken away.
    fn volatile(&self, place: &Path) -> Result<Option<&Arc<dyn Paper>>, Trouble> {
        if self.volatile.get().is_none() {
            let opened = self.scene.open(place);
            let opened = opened.map_err(|error| Trouble::new(format!("open {}", place.display()), error))?;
            if let Some(paper) = opened {
                let _ = self.volatile.set(paper);
            }
        }
        Ok(self.volatile.get())
    }

    /// The journal, to go on with: what a crash tore off is cut off first, as it would run into the next record. A file
    /// of somebody else in the place of the volatile part is left alone.
    fn resumed(&self, parts: Parts) -> std::io::Result<Journal> {
        self.persistent.cut(parts.persistent.finished)?;
        let ours = |part: &Contents| part.header == parts.persistent.header || part.is_blank();
        let volatile = self.volatile.get().zip(parts.volatile.filter(ours));
        if let Some((paper, contents)) = &volatile {
            paper.cut(contents.finished)?;
        }
        Ok(Journal::rejoined(Arc::clone(&self.persistent), volatile.map(|(paper, _)| Arc::clone(paper)), parts.whole))
    }

    /// Waits for another recovery of this run, which will most likely leave nothing to do.
    fn lock(&self) -> Result<(), Trouble> {
        let what = "lock the journal";
        let deadline = self.scene.now() + LOCK_LIMIT;
        let mut pause = PAUSE;
        while !self.persistent.lock().map_err(|error| Trouble::new(what, error))? {
            if self.scene.now() >= deadline {
                return Err(Trouble::new(what, "another recovery of this run does not come to its end"));
            }
            self.scene.pause(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }
}

/// Lets go on what was stopped, and kills whatever of the run lives, until two looks in a row find nothing: a process
/// that is just being started may be missed by one.
fn on_the_machine(scene: &impl Scene, remains: &Remains) -> Account {
    let part_missing = remains.part_missing && remains.same_boot;
    let mut account = Account { damaged: remains.damaged, part_missing, ..Account::default() };
    account.notes.extend(part_told(remains));
    let deadline = scene.now() + KILL_LIMIT;
    let mut by_name = BTreeSet::new();
    let (mut clear_looks, mut pause) = (0, PAUSE);
    while clear_looks < 2 && scene.now() < deadline {
        let stopped = remains.stopped_on(scene);
        for process in &stopped {
            send(scene, process, Signal::Continue, &mut account);
        }
        let limited = remains.limited_on(scene);
        for (process, limit) in &limited {
            trouble(scene.restore_file_limit(process, *limit).map(drop), &mut account);
        }
        // A limit may be what keeps a process from ending.
        let values = remains.values_on(scene);
        for setting in &values {
            trouble(scene.restore_value(setting), &mut account);
        }
        let all_back = stopped.is_empty() && limited.is_empty() && values.is_empty();
        match remains.processes_on(scene) {
            Ok(left) if left.is_empty() && all_back => {
                let mut groups = remains.groups_on(scene);
                let named = remains.groups_by_name(scene);
                let seen = named.is_ok();
                let named = named.unwrap_or_default();
                by_name.extend(named.iter().cloned());
                groups.extend(named);
                // Who was killed just now is in its group for a moment still: that is no trouble yet.
                let removed = groups.iter().filter(|group| scene.remove_group(group).is_ok()).count();
                (clear_looks, pause) = if groups.is_empty() && seen {
                    (clear_looks + 1, PAUSE)
                } else {
                    (0, if removed > 0 { PAUSE } else { pause })
                };
            }
            Ok(left) => {
                clear_looks = 0;
                left.iter().for_each(|process| kill(scene, process, &mut account));
            }
            Err(_) => clear_looks = 0,
        }
        scene.pause(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    for folder in remains.steps.iter().filter_map(|(_, measure)| folder_of(measure)) {
        let freed = scene.remove_drafts_of(folder, &remains.header.run);
        account.troubles.extend(freed.err().map(|trouble| trouble.to_string()));
    }
    tell_of_groups(scene, remains, &by_name, &mut account);
    for (entry, measure) in &remains.steps {
        if let Measure::Run(way) = measure {
            account.ran.insert(entry.number, walk(scene, way));
        }
    }
    account
}

/// Runs a command of the experiment's that undoes another one, and asks whether it did.
fn walk(scene: &impl Scene, WayBack { command, check, surroundings }: &WayBack) -> Result<String, String> {
    let at = surroundings.as_ref().ok_or("the journal does not say what the command is to be run in")?;
    let ended = scene.run(command, at).map_err(|trouble| trouble.to_string());
    judge(ended, check.as_ref().map(|check| scene.look(check, at))).result()
}

/// What became of the control groups that nothing but their names told of.
fn tell_of_groups(scene: &impl Scene, remains: &Remains, found: &BTreeSet<PathBuf>, account: &mut Account) {
    match remains.groups_by_name(scene) {
        Ok(left) => {
            let gone = found.iter().filter(|group| !left.contains(group));
            account
                .notes
                .extend(gone.map(|group| format!("{}, whose name says this run, is removed", group.display())));
            let left = left.iter();
            account
                .troubles
                .extend(left.map(|group| format!("{}, whose name says this run, is there", group.display())));
        }
        Err(why) => trouble(Err(why), account),
    }
}

/// Where files of the run may take room.
fn folder_of(measure: &Measure) -> Option<&Path> {
    match measure {
        Measure::Free(_, folder) => Some(folder),
        _ => None,
    }
}

fn part_told(remains: &Remains) -> Option<String> {
    let part = remains.header.volatile.as_ref().filter(|_| remains.part_missing)?.display();
    Some(match remains.same_boot {
        false => format!("{part} is gone with the last boot of the machine, and so is all it told of"),
        true => {
            format!("{part} is missing, so what was done cannot be known: somebody removed it, or it is unreadable")
        }
    })
}

fn kill(scene: &impl Scene, process: &ProcessIdentity, account: &mut Account) {
    if send(scene, process, Signal::Kill(KillSignal::Kill), account) && !account.killed.contains(process) {
        account.killed.push(process.clone());
    }
}

/// Whether it was sent; a trouble is told once.
fn send(scene: &impl Scene, process: &ProcessIdentity, signal: Signal, account: &mut Account) -> bool {
    let sent = scene.signal(process, signal);
    trouble(sent.as_ref().map(drop).map_err(Clone::clone), account);
    sent.unwrap_or(false)
}

/// A trouble is told once.
fn trouble(done: Result<(), Trouble>, account: &mut Account) {
    let told = done.err().map(|trouble| trouble.to_string());
    account.troubles.extend(told.filter(|trouble| !account.troubles.contains(trouble)));
}

/// Reads every step back and writes down how it stands. What cannot be written is told: the undo counts all the same,
/// and a later recovery will find nothing to do.
fn on_paper(scene: &impl Scene, remains: &Remains, account: &mut Account, journal: &mut Journal) {
    read_all_back(scene, remains, account);
    let states = account.steps.iter().map(|step| if step.undone.is_ok() { State::Done } else { State::Conflict });
    let mut unwritten_so_far = None;
    for ((entry, _), state) in remains.steps.iter().zip(states) {
        unwritten_so_far = record(journal, entry, state).err().or(unwritten_so_far);
    }
    if account.is_clean() {
        unwritten_so_far = journal.finish().err().or(unwritten_so_far);
    }
    account.troubles.extend(unwritten_so_far.map(|error| unwritten(&error)));
}

fn read_all_back(scene: &impl Scene, remains: &Remains, account: &mut Account) {
    let left = remains.processes_on(scene);
    for (entry, measure) in &remains.steps {
        let told_before = entry.state == State::Conflict;
        let undone = match measure {
            Measure::Run(_) => {
                account.ran.get(&entry.number).cloned().unwrap_or_else(|| Err("it was not run".to_owned()))
            }
            Measure::RestoreValues(settings) => values_back(scene, settings, told_before),
            Measure::RemoveGroups(groups) => groups_gone(scene, groups),
            _ => {
                read_back(scene, measure, left.as_deref()).and_then(|how| read_back_files(scene, remains, measure, how))
            }
        };
        account.steps.push(Outcome { number: entry.number, what: entry.step.apply.to_string(), undone });
    }
    account.left = left.unwrap_or_default();
}

/// A value that somebody else set meanwhile is a conflict, which is told once and then left to them.
fn values_back(scene: &impl Scene, settings: &[GroupSetting], told_before: bool) -> Result<String, String> {
    let mut how = Vec::new();
    for setting in settings {
        let last = setting.last();
        match setting.whose(scene.value(setting).map_err(|trouble| trouble.to_string())?.as_deref()) {
            Whose::Ours => return Err(format!("{setting} is `{last}` still, which we set")),
            Whose::Others(now) if !told_before => {
                let before = &setting.before;
                return Err(format!(
                    "somebody else set {setting} to `{now}`; we had set `{last}`, and `{before}` was there before: it is left \
                     to them, and a further rollback will say no more of it"
                ));
            }
            Whose::Others(now) => how.push(format!("{setting} is `{now}`, which somebody else set: left to them")),
            Whose::Before => how.push(format!("{setting} is `{}` as before", setting.before)),
            Whose::Nobodys => how.push(format!("{setting} is gone with its group")),
        }
    }
    Ok(how.join(", "))
}

fn groups_gone(scene: &impl Scene, groups: &[PathBuf]) -> Result<String, String> {
    for group in groups {
        if scene.has_group(group).map_err(|trouble| trouble.to_string())? {
            let why = scene.remove_group(group).err().map(|trouble| format!(": {trouble}")).unwrap_or_default();
            return Err(format!("{} is there still{why}", group.display()));
        }
    }
    Ok("the control group is gone".to_owned())
}

fn read_back(
    scene: &impl Scene,
    measure: &Measure,
    left: Result<&[ProcessIdentity], &Trouble>,
) -> Result<String, String> {
    match (measure, left) {
        (Measure::GoneWith(Holder::Boot), _) => Ok("gone with the last boot of the machine".to_owned()),
        (Measure::GoneWith(Holder::Tool), _) => Ok("gone with the tool's process".to_owned()),
        (Measure::GoneWith(Holder::Service), Ok([])) => Ok("its service is stopped for good".to_owned()),
        (Measure::Continue(processes), _) => go_on(scene, processes),
        (Measure::Kill(Some(process)) | Measure::Free(Some(process), _), Ok([])) => {
            Ok(format!("{process} and all of its group are gone"))
        }
        (Measure::Kill(None) | Measure::Free(None, _), Ok([])) => Ok("no process of the run is left".to_owned()),
        (Measure::Restore(limits), _) => restored(scene, limits),
        (Measure::RestoreValues(_) | Measure::RemoveGroups(_) | Measure::Run(_), _) => {
            Err("it was not looked at".to_owned())
        }
        (_, Ok(left)) => Err(format!("{} of the run live still", names(left))),
        (_, Err(trouble)) => Err(trouble.to_string()),
    }
}

fn read_back_files(scene: &impl Scene, remains: &Remains, measure: &Measure, how: String) -> Result<String, String> {
    let Some(folder) = folder_of(measure) else { return Ok(how) };
    match scene.drafts_of(folder, &remains.header.run) {
        Ok(left) if left.is_empty() => Ok(format!("{how}; no file of the run is in {}", folder.display())),
        Ok(left) => Err(format!("{} is there still", left[0].display())),
        Err(error) => Err(format!("{} cannot be looked at: {error}", folder.display())),
    }
}

/// Whether none of them is stopped any more, each in words.
fn go_on(scene: &impl Scene, processes: &[ProcessIdentity]) -> Result<String, String> {
    let states = processes.iter().map(|process| match scene.state(process) {
        ProcessState::Stopped => Err(format!("{process} is stopped still")),
        ProcessState::Running => Ok(format!("{process} goes on")),
        ProcessState::Gone => Ok(format!("{process} is gone")),
        ProcessState::Unknown => Err(format!("whether {process} is stopped still cannot be seen")),
    });
    Ok(states.collect::<Result<Vec<_>, _>>()?.join(", "))
}

/// Whether each limit is what it was. One that somebody else set meanwhile is left alone, and told.
fn restored(scene: &impl Scene, limits: &[(ProcessIdentity, SoftLimit)]) -> Result<String, String> {
    let all = limits.iter().map(|(process, limit)| match scene.file_limit(process) {
        Ok(None) => Ok(format!("{process} is gone")),
        Ok(Some(now)) if now == limit.before => Ok(format!("the limit of {process} is {now} again")),
        Ok(Some(now)) if now == limit.set => Err(format!("the limit of {process} is {now} still")),
        Ok(Some(now)) => Err(limit.conflict(process, now)),
        Err(trouble) => Err(trouble.to_string()),
    });
    Ok(all.collect::<Result<Vec<_>, _>>()?.join(", "))
}

fn record(journal: &mut Journal, entry: &Entry, state: State) -> std::io::Result<()> {
    if entry.state != State::Undoing {
        journal.move_to(entry.number, State::Undoing)?;
    }
    journal.move_to(entry.number, state)
}

fn unwritten(error: &std::io::Error) -> String {
    format!("the journal could not be written: {error}")
}

/// Processes in words: `pid 7, pid 8`.
pub fn names(processes: &[ProcessIdentity]) -> String {
    processes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

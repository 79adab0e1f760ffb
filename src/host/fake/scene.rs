//! The fake machine as recovery sees it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::life::Life;
use super::paper::FakePaper;
use super::world::World;
use super::{Shared, lock};
use crate::host::Trouble;
use crate::host::process::{Limited, Signal};
use crate::host::scene::{Paper, Scene};
use crate::model::cgroup::GroupSetting;
use crate::model::dose::{InPlace, ProcessState};
use crate::model::step::{CommandLine, ProcessIdentity, SoftLimit, Surroundings};

/// The fake machine in the eyes of one process.
#[derive(Debug, Clone)]
pub struct FakeScene {
    pub(super) world: Shared,
    pub(super) life: Life,
}

impl FakeScene {
    /// Whose eyes these are.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// Whoever has that pid now: what a careless tool would go by.
    pub fn whoever_has(&self, pid: i32) -> Option<ProcessIdentity> {
        lock(&self.world).processes.get(&pid).map(|process| process.identity.clone())
    }

    fn step(&self) -> Result<(), Trouble> {
        self.life.step().map_err(|error| Trouble::new("act", error))
    }

    /// Something that may be refused, or said to be done and is not.
    fn act(&self, what: &str, act: impl Fn(&mut World) -> Result<(), Trouble>) -> Result<(), Trouble> {
        self.act_on(None, what, act)
    }

    /// The same to this thing, of which may be said only what is so where nothing else would tell.
    fn act_on(
        &self,
        thing: Option<&str>,
        what: &str,
        act: impl Fn(&mut World) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.step()?;
        let done = {
            let mut world = lock(&self.world);
            let trials = world.trials;
            if world.chance(trials.signal_refused) {
                return Err(Trouble::new(what, "refused this time"));
            }
            let lies = world.chance(trials.signal_lies) && thing.is_none_or(|thing| world.may_lie_of(thing));
            if lies { Ok(()) } else { act(&mut world) }
        };
        self.step()?;
        done
    }

    fn paper(&self, path: &Path, file: &Arc<Mutex<super::paper::File>>) -> Arc<dyn Paper> {
        static HANDLES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let handle = HANDLES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (world, life) = (self.world.clone(), self.life.clone());
        let (path, file) = (path.to_owned(), Arc::clone(file));
        Arc::new(FakePaper { world, life, path, file, handle, torn_at: Mutex::default() })
    }
}

/// The thing that a command is about: commands on the fake machine end with the name of their fault.
fn undone_by(command: &CommandLine) -> String {
    format!("command {}", command.words.last().map_or("", String::as_str))
}

impl Scene for FakeScene {
    fn now(&self) -> Duration {
        lock(&self.world).now
    }

    fn pause(&self, time: Duration) {
        let _ = self.life.step();
        lock(&self.world).now += time;
    }

    fn boot(&self) -> io::Result<String> {
        self.life.step()?;
        Ok(format!("boot {}", lock(&self.world).boot))
    }

    fn state(&self, process: &ProcessIdentity) -> ProcessState {
        if self.life.step().is_err() {
            return ProcessState::Unknown;
        }
        let mut world = lock(&self.world);
        let unknown = world.trials.state_unknown;
        if world.chance(unknown) { ProcessState::Unknown } else { world.state(process) }
    }

    fn signal(&self, process: &ProcessIdentity, signal: Signal) -> Result<bool, Trouble> {
        self.step()?;
        let sent = {
            let mut world = lock(&self.world);
            let trials = world.trials;
            if world.chance(trials.signal_refused) {
                return Err(Trouble::new(format!("signal {process}"), "refused this time"));
            }
            let lies = world.chance(trials.signal_lies);
            if lies { world.process(process).is_some() } else { world.signal(process, signal) }
        };
        self.step()?;
        Ok(sent)
    }

    fn file_limit(&self, process: &ProcessIdentity) -> Result<Option<u64>, Trouble> {
        self.step()?;
        Ok(lock(&self.world).process(process).map(|process| process.file_limit))
    }

    fn restore_file_limit(&self, process: &ProcessIdentity, limit: SoftLimit) -> Result<Limited, Trouble> {
        self.step()?;
        let done = {
            let mut world = lock(&self.world);
            let refused = world.trials.signal_refused;
            if world.chance(refused) {
                return Err(Trouble::new(format!("set a limit of {process}"), "refused this time"));
            }
            world.restore_file_limit(process, limit)
        };
        self.step()?;
        Ok(done)
    }

    fn marked(&self, run: &str) -> Result<Vec<ProcessIdentity>, Trouble> {
        self.step()?;
        let mut world = lock(&self.world);
        let fails = world.trials.look_fails;
        if world.chance(fails) {
            return Err(Trouble::new("look through all processes", "no descriptors left"));
        }
        let ours = world.run == run;
        Ok(if ours { world.processes_left() } else { Vec::new() })
    }

    fn group_led_by(&self, leader: &ProcessIdentity) -> Result<Vec<ProcessIdentity>, Trouble> {
        self.step()?;
        let mut world = lock(&self.world);
        if world.process(leader).is_none() {
            return Ok(Vec::new());
        }
        let all = world.processes.values().filter(|process| process.group == leader.pid);
        Ok(all.map(|process| process.identity.clone()).collect())
    }

    fn drafts_of(&self, _: &Path, _: &str) -> io::Result<Vec<PathBuf>> {
        self.life.step()?;
        Ok(Vec::new())
    }

    fn remove_drafts_of(&self, _: &Path, _: &str) -> Result<(), Trouble> {
        self.step()
    }

    fn value(&self, setting: &GroupSetting) -> Result<Option<String>, Trouble> {
        self.step()?;
        let mut world = lock(&self.world);
        let fails = world.trials.look_fails;
        if world.chance(fails) {
            return Err(Trouble::new(format!("read {setting}"), "no descriptors left"));
        }
        Ok(world.value_there(setting))
    }

    fn restore_value(&self, setting: &GroupSetting) -> Result<(), Trouble> {
        self.act("restore a value", |world| {
            let fails = world.trials.look_fails;
            if world.chance(fails) {
                return Err(Trouble::new(format!("read {setting}"), "no descriptors left"));
            }
            world.restore_value(setting);
            Ok(())
        })
    }

    fn has_group(&self, folder: &Path) -> Result<bool, Trouble> {
        self.step()?;
        Ok(lock(&self.world).has_group(folder))
    }

    fn groups_of(&self, run: &str, tool: &ProcessIdentity) -> Result<Vec<PathBuf>, Trouble> {
        self.step()?;
        let mut world = lock(&self.world);
        let fails = world.trials.look_fails;
        if world.chance(fails) {
            return Err(Trouble::new("look through all control groups", "no descriptors left"));
        }
        Ok(world.groups_of(run, tool))
    }

    fn remove_group(&self, folder: &Path) -> Result<(), Trouble> {
        self.act("remove a group", |world| world.remove_group(folder))
    }

    fn run(&self, command: &CommandLine, _: &Surroundings) -> Result<(), Trouble> {
        let thing = undone_by(command);
        self.act_on(Some(&thing), "run a command", |world| world.unmake(&thing))
    }

    fn look(&self, check: &CommandLine, _: &Surroundings) -> InPlace {
        if let Err(trouble) = self.step() {
            return InPlace::Unknown(trouble.to_string());
        }
        let mut world = lock(&self.world);
        let fails = world.trials.look_fails;
        match world.chance(fails) {
            true => InPlace::Unknown("no descriptors left".to_owned()),
            false if world.is_there(&undone_by(check)) => InPlace::Yes,
            false => InPlace::No,
        }
    }

    fn create(&self, path: &Path, _: u64) -> io::Result<Arc<dyn Paper>> {
        self.life.step()?;
        let mut world = lock(&self.world);
        let fails = world.trials.paper_fails;
        if world.chance(fails) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if world.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::default();
        world.files.insert(path.to_owned(), Arc::clone(&file));
        drop(world);
        self.life.step()?;
        Ok(self.paper(path, &file))
    }

    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn Paper>>> {
        self.life.step()?;
        let file = lock(&self.world).files.get(path).cloned();
        Ok(file.map(|file| self.paper(path, &file)))
    }
}

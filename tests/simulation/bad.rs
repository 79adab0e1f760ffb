//! Worlds with a known mistake in them: a simulation that does not catch these proves nothing. Each mistake sits in the
//! door between the tool and its machine, so that all the rest is what it is in truth.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chaos::host::Trouble;
use chaos::host::fake::FakeScene;
use chaos::host::process::{Limited, Signal};
use chaos::host::scene::{Paper, Scene};
use chaos::model::cgroup::GroupSetting;
use chaos::model::dose::{InPlace, ProcessState};
use chaos::model::step::{CommandLine, ProcessIdentity, SoftLimit, Surroundings};

/// A mistake that the tool could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// What is intended is recorded after it was done.
    RecordsAfterTheAct,
    /// Recovery does not look at the newest step.
    SkipsTheNewest,
    /// What was signalled is taken for undone, and not looked at again.
    BelievesItsSignals,
    /// Signals go to whoever has the pid.
    TrustsPids,
    /// A value is set back whoever set it last.
    OverwritesOthers,
    /// Identities are believed across a restart of the machine.
    IgnoresTheBoot,
    /// A volatile part that is missing is taken for one that was not begun.
    IgnoresALostPart,
    /// A command that undoes another one is taken to have ended well.
    IgnoresExitCodes,
    /// A failed write counts as done.
    IgnoresWriteErrors,
    /// The guardian does not mind silence.
    DeafGuardian,
    /// There is neither a guardian nor a rollback.
    NobodyRecovers,
}

/// The fake machine, with a mistake in the door or none.
#[derive(Debug, Clone)]
pub struct Door {
    inner: FakeScene,
    bad: Option<Bad>,
    signalled: Arc<Mutex<BTreeSet<i32>>>,
}

impl Door {
    pub fn new(inner: FakeScene, bad: Option<Bad>) -> Self {
        Self { inner, bad, signalled: Arc::default() }
    }

    /// From here on whoever looks through it has so many steps left.
    pub fn dies_after(&self, steps: Option<u64>) {
        if let Some(steps) = steps {
            self.inner.life().dies_after(steps);
        }
    }

    fn signalled(&self) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
        self.signalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrap(&self, inner: Arc<dyn Paper>) -> Arc<dyn Paper> {
        match self.bad {
            None => inner,
            Some(bad) => Arc::new(BadPaper { inner, bad, held_back: Mutex::default() }),
        }
    }

    fn meant(&self, process: &ProcessIdentity) -> ProcessIdentity {
        let trusted = self.inner.whoever_has(process.pid).filter(|_| self.bad == Some(Bad::TrustsPids));
        trusted.unwrap_or_else(|| process.clone())
    }

    fn unseen(&self, mut found: Vec<ProcessIdentity>) -> Vec<ProcessIdentity> {
        if self.bad == Some(Bad::BelievesItsSignals) {
            found.retain(|process| !self.signalled().contains(&process.pid));
        }
        found
    }
}

impl Scene for Door {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn pause(&self, time: Duration) {
        self.inner.pause(time);
    }

    fn boot(&self) -> io::Result<String> {
        if self.bad == Some(Bad::IgnoresTheBoot) { Ok("boot 1".into()) } else { self.inner.boot() }
    }

    fn state(&self, process: &ProcessIdentity) -> ProcessState {
        let believed = self.bad == Some(Bad::BelievesItsSignals) && self.signalled().contains(&process.pid);
        if believed { ProcessState::Gone } else { self.inner.state(&self.meant(process)) }
    }

    fn signal(&self, process: &ProcessIdentity, signal: Signal) -> Result<bool, Trouble> {
        self.signalled().insert(process.pid);
        self.inner.signal(&self.meant(process), signal)
    }

    fn file_limit(&self, process: &ProcessIdentity) -> Result<Option<u64>, Trouble> {
        self.inner.file_limit(&self.meant(process))
    }

    fn restore_file_limit(&self, process: &ProcessIdentity, limit: SoftLimit) -> Result<Limited, Trouble> {
        self.inner.restore_file_limit(&self.meant(process), limit)
    }

    fn marked(&self, run: &str) -> Result<Vec<ProcessIdentity>, Trouble> {
        Ok(self.unseen(self.inner.marked(run)?))
    }

    fn group_led_by(&self, leader: &ProcessIdentity) -> Result<Vec<ProcessIdentity>, Trouble> {
        Ok(self.unseen(self.inner.group_led_by(leader)?))
    }

    fn value(&self, setting: &GroupSetting) -> Result<Option<String>, Trouble> {
        let now = self.inner.value(setting)?;
        let careless = self.bad == Some(Bad::OverwritesOthers) && now.as_deref() != Some(&setting.before);
        Ok(if careless { setting.ours.last().cloned() } else { now })
    }

    fn restore_value(&self, setting: &GroupSetting) -> Result<(), Trouble> {
        let mut setting = setting.clone();
        if self.bad == Some(Bad::OverwritesOthers) {
            // Whatever is there is taken for ours.
            setting.ours.extend(self.inner.value(&setting)?);
        }
        self.inner.restore_value(&setting)
    }

    fn has_group(&self, folder: &Path) -> Result<bool, Trouble> {
        self.inner.has_group(folder)
    }

    fn groups_of(&self, run: &str, tool: &ProcessIdentity) -> Result<Vec<PathBuf>, Trouble> {
        self.inner.groups_of(run, tool)
    }

    fn remove_group(&self, folder: &Path) -> Result<(), Trouble> {
        self.inner.remove_group(folder)
    }

    fn drafts_of(&self, folder: &Path, run: &str) -> io::Result<Vec<PathBuf>> {
        self.inner.drafts_of(folder, run)
    }

    fn remove_drafts_of(&self, folder: &Path, run: &str) -> Result<(), Trouble> {
        self.inner.remove_drafts_of(folder, run)
    }

    fn run(&self, command: &CommandLine, at: &Surroundings) -> Result<(), Trouble> {
        let ended = self.inner.run(command, at);
        if self.bad == Some(Bad::IgnoresExitCodes) { Ok(()) } else { ended }
    }

    fn look(&self, check: &CommandLine, at: &Surroundings) -> InPlace {
        self.inner.look(check, at)
    }

    fn create(&self, path: &Path, room: u64) -> io::Result<Arc<dyn Paper>> {
        Ok(self.wrap(self.inner.create(path, room)?))
    }

    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn Paper>>> {
        Ok(self.inner.open(path)?.map(|paper| self.wrap(paper)))
    }
}

#[derive(Debug)]
struct BadPaper {
    inner: Arc<dyn Paper>,
    bad: Bad,
    held_back: Mutex<Vec<u8>>,
}

impl BadPaper {
    /// Writes what was held back and this.
    fn append_late(&self, record: &[u8]) -> io::Result<()> {
        let mut held_back = self.held_back.lock().unwrap_or_else(PoisonError::into_inner);
        let intent = String::from_utf8_lossy(record).contains(r#""state":"intent""#);
        if !held_back.is_empty() {
            self.inner.append(&std::mem::take(&mut *held_back))?;
        }
        if intent {
            *held_back = record.to_vec();
            return Ok(());
        }
        self.inner.append(record)
    }
}

impl Paper for BadPaper {
    fn read(&self) -> io::Result<Vec<u8>> {
        let bytes = self.inner.read()?;
        Ok(match self.bad {
            Bad::SkipsTheNewest => without_newest(&bytes),
            Bad::IgnoresALostPart => without(&bytes, |line| line.starts_with(r#"{"volatile":"#)),
            _ => bytes,
        })
    }

    fn append(&self, record: &[u8]) -> io::Result<()> {
        match self.bad {
            Bad::RecordsAfterTheAct => self.append_late(record),
            Bad::IgnoresWriteErrors => self.inner.append(record).or(Ok(())),
            _ => self.inner.append(record),
        }
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        // A file that is read in part must not be cut to that.
        if matches!(self.bad, Bad::SkipsTheNewest | Bad::IgnoresALostPart) { Ok(()) } else { self.inner.cut(length) }
    }

    fn lock(&self) -> io::Result<bool> {
        self.inner.lock()
    }

    fn remove(&self) -> io::Result<()> {
        self.inner.remove()
    }
}

fn without(bytes: &[u8], unwanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    text.split_inclusive('\n').filter(|line| !unwanted(line)).collect::<String>().into_bytes()
}

fn without_newest(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["number"].as_u64();
    let newest = text.lines().filter_map(number).max();
    without(bytes, |line| newest.is_some() && number(line) == newest)
}

//! What recovery asks of a machine on which a tool died: a door that tests swap for a fake.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::durable_log::DurableLog;
use super::process::{self, Limited, Signal};
use super::{Trouble, cgroup, command, files, room, system, thread};
use crate::model::cgroup::GroupSetting;
use crate::model::dose::{InPlace, ProcessState};
use crate::model::step::{CommandLine, ProcessIdentity, SoftLimit, Surroundings};

/// A file of records that outlives whoever writes it.
pub trait Paper: Debug + Send + Sync {
    /// All of it, from the beginning.
    fn read(&self) -> io::Result<Vec<u8>>;

    /// Adds a record and returns once it is durable. After an error the record may be there in part; it is taken off
    /// before the next is added.
    fn append(&self, record: &[u8]) -> io::Result<()>;

    /// Cuts off what is behind so many bytes; never makes it longer.
    fn cut(&self, length: u64) -> io::Result<()>;

    /// Keeps out others that ask for the lock, until this is dropped or its process ends; false when another has it.
    fn lock(&self) -> io::Result<bool>;

    /// Takes the file away; content when it is gone already. What is open stays readable.
    fn remove(&self) -> io::Result<()>;
}

/// The machine on which a tool died, as recovery sees it.
pub trait Scene {
    /// Now, on the monotonic clock.
    fn now(&self) -> Duration;

    /// Waits.
    fn pause(&self, time: Duration);

    /// The id of this boot of the machine.
    fn boot(&self) -> io::Result<String>;

    /// The state of this very process; gone when its pid names somebody else by now.
    fn state(&self, process: &ProcessIdentity) -> ProcessState;

    /// Sends a signal to this very process; false when it is gone.
    fn signal(&self, process: &ProcessIdentity, signal: Signal) -> Result<bool, Trouble>;

    /// The soft limit of open files of this very process; none when it is gone.
    fn file_limit(&self, process: &ProcessIdentity) -> Result<Option<u64>, Trouble>;

    /// Restores what it was before, where it is the one that was set; another one is left alone.
    fn restore_file_limit(&self, process: &ProcessIdentity, limit: SoftLimit) -> Result<Limited, Trouble>;

    /// Every living process that carries the id of this run, except the one that asks.
    fn marked(&self, run: &str) -> Result<Vec<ProcessIdentity>, Trouble>;

    /// Every living process of the group that this very process leads; empty when it is gone.
    fn group_led_by(&self, leader: &ProcessIdentity) -> Result<Vec<ProcessIdentity>, Trouble>;

    /// The files in a folder that take room of its disk for this run, by their names; none where there is no folder.
    fn drafts_of(&self, folder: &Path, run: &str) -> io::Result<Vec<PathBuf>>;

    /// Removes those.
    fn remove_drafts_of(&self, folder: &Path, run: &str) -> Result<(), Trouble>;

    /// The value of a control group that is there now; none when the group is gone.
    fn value(&self, setting: &GroupSetting) -> Result<Option<String>, Trouble>;

    /// Restores what a value of a control group was before, where one of ours is there; another one, and one that cannot
    /// be read, is left alone. Content when the group is gone.
    fn restore_value(&self, setting: &GroupSetting) -> Result<(), Trouble>;

    /// Whether a control group is there.
    fn has_group(&self, folder: &Path) -> Result<bool, Trouble>;

    /// The control groups whose names say that this tool made them for this run.
    fn groups_of(&self, run: &str, tool: &ProcessIdentity) -> Result<Vec<PathBuf>, Trouble>;

    /// Removes a control group of ours, and whoever is in it; content when it is gone.
    fn remove_group(&self, folder: &Path) -> Result<(), Trouble>;

    /// Runs a command of the experiment's to its end; a trouble unless that is exit code 0.
    fn run(&self, command: &CommandLine, at: &Surroundings) -> Result<(), Trouble>;

    /// Asks a command of the experiment's whether another one is in place.
    fn look(&self, check: &CommandLine, at: &Surroundings) -> InPlace;

    /// Makes a file that must not be there yet, and takes room for so many bytes. After an error it is not there.
    fn create(&self, path: &Path, room: u64) -> io::Result<Arc<dyn Paper>>;

    /// Opens a file; none when there is none.
    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn Paper>>>;
}

/// This very machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisMachine;

impl Scene for ThisMachine {
    fn now(&self) -> Duration {
        thread::now()
    }

    fn pause(&self, time: Duration) {
        thread::sleep_until(thread::now() + time);
    }

    fn boot(&self) -> io::Result<String> {
        system::boot()
    }

    fn state(&self, process: &ProcessIdentity) -> ProcessState {
        process::state(process)
    }

    fn signal(&self, process: &ProcessIdentity, signal: Signal) -> Result<bool, Trouble> {
        process::send_signal(process, signal)
    }

    fn file_limit(&self, process: &ProcessIdentity) -> Result<Option<u64>, Trouble> {
        Ok(process::file_limit(process)?.map(|(soft, _)| soft))
    }

    fn restore_file_limit(&self, process: &ProcessIdentity, limit: SoftLimit) -> Result<Limited, Trouble> {
        process::restore_file_limit(process, limit)
    }

    fn marked(&self, run: &str) -> Result<Vec<ProcessIdentity>, Trouble> {
        process::marked(run)
    }

    fn group_led_by(&self, leader: &ProcessIdentity) -> Result<Vec<ProcessIdentity>, Trouble> {
        process::group_led_by(leader)
    }

    fn drafts_of(&self, folder: &Path, run: &str) -> io::Result<Vec<PathBuf>> {
        room::drafts_of(folder, run)
    }

    fn remove_drafts_of(&self, folder: &Path, run: &str) -> Result<(), Trouble> {
        room::remove_drafts_of(folder, run)
    }

    fn value(&self, setting: &GroupSetting) -> Result<Option<String>, Trouble> {
        cgroup::now(setting)
    }

    fn restore_value(&self, setting: &GroupSetting) -> Result<(), Trouble> {
        cgroup::restore(setting)
    }

    fn has_group(&self, folder: &Path) -> Result<bool, Trouble> {
        cgroup::is_there(folder)
    }

    fn groups_of(&self, run: &str, tool: &ProcessIdentity) -> Result<Vec<PathBuf>, Trouble> {
        let namespace = process::pid_namespace().unwrap_or_default();
        let ours = cgroup::ours(&cgroup::hierarchies()?).into_iter();
        let of_run = ours.filter(|ours| (ours.run.as_str(), ours.namespace, &ours.tool) == (run, namespace, tool));
        Ok(of_run.map(|ours| ours.folder).collect())
    }

    fn remove_group(&self, folder: &Path) -> Result<(), Trouble> {
        cgroup::remove(folder)
    }

    fn run(&self, command: &CommandLine, at: &Surroundings) -> Result<(), Trouble> {
        command::run_here(command, at)
    }

    fn look(&self, check: &CommandLine, at: &Surroundings) -> InPlace {
        command::look_here(check, at)
    }

    fn create(&self, path: &Path, room: u64) -> io::Result<Arc<dyn Paper>> {
        let mut created = DurableLog::create(path, room);
        if created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            // Another run that ended just now took the empty folder away.
            files::create_dir_all(path.parent().unwrap_or(path))?;
            created = DurableLog::create(path, room);
        }
        Ok(Arc::new(created?))
    }

    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn Paper>>> {
        match DurableLog::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(Arc::new(opened?))),
        }
    }
}

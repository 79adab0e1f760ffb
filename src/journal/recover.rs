//! Undoes what a dead tool left, by its journal alone: without the experiment, by system calls, and first of all on the
//! machine; the paper comes after. Doing it twice, or twice at once, does no harm.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::replay::{Holder, Measure};
use super::survey::{Remains, Standing, survey};
use super::{Entry, Header, Journal, State, read};
use crate::host::durable_log::DurableLog;
use crate::host::process::{self, Signal};
use crate::host::{Trouble, thread};
use crate::model::dose::ProcessState;
use crate::model::fault::KillSignal;
use crate::model::step::ProcessIdentity;

/// How long killed processes may take to be gone before they are called residue.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long another recovery of the same run is awaited.
const LOCK_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);

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
    pub damaged: Option<usize>,
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
        self.damaged.is_none() && self.left.is_empty() && self.steps.iter().all(|step| step.undone.is_ok())
    }
}

/// A journal that may have to be replayed, opened while all is well.
#[derive(Debug)]
pub struct Recovery {
    log: Arc<DurableLog>,
}

impl Recovery {
    /// Opens the journal.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        let log = DurableLog::open(path);
        let log = log.map_err(|error| Trouble::new(format!("open the journal {}", path.display()), error))?;
        Ok(Self { log: Arc::new(log) })
    }

    /// Where the run stands. Looks only.
    pub fn survey(&self) -> Result<Standing, Trouble> {
        let bytes = self.log.read().map_err(|error| Trouble::new("read the journal", error))?;
        survey(&read(&bytes))
    }

    /// Undoes what is left, newest first, reads it back and writes that down. An error says that it cannot be known what
    /// is left.
    pub fn recover(&self) -> Result<Recovered, Trouble> {
        self.lock()?;
        let bytes = self.log.read().map_err(|error| Trouble::new("read the journal", error))?;
        let contents = read(&bytes);
        match survey(&contents)? {
            Standing::Finished => Ok(Recovered::Nothing),
            Standing::Running(header) => Ok(Recovered::Refused(header)),
            Standing::Left(remains) => {
                let mut account = on_the_machine(&remains);
                let cut = self.log.cut(contents.finished);
                account.troubles.extend(cut.err().map(|error| unwritten(&error)));
                let mut journal = Journal::resumed(Box::new(Arc::clone(&self.log)), contents.entries);
                on_paper(&remains, &mut account, &mut journal);
                Ok(Recovered::Undone(account))
            }
        }
    }

    /// Waits for another recovery of this run, which will most likely leave nothing to do.
    fn lock(&self) -> Result<(), Trouble> {
        let what = "lock the journal";
        let deadline = thread::now() + LOCK_LIMIT;
        while !self.log.lock().map_err(|error| Trouble::new(what, error))? {
            if thread::now() >= deadline {
                return Err(Trouble::new(what, "another recovery of this run does not come to its end"));
            }
            thread::sleep_until(thread::now() + PAUSE);
        }
        Ok(())
    }
}

/// Lets go on what was stopped, and kills whatever of the run lives, until two looks in a row find nothing: a process
/// that is just being started may be missed by one.
fn on_the_machine(remains: &Remains) -> Account {
    let mut account = Account { damaged: remains.damaged, ..Account::default() };
    for process in remains.stopped() {
        account.troubles.extend(process::send_signal(&process, Signal::Continue).err().map(|error| error.to_string()));
    }
    let deadline = thread::now() + KILL_LIMIT;
    let mut clear_looks = 0;
    while clear_looks < 2 && thread::now() < deadline {
        match remains.processes() {
            Ok(left) if left.is_empty() => clear_looks += 1,
            Ok(left) => {
                clear_looks = 0;
                left.iter().for_each(|process| kill(process, &mut account));
            }
            Err(_) => clear_looks = 0,
        }
        thread::sleep_until(thread::now() + PAUSE);
    }
    account
}

fn kill(process: &ProcessIdentity, account: &mut Account) {
    let known = account.killed.contains(process);
    match process::send_signal(process, Signal::Kill(KillSignal::Kill)) {
        Ok(true) if !known => account.killed.push(process.clone()),
        Ok(_) => {}
        Err(trouble) if !account.troubles.contains(&trouble.to_string()) => account.troubles.push(trouble.to_string()),
        Err(_) => {}
    }
}

/// Reads every step back and writes down how it stands. What cannot be written is told: the undo counts all the same,
/// and a later recovery will find nothing to do.
fn on_paper(remains: &Remains, account: &mut Account, journal: &mut Journal) {
    let left = remains.processes();
    for (entry, measure) in &remains.steps {
        let undone = read_back(measure, left.as_deref());
        let state = if undone.is_ok() { State::Done } else { State::Conflict };
        account.troubles.extend(record(journal, entry, state).err().map(|error| unwritten(&error)));
        account.steps.push(Outcome { number: entry.number, what: entry.step.apply.to_string(), undone });
    }
    account.left = left.unwrap_or_default();
}

fn read_back(measure: &Measure, left: Result<&[ProcessIdentity], &Trouble>) -> Result<String, String> {
    match (measure, left) {
        (Measure::GoneWith(Holder::Boot), _) => Ok("gone with the last boot of the machine".to_owned()),
        (Measure::GoneWith(Holder::Tool), _) => Ok("gone with the tool's process".to_owned()),
        (Measure::GoneWith(Holder::Service), Ok([])) => Ok("its service is stopped for good".to_owned()),
        (Measure::Continue(Some(process)), _) => match process::state(process) {
            ProcessState::Stopped => Err(format!("{process} is stopped still")),
            ProcessState::Running => Ok(format!("{process} goes on")),
            ProcessState::Gone => Ok(format!("{process} is gone")),
            ProcessState::Unknown => Err(format!("whether {process} is stopped still cannot be seen")),
        },
        (Measure::Kill(Some(process)), Ok([])) => Ok(format!("{process} and all of its group are gone")),
        (Measure::Kill(None) | Measure::Continue(None), Ok([])) => Ok("no process of the run is left".to_owned()),
        (_, Ok(left)) => Err(format!("{} of the run live still", names(left))),
        (_, Err(trouble)) => Err(trouble.to_string()),
    }
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

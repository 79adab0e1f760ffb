//! The undo list: what was done and how it is undone, written durably before anything is touched; and the guardian that
//! replays it when the tool cannot.
//!
//! A record a line, JSON, the first being the [`Header`]; the newest record of a step is the truth about it. A torn last
//! line is ignored by a reader ([`read`]).
//! If a record cannot be written before an act, the act does not happen. If it cannot be written during an undo, the
//! undo goes on all the same: putting back matters more than writing it down.

pub mod aside;
pub mod guardian;
mod header;
mod read;
pub mod recover;
pub mod replay;
pub mod scan;
pub mod survey;
#[cfg(test)]
mod testing;

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use header::{FORMAT, Header};
pub use read::{Contents, open_steps, read};

use crate::host::durable_log::DurableLog;
use crate::model::step::{Persistence, Receipt, Step};

/// The room that is taken for a journal's file ahead: some hundred steps.
pub const ROOM: u64 = 1 << 20;

/// The state of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is about to be done; nothing, half or all of it may have happened.
    Intent,
    /// It is done.
    Active,
    /// It is being undone.
    Undoing,
    /// It is undone, and that was read back.
    Done,
    /// It could not be undone for sure.
    Conflict,
}

impl State {
    /// The legal transitions, all of them.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Intent, Self::Active | Self::Undoing)
                | (Self::Active, Self::Undoing)
                | (Self::Undoing, Self::Done | Self::Conflict)
                | (Self::Conflict, Self::Undoing)
        )
    }
}

/// To whom a step belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The services and proxies of the experiment.
    SetUp,
    /// A fault, by its place in the experiment.
    Fault(usize),
}

/// A step in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, rising from 1 in the order of the acts.
    pub number: u64,
    /// To whom it belongs.
    pub owner: Owner,
    /// Where it stands.
    pub state: State,
    /// Whether it outlives a restart of the machine.
    pub persistence: Persistence,
    /// What is done and how it is undone.
    pub step: Step,
    /// What the act left behind; empty until it is done.
    pub receipt: Receipt,
}

/// Where records go: a file that survives us, or a test's memory.
pub trait Store: Send {
    /// Appends a line and returns once it is durable.
    fn append(&mut self, line: &str) -> io::Result<()>;
}

impl Store for Arc<DurableLog> {
    fn append(&mut self, line: &str) -> io::Result<()> {
        DurableLog::append(self, line.as_bytes())
    }
}

/// The undo list of one run.
pub struct Journal {
    store: Box<dyn Store>,
    entries: Vec<Entry>,
}

impl Journal {
    /// The journal of a run that begins. On an error nothing may be touched.
    pub fn begin(mut store: Box<dyn Store>, header: &Header) -> io::Result<Self> {
        write(&mut *store, header)?;
        Ok(Self { store, entries: Vec::new() })
    }

    /// A journal that somebody else began: its entries as they were read, and where further records go.
    pub fn resumed(store: Box<dyn Store>, entries: Vec<Entry>) -> Self {
        Self { store, entries }
    }

    /// Records what is about to be done. On an error it must not be done.
    pub fn intend(&mut self, owner: Owner, step: Step) -> io::Result<Entry> {
        let number = self.entries.len() as u64 + 1;
        let persistence = step.apply.persistence();
        let entry = Entry { number, owner, state: State::Intent, persistence, step, receipt: Receipt::default() };
        write(&mut *self.store, &entry)?;
        self.entries.push(entry.clone());
        Ok(entry)
    }

    /// Records that it was done. On an error it must be undone.
    pub fn activate(&mut self, number: u64, receipt: Receipt) -> io::Result<()> {
        if let Some(entry) = self.entry(number) {
            entry.receipt = receipt;
        }
        self.move_to(number, State::Active)
    }

    /// Records a further state. The state is taken in memory even when it cannot be written.
    pub fn move_to(&mut self, number: u64, next: State) -> io::Result<()> {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.number == number) else {
            return Err(io::Error::other(format!("the journal has no step {number}")));
        };
        if !entry.state.may_become(next) {
            let (state, number) = (entry.state, entry.number);
            return Err(io::Error::other(format!("step {number} cannot go from {state:?} to {next:?}")));
        }
        entry.state = next;
        write(&mut *self.store, entry)
    }

    /// What is not undone yet, the newest first.
    pub fn open(&self, wanted: impl Fn(Owner) -> bool) -> Vec<Entry> {
        let open = |entry: &&Entry| !matches!(entry.state, State::Done | State::Conflict) && wanted(entry.owner);
        self.entries.iter().rev().filter(open).cloned().collect()
    }

    /// What could not be undone for sure.
    pub fn conflicts(&self) -> Vec<Entry> {
        self.entries.iter().filter(|entry| entry.state == State::Conflict).cloned().collect()
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.number == number)
    }
}

fn write(store: &mut dyn Store, record: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(record).map_err(io::Error::other)?;
    line.push('\n');
    store.append(&line)
}

/// A journal in memory, for tests and for looking at.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    /// The lines so far.
    pub lines: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl MemoryStore {
    /// All of it, as a file would have it.
    pub fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).concat()
    }
}

impl Store for MemoryStore {
    fn append(&mut self, line: &str) -> io::Result<()> {
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{header, step};
    use super::{Journal, MemoryStore, Owner, State, Store, read};
    use crate::model::step::{Persistence, Receipt};

    fn journal(store: &MemoryStore) -> Journal {
        Journal::begin(Box::new(store.clone()), &header()).expect("room")
    }

    struct FullDisk;

    impl Store for FullDisk {
        fn append(&mut self, _: &str) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn every_state_is_a_line_that_reads_back() {
        let store = MemoryStore::default();
        let mut journal = journal(&store);
        let number = journal.intend(Owner::Fault(0), step()).expect("room").number;
        journal.activate(number, Receipt::default()).expect("room");
        journal.move_to(number, State::Undoing).expect("room");
        journal.move_to(number, State::Done).expect("room");
        let lines = store.lines.lock().expect("lines");
        let states: Vec<State> =
            (2..=lines.len()).map(|end| read(lines[..end].concat().as_bytes()).entries[0].state).collect();
        assert_eq!(states, [State::Intent, State::Active, State::Undoing, State::Done]);
    }

    #[test]
    fn a_journal_that_was_read_goes_on_where_it_stood() {
        let store = MemoryStore::default();
        journal(&store).intend(Owner::SetUp, step()).expect("room");
        let mut resumed = Journal::resumed(Box::new(store.clone()), read(store.text().as_bytes()).entries);
        resumed.move_to(1, State::Undoing).expect("legal");
        resumed.move_to(1, State::Done).expect("legal");
        let entry = read(store.text().as_bytes()).entries.remove(0);
        assert_eq!((entry.state, entry.persistence), (State::Done, Persistence::Volatile));
    }

    #[test]
    fn the_newest_is_undone_first_and_the_finished_not_at_all() {
        let mut journal = journal(&MemoryStore::default());
        for fault in 0..3 {
            journal.intend(Owner::Fault(fault), step()).expect("room");
        }
        journal.move_to(2, State::Undoing).expect("legal");
        journal.move_to(2, State::Done).expect("legal");
        let open: Vec<u64> = journal.open(|_| true).iter().map(|entry| entry.number).collect();
        assert_eq!(open, [3, 1]);
        assert_eq!(journal.open(|owner| owner == Owner::Fault(0)).len(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_not_in_the_journal() {
        assert!(Journal::begin(Box::new(FullDisk), &header()).is_err());
        let mut journal = Journal::resumed(Box::new(FullDisk), Vec::new());
        assert!(journal.intend(Owner::SetUp, step()).is_err());
        assert!(journal.open(|_| true).is_empty());
    }

    #[test]
    fn a_finished_step_cannot_come_back() {
        let mut journal = journal(&MemoryStore::default());
        journal.intend(Owner::SetUp, step()).expect("room");
        assert!(journal.move_to(1, State::Done).is_err(), "not without undoing");
        journal.move_to(1, State::Undoing).expect("legal");
        journal.move_to(1, State::Done).expect("legal");
        assert!(journal.move_to(1, State::Active).is_err());
    }
}

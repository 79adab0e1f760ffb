//! The undo list: what was done and how it is undone, written durably before anything is touched; and the guardian that
//! replays it when the tool cannot.
//!
//! A record a line, JSON, the first being the [`Header`]; the newest record of a step is the truth about it. A torn last
//! line is ignored by a reader ([`read`]).
//! If a record cannot be written before an act, the act does not happen. If it cannot be written during an undo, the
//! undo goes on all the same: putting back matters more than writing it down.
//!
//! What dies with this boot of the machine is kept apart from what outlives it ([`apart`]).

pub mod apart;
pub mod aside;
mod entry;
pub mod guardian;
mod header;
mod read;
pub mod recover;
pub mod replay;
pub mod scan;
pub mod scan_groups;
mod store;
pub mod survey;
#[cfg(test)]
mod testing;

use std::io;

use serde::Serialize;

pub use entry::{Entry, Owner, State};
pub use header::{FORMAT, Header};
pub use read::{Contents, open_steps, read};
pub use store::{MemoryStore, Store};

use crate::model::step::{Persistence, Receipt, Step};
use apart::{Mark, Volatile};

/// The room that is taken for a journal's file ahead: some hundred steps.
pub const ROOM: u64 = 1 << 20;

/// The undo list of one run.
pub struct Journal {
    persistent: Box<dyn Store>,
    volatile: Volatile,
    steps: Vec<Kept>,
    /// Whether the end is on paper.
    finished: bool,
}

struct Kept {
    entry: Entry,
    /// The state of the newest record that was written.
    on_paper: Option<State>,
}

impl Journal {
    /// The journal of a run that begins, in one file. On an error nothing may be touched.
    pub fn begin(mut store: Box<dyn Store>, header: &Header) -> io::Result<Self> {
        write(&mut *store, header)?;
        Ok(Self::resumed(store, Vec::new()))
    }

    /// A journal that somebody else began in one file: its entries as they were read, and where further records go.
    pub fn resumed(store: Box<dyn Store>, entries: Vec<Entry>) -> Self {
        Self::in_parts(store, Volatile::Together, entries, false)
    }

    fn in_parts(persistent: Box<dyn Store>, volatile: Volatile, entries: Vec<Entry>, finished: bool) -> Self {
        let kept = |entry: Entry| Kept { on_paper: Some(entry.state), entry };
        Self { persistent, volatile, steps: entries.into_iter().map(kept).collect(), finished }
    }

    /// Records what is about to be done. On an error it must not be done.
    pub fn intend(&mut self, owner: Owner, step: Step) -> io::Result<Entry> {
        self.intend_knowing(owner, step, Receipt::default())
    }

    /// The same with what the undo needs, as far as that is known before.
    pub fn intend_knowing(&mut self, owner: Owner, step: Step, receipt: Receipt) -> io::Result<Entry> {
        let number = self.steps.iter().map(|kept| kept.entry.number).max().unwrap_or_default() + 1;
        let persistence = step.apply.persistence();
        self.write_intent(Entry { number, owner, state: State::Intent, persistence, step, receipt })
    }

    fn write_intent(&mut self, entry: Entry) -> io::Result<Entry> {
        let persistence = entry.persistence;
        write(self.part(persistence)?, &entry)?;
        self.steps.push(Kept { entry: entry.clone(), on_paper: Some(State::Intent) });
        Ok(entry)
    }

    /// Records that it was done. On an error it must be undone.
    pub fn activate(&mut self, number: u64, receipt: Receipt) -> io::Result<()> {
        if let Some(place) = self.place(number) {
            self.steps[place].entry.receipt = receipt;
        }
        self.move_to(number, State::Active)
    }

    /// Records a further state. The state is taken in memory even when it cannot be written; what is missing on paper
    /// for the next one to be legal there is written with that.
    pub fn move_to(&mut self, number: u64, next: State) -> io::Result<()> {
        let Some(place) = self.place(number) else {
            return Err(io::Error::other(format!("the journal has no step {number}")));
        };
        let now = self.steps[place].entry.state;
        if !now.may_become(next) {
            return Err(io::Error::other(format!("step {number} cannot go from {now:?} to {next:?}")));
        }
        self.steps[place].entry.state = next;
        if !self.steps[place].on_paper.is_some_and(|written| written.may_become(next)) {
            self.put_down(place, State::Undoing)?;
        }
        self.put_down(place, next)
    }

    /// What is not undone yet, the newest first.
    pub fn open(&self, wanted: impl Fn(Owner) -> bool) -> Vec<Entry> {
        let open = |entry: &&Entry| !matches!(entry.state, State::Done | State::Conflict) && wanted(entry.owner);
        self.steps.iter().rev().map(|kept| &kept.entry).filter(open).cloned().collect()
    }

    /// Where a step stands.
    pub fn state(&self, number: u64) -> Option<State> {
        self.place(number).map(|place| self.steps[place].entry.state)
    }

    /// What could not be undone for sure.
    pub fn conflicts(&self) -> Vec<Entry> {
        let entries = self.steps.iter().map(|kept| &kept.entry);
        entries.filter(|entry| entry.state == State::Conflict).cloned().collect()
    }

    /// Once every step is undone: says so, and takes away what nobody needs any more. Does nothing before.
    pub fn finish(&mut self) -> io::Result<()> {
        let undone = |kept: &Kept| (kept.entry.state, kept.on_paper) == (State::Done, Some(State::Done));
        if matches!(self.volatile, Volatile::Together) || !self.steps.iter().all(undone) {
            return Ok(());
        }
        if !self.finished {
            write(&mut *self.persistent, &Mark::Finished)?;
            self.finished = true;
        }
        match &mut self.volatile {
            Volatile::Apart(store) => store.discard(),
            Volatile::Together | Volatile::Gone => Ok(()),
        }
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.steps.iter().position(|kept| kept.entry.number == number)
    }

    fn put_down(&mut self, place: usize, state: State) -> io::Result<()> {
        let record = Entry { state, ..self.steps[place].entry.clone() };
        write(self.part(record.persistence)?, &record)?;
        self.steps[place].on_paper = Some(state);
        Ok(())
    }

    fn part(&mut self, persistence: Persistence) -> io::Result<&mut dyn Store> {
        match (persistence, &mut self.volatile) {
            (Persistence::Persistent, _) | (Persistence::Volatile, Volatile::Together) => Ok(&mut *self.persistent),
            (Persistence::Volatile, Volatile::Apart(store)) => Ok(&mut **store),
            (Persistence::Volatile, Volatile::Gone) => Err(io::Error::other("its volatile part is gone")),
        }
    }
}

fn write(store: &mut dyn Store, record: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(record).map_err(io::Error::other)?;
    line.push('\n');
    store.append(&line)
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

    /// Writes nothing for the next so many times.
    struct Failing(MemoryStore, u32);

    impl Store for Failing {
        fn append(&mut self, line: &str) -> std::io::Result<()> {
            if self.1 > 0 {
                self.1 -= 1;
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.0.append(line)
        }
    }

    #[test]
    fn a_record_that_was_missed_is_written_before_the_next_so_that_the_paper_stays_legal() {
        let store = MemoryStore::default();
        journal(&store).intend(Owner::SetUp, step()).expect("room");
        let entries = read(store.text().as_bytes()).entries;
        let mut journal = Journal::resumed(Box::new(Failing(store.clone(), 1)), entries);
        journal.move_to(1, State::Undoing).expect_err("full");
        journal.move_to(1, State::Done).expect("room again");
        let lines = store.lines.lock().expect("lines");
        let state = |line: &String| serde_json::from_str::<super::Entry>(line).expect("an entry").state;
        let states: Vec<State> = lines[1..].iter().map(state).collect();
        assert_eq!(states, [State::Intent, State::Undoing, State::Done]);
    }
}

//! The two parts of a journal. Records of steps that die with this boot of the machine go to the runtime folder, which
//! is in memory; those that outlive it go into the run's folder, on disk. The persistent part names the volatile one, so
//! the run's folder is enough to find both.
//!
//! There is a moment between any two files. The persistent part announces the volatile one in its header, says
//! [`Mark::Begun`] once that is there, and [`Mark::Finished`] before it is taken away. So a volatile part that is missing
//! is told from one that was not made yet and from one that nobody needs any more: it is gone with the boot, or, in the
//! same boot, it says that something is not known.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Contents, Entry, Header, Journal, ROOM, Store, write};
use crate::host::scene::{Paper, Scene};

/// What the volatile part of a run's journal is called in the runtime folder.
pub fn file_name(run: &str) -> String {
    format!("{run}.jsonl")
}

/// How far the volatile part has come, as the persistent part has it: `{"volatile":"begun"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "volatile", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mark {
    /// It is there; steps may be in it from now on.
    Begun,
    /// Every step is undone: it is not needed any more.
    Finished,
}

/// Where the records of volatile steps go.
pub(super) enum Volatile {
    /// To the persistent ones.
    Together,
    /// To a place of their own.
    Apart(Box<dyn Store>),
    /// It is not there any more.
    Gone,
}

/// How the volatile part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is one part only.
    Together,
    /// It was announced and not begun, so nothing was touched.
    NotBegun,
    /// It is there.
    Here,
    /// It was begun and is not there, or it is somebody else's.
    Missing,
    /// It is not needed any more.
    Finished,
}

/// A finished line that makes no sense, so that a step may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Counted from 1.
    pub line: usize,
    /// Whether it is in the volatile part.
    pub volatile: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}{}", self.line, if self.volatile { " of the volatile part" } else { "" })
    }
}

/// What a journal says, both parts together.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// Whose it is; see [`Contents::header`].
    pub header: Option<Header>,
    /// Every step, in the order of the acts.
    pub entries: Vec<Entry>,
    /// What makes no sense in it.
    pub damaged: Vec<Damage>,
    /// How the volatile part stands.
    pub volatile: Standing,
}

impl Whole {
    /// Joins the parts; none where there is no file of the volatile one.
    pub fn of(persistent: &Contents, volatile: Option<&Contents>) -> Self {
        let standing = standing(persistent, volatile);
        let volatile = volatile.filter(|_| standing == Standing::Here);
        let mut entries = persistent.entries.clone();
        entries.extend(volatile.iter().flat_map(|part| part.entries.clone()));
        entries.sort_by_key(|entry| entry.number);
        let damage = |part: &Contents, volatile| {
            part.damaged.iter().map(|line| Damage { line: *line, volatile }).collect::<Vec<_>>()
        };
        let mut damaged = damage(persistent, false);
        damaged.extend(volatile.iter().flat_map(|part| damage(part, true)));
        Self { header: persistent.header.clone(), entries, damaged, volatile: standing }
    }
}

fn standing(persistent: &Contents, volatile: Option<&Contents>) -> Standing {
    let Some(header) = persistent.header.as_ref().filter(|header| header.volatile.is_some()) else {
        return Standing::Together;
    };
    let ours = volatile.is_some_and(|part| part.header.as_ref() == Some(header));
    match persistent.mark {
        None => Standing::NotBegun,
        Some(Mark::Finished) => Standing::Finished,
        Some(Mark::Begun) if ours => Standing::Here,
        Some(Mark::Begun) => Standing::Missing,
    }
}

impl Journal {
    /// The journal of a run that begins, at this place and where its header says. On an error nothing may be touched.
    pub fn begin_at(scene: &impl Scene, place: &Path, header: &Header) -> io::Result<Self> {
        let mut persistent: Box<dyn Store> = Box::new(scene.create(place, ROOM)?);
        write(&mut *persistent, header)?;
        let Some(place) = &header.volatile else { return Ok(Self::resumed(persistent, Vec::new())) };
        let mut volatile: Box<dyn Store> = Box::new(scene.create(place, ROOM)?);
        let begun = write(&mut *volatile, header).and_then(|()| write(&mut *persistent, &Mark::Begun));
        if let Err(error) = begun {
            let _ = volatile.discard();
            return Err(error);
        }
        Ok(Self::in_parts(persistent, Volatile::Apart(volatile), Vec::new(), false))
    }

    /// A journal that somebody else began, as it was read. What of it is not there gets no records any more.
    pub(super) fn rejoined(persistent: Arc<dyn Paper>, volatile: Option<Arc<dyn Paper>>, whole: Whole) -> Self {
        let finished = matches!(whole.volatile, Standing::NotBegun | Standing::Finished);
        let volatile = match (whole.volatile, volatile) {
            (Standing::Together, _) => Volatile::Together,
            (Standing::Missing, _) | (_, None) => Volatile::Gone,
            (_, Some(paper)) => Volatile::Apart(Box::new(paper)),
        };
        Self::in_parts(Box::new(persistent), volatile, whole.entries, finished)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, Standing, Volatile, Whole};
    use crate::journal::testing::{header, step};
    use crate::journal::{Contents, Entry, Header, Journal, MemoryStore, Owner, State, Store, read, write};
    use crate::model::step::Persistence;

    fn apart() -> Header {
        Header { volatile: Some("/run/chaos/a-run.jsonl".into()), ..header() }
    }

    /// A step that outlives the boot.
    fn lasting() -> Entry {
        let persistence = Persistence::Persistent;
        let receipt = crate::model::step::Receipt::default();
        Entry { number: 1, owner: Owner::SetUp, state: State::Intent, persistence, step: step(), receipt }
    }

    /// Both parts, begun.
    fn parts() -> (MemoryStore, MemoryStore, Journal) {
        let (mut disk, mut memory) = (MemoryStore::default(), MemoryStore::default());
        write(&mut disk, &apart()).expect("room");
        write(&mut memory, &apart()).expect("room");
        write(&mut disk, &Mark::Begun).expect("room");
        let volatile = Volatile::Apart(Box::new(memory.clone()));
        let journal = Journal::in_parts(Box::new(disk.clone()), volatile, Vec::new(), false);
        (disk, memory, journal)
    }

    fn contents(store: &MemoryStore) -> Contents {
        read(store.text().as_bytes())
    }

    fn undone(journal: &mut Journal, number: u64) {
        journal.move_to(number, State::Undoing).expect("legal");
        journal.move_to(number, State::Done).expect("legal");
    }

    #[test]
    fn every_record_goes_where_it_lasts_as_long_as_its_step() {
        let (disk, memory, mut journal) = parts();
        journal.write_intent(lasting()).expect("room");
        journal.intend(Owner::Fault(0), step()).expect("room");
        journal.move_to(1, State::Undoing).expect("legal");
        let numbers = |store| contents(store).entries.iter().map(|entry| entry.number).collect::<Vec<_>>();
        assert_eq!((numbers(&disk), numbers(&memory)), (vec![1], vec![2]));
        let whole = Whole::of(&contents(&disk), Some(&contents(&memory)));
        let states: Vec<_> = whole.entries.iter().map(|entry| (entry.number, entry.state)).collect();
        assert_eq!(states, [(1, State::Undoing), (2, State::Intent)]);
    }

    #[test]
    fn a_part_that_cannot_be_written_keeps_its_acts_from_happening_and_no_others() {
        let (disk, _, _) = parts();
        let mut journal = Journal::in_parts(Box::new(disk), Volatile::Gone, Vec::new(), false);
        journal.intend(Owner::SetUp, step()).expect_err("nowhere to write to");
        journal.write_intent(lasting()).expect("room");
    }

    #[test]
    fn the_volatile_part_is_taken_away_once_all_is_undone_and_the_other_says_so() {
        struct Watched(MemoryStore, MemoryStore);
        impl Store for Watched {
            fn append(&mut self, line: &str) -> std::io::Result<()> {
                self.0.append(line)
            }
            fn discard(&mut self) -> std::io::Result<()> {
                assert_eq!(contents(&self.1).mark, Some(Mark::Finished), "first the word, then the deed");
                self.0.lines.lock().expect("lines").clear();
                Ok(())
            }
        }
        let (disk, memory, _) = parts();
        let volatile = Volatile::Apart(Box::new(Watched(memory.clone(), disk.clone())));
        let mut journal = Journal::in_parts(Box::new(disk.clone()), volatile, Vec::new(), false);
        journal.intend(Owner::SetUp, step()).expect("room");
        journal.finish().expect("does nothing");
        assert_eq!((contents(&disk).mark, contents(&memory).entries.len()), (Some(Mark::Begun), 1));
        undone(&mut journal, 1);
        journal.finish().expect("finishes");
        assert_eq!(memory.text(), "");
        assert_eq!(Whole::of(&contents(&disk), None).volatile, Standing::Finished);
        let length = disk.text().len();
        journal.finish().expect("is content");
        assert_eq!(disk.text().len(), length, "it is said once");
    }

    #[test]
    fn a_missing_part_is_told_from_one_that_was_never_there() {
        let (disk, memory, mut journal) = parts();
        journal.intend(Owner::SetUp, step()).expect("room");
        let (whole, other) = (contents(&disk), contents(&memory));
        assert_eq!(Whole::of(&whole, Some(&other)).volatile, Standing::Here);
        assert_eq!(Whole::of(&whole, None).volatile, Standing::Missing);
        let announced = Contents { mark: None, ..whole.clone() };
        assert_eq!(Whole::of(&announced, None).volatile, Standing::NotBegun);
        let one_part = Contents { header: Some(header()), mark: None, ..Contents::default() };
        assert_eq!(Whole::of(&one_part, None).volatile, Standing::Together);
        let somebody_else = Contents { header: Some(Header { run: "another".into(), ..apart() }), ..other };
        let foreign = Whole::of(&whole, Some(&somebody_else));
        assert_eq!((foreign.volatile, foreign.entries.len()), (Standing::Missing, 0), "not ours to follow");
    }
}

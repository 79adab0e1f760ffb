//! Reading a journal back: after a crash, from any prefix of its bytes.

use super::apart::Mark;
use super::{Entry, Header, State};

/// What a journal says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// Whose it is. None when not even that was finished; then nothing was touched, as nothing is before it.
    pub header: Option<Header>,
    /// Every step, as its newest record has it, in the order of the acts.
    pub entries: Vec<Entry>,
    /// How far the volatile part has come, where there is one.
    pub mark: Option<Mark>,
    /// The lines, counted from 1, that are finished and yet make no sense. A crash does not do that.
    pub damaged: Vec<usize>,
    /// How many bytes the finished lines take; what is behind them was never finished.
    pub finished: u64,
}

/// Reads a journal. A last line without its end was torn by a crash: its act did not happen, or its state was not
/// reached for sure, so it is as if it was never written.
pub fn read(bytes: &[u8]) -> Contents {
    let finished = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut contents = Contents { finished: finished as u64, ..Contents::default() };
    for (place, line) in bytes[..finished].split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !contents.take(place, line) {
            contents.damaged.push(place + 1);
        }
    }
    contents
}

/// The steps that are not undone for sure, the newest first.
pub fn open_steps(entries: &[Entry]) -> Vec<Entry> {
    let mut open: Vec<Entry> = entries.iter().filter(|entry| entry.state != State::Done).cloned().collect();
    open.sort_by_key(|entry| std::cmp::Reverse(entry.number));
    open
}

impl Contents {
    /// Whether nothing of it was ever finished.
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    /// Takes in a line; false when it makes no sense.
    fn take(&mut self, place: usize, line: &[u8]) -> bool {
        if place == 0 {
            self.header = serde_json::from_slice(line).ok();
            return self.header.is_some();
        }
        if let Ok(mark) = serde_json::from_slice(line) {
            self.mark = Some(mark);
            return true;
        }
        let Ok(entry) = serde_json::from_slice::<Entry>(line) else { return false };
        match self.entries.iter_mut().find(|known| known.number == entry.number) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{Contents, open_steps, read};
    use crate::journal::testing::{header, step};
    use crate::journal::{Entry, Journal, MemoryStore, Owner, State};
    use crate::model::step::{ProcessIdentity, Receipt};

    /// Walks a step: so many records of it are written.
    fn walk(journal: &mut Journal, records: usize) {
        let number = journal.intend(Owner::Fault(0), step()).expect("room").number;
        let process = Some(ProcessIdentity { pid: 7, pidfs_inode: 8, start_ticks: 9 });
        if records > 1 {
            journal.activate(number, Receipt { process, ..Receipt::default() }).expect("legal");
        }
        for state in [State::Undoing, State::Done].into_iter().take(records.saturating_sub(2)) {
            journal.move_to(number, state).expect("legal");
        }
    }

    fn written(steps: &[usize]) -> Vec<u8> {
        let store = MemoryStore::default();
        let mut journal = Journal::begin(Box::new(store.clone()), &header()).expect("room");
        steps.iter().for_each(|records| walk(&mut journal, *records));
        store.text().into_bytes()
    }

    fn states(contents: &Contents) -> Vec<State> {
        contents.entries.iter().map(|entry| entry.state).collect()
    }

    #[test]
    fn the_newest_record_of_a_step_is_the_truth_about_it() {
        let contents = read(&written(&[4, 2, 1]));
        assert_eq!(contents.header, Some(header()));
        assert_eq!(states(&contents), [State::Done, State::Active, State::Intent]);
        let open: Vec<u64> = open_steps(&contents.entries).iter().map(|entry| entry.number).collect();
        assert_eq!(open, [3, 2], "the newest first, and the finished not at all");
    }

    #[test]
    fn the_receipt_is_kept_through_all_later_records() {
        let entry: Entry = read(&written(&[3])).entries.remove(0);
        assert_eq!((entry.state, entry.receipt.process.expect("kept").pid), (State::Undoing, 7));
    }

    #[test]
    fn what_could_not_be_undone_is_open_still() {
        let entry = Entry { state: State::Conflict, ..read(&written(&[3])).entries.remove(0) };
        assert_eq!(open_steps(&[entry]).len(), 1);
    }

    #[test]
    fn nothing_and_a_torn_header_say_that_nothing_was_touched() {
        for bytes in [b"".as_slice(), br#"{"journal":1,"ru"#] {
            assert_eq!(read(bytes), Contents::default());
        }
    }

    #[test]
    fn a_finished_line_without_sense_is_told_and_the_rest_is_read_all_the_same() {
        let mut bytes = written(&[2]);
        bytes.extend_from_slice(b"\0\0\0\n");
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        bytes.extend(written(&[1]).split_inclusive(|byte| *byte == b'\n').nth(1).expect("a record"));
        let contents = read(&bytes);
        assert_eq!((contents.damaged.as_slice(), states(&contents)), ([lines].as_slice(), vec![State::Intent]));
    }

    #[test]
    fn zeros_behind_the_last_record_are_its_end() {
        let mut bytes = written(&[2]);
        let finished = bytes.len() as u64;
        bytes.extend([0; 100]);
        let contents = read(&bytes);
        assert_eq!((contents.finished, contents.damaged.len(), contents.entries.len()), (finished, 0, 1));
    }

    proptest! {
        #[test]
        fn any_prefix_of_the_bytes_is_a_legal_earlier_moment(
            steps in proptest::collection::vec(1_usize..=4, 0..4), cut in 0.0..=1.0_f64,
        ) {
            let bytes = written(&steps);
            let cut = (bytes.len() as f64 * cut) as usize;
            let (then, whole) = (read(&bytes[..cut]), read(&bytes));
            prop_assert!(then.damaged.is_empty());
            prop_assert!(then.entries.len() <= whole.entries.len());
            for (then, later) in then.entries.iter().zip(&whole.entries) {
                prop_assert_eq!(&then.step, &later.step);
                prop_assert!(reaches(then.state, later.state), "{:?} to {:?}", then.state, later.state);
            }
            let store = MemoryStore::default();
            undo_all(&mut Journal::resumed(Box::new(store.clone()), then.entries.clone()));
            let mut bytes = bytes[..then.finished as usize].to_vec();
            bytes.extend(store.text().into_bytes());
            let undone = read(&bytes);
            prop_assert!(undone.damaged.is_empty() && open_steps(&undone.entries).is_empty());
            prop_assert_eq!(undone.entries.len(), then.entries.len());
        }
    }

    /// What recovery writes once the torn line is cut off.
    fn undo_all(journal: &mut Journal) {
        for entry in journal.open(|_| true) {
            if entry.state != State::Undoing {
                journal.move_to(entry.number, State::Undoing).expect("legal");
            }
            journal.move_to(entry.number, State::Done).expect("legal");
        }
    }

    /// Whether legal transitions lead from one state to the other.
    fn reaches(from: State, to: State) -> bool {
        let next = [State::Active, State::Undoing, State::Done].into_iter().filter(|next| from.may_become(*next));
        from == to || next.into_iter().any(|next| reaches(next, to))
    }
}

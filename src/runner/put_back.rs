//! The way back: newest first, on its own clock, read back, and never stopped by one failure.

use std::time::Duration;

use super::hands::Hands;
use crate::host::{Checked, Machine};
use crate::journal::{Entry, Owner, State};
use crate::model::event::EventKind;
use crate::model::step::Undo;

/// How long putting steps back may be tried, and how long one try may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    whole: Duration,
    one: Duration,
}

/// Why a step is not undone.
enum Stays {
    /// It may be the next time.
    Yet(String),
    /// It must not be touched any more: somebody else changed it.
    ForGood(String),
}

/// A service that is started again may take its time to be ready.
const PATIENT: Patience = Patience { whole: Duration::from_secs(25), one: Duration::from_secs(20) };
/// No undo takes longer, its last try and that one's read-back included.
pub(super) const LONGEST_UNDO: Duration = Duration::from_secs(65);
const HURRIED: Patience = Patience { whole: Duration::from_secs(3), one: Duration::from_secs(2) };
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl<M: Machine> Hands<M> {
    /// Undoes what is open of the wanted owners, the newest first, and reads each back. True when all of it is
    /// verified; what is not is told as residue. What does not go at once is tried again after the others: it shall not
    /// keep them in place.
    pub async fn put_back(&mut self, wanted: impl Fn(Owner) -> bool) -> bool {
        let mut open = self.journal.open(wanted);
        let clock = self.machine.clock();
        let began = clock.now();
        let mut pause = FIRST_PAUSE;
        let mut given_up = false;
        loop {
            let (mut left, mut reasons) = (Vec::new(), Vec::new());
            for entry in open {
                match self.put_back_one(&entry).await {
                    Ok(()) => {}
                    Err(Stays::Yet(why)) => {
                        left.push(entry);
                        reasons.push(why);
                    }
                    Err(Stays::ForGood(why)) => {
                        self.give_up(&entry, why);
                        given_up = true;
                    }
                }
            }
            if left.is_empty() {
                return !given_up;
            }
            if clock.now().saturating_duration_since(began) + pause >= self.patience().whole {
                left.iter().zip(reasons).for_each(|(entry, why)| self.give_up(entry, why));
                return false;
            }
            clock.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            open = left;
        }
    }

    async fn put_back_one(&mut self, entry: &Entry) -> Result<(), Stays> {
        // It is so already where this is not the first try.
        if self.journal.state(entry.number) != Some(State::Undoing) {
            self.record(entry.number, State::Undoing);
        }
        if !matches!(entry.step.undo, Undo::None { .. }) {
            self.try_once(entry, self.patience()).await?;
        }
        self.record(entry.number, State::Done);
        self.emitter.emit(EventKind::StepUndone { step: entry.number, undo: entry.step.undo.to_string() });
        Ok(())
    }

    fn give_up(&mut self, entry: &Entry, why: String) {
        self.record(entry.number, State::Conflict);
        self.emitter.emit(EventKind::Residue {
            step: entry.number,
            what: entry.step.apply.to_string(),
            why,
            command: entry.step.undo.by_hand(&entry.receipt),
            help: entry.step.undo.when_left(&entry.receipt),
        });
    }

    fn patience(&self) -> Patience {
        if self.cancel.hurry() { HURRIED } else { PATIENT }
    }

    /// The undo goes on when its record cannot be written: putting back matters more than writing it down.
    fn record(&mut self, number: u64, state: State) {
        if let Err(error) = self.journal.move_to(number, state) {
            self.emitter.note(format!("the journal could not be written during the undo: {error}"));
        }
    }

    /// One undo and its read-back. A second signal cuts the machine's graces short, never the undo itself.
    async fn try_once(&self, entry: &Entry, patience: Patience) -> Result<(), Stays> {
        let undo = self.machine.undo(&entry.step.undo, &entry.receipt);
        let refused = match self.in_time(patience.one, undo).await {
            Some(Ok(())) => None,
            Some(Err(trouble)) => Some(trouble.to_string()),
            None => Some(format!("no answer within {:?}", patience.one)),
        };
        // The read-back decides, not what the undo said: it may have failed because there was nothing left to undo.
        let check = self.machine.check(&entry.step.verify, &entry.receipt);
        match self.in_time(HURRIED.one + entry.step.verify.takes(), check).await {
            Some(Checked::Yes) => Ok(()),
            Some(Checked::No { because } | Checked::Unknown { because }) => Err(Stays::Yet(refused.unwrap_or(because))),
            Some(Checked::Others { because }) => Err(Stays::ForGood(because)),
            None => Err(Stays::Yet(refused.unwrap_or_else(|| "the read-back gave no answer".to_owned()))),
        }
    }

    /// Waits for it so long at most; from a second signal on, no longer than whoever is in a hurry.
    async fn in_time<T>(&self, longest: Duration, what: impl Future<Output = T>) -> Option<T> {
        let what = tokio::time::timeout(longest, what);
        tokio::pin!(what);
        let done = tokio::select! {
            done = &mut what => done,
            () = self.hurried() => tokio::time::timeout(HURRIED.one, what).await.unwrap_or_else(Err),
        };
        done.ok()
    }

    async fn hurried(&self) {
        self.cancel.wait_hurry().await;
        self.machine.hurry();
    }
}

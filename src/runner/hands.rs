//! The only hands of a run: every act is in the journal before it happens, with its way back.

use std::sync::Arc;
use std::time::Duration;

use super::emitter::Emitter;
use crate::host::signals::Cancel;
use crate::host::{Machine, Prepared, Trouble};
use crate::journal::{Journal, Owner};
use crate::model::event::EventKind;
use crate::model::step::{Receipt, Step};

/// No single act may take longer; what hangs is undone.
pub(super) const LONGEST_ACT: Duration = Duration::from_secs(60);

/// Acts on a machine, under a journal.
pub(super) struct Hands<M> {
    pub(super) machine: Arc<M>,
    pub(super) journal: Journal,
    pub(super) emitter: Emitter,
    pub(super) cancel: Cancel,
}

/// Why steps were not all done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undone {
    /// The machine or the journal said no.
    Trouble(Trouble),
    /// A signal asked to end.
    Cancelled,
}

impl<M: Machine> Hands<M> {
    /// Does steps in order. On an error the steps begun so far are in the journal and still to be undone.
    pub async fn apply(&mut self, owner: Owner, steps: Vec<Step>) -> Result<Vec<Receipt>, Undone> {
        let mut receipts = Vec::with_capacity(steps.len());
        for step in steps {
            receipts.push(self.apply_one(owner, step).await?);
        }
        Ok(receipts)
    }

    async fn apply_one(&mut self, owner: Owner, step: Step) -> Result<Receipt, Undone> {
        let what = step.apply.to_string();
        let unwritten = |error| {
            Trouble::new(format!("write \"{what}\" into the journal"), error)
                .help("without its way back on disk nothing is touched: free some space or choose another --state-dir")
        };
        let prepared = tokio::select! {
            biased;
            _ = self.cancel.wait() => return Err(Undone::Cancelled),
            prepared = tokio::time::timeout(LONGEST_ACT, self.machine.prepare(&step)) => {
                prepared.unwrap_or_else(|_| Err(Trouble::new(what.clone(), format!("not prepared within {LONGEST_ACT:?}"))))
            }
        };
        let Prepared { receipt, notes } = prepared.map_err(Undone::Trouble)?;
        let entry =
            self.journal.intend_knowing(owner, step, receipt).map_err(|error| Undone::Trouble(unwritten(error)))?;
        notes.into_iter().for_each(|note| self.emitter.note(note));
        let apply = self.machine.apply(&entry.step.apply, entry.receipt.clone());
        let receipt = tokio::select! {
            biased;
            _ = self.cancel.wait() => return Err(Undone::Cancelled),
            done = tokio::time::timeout(LONGEST_ACT, apply) => {
                done.unwrap_or_else(|_| Err(Trouble::new(what.clone(), format!("not done within {LONGEST_ACT:?}"))))
            }
        };
        let receipt = receipt.map_err(Undone::Trouble)?;
        let written = self.journal.activate(entry.number, receipt.clone());
        written.map_err(|error| Undone::Trouble(unwritten(error)))?;
        self.emitter.emit(EventKind::StepApplied { step: entry.number, act: what });
        Ok(receipt)
    }
}

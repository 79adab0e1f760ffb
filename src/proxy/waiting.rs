//! What the client of a TCP connection waits for: the toxics that hold something it said, or is to be told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::toxics::{Dose, LiveToxic};
use crate::model::fault::Stream;

/// The toxics that hold something of a connection. Both of its lanes note them, each those of its own way.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Vec<Arc<LiveToxic>>>);

impl Waiting {
    /// These hold a chunk.
    pub(super) fn note(&self, doses: &[Dose]) {
        for dose in doses.iter().filter(|dose| dose.delay > Duration::ZERO) {
            let mut all = self.lock();
            if !all.iter().any(|toxic| toxic.id == dose.toxic.id) {
                all.push(Arc::clone(&dose.toxic));
            }
        }
    }

    /// Nothing is held any more that goes this way.
    pub(super) fn is_over(&self, stream: Stream) {
        self.lock().retain(|toxic| toxic.toxic.stream != stream);
    }

    /// The client says no more, whatever is held: as for one of HTTP, that is giving up.
    pub(super) fn given_up(&self) {
        let all = std::mem::take(&mut *self.lock());
        all.iter().filter(|toxic| !toxic.is_removed()).for_each(|toxic| toxic.counters.given_up());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<LiveToxic>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Stamps events with the time of the run and sends them to whoever listens.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::host::clock::Clock;
use crate::model::event::{Event, EventKind};

/// The one mouth of a run.
#[derive(Debug, Clone)]
pub(super) struct Emitter {
    clock: Clock,
    origin: Instant,
    events: UnboundedSender<Event>,
}

impl Emitter {
    pub fn new(clock: Clock, events: UnboundedSender<Event>) -> Self {
        Self { clock, origin: clock.now(), events }
    }

    /// The start of the run.
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// Time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.origin)
    }

    /// Tells. When nobody listens any more the run goes on all the same: putting back does not depend on an audience.
    pub fn emit(&self, kind: EventKind) {
        self.emit_at(self.elapsed(), kind);
    }

    /// Tells with a time that was just read, where a decision was made with that very time.
    pub fn emit_at(&self, at: Duration, kind: EventKind) {
        let _ = self.events.send(Event { at, kind });
    }

    pub fn note(&self, text: impl Into<String>) {
        self.emit(EventKind::Note { text: text.into() });
    }
}

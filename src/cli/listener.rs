//! Who listens to a run: the console, the event log and the run itself are three folds over the one stream.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use crate::analysis::Run;
use crate::console::Console;
use crate::host::clock::Clock;
use crate::host::files;
use crate::model::event::{Event, EventKind};

/// Thousands of samples a second are not worth a wake-up each: they gather for so long.
const GATHER: Duration = Duration::from_millis(50);
/// What does not come by itself is looked at so often: the time that is left.
const LOOK: Duration = Duration::from_millis(200);
/// So many events are taken at once.
const BATCH: usize = 1024;

/// Sees every event once, in their order.
pub(super) struct Listener {
    console: Console,
    log: EventLog,
    run: Option<Run>,
    /// The start of the run on our clock, from when its first event came.
    origin: Option<Instant>,
}

impl Listener {
    /// Makes the event log.
    pub(super) fn new(console: Console, events: &Path) -> anyhow::Result<Self> {
        Ok(Self { console, log: EventLog::create(events)?, run: None, origin: None })
    }

    /// Listens until the run has nothing more to say; none when it said nothing. Needs a thread that may block.
    pub(super) fn listen(mut self, mut events: UnboundedReceiver<Event>, runtime: &Handle) -> Option<Run> {
        let mut batch = Vec::new();
        while runtime.block_on(next(&mut events, &mut batch)) {
            let more_to_come = matches!(batch.last(), Some(Event { kind: EventKind::Sample(_), .. }));
            batch.drain(..).for_each(|event| self.see(event));
            if let Some(origin) = self.origin {
                self.console.draw(Clock::Real.now().saturating_duration_since(origin));
            }
            if more_to_come {
                runtime.block_on(Clock::Real.sleep(GATHER));
            }
        }
        self.run.map(Run::complete)
    }

    fn see(&mut self, event: Event) {
        self.console.see(&event);
        let stored = self.log.see(&event);
        match &mut self.run {
            Some(run) => run.hear(&event),
            None => {
                self.origin = Clock::Real.now().checked_sub(event.at);
                self.run = Run::begin(&as_stored(event.clone()));
            }
        }
        if let Err(error) = stored {
            let text = format!("the events are not stored from here on, only this report has them all: {error}");
            self.see(Event { at: event.at, kind: EventKind::Note { text } });
        }
    }
}

/// Waits for events, but not too long; false when there will be no more.
async fn next(events: &mut UnboundedReceiver<Event>, batch: &mut Vec<Event>) -> bool {
    tokio::select! {
        biased;
        count = events.recv_many(batch, BATCH) => count > 0,
        () = Clock::Real.sleep(LOOK) => true,
    }
}

/// The header as the event log has it, secrets masked: a report of the stored run says the same.
fn as_stored(event: Event) -> Event {
    serde_json::to_string(&event).and_then(|line| serde_json::from_str(&line)).unwrap_or(event)
}

/// The stored events of a run, a line each.
struct EventLog {
    file: Option<BufWriter<std::fs::File>>,
}

impl EventLog {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = files::create_new(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { file: Some(BufWriter::new(file)) })
    }

    /// A log that cannot be written any more is given up, the run is not: its memory still has every event. The error
    /// is told once.
    fn see(&mut self, event: &Event) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = event.write(&mut *file).and_then(|()| file.write_all(b"\n"));
        let flushed = match &event.kind {
            EventKind::Sample(_) => written,
            _ => written.and_then(|()| file.flush()),
        };
        flushed.inspect_err(|_| self.file = None)
    }
}

//! The tool's side of the guardian: no guardian, no injection.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{ALIVE, BEAT, COMMAND, GOODBYE, LEASE, SECOND_CHANCE};
use crate::host::detached::Detached;
use crate::host::locks::Locks;
use crate::host::pulse::{self, Heard};
use crate::host::{Trouble, thread};

/// How long the guardian may take until it is ready, be the machine as busy as it likes.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to end once it is not needed any more.
const END_LIMIT: Duration = Duration::from_secs(2);

/// A guardian that stands by. Dropped without a goodbye, it puts everything back, as when we die.
#[must_use = "without a goodbye the guardian takes the run for dead"]
#[derive(Debug)]
pub struct Guardian {
    process: Detached,
    signs: Option<ChildStdout>,
    dismissed: Arc<AtomicBool>,
}

impl Guardian {
    /// Starts the guardian over a journal that was begun, and waits until it is ready. It ends the tool if the tool is
    /// not done after `longest`, and holds these locks until its end.
    pub fn start(journal: &Path, longest: Duration, locks: &Locks) -> Result<Self, Trouble> {
        let what = "start the guardian";
        let journal = journal.canonicalize().map_err(|error| Trouble::new(what, error))?;
        let words = [OsString::from(COMMAND), journal.into(), longest.as_millis().to_string().into()];
        let mut process = Detached::start(words, locks.share()).map_err(|trouble| Trouble::new(what, trouble))?;
        let signs = process.take_stdout();
        let heard = signs.as_ref().map(|signs| pulse::hear(signs, START_LIMIT));
        if heard != Some(Heard::Sign(ALIVE)) {
            process.end(Duration::ZERO);
            return Err(Trouble::new(what, format!("it is not ready ({heard:?})")));
        }
        let guardian = Self { process, signs, dismissed: Arc::default() };
        guardian.beat().map_err(|error| Trouble::new(what, error))?;
        Ok(guardian)
    }

    /// From now on `lost` is called, once, if the guardian dies or hangs.
    pub fn watch(&mut self, lost: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let Some(signs) = self.signs.take() else { return Ok(()) };
        let dismissed = Arc::clone(&self.dismissed);
        let listen = move || {
            while gives_signs(&signs) {}
            if !dismissed.load(Ordering::Acquire) {
                lost();
            }
        };
        std::thread::Builder::new().name("guardian".into()).spawn(listen).map(drop)
    }

    /// The run has come to its end: the guardian is not needed any more, ends, and is reaped.
    pub fn dismiss(self) {
        self.dismissed.store(true, Ordering::Release);
        if let Some(stdin) = self.process.stdin() {
            pulse::tell(&**stdin, GOODBYE);
        }
        self.process.end(END_LIMIT);
    }

    /// Signs of life from a thread of its own: what hangs the rest of the tool for a moment does not hang it.
    fn beat(&self) -> std::io::Result<()> {
        let pipe = self.process.stdin().map(Arc::downgrade).unwrap_or_default();
        std::thread::Builder::new().name("heartbeat".into()).spawn(move || beat_while_open(&pipe)).map(drop)
    }
}

/// Whether the guardian lives and does not hang.
fn gives_signs(signs: &ChildStdout) -> bool {
    match pulse::hear(signs, LEASE) {
        Heard::Silence => matches!(pulse::hear(signs, SECOND_CHANCE), Heard::Sign(_)),
        heard => matches!(heard, Heard::Sign(_)),
    }
}

fn beat_while_open(pipe: &Weak<ChildStdin>) {
    while pipe.upgrade().is_some_and(|pipe| pulse::tell(&*pipe, ALIVE)) {
        thread::sleep_until(thread::now() + BEAT);
    }
}

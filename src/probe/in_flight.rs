//! One sample under way. Whatever becomes of its task, it is recorded exactly once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::recorder::Recorder;
use crate::host::clock::Clock;
use crate::model::sample::{Measurement, Outcome};

/// The samples of a run that have no answer yet. Copies share what they know.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<BTreeSet<(usize, Duration)>>>);

impl UnderWay {
    /// Each by its probe and the time it was due, counted from the start of the run. What is told here was not recorded
    /// before this call.
    pub fn all(&self) -> Vec<(usize, Duration)> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(usize, Duration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sample that has no answer yet. Dropped without one, it still records what it knows: nothing.
pub(super) struct InFlight {
    recorder: Recorder,
    probe: usize,
    intended: Instant,
    sent: Instant,
    recorded: bool,
}

impl InFlight {
    /// A sample that is about to be sent.
    pub(super) fn new(recorder: Recorder, probe: usize, intended: Instant) -> Self {
        let sent = recorder.clock.now();
        recorder.under_way.lock().insert((probe, recorder.since(intended)));
        Self { recorder, probe, intended, sent, recorded: false }
    }

    pub(super) fn clock(&self) -> Clock {
        self.recorder.clock
    }

    /// It is really sent now, and not when it was queued. Returns that moment.
    pub(super) fn send(&mut self) -> Instant {
        self.sent = self.recorder.clock.now();
        self.sent
    }

    /// Records what came back. A timeout is censored at the deadline exactly, and so is an answer that came later.
    pub(super) fn finish(mut self, measurement: Measurement, deadline: Instant) {
        let now = self.recorder.clock.now();
        let late = now > deadline && measurement.outcome == Outcome::Ok;
        let measurement =
            if late { Measurement::failed(Outcome::Timeout, "the answer came too late") } else { measurement };
        let done = if measurement.outcome == Outcome::Timeout { deadline } else { now };
        self.record(done, measurement);
    }

    fn record(&mut self, done: Instant, measurement: Measurement) {
        self.recorded = true;
        // In this order: whoever hears of it does not find it under way any more.
        self.recorder.under_way.lock().remove(&(self.probe, self.recorder.since(self.intended)));
        self.recorder.record(self.probe, [self.intended, self.sent, done], measurement);
    }
}

impl Drop for InFlight {
    /// Not recorded yet when the prober panicked or the schedule was aborted: neither is evidence about the system
    /// under test, and neither may be silent.
    fn drop(&mut self) {
        if self.recorded {
            return;
        }
        let detail = if std::thread::panicking() {
            "the probe itself failed: this is a bug in chaos"
        } else {
            "given up: the run was cut short"
        };
        self.record(self.recorder.clock.now(), Measurement::failed(Outcome::NoData, detail));
    }
}

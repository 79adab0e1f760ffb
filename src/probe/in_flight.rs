//! One sample under way. Whatever becomes of its task, it is recorded exactly once.

use tokio::time::Instant;

use super::recorder::Recorder;
use crate::host::clock::Clock;
use crate::model::sample::{Measurement, Outcome};

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

//! Where samples go, and how their moments are told.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::in_flight::UnderWay;
use super::phase_cell::PhaseCell;
use crate::host::clock::Clock;
use crate::model::sample::{Measurement, Sample};

/// The one place all schedules of a run report to. Copies report to the same place.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// The clock that the schedules follow.
    pub clock: Clock,
    /// The start of the run, from which the times in samples count.
    pub origin: Instant,
    /// The phases of the run.
    pub phases: PhaseCell,
    /// Where the samples go, each once, in the order they end.
    pub samples: UnboundedSender<Sample>,
    /// What has no answer yet.
    pub under_way: UnderWay,
}

impl Recorder {
    /// Records a sample by its intended time, when it was sent and when it was done; its phase is that of the first.
    pub(super) fn record(&self, probe: usize, [intended, sent, done]: [Instant; 3], measurement: Measurement) {
        let since = |moment| self.since(moment);
        let times = [since(intended), since(sent), since(done)];
        let sample = Sample::new(probe, self.phases.at(intended), times, measurement);
        // Nobody listens any more when a run is abandoned; that is no trouble of the probe.
        let _ = self.samples.send(sample);
    }

    /// A moment, counted from the start of the run.
    pub(super) fn since(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.origin)
    }
}

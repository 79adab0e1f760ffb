//! No data is its own state: never zero, never fine.

use std::time::Duration;

use super::Fired;
use crate::model::event::StopCause;
use crate::model::probe::{OnNoData, ProbeSpec};
use crate::model::sample::Sample;
use crate::model::units::Timespan;

/// How long a probe may be blind at least.
const PATIENCE: Duration = Duration::from_secs(5);

/// Watches that one probe goes on telling something.
#[derive(Debug, Clone)]
pub(super) struct NoDataWatch {
    probe: usize,
    name: String,
    /// None when the file says to go on.
    limit: Option<Duration>,
    last: Duration,
}

impl NoDataWatch {
    pub fn new(place: usize, probe: &ProbeSpec, from: Duration) -> Self {
        // An answer may take the whole timeout, and is data all the same.
        let limit = PATIENCE.max(probe.interval.0 * 3) + probe.timeout.0;
        Self {
            probe: place,
            name: probe.name.clone(),
            limit: (probe.on_no_data == OnNoData::Stop).then_some(limit),
            last: from,
        }
    }

    pub fn see(&mut self, sample: &Sample) {
        if sample.probe() == self.probe && sample.outcome().is_data() {
            self.last = self.last.max(sample.done());
        }
    }

    pub fn tick(&self, now: Duration) -> Option<Fired> {
        let blind = now.saturating_sub(self.last);
        (blind > self.limit?).then(|| Fired {
            cause: StopCause::NoData,
            condition: format!("{}: no data", self.name),
            measured: format!("nothing for {}", Timespan(blind)),
            first_bad: self.last,
        })
    }
}

//! How a run stands: a fold over its events, from which frames are drawn.

use std::time::Duration;

use super::gauge::Gauge;
use super::line::length;
use crate::guard::StopWatch;
use crate::model::event::{EventKind, RunHeader};
use crate::model::phase::Phase;

/// How a run stands.
pub(super) struct Board {
    pub(super) header: RunHeader,
    /// The phase and its start; none before the first.
    pub(super) phase: Option<(Phase, Duration)>,
    /// One for each probe.
    pub(super) gauges: Vec<Gauge>,
    /// When each fault that is in place was applied.
    pub(super) active: Vec<Option<Duration>>,
    /// When the observe phase began, from which the times of faults count.
    pub(super) observed_from: Option<Duration>,
    /// The stop conditions over the samples so far; none where nothing is to be stopped.
    pub(super) stop: Option<StopWatch>,
    /// Users touched by the faults, as far as that was told.
    pub(super) users: u64,
}

impl Board {
    pub(super) fn new(header: &RunHeader) -> Self {
        let experiment = &header.experiment;
        Self {
            phase: None,
            gauges: experiment.steady_state.iter().map(Gauge::new).collect(),
            active: vec![None; experiment.faults.len()],
            observed_from: None,
            stop: None,
            users: 0,
            header: header.clone(),
        }
    }

    pub(super) fn see(&mut self, at: Duration, event: &EventKind) {
        match event {
            EventKind::PhaseStarted { phase } => self.enter(*phase, at),
            EventKind::Sample(sample) => {
                if let Some(gauge) = self.gauges.get_mut(sample.probe()) {
                    gauge.see(sample);
                }
                if let Some(stop) = &mut self.stop {
                    // Whether it fires is for the runner to say.
                    let _ = stop.see(sample);
                }
            }
            EventKind::FaultApplied { fault } => self.mark(*fault, Some(at)),
            EventKind::FaultUndone { fault } => self.mark(*fault, None),
            EventKind::AffectedUsers { users } => self.users = *users,
            EventKind::StopFired { .. } => self.stop = None,
            _ => {}
        }
    }

    fn enter(&mut self, phase: Phase, at: Duration) {
        self.phase = Some((phase, at));
        match phase {
            Phase::Inject => self.stop = Some(StopWatch::new(&self.header.experiment, at)),
            Phase::Observe => self.observed_from = Some(at),
            Phase::Rollback => self.stop = None,
            _ => {}
        }
    }

    fn mark(&mut self, fault: usize, since: Option<Duration>) {
        if let Some(active) = self.active.get_mut(fault) {
            *active = since;
        }
    }

    /// How long the phase has lasted, and how long it lasts where that is known.
    pub(super) fn progress(&self, at: Duration) -> Option<(Phase, Duration, Option<Duration>)> {
        let (phase, start) = self.phase?;
        Some((phase, at.saturating_sub(start), length(phase, &self.header.experiment)))
    }
}

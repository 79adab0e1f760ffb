//! The phase of the run as the schedules see it: which phase it was at a moment, not only which it is now.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::model::phase::Phase;

/// The phases of a run with the moments they began. Copies share what they know.
///
/// A sample belongs to the phase of its intended time, and may be reported long after that phase is over. So the edges
/// are kept, not only the last one; a run has a handful of them.
#[derive(Debug, Clone)]
pub struct PhaseCell {
    edges: Arc<Mutex<Vec<(Instant, Phase)>>>,
}

impl PhaseCell {
    /// A run that begins in this phase.
    pub fn new(phase: Phase, since: Instant) -> Self {
        Self { edges: Arc::new(Mutex::new(vec![(since, phase)])) }
    }

    /// The run is in this phase since that moment, which is not before the last edge.
    pub fn enter(&self, phase: Phase, since: Instant) {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner).push((since, phase));
    }

    /// The phase at a moment; the first phase for any moment before it.
    pub fn at(&self, moment: Instant) -> Phase {
        let edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let edge = edges.iter().rev().find(|(since, _)| *since <= moment).or(edges.first());
        edge.map_or(Phase::SetUp, |(_, phase)| *phase)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::PhaseCell;
    use crate::host::clock::Clock;
    use crate::model::phase::Phase;

    #[test]
    fn a_moment_keeps_its_phase_after_the_run_has_moved_on() {
        let start = Clock::Real.now();
        let second = Duration::from_secs(1);
        let phases = PhaseCell::new(Phase::SetUp, start);
        phases.enter(Phase::Baseline, start + second);
        phases.enter(Phase::Inject, start + 2 * second);
        assert_eq!(phases.at(start - second), Phase::SetUp);
        assert_eq!(phases.at(start + second), Phase::Baseline);
        assert_eq!(phases.at(start + 2 * second - Duration::from_nanos(1)), Phase::Baseline);
        assert_eq!(phases.at(start + 60 * second), Phase::Inject);
    }
}

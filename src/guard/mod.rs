//! May this happen, must this stop? Stop conditions over live samples, policies, and what is never hit. Pure: what is known
//! goes in, a decision comes out.

pub mod choice;
pub mod claims;
mod condition;
pub mod digest;
mod nearness;
mod no_data;
pub mod policy;
pub mod protected;
mod window;

use std::time::Duration;

use condition::Watched;
pub use nearness::Nearness;
use no_data::NoDataWatch;

use crate::model::event::StopCause;
use crate::model::expectation::Subject;
use crate::model::experiment::Experiment;
use crate::model::sample::Sample;

/// Why the fault must end now.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// What kind of end it is.
    pub cause: StopCause,
    /// The condition as written, or the limit in words.
    pub condition: String,
    /// What was measured.
    pub measured: String,
    /// When the first bad event that led to it was due.
    pub first_bad: Duration,
}

/// Watches every stop condition of an experiment. Made anew for each stretch it watches, so that what was before the
/// fault cannot stop it.
#[derive(Debug, Clone)]
pub struct StopWatch {
    conditions: Vec<Watched>,
    no_data: Vec<NoDataWatch>,
}

impl StopWatch {
    /// Begins to watch at a moment of the run.
    pub fn new(experiment: &Experiment, from: Duration) -> Self {
        let probes = &experiment.steady_state;
        let conditions = experiment.stop_conditions.iter().map(|condition| {
            let probe = match condition.subject {
                Subject::Probe { probe, .. } => probes.get(probe),
                Subject::AffectedUsers => None,
            };
            Watched::new(condition.clone(), probe)
        });
        Self {
            conditions: conditions.collect(),
            no_data: probes.iter().enumerate().map(|(place, probe)| NoDataWatch::new(place, probe, from)).collect(),
        }
    }

    /// A sample came in.
    pub fn see(&mut self, sample: &Sample) -> Option<Fired> {
        for watch in &mut self.no_data {
            watch.see(sample);
        }
        self.conditions.iter_mut().find_map(|condition| condition.see(sample))
    }

    /// Time passed, and so many users are affected by now.
    pub fn tick(&mut self, now: Duration, affected_users: u64) -> Option<Fired> {
        let users = self.conditions.iter().find_map(|condition| condition.users(now, affected_users));
        users.or_else(|| self.no_data.iter().find_map(|watch| watch.tick(now)))
    }

    /// These samples are under way still, each by its probe and the time it was due: what has no answer beyond a limit
    /// is bad now, and will not be counted again when its answer comes.
    pub fn waiting(&mut self, now: Duration, under_way: &[(usize, Duration)]) -> Option<Fired> {
        self.conditions.iter_mut().find_map(|condition| condition.waiting(now, under_way))
    }

    /// How near each condition is, in the order of the file, with so many users affected.
    pub fn nearness(&self, affected_users: u64) -> Vec<Nearness> {
        self.conditions.iter().map(|condition| condition.nearness(affected_users)).collect()
    }

    /// Which condition would have fired by `now` on the samples of a steady baseline and on what is under way still; such
    /// a condition proves nothing.
    pub fn backtest(
        experiment: &Experiment,
        baseline: &[Sample],
        now: Duration,
        under_way: &[(usize, Duration)],
    ) -> Option<Fired> {
        let conditions = Self::new(experiment, Duration::ZERO).conditions;
        conditions.into_iter().find_map(|mut condition| {
            let fired = condition.replay(baseline);
            fired.or_else(|| condition.waiting(now, under_way))
        })
    }
}

#[cfg(test)]
mod figures;
#[cfg(test)]
mod tests;

//! What was injected, for the rules that compare the effect with the cause: X, the added delay, and f, the share of
//! traffic that was touched. Measured doses come before settings.

use std::time::Duration;

use super::findings::{DoseFindings, DoseStatus};
use super::run::{FaultRecord, Run};
use super::tally::Tally;
use super::window::{self, Window, samples_in};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultKind, FaultSpec, NetworkLatency, TargetKind};
use crate::model::http::HttpLatency;

/// Shorter stretches show no pattern.
const SHORTEST: Duration = Duration::from_millis(500);

/// An effective fault, and what the probes saw while it was the only one. While several are active at once, rules that
/// blame a number on a fault are silent: they could not tell whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected<'a> {
    /// The fault.
    pub fault: &'a FaultSpec,
    /// The delay it added, in seconds; none for faults that do not delay.
    pub delay: Option<f64>,
    /// The share of traffic that it touched, 0 to 1; 1 where it acts on a whole process, none where it can not be said.
    pub share: Option<f64>,
    /// When it was the only one, without the margins; never empty.
    pub alone: Vec<Window>,
    /// What each probe saw then.
    pub seen: Vec<Tally>,
}

impl<'a> Injected<'a> {
    /// What was injected in this run: every effective fault that was the only one for a while.
    pub fn of(run: &'a Run, doses: &[DoseFindings]) -> Vec<Self> {
        let faults = run.experiment().faults.iter().zip(&run.faults).zip(doses).enumerate();
        let effective = faults.filter(|(_, (_, dose))| dose.status == DoseStatus::Effective);
        effective.filter_map(|(place, ((fault, record), _))| Self::one(run, place, fault, record)).collect()
    }

    fn one(run: &'a Run, place: usize, fault: &'a FaultSpec, record: &FaultRecord) -> Option<Self> {
        let alone = alone(run, place);
        if alone.is_empty() {
            return None;
        }
        let measured = |word: &str| {
            let parts = record.dose.iter().flat_map(|dose| &dose.parts);
            parts.filter(|part| part.what.contains(word)).map(|part| part.number).find(|number| number.is_finite())
        };
        let delay = match &fault.kind {
            FaultKind::NetworkLatency(NetworkLatency { delay, .. })
            | FaultKind::HttpLatency(HttpLatency { delay, .. }) => {
                Some(measured("delay").filter(|delay| *delay > 0.0).unwrap_or(delay.0.as_secs_f64()))
            }
            _ => None,
        };
        let share = match &fault.kind {
            kind if kind.takes() == [TargetKind::Proxy] => {
                let touched = measured("share").filter(|share| (0.0..=1.0).contains(share));
                Some(touched.unwrap_or_else(|| asked_share(run.experiment(), fault)))
            }
            FaultKind::ProcessKill(_) | FaultKind::ProcessPause(_) => Some(1.0),
            _ => None,
        };
        let probes = run.experiment().steady_state.iter().enumerate();
        let seen = probes.map(|(place, probe)| Tally::of(probe, samples_in(&run.samples, place, &alone))).collect();
        Some(Self { fault, delay, share, alone, seen })
    }

    /// Whether the fault answers at once, with an error or a reset.
    pub fn fails_fast(&self) -> bool {
        matches!(self.fault.kind, FaultKind::HttpError(_) | FaultKind::HttpAbort(_) | FaultKind::ProcessKill(_))
    }
}

/// The dose of every fault, in the order of the file.
pub fn doses(run: &Run) -> Vec<DoseFindings> {
    run.experiment().faults.iter().zip(&run.faults).map(|(fault, record)| findings(fault, record)).collect()
}

fn findings(fault: &FaultSpec, record: &FaultRecord) -> DoseFindings {
    let (status, why) = match record {
        FaultRecord { failed: Some(why), .. } => (DoseStatus::Failed, Some(why.clone())),
        FaultRecord { skipped: true, .. } => (DoseStatus::Skipped, None),
        FaultRecord { applied: None, .. } => (DoseStatus::NotApplied, None),
        FaultRecord { dose: None, .. } => (DoseStatus::NotMeasured, None),
        FaultRecord { dose: Some(dose), .. } => match &dose.ineffective {
            Some(why) => (DoseStatus::Ineffective, Some(why.clone())),
            None => (DoseStatus::Effective, None),
        },
    };
    DoseFindings {
        fault: fault.name.clone(),
        kind: fault.kind.word().to_owned(),
        target: fault.target.describe(),
        status,
        why,
        parts: record.dose.iter().flat_map(|dose| dose.parts.clone()).collect(),
    }
}

/// When this fault was the only one, without the margins, where it may still be setting in or another one wearing off.
fn alone(run: &Run, place: usize) -> Vec<Window> {
    let spans = window::fault_spans(run);
    let Some(own) = spans[place] else { return Vec::new() };
    let others = spans.iter().enumerate().filter(|(other, _)| *other != place).filter_map(|(_, span)| *span);
    let left =
        others.fold(vec![own], |left, other| left.into_iter().flat_map(|window| window.without(other)).collect());
    left.into_iter().map(Window::settled).filter(|window| window.length() >= SHORTEST).collect()
}

fn asked_share(experiment: &Experiment, fault: &FaultSpec) -> f64 {
    let traffic = experiment.blast_radius.traffic.0;
    fault.kind.share().map_or(traffic, |share| share.0.min(traffic))
}

#[cfg(test)]
mod tests {
    use super::{Injected, doses};
    use crate::analysis::findings::DoseStatus;
    use crate::analysis::testing::Story;

    #[test]
    fn the_measured_dose_comes_before_the_setting() {
        let run = Story::slow_generator().dose("added delay", 0.398).tell();
        let doses = doses(&run);
        let injected = Injected::of(&run, &doses).remove(0);
        assert_eq!((injected.delay, injected.share), (Some(0.398), Some(1.0)));
    }

    #[test]
    fn a_fault_that_did_not_bite_explains_nothing() {
        let run = Story::slow_generator().ineffective("no connection passed").tell();
        let doses = doses(&run);
        assert_eq!(doses[0].status, DoseStatus::Ineffective);
        assert_eq!(Injected::of(&run, &doses), []);
    }

    #[test]
    fn of_faults_at_the_same_time_none_is_blamed() {
        let run = Story::slow_generator().and_again(10.0, 10.0).tell();
        let doses = doses(&run);
        assert_eq!(doses.len(), 2);
        assert_eq!(Injected::of(&run, &doses), []);
    }

    #[test]
    fn of_faults_one_after_the_other_each_is_looked_at_while_it_is_alone() {
        let run = Story::slow_generator().and_again(6.0, 4.0).tell();
        let injected = Injected::of(&run, &doses(&run));
        let alone: Vec<Vec<u128>> =
            injected.iter().map(|one| one.alone.iter().map(|window| window.length().as_millis()).collect()).collect();
        assert_eq!(alone, [[5000], [3000]], "each without its first second");
        assert_eq!(injected.iter().map(|one| one.seen[0].total).collect::<Vec<_>>(), [250, 150]);
    }
}

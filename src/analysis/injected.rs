//! What was injected, for the rules that compare the effect with the cause: X, the added delay, and f, the share of
//! traffic that was touched. Measured doses come before settings.

use super::findings::{DoseFindings, DoseStatus};
use super::run::{FaultRecord, Run};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultKind, FaultSpec, NetworkLatency, TargetKind};
use crate::model::http::HttpLatency;

/// The one fault of an experiment, if it was effective. Rules that blame a number on a fault are silent when there are
/// several: they could not tell whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected<'a> {
    /// The fault.
    pub fault: &'a FaultSpec,
    /// The delay it added, in seconds; none for faults that do not delay.
    pub delay: Option<f64>,
    /// The share of traffic that it touched, 0 to 1; 1 where it acts on a whole process, none where it can not be said.
    pub share: Option<f64>,
}

impl<'a> Injected<'a> {
    /// What was injected in this run.
    pub fn of(run: &'a Run, doses: &[DoseFindings]) -> Option<Self> {
        let ([fault], [record], [dose]) = (&run.experiment().faults[..], &run.faults[..], doses) else { return None };
        if dose.status != DoseStatus::Effective {
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
            kind if kind.takes() == TargetKind::Proxy => {
                let touched = measured("share").filter(|share| (0.0..=1.0).contains(share));
                Some(touched.unwrap_or_else(|| asked_share(run.experiment(), fault)))
            }
            FaultKind::ProcessKill(_) | FaultKind::ProcessPause(_) => Some(1.0),
            _ => None,
        };
        Some(Self { fault, delay, share })
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

fn asked_share(experiment: &Experiment, fault: &FaultSpec) -> f64 {
    let traffic = experiment.blast_radius.traffic.0;
    fault.kind.share().map_or(traffic, |share| share.0.min(traffic))
}

#[cfg(test)]
mod tests {
    use super::{Injected, doses};
    use crate::analysis::findings::DoseStatus;
    use crate::analysis::testing::Story;
    use crate::model::experiment::Experiment;

    #[test]
    fn the_measured_dose_comes_before_the_setting() {
        let run = Story::slow_generator().dose("added delay", 0.398).tell();
        let doses = doses(&run);
        let injected = Injected::of(&run, &doses).expect("one fault");
        assert_eq!((injected.delay, injected.share), (Some(0.398), Some(1.0)));
    }

    #[test]
    fn a_fault_that_did_not_bite_explains_nothing() {
        let run = Story::slow_generator().ineffective("no connection passed").tell();
        let doses = doses(&run);
        assert_eq!(doses[0].status, DoseStatus::Ineffective);
        assert_eq!(Injected::of(&run, &doses), None);
    }

    #[test]
    fn of_several_faults_none_is_blamed() {
        let twice = |experiment: &mut Experiment| experiment.faults.push(experiment.faults[0].clone());
        let run = Story::slow_generator().with(twice).tell();
        assert_eq!(Injected::of(&run, &doses(&run)), None);
    }
}

//! `network.slow_close`: connections are closed late.

use crate::fault::FaultPlan;
use crate::fault::toxic::{cut_dose, toxic_plan, wait_part};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, NetworkSlowClose, TargetKind};
use crate::model::step::ToxicKind;
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "network.slow_close",
    summary: "connections are closed late",
    breaks: "whoever waits for the close to know that an answer is complete; pools that count open connections",
    mechanism: "a slow-close toxic on a proxy of the experiment; bytes pass at once, the close later",
    privileges: "none",
    dose: "the closes that were late, and by how much on average",
    undo: "the toxic is taken off; closes that are held are delivered at once",
    remains: "nothing",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["delay: 2s"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &NetworkSlowClose, experiment: &Experiment) -> FaultPlan {
    let kind = ToxicKind::SlowClose { delay: settings.delay };
    toxic_plan(fault, experiment, settings.stream, settings.share, kind)
}

pub(super) fn dose(settings: &NetworkSlowClose, share: Share, toxic: &ToxicReading) -> Dose {
    let mut dose = cut_dose("late closes", "closed late", share, toxic);
    let mut late = wait_part("close late by", toxic);
    late.asked = settings.delay.to_string();
    dose.parts.insert(0, late);
    dose
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, NetworkSlowClose, Target};
    use crate::model::units::{Share, Timespan};

    fn settings() -> NetworkSlowClose {
        NetworkSlowClose { delay: Timespan::millis(200), ..NetworkSlowClose::default() }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::NetworkSlowClose(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn closes_that_nobody_waited_for_were_not_effective() {
        let none = ToxicReading::default();
        assert!(dose(&settings(), Share::ALL, &none).ineffective.is_some());
        let mean_delay = Duration::from_millis(201);
        let told = dose(&settings(), Share::ALL, &ToxicReading { seen: 1, touched: 1, delayed: 1, mean_delay, ..none });
        assert_eq!(told.ineffective, None);
        assert_eq!((told.parts[0].asked.as_str(), told.parts[0].measured.as_str()), ("200ms", "201ms"));
    }
}

//! `network.blackhole`: nothing passes, and nobody is told.

use crate::fault::FaultPlan;
use crate::fault::toxic::{cut_dose, toxic_plan};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, NetworkBlackhole, TargetKind};
use crate::model::step::ToxicKind;
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "network.blackhole",
    summary: "nothing passes, and nobody is told",
    breaks: "everything that waits without a limit of its own",
    mechanism: "a timeout toxic on a proxy of the experiment; what is sent stays with its sender",
    privileges: "none",
    dose: "the connections on which something was held back",
    undo: "the toxic is taken off; what was held back is delivered, late, as on a network that heals",
    remains: "with `close_after`, connections that were closed stay closed",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["stream: downstream"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &NetworkBlackhole, experiment: &Experiment) -> FaultPlan {
    let kind = ToxicKind::Timeout { timeout: settings.close_after };
    toxic_plan(fault, experiment, settings.stream, settings.share, kind)
}

pub(super) fn dose(share: Share, toxic: &ToxicReading) -> Dose {
    cut_dose("connections held", "held back", share, toxic)
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, NetworkBlackhole, Target};
    use crate::model::units::Share;

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        let kind = FaultKind::NetworkBlackhole(NetworkBlackhole::default());
        conforms(&fault(kind, Target::Proxy("generator".into())));
    }

    #[test]
    fn a_hole_that_swallowed_nothing_was_not_effective() {
        assert!(dose(Share::ALL, &ToxicReading::default()).ineffective.is_some());
        let told = dose(Share::ALL, &ToxicReading { seen: 4, touched: 4, ..ToxicReading::default() });
        assert_eq!((told.ineffective, told.parts[0].measured.as_str()), (None, "4"));
    }
}

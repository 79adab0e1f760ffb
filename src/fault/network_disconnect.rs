//! `network.disconnect`: connections are reset (RST), those that exist and new ones.

use crate::fault::FaultPlan;
use crate::fault::toxic::{cut_dose, toxic_plan};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, NetworkDisconnect, Stream, TargetKind};
use crate::model::step::ToxicKind;
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "network.disconnect",
    summary: "connections are reset (RST), those that exist and new ones",
    breaks: "connection pools, requests under way, everything that takes a connection for granted",
    mechanism: "a reset toxic on a proxy of the experiment; both ends of a touched connection are reset",
    privileges: "none",
    dose: "the connections that were reset",
    undo: "the toxic is taken off; new connections live",
    remains: "connections that were reset stay reset",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["share: 20%"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &NetworkDisconnect, experiment: &Experiment) -> FaultPlan {
    let kind = ToxicKind::ResetPeer { timeout: settings.after };
    toxic_plan(fault, experiment, Stream::Downstream, settings.share, kind)
}

pub(super) fn dose(share: Share, toxic: &ToxicReading) -> Dose {
    cut_dose("connections reset", "reset", share, toxic)
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, NetworkDisconnect, Target};
    use crate::model::units::Share;

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        let kind = FaultKind::NetworkDisconnect(NetworkDisconnect::default());
        conforms(&fault(kind, Target::Proxy("generator".into())));
    }

    #[test]
    fn resets_that_hit_nobody_were_not_effective() {
        let mut reading = ToxicReading { seen: 9, ..ToxicReading::default() };
        let why = dose(Share(0.1), &reading).ineffective;
        assert_eq!(why.as_deref(), Some("none of the 9 connections that the proxy saw was reset"));
        reading.touched = 1;
        assert_eq!(dose(Share(0.1), &reading).ineffective, None);
    }
}

//! `network.down`: a server that is not there; new connections are refused, existing ones reset.
//!
//! Where it touches only a share of the connections, those are reset as they come: nobody can be refused in part.

use crate::fault::toxic::{cut_dose, toxic_plan};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, NetworkDown, Stream, TargetKind};
use crate::model::step::ToxicKind;
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "network.down",
    summary: "a server that is not there; new connections are refused, existing ones reset",
    breaks: "everything that needs this server, and how fast its callers notice",
    mechanism: "a toxic on a proxy of the experiment; its listener ceases to listen and keeps its port",
    privileges: "none",
    dose: "a connection of our own that was refused, and the connections that were reset",
    undo: "the toxic is taken off, and the proxy listens again",
    remains: "connections that were reset stay reset",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &[],
};

pub(super) fn plan(fault: &FaultSpec, settings: &NetworkDown, experiment: &Experiment) -> FaultPlan {
    toxic_plan(fault, experiment, Stream::Downstream, settings.share, ToxicKind::Down)
}

pub(super) fn dose(share: Share, toxic: &ToxicReading) -> Dose {
    let mut dose = cut_dose("connections reset", "reset", share, toxic);
    if toxic.refused {
        dose.ineffective = None;
        // By a connection of the proxy's own.
        let seen = "refused (tried)";
        dose.parts.insert(0, words::part("new connections", "refused", seen, 1.0));
    }
    dose
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, NetworkDown, Target};
    use crate::model::units::Share;

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        let kind = FaultKind::NetworkDown(NetworkDown::default());
        conforms(&fault(kind, Target::Proxy("generator".into())));
    }

    #[test]
    fn a_server_that_nobody_missed_was_down_only_if_it_was_seen_to_refuse() {
        let mut reading = ToxicReading::default();
        assert!(dose(Share::ALL, &reading).ineffective.is_some());
        reading.refused = true;
        assert_eq!(dose(Share::ALL, &reading).ineffective, None);
    }
}

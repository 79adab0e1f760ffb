//! `network.limit_data`: connections are closed after so many bytes.

use crate::fault::FaultPlan;
use crate::fault::toxic::{bytes_part, nothing_passed, share_part, toxic_plan};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, NetworkLimitData, TargetKind};
use crate::model::step::ToxicKind;
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "network.limit_data",
    summary: "connections are closed after so many bytes",
    breaks: "answers that are cut off in the middle; readers that take what came for everything",
    mechanism: "a limit toxic on a proxy of the experiment; the bytes below the limit are delivered, then both \
        ends are closed",
    privileges: "none",
    dose: "the connections on which bytes were counted, and the bytes that passed",
    undo: "the toxic is taken off",
    remains: "connections that were closed stay closed",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["bytes: 1KiB"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &NetworkLimitData, experiment: &Experiment) -> FaultPlan {
    let kind = ToxicKind::LimitData { bytes: settings.bytes };
    toxic_plan(fault, experiment, settings.stream, settings.share, kind)
}

pub(super) fn dose(settings: &NetworkLimitData, share: Share, toxic: &ToxicReading) -> Dose {
    let parts = vec![
        bytes_part("bytes passed", format!("{} a connection", settings.bytes), toxic),
        share_part("connections", share, toxic),
    ];
    let reached = toxic.cut > 0;
    let nothing = nothing_passed(toxic, "count").filter(|_| !reached);
    let below = (!reached).then(|| format!("no connection passed as much as {}: none was closed", settings.bytes));
    Dose { ineffective: nothing.or(below), parts }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, NetworkLimitData, Stream, Target};
    use crate::model::units::{Bytes, Share};

    fn settings() -> NetworkLimitData {
        NetworkLimitData { bytes: Bytes(64), stream: Stream::Downstream, share: None }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::NetworkLimitData(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn a_limit_that_no_connection_reached_was_not_effective() {
        let mut reading = ToxicReading { seen: 1, touched: 1, bytes: 40, ..ToxicReading::default() };
        let why = dose(&settings(), Share::ALL, &reading).ineffective;
        assert_eq!(why.as_deref(), Some("no connection passed as much as 64B: none was closed"));
        (reading.bytes, reading.cut) = (64, 1);
        assert_eq!(dose(&settings(), Share::ALL, &reading).ineffective, None);
    }
}

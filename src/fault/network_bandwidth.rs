//! `network.bandwidth`: a slow line; each connection passes so many bytes a second.

use crate::fault::FaultPlan;
use crate::fault::toxic::{bytes_part, nothing_passed, share_part, toxic_plan, wait_part};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, NetworkBandwidth, TargetKind};
use crate::model::step::ToxicKind;
use crate::model::units::{Bytes, Share};

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "network.bandwidth",
    summary: "a slow line; each connection passes so many bytes a second",
    breaks: "large answers; whatever holds a resource while it sends or receives",
    mechanism: "a bandwidth toxic on a proxy of the experiment; the sender is held back, nothing piles up",
    privileges: "none",
    dose: "the connections touched, the bytes that passed, and how long they waited for the line on average",
    undo: "the toxic is taken off; bytes it holds, at most a twentieth of a second's worth, are delivered at once",
    remains: "nothing",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["rate: 100KiB/s"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &NetworkBandwidth, experiment: &Experiment) -> FaultPlan {
    let kind = ToxicKind::Bandwidth { rate: Bytes(settings.rate.0.round().max(1.0) as u64) };
    toxic_plan(fault, experiment, settings.stream, settings.share, kind)
}

pub(super) fn dose(settings: &NetworkBandwidth, share: Share, toxic: &ToxicReading) -> Dose {
    let parts = vec![
        bytes_part("bytes on a slow line", format!("{} a connection", settings.rate), toxic),
        wait_part("wait for the line", toxic),
        share_part("connections", share, toxic),
    ];
    Dose { ineffective: nothing_passed(toxic, "slow down"), parts }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, NetworkBandwidth, Stream, Target};
    use crate::model::units::{ByteRate, Share};

    fn settings() -> NetworkBandwidth {
        NetworkBandwidth { rate: ByteRate(1024.0), stream: Stream::Downstream, share: None }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::NetworkBandwidth(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn a_line_that_nothing_passed_was_not_effective() {
        let none = ToxicReading::default();
        assert!(dose(&settings(), Share::ALL, &none).ineffective.is_some());
        let mean_delay = Duration::from_millis(9);
        let some = ToxicReading { seen: 2, touched: 2, bytes: 2048, delayed: 2, mean_delay, ..none };
        let told = dose(&settings(), Share::ALL, &some);
        assert_eq!(told.ineffective, None);
        assert_eq!((told.parts[0].asked.as_str(), told.parts[0].measured.as_str()), ("1KiB/s a connection", "2KiB"));
        assert_eq!(told.parts[1].measured, "9ms");
    }
}

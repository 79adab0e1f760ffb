//! `network.slice`: bytes arrive in small pieces with pauses.

use crate::fault::toxic::{bytes_part, nothing_passed, share_part, toxic_plan};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, NetworkSlice, TargetKind};
use crate::model::step::ToxicKind;
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "network.slice",
    summary: "bytes arrive in small pieces with pauses",
    breaks: "readers that take one read for one message, and limits on the time of a whole message",
    mechanism: "a slicer toxic on a proxy of the experiment; each piece is written by itself",
    privileges: "none",
    dose: "the connections touched, the pieces, and the bytes in them",
    undo: "the toxic is taken off; bytes it holds are delivered at once",
    remains: "nothing",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["size: 64B", "delay: 5ms"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &NetworkSlice, experiment: &Experiment) -> FaultPlan {
    let NetworkSlice { size, variation, delay, .. } = *settings;
    let kind = ToxicKind::Slicer { average_size: size, size_variation: variation, delay };
    toxic_plan(fault, experiment, settings.stream, settings.share, kind)
}

pub(super) fn dose(settings: &NetworkSlice, share: Share, toxic: &ToxicReading) -> Dose {
    let mean = toxic.bytes.checked_div(toxic.delayed).unwrap_or(0);
    let asked = format!("about {}, {} apart", settings.size, settings.delay);
    let pieces = format!("{} of {mean}B on average", toxic.delayed);
    let parts = vec![
        words::part("pieces", asked, pieces, toxic.delayed as f64),
        bytes_part("bytes in pieces", "all".to_owned(), toxic),
        share_part("connections", share, toxic),
    ];
    Dose { ineffective: nothing_passed(toxic, "cut into pieces"), parts }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, NetworkSlice, Stream, Target};
    use crate::model::units::{Bytes, Share, Timespan};

    fn settings() -> NetworkSlice {
        let (size, variation, delay) = (Bytes(100), Bytes(0), Timespan::millis(5));
        NetworkSlice { size, variation, delay, stream: Stream::Downstream, share: None }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::NetworkSlice(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn a_knife_that_cut_nothing_was_not_effective() {
        let none = ToxicReading::default();
        assert!(dose(&settings(), Share::ALL, &none).ineffective.is_some());
        let told = dose(&settings(), Share::ALL, &ToxicReading { touched: 1, bytes: 950, delayed: 10, ..none });
        assert_eq!((told.ineffective, told.parts[0].measured.as_str()), (None, "10 of 95B on average"));
    }
}

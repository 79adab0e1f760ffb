//! `http.corrupt`: bytes of bodies are changed.

use crate::fault::request::{http_plan, requests_part, untouched};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, TargetKind};
use crate::model::http::{HttpCorrupt, HttpEffect};
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "http.corrupt",
    summary: "bytes of bodies are changed",
    breaks: "the content of messages: a broken disk, a bad encoder, a middlebox that rewrites",
    mechanism: "an HTTP toxic on a proxy of the experiment; which bytes follows from the run's seed; lengths and \
        heads stay",
    privileges: "none",
    dose: "the share of bytes asked against the share of the touched bodies' bytes that were changed, and the \
        requests",
    undo: "the toxic is taken off",
    remains: "what was stored of the changed bodies, by whoever stored it",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["bytes: 1%"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &HttpCorrupt, experiment: &Experiment) -> FaultPlan {
    http_plan(fault, experiment, settings.stream, HttpEffect::Corrupt { bytes: settings.bytes })
}

pub(super) fn dose(settings: &HttpCorrupt, share: Share, toxic: &ToxicReading) -> Dose {
    let changed = Share(toxic.changed as f64 / toxic.bytes.max(1) as f64);
    let measured = format!("{changed} ({} of {} bytes)", toxic.changed, toxic.bytes);
    let parts = vec![words::part("changed bytes", settings.bytes, measured, changed.0), requests_part(share, toxic)];
    Dose { parts, ineffective: untouched(&settings.only(), toxic, "changed").or_else(|| strays(settings, toxic)) }
}

/// Five standard deviations of so many independent draws are allowed for.
fn strays(settings: &HttpCorrupt, toxic: &ToxicReading) -> Option<String> {
    if toxic.changed == 0 {
        return Some(format!("none of the {} bytes of the bodies that passed was changed", toxic.bytes));
    }
    let (asked, bytes) = (settings.bytes.0, toxic.bytes as f64);
    let stray = 5.0 * (asked * (1.0 - asked) / bytes).sqrt() + 1.0 / bytes;
    let measured = toxic.changed as f64 / bytes;
    ((measured - asked).abs() > stray)
        .then(|| format!("{} of the bytes were changed where {} was asked", Share(measured), settings.bytes))
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, Stream, Target};
    use crate::model::http::HttpCorrupt;
    use crate::model::units::Share;

    fn settings() -> HttpCorrupt {
        HttpCorrupt {
            bytes: Share(0.1),
            stream: Stream::Downstream,
            method: Vec::new(),
            path: None,
            header: None,
            share: None,
        }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::HttpCorrupt(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn bodies_that_came_through_whole_were_not_corrupted() {
        let reading = ToxicReading { seen: 9, matched: 9, touched: 9, ..ToxicReading::default() };
        for (bytes, changed, effective) in [(0, 0, false), (1000, 0, false), (1000, 96, true), (1000, 300, false)] {
            let told = dose(&settings(), Share::ALL, &ToxicReading { bytes, changed, ..reading });
            assert_eq!(told.ineffective.is_none(), effective, "{changed} of {bytes}: {told:?}");
        }
    }
}

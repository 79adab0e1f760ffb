//! `http.duplicate`: requests reach the upstream twice.

use crate::fault::request::{http_plan, requests_part, spared_part, untouched};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, Stream, TargetKind};
use crate::model::http::{HttpDuplicate, HttpEffect};
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "http.duplicate",
    summary: "requests reach the upstream twice",
    breaks: "the belief that a request comes once: retries, at-least-once delivery, an impatient proxy",
    mechanism: "an HTTP toxic on a proxy of the experiment; the client gets the first answer, the second is \
        thrown away",
    privileges: "none",
    dose: "the share asked against the share of requests that were sent twice",
    undo: "the toxic is taken off",
    remains: "whatever the second request did; an upstream that is not idempotent shows it",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["method: POST"],
};

pub(super) fn plan(fault: &FaultSpec, _: &HttpDuplicate, experiment: &Experiment) -> FaultPlan {
    http_plan(fault, experiment, Stream::Upstream, HttpEffect::Duplicate)
}

pub(super) fn dose(settings: &HttpDuplicate, share: Share, toxic: &ToxicReading) -> Dose {
    let twice = toxic.touched.saturating_sub(toxic.spared);
    let sent = words::part("sent twice", "each touched one", format!("{twice} requests"), twice as f64);
    let mut parts = vec![requests_part(share, toxic), sent];
    parts.extend(spared_part("sent once (over 1 MiB, an upgrade, or not accepted)", toxic));
    let none = (twice == 0).then(|| "no request could be sent twice".to_owned());
    Dose { parts, ineffective: untouched(&settings.only(), toxic, "sent twice").or(none) }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, Target};
    use crate::model::http::HttpDuplicate;
    use crate::model::units::Share;

    fn settings() -> HttpDuplicate {
        HttpDuplicate { method: Vec::new(), path: None, header: None, share: None }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::HttpDuplicate(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn what_could_only_be_sent_once_does_not_count() {
        let mut reading = ToxicReading { seen: 9, matched: 9, touched: 9, spared: 9, ..ToxicReading::default() };
        assert!(dose(&settings(), Share::ALL, &reading).ineffective.is_some());
        reading.spared = 2;
        let told = dose(&settings(), Share::ALL, &reading);
        assert_eq!((told.ineffective, told.parts[1].measured.as_str()), (None, "7 requests"));
    }
}

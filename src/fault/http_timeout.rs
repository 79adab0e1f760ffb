//! `http.timeout`: requests are taken and never answered.

use crate::fault::request::{given_up_part, http_plan, requests_part, untouched};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, Stream, TargetKind};
use crate::model::http::{HttpEffect, HttpTimeout};
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "http.timeout",
    summary: "requests are taken and never answered",
    breaks: "a dependency that hangs: it accepts, it reads, it says nothing",
    mechanism: "an HTTP toxic on a proxy of the experiment; drawn for each request from the run's seed",
    privileges: "none",
    dose: "the share asked against the share of requests that were held",
    undo: "the toxic is taken off; what it holds is forwarded at once, and answered late",
    remains: "what clients did about the silence",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["after: 5s"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &HttpTimeout, experiment: &Experiment) -> FaultPlan {
    let effect = HttpEffect::Timeout { after: settings.after };
    http_plan(fault, experiment, Stream::Downstream, effect)
}

pub(super) fn dose(settings: &HttpTimeout, share: Share, toxic: &ToxicReading) -> Dose {
    let asked = settings.after.map_or("until the fault ends".to_owned(), |after| format!("for {after}"));
    let held = words::part("held", asked, format!("{} requests", toxic.touched), toxic.touched as f64);
    let mut parts = vec![requests_part(share, toxic), held];
    parts.extend(given_up_part(toxic));
    Dose { parts, ineffective: untouched(&settings.only(), toxic, "held") }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, Target};
    use crate::model::http::HttpTimeout;
    use crate::model::units::Share;

    fn settings() -> HttpTimeout {
        HttpTimeout { after: None, method: Vec::new(), path: None, header: None, share: None }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::HttpTimeout(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn silence_that_nobody_heard_was_not_effective() {
        let mut reading = ToxicReading { seen: 9, matched: 9, ..ToxicReading::default() };
        assert!(dose(&settings(), Share::ALL, &reading).ineffective.is_some());
        (reading.touched, reading.given_up) = (9, 7);
        let told = dose(&settings(), Share::ALL, &reading);
        assert_eq!((told.ineffective, told.parts[2].measured.as_str()), (None, "7 of 9"));
    }
}

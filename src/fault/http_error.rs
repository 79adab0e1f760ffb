//! `http.error`: the proxy answers requests with an error in place of the upstream.

use crate::fault::FaultPlan;
use crate::fault::request::{http_plan, requests_part, untouched};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, Stream, TargetKind};
use crate::model::http::{HttpEffect, HttpError};
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "http.error",
    summary: "the proxy answers requests with an error in place of the upstream",
    breaks: "a dependency that answers, and answers badly",
    mechanism: "an HTTP toxic on a proxy of the experiment; drawn for each request from the run's seed",
    privileges: "none",
    dose: "the share asked against the share of requests that were answered with the error",
    undo: "the toxic is taken off",
    remains: "nothing",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["status: 503", "share: 20%"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &HttpError, experiment: &Experiment) -> FaultPlan {
    let HttpError { status, body, headers, .. } = settings.clone();
    let effect = HttpEffect::Error { status, body, headers };
    http_plan(fault, experiment, Stream::Downstream, effect)
}

pub(super) fn dose(settings: &HttpError, share: Share, toxic: &ToxicReading) -> Dose {
    let ineffective = untouched(&settings.only(), toxic, "answered with the error");
    Dose { parts: vec![requests_part(share, toxic)], ineffective }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, Target};
    use crate::model::glob::Glob;
    use crate::model::http::HttpError;
    use crate::model::units::Share;

    fn settings() -> HttpError {
        HttpError { path: Some(Glob::new("/generate*")), ..HttpError::default() }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::HttpError(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn an_error_that_nobody_was_given_was_not_effective() {
        let told = dose(&settings(), Share::ALL, &ToxicReading { seen: 40, matched: 40, ..ToxicReading::default() });
        assert_eq!(
            told.ineffective.as_deref(),
            Some("no request to /generate* of 40 that passed was answered with the error")
        );
        let told = dose(
            &settings(),
            Share::ALL,
            &ToxicReading { seen: 40, matched: 40, touched: 12, ..ToxicReading::default() },
        );
        assert_eq!((told.ineffective, told.parts[0].measured.as_str()), (None, "30% (12 of 40)"));
    }
}

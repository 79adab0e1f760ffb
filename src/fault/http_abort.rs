//! `http.abort`: requests end with a reset, at once or in the middle of the answer.

use crate::fault::request::{http_plan, requests_part, spared_part, untouched};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, Stream, TargetKind};
use crate::model::http::{HttpAbort, HttpEffect};
use crate::model::units::Share;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "http.abort",
    summary: "requests end with a reset, at once or in the middle of the answer",
    breaks: "a dependency that dies while it answers, a load balancer that cuts connections",
    mechanism: "an HTTP toxic on a proxy of the experiment; RST on HTTP/1.1, RST_STREAM on HTTP/2",
    privileges: "none",
    dose: "the share asked against the share of requests that were cut",
    undo: "the toxic is taken off",
    remains: "nothing; clients open new connections",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["method: GET", "share: 10%"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &HttpAbort, experiment: &Experiment) -> FaultPlan {
    let effect = HttpEffect::Abort { after: settings.after };
    http_plan(fault, experiment, Stream::Downstream, effect)
}

pub(super) fn dose(settings: &HttpAbort, share: Share, toxic: &ToxicReading) -> Dose {
    let mut parts = vec![requests_part(share, toxic)];
    let mut ineffective = untouched(&settings.only(), toxic, "cut");
    if let Some(after) = settings.after {
        let cut = toxic.touched.saturating_sub(toxic.spared);
        parts.push(words::part("cut in the answer", format!("after {after}"), format!("{cut} requests"), cut as f64));
        parts.extend(spared_part("too short to be cut", toxic));
        let all_short = (cut == 0).then(|| format!("no answer was as long as {after}, so none was cut"));
        ineffective = ineffective.or(all_short);
    }
    Dose { parts, ineffective }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, Target};
    use crate::model::http::HttpAbort;
    use crate::model::units::{Bytes, Share};

    fn settings() -> HttpAbort {
        HttpAbort { after: Some(Bytes(100)), method: Vec::new(), path: None, header: None, share: None }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::HttpAbort(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn answers_that_are_shorter_than_the_cut_were_not_cut() {
        let mut reading = ToxicReading { seen: 9, matched: 9, touched: 9, spared: 9, ..ToxicReading::default() };
        let told = dose(&settings(), Share::ALL, &reading).ineffective;
        assert_eq!(told.as_deref(), Some("no answer was as long as 100B, so none was cut"));
        reading.spared = 5;
        let told = dose(&settings(), Share::ALL, &reading);
        assert_eq!((told.ineffective, told.parts[1].measured.as_str()), (None, "4 requests"));
    }
}

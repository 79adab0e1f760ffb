//! `http.slow_body`: bodies pass at a steady pace.

use crate::fault::request::{http_plan, requests_part, untouched};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, TargetKind};
use crate::model::http::{HttpEffect, HttpSlowBody};
use crate::model::units::{ByteRate, Share};

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "http.slow_body",
    summary: "bodies pass at a steady pace",
    breaks: "the throughput of one exchange: a slow reader, a slow disk behind an upload, a thin line",
    mechanism: "an HTTP toxic on a proxy of the experiment; each body has a pace of its own, heads are not delayed",
    privileges: "none",
    dose: "the rate asked against the bytes of the touched bodies over the time they took in the proxy",
    undo: "the toxic is taken off; bodies under way go on at full speed",
    remains: "nothing; a client may have given up on its own in the meantime",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["rate: 10KiB/s"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &HttpSlowBody, experiment: &Experiment) -> FaultPlan {
    http_plan(fault, experiment, settings.stream, HttpEffect::SlowBody { rate: settings.rate })
}

pub(super) fn dose(settings: &HttpSlowBody, share: Share, toxic: &ToxicReading) -> Dose {
    let seconds = toxic.paced.as_secs_f64();
    let measured = ByteRate(if seconds > 0.0 { toxic.bytes as f64 / seconds } else { 0.0 });
    let parts = vec![words::part("rate of a body", settings.rate, measured, measured.0), requests_part(share, toxic)];
    // A reader or a sender that is slower still makes it slower, and that is no fault of the fault.
    let strays = if toxic.bytes == 0 {
        Some("no body passed, or not a byte of one within the time of the fault".to_owned())
    } else {
        (measured.0 > 1.1 * settings.rate.0)
            .then(|| format!("bodies passed at {measured} where {} was asked", settings.rate))
    };
    Dose { parts, ineffective: untouched(&settings.only(), toxic, "slowed").or(strays) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, Stream, Target};
    use crate::model::http::HttpSlowBody;
    use crate::model::units::{ByteRate, Share};

    fn settings() -> HttpSlowBody {
        HttpSlowBody {
            rate: ByteRate(1000.0),
            stream: Stream::Downstream,
            method: Vec::new(),
            path: None,
            header: None,
            share: None,
        }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::HttpSlowBody(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn bodies_must_be_as_slow_as_was_asked() {
        let reading = ToxicReading { seen: 9, matched: 9, touched: 9, ..ToxicReading::default() };
        for (bytes, seconds, effective) in [(0, 0, false), (1000, 1, true), (3000, 1, false), (1000, 5, true)] {
            let paced = Duration::from_secs(seconds);
            let told = dose(&settings(), Share::ALL, &ToxicReading { bytes, paced, ..reading });
            assert_eq!(told.ineffective.is_none(), effective, "{bytes} in {seconds} s: {told:?}");
        }
    }
}

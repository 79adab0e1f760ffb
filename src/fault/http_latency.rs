//! `http.latency`: requests, or their answers, wait once before they go on.

use crate::fault::network_latency::{NEVER_OVER, strays};
use crate::fault::request::{given_up_part, http_plan, requests_part, untouched};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, TargetKind};
use crate::model::http::{HttpEffect, HttpLatency};
use crate::model::units::{Share, Timespan};

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "http.latency",
    summary: "requests, or their answers, wait once before they go on",
    breaks: "the time until a dependency begins to answer; unlike `network.latency` a body is not slowed down",
    mechanism: "an HTTP toxic on a proxy of the experiment; drawn for each request from the run's seed",
    privileges: "none",
    dose: "the delay asked against the mean delay that the proxy really added, and the requests touched",
    undo: "the toxic is taken off; what it holds goes on at once",
    remains: "nothing; a client may have given up on its own in the meantime",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["delay: 200ms", "path: /api/*"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &HttpLatency, experiment: &Experiment) -> FaultPlan {
    let effect = HttpEffect::Latency { delay: settings.delay, jitter: settings.jitter };
    http_plan(fault, experiment, settings.stream, effect)
}

pub(super) fn dose(settings: &HttpLatency, share: Share, toxic: &ToxicReading) -> Dose {
    let HttpLatency { delay, jitter, .. } = *settings;
    let asked = if jitter == Timespan::ZERO { delay.to_string() } else { format!("{delay} +- {jitter}") };
    let mean = Timespan(toxic.mean_delay);
    let added = match (toxic.touched, toxic.delayed) {
        (1.., 0) => words::part("added delay", asked, NEVER_OVER, 0.0),
        _ => words::part("added delay", asked, mean, mean.0.as_secs_f64()),
    };
    let mut parts = vec![added, requests_part(share, toxic)];
    parts.extend(given_up_part(toxic));
    // Clients that leave earlier were made to wait as well, only not to the end.
    let measured = (toxic.delayed > 0).then(|| strays(delay, jitter, toxic)).flatten();
    let nothing = (toxic.delayed == 0 && toxic.given_up == 0).then(|| "no request was delayed".to_owned());
    Dose { parts, ineffective: untouched(&settings.only(), toxic, "delayed").or(measured).or(nothing) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, Stream, Target};
    use crate::model::http::HttpLatency;
    use crate::model::units::{Share, Timespan};

    fn settings() -> HttpLatency {
        HttpLatency {
            delay: Timespan::millis(400),
            jitter: Timespan::ZERO,
            stream: Stream::Downstream,
            method: Vec::new(),
            path: None,
            header: None,
            share: None,
        }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        conforms(&fault(FaultKind::HttpLatency(settings()), Target::Proxy("generator".into())));
    }

    #[test]
    fn the_delay_must_be_the_one_that_was_asked_for_unless_every_client_gave_up() {
        let mut reading = ToxicReading { seen: 9, matched: 9, touched: 9, delayed: 9, ..ToxicReading::default() };
        reading.mean_delay = Duration::from_millis(401);
        assert_eq!(dose(&settings(), Share::ALL, &reading).ineffective, None);
        reading.mean_delay = Duration::from_millis(200);
        assert!(dose(&settings(), Share::ALL, &reading).ineffective.is_some());
        reading = ToxicReading { delayed: 0, given_up: 9, mean_delay: Duration::ZERO, ..reading };
        let told = dose(&settings(), Share::ALL, &reading);
        assert_eq!((told.ineffective, told.parts[0].measured.as_str()), (None, "longer than anybody waited"));
        assert_eq!(told.parts.last().expect("parts").measured, "9 of 9");
        reading.given_up = 0;
        assert!(dose(&settings(), Share::ALL, &reading).ineffective.is_some());
    }
}

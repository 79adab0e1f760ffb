//! `network.latency`: bytes through a proxy arrive later.

use crate::fault::request::given_up_part;
use crate::fault::toxic::{share_part, toxic_plan};
use crate::fault::{FaultPlan, words};
use crate::model::about::{About, Need};
use crate::model::dose::{Dose, DosePart, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, NetworkLatency, TargetKind};
use crate::model::step::ToxicKind;
use crate::model::units::{Share, Timespan};

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "network.latency",
    summary: "bytes through a proxy arrive later",
    breaks: "the time a dependency takes to answer; a slow network, a far region, a busy peer",
    mechanism: "a latency toxic on a proxy of the experiment; every chunk has its own deadline, order is kept",
    privileges: "none",
    dose: "the delay asked against the mean delay that the proxy really added, and the connections touched",
    undo: "the toxic is taken off; bytes it holds are delivered at once, in order",
    remains: "nothing; a client may have given up on its own in the meantime",
    targets: &[TargetKind::Proxy],
    needs: Need::Proxy,
    example: &["delay: 200ms", "jitter: 50ms"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &NetworkLatency, experiment: &Experiment) -> FaultPlan {
    let NetworkLatency { delay, jitter, distribution, .. } = *settings;
    let kind = ToxicKind::Latency { delay, jitter, distribution };
    toxic_plan(fault, experiment, settings.stream, settings.share, kind)
}

pub(super) fn dose(settings: &NetworkLatency, share: Share, toxic: &ToxicReading) -> Dose {
    let mut parts = if toxic.touched > 0 && toxic.delayed == 0 {
        vec![words::part("added delay", asked_delay(settings), NEVER_OVER, 0.0)]
    } else {
        delays(settings, toxic)
    };
    parts.push(share_part("connections", share, toxic));
    parts.extend(given_up_part(toxic));
    Dose { ineffective: too_little(settings, toxic), parts }
}

/// A run that was stopped, or clients that gave up, before any delay was over: all of them waited, none to the end.
pub(super) const NEVER_OVER: &str = "longer than anybody waited";

fn delays(settings: &NetworkLatency, toxic: &ToxicReading) -> Vec<DosePart> {
    let (mean, p99) = (Timespan(toxic.mean_delay), Timespan(toxic.p99_delay));
    vec![
        words::part("added delay", asked_delay(settings), mean, mean.0.as_secs_f64()),
        words::part("added delay, p99", spread(settings), p99, p99.0.as_secs_f64()),
    ]
}

fn asked_delay(settings: &NetworkLatency) -> String {
    match settings.jitter {
        Timespan::ZERO => settings.delay.to_string(),
        jitter => format!("{} +- {jitter}", settings.delay),
    }
}

fn spread(settings: &NetworkLatency) -> String {
    match settings.jitter {
        Timespan::ZERO => "as the mean".to_owned(),
        _ => settings.distribution.to_string(),
    }
}

fn too_little(settings: &NetworkLatency, toxic: &ToxicReading) -> Option<String> {
    match (toxic.touched, toxic.delayed) {
        (0, _) => Some("nothing passed through the proxy that the fault could delay".to_owned()),
        (_, 0) => None,
        _ => strays(settings.delay, settings.jitter, toxic),
    }
}

/// Why the delay that was added is not the one that was asked for. The mean of n draws of a standard deviation of at
/// most `jitter` strays by about jitter / sqrt(n); two such and 10 % are allowed for. It may be more where the order of
/// chunks is kept: each then waits for the slowest before it.
pub(super) fn strays(delay: Timespan, jitter: Timespan, toxic: &ToxicReading) -> Option<String> {
    let (asked, jitter) = (delay.0.as_secs_f64(), jitter.0.as_secs_f64());
    let allowed = 0.1 * asked + 0.002 + 2.0 * jitter / (toxic.delayed as f64).sqrt();
    let off = toxic.mean_delay.as_secs_f64() - asked;
    (off < -allowed || off > allowed + 3.0 * jitter)
        .then(|| format!("the proxy added {} on average where {delay} was asked", Timespan(toxic.mean_delay)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::ToxicReading;
    use crate::model::fault::{FaultKind, NetworkLatency, Target};
    use crate::model::step::Act;
    use crate::model::testing::experiment;
    use crate::model::units::{Share, Timespan};

    fn settings() -> NetworkLatency {
        NetworkLatency { delay: Timespan::millis(400), ..NetworkLatency::default() }
    }

    #[test]
    fn is_one_toxic_that_is_taken_off_again() {
        let fault = fault(FaultKind::NetworkLatency(settings()), Target::Proxy("generator".into()));
        conforms(&fault);
    }

    #[test]
    fn touches_no_more_traffic_than_the_blast_radius_allows() {
        let fault = fault(FaultKind::NetworkLatency(settings()), Target::Proxy("generator".into()));
        let mut experiment = experiment();
        experiment.blast_radius.traffic = Share(0.25);
        let plan = super::plan(&fault, &settings(), &experiment);
        let Act::AddToxic { toxic, .. } = &plan.steps[0].apply else { panic!("not a toxic") };
        assert_eq!(toxic.toxicity, Share(0.25));
    }

    #[test]
    fn a_delay_that_touched_nothing_was_not_effective() {
        let told = dose(&settings(), Share::ALL, &ToxicReading::default());
        assert!(told.ineffective.is_some());
    }

    #[test]
    fn a_delay_that_was_never_over_because_the_run_was_stopped_was_effective_and_says_so() {
        let reading = ToxicReading { seen: 9, touched: 9, given_up: 7, ..ToxicReading::default() };
        let told = dose(&settings(), Share::ALL, &reading);
        assert_eq!(told.ineffective, None);
        assert_eq!(told.parts[0].measured, "longer than anybody waited");
        let last = told.parts.last().expect("parts");
        assert_eq!((last.what.as_str(), last.measured.as_str()), ("given up by the client", "7 of 9"));
    }

    #[test]
    fn a_delay_near_the_asked_one_was_effective_and_half_of_it_was_not() {
        let mut reading = ToxicReading { seen: 9, touched: 9, delayed: 100, ..ToxicReading::default() };
        reading.mean_delay = Duration::from_millis(401);
        assert_eq!(dose(&settings(), Share::ALL, &reading).ineffective, None);
        reading.mean_delay = Duration::from_millis(200);
        assert!(dose(&settings(), Share::ALL, &reading).ineffective.is_some());
    }
}

//! What every fault on HTTP requests shares.

use crate::fault::toxic::toxic_plan;
use crate::fault::{FaultPlan, words};
use crate::model::dose::{DosePart, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, Stream};
use crate::model::http::{HttpEffect, RequestMatch};
use crate::model::step::ToxicKind;
use crate::model::units::Share;

/// The plan of a fault that does one thing to the requests it is meant for.
pub(super) fn http_plan(fault: &FaultSpec, experiment: &Experiment, stream: Stream, effect: HttpEffect) -> FaultPlan {
    let only = fault.kind.only().unwrap_or_default();
    toxic_plan(fault, experiment, stream, fault.kind.share(), ToxicKind::Http { only, effect })
}

/// The share of the requests meant that was touched, against the one asked for.
pub(super) fn requests_part(asked: Share, toxic: &ToxicReading) -> DosePart {
    let ToxicReading { seen, matched, touched, .. } = *toxic;
    let share = Share(touched as f64 / matched.max(1) as f64);
    let measured = match seen == matched {
        true => format!("{share} ({touched} of {matched})"),
        false => format!("{share} ({touched} of {matched} that fit, {seen} passed)"),
    };
    words::part("share of requests", asked, measured, share.0)
}

/// How many clients gave up while they were held, if any.
pub(super) fn given_up_part(toxic: &ToxicReading) -> Option<DosePart> {
    let ToxicReading { given_up, touched, .. } = *toxic;
    (given_up > 0)
        .then(|| words::part("given up by the client", "-", format!("{given_up} of {touched}"), given_up as f64))
}

/// How many of the touched requests nothing could be done to, if any.
pub(super) fn spared_part(what: &str, toxic: &ToxicReading) -> Option<DosePart> {
    let ToxicReading { spared, touched, .. } = *toxic;
    (spared > 0).then(|| words::part(what, "-", format!("{spared} of {touched}"), spared as f64))
}

/// Why a fault that touched no request was not effective.
pub(super) fn untouched(only: &RequestMatch, toxic: &ToxicReading, done: &str) -> Option<String> {
    let ToxicReading { seen, matched, touched, .. } = *toxic;
    match (seen, matched, touched) {
        (0, ..) => Some("no request passed through the proxy".to_owned()),
        (_, 0, _) => Some(format!("no request{only} was among the {seen} that passed")),
        (.., 0) => Some(format!("no request{only} of {matched} that passed was {done}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{requests_part, untouched};
    use crate::model::dose::ToxicReading;
    use crate::model::glob::Glob;
    use crate::model::http::RequestMatch;
    use crate::model::units::Share;

    #[test]
    fn requests_that_do_not_fit_are_told_apart_from_those_that_were_not_drawn() {
        let only = RequestMatch { path: Some(Glob::new("/api/*")), ..RequestMatch::default() };
        let told = |seen, matched| {
            untouched(&only, &ToxicReading { seen, matched, ..ToxicReading::default() }, "cut").expect("not effective")
        };
        assert_eq!(told(0, 0), "no request passed through the proxy");
        assert_eq!(told(40, 0), "no request to /api/* was among the 40 that passed");
        assert_eq!(told(40, 7), "no request to /api/* of 7 that passed was cut");
        let reading = ToxicReading { seen: 40, matched: 8, touched: 2, ..ToxicReading::default() };
        assert_eq!(requests_part(Share(0.3), &reading).measured, "25% (2 of 8 that fit, 40 passed)");
    }
}

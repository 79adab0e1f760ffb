//! Rules about the processes behind the probes and the health checks in front of them.

use std::time::Duration;

use super::super::analyse::Seen;
use super::super::critical::{CRASH_LOOP, restarts};

use super::super::window;
use super::{Case, Found, advice};
use crate::model::fault::FaultKind;
use crate::model::probe::{ProbeKind, ProcessMeasure, ProcessSelector};
use crate::model::sample::Sample;
use crate::model::units::Timespan;

/// What the health check of a system is called, more often than not.
const HEALTH: [&str; 5] = ["health", "ready", "alive", "live", "status"];
/// For so long the two must disagree.
const DISAGREE: Duration = Duration::from_secs(10);

/// R15: at least three restarts.
pub(super) fn r15_crash_loop(case: &Case<'_>) -> Option<Found> {
    let (probe, rise) = own_restarts(case).filter(|(_, rise)| *rise >= CRASH_LOOP)?;
    advice(
        "Crash loop",
        format!("{probe}: {rise} restarts since the fault began"),
        "Starting must not need the dependency: start degraded, connect later, and back off between attempts.",
    )
}

/// R14: one or two restarts that we did not cause.
pub(super) fn r14_crashes(case: &Case<'_>) -> Option<Found> {
    let (probe, rise) = own_restarts(case).filter(|(_, rise)| *rise < CRASH_LOOP)?;
    advice(
        "It crashes when its dependency fails",
        format!("{probe}: {rise} restart(s) since the fault began"),
        "Handle the failure of the dependency as an answer, not as a panic, and bound what is kept in memory meanwhile.",
    )
}

/// R16: the health check is content while the users are not.
pub(super) fn r16_shallow_health_check(case: &Case<'_>) -> Option<Found> {
    let (health, business) = pair(case, |health, business| health.is_zero() && business >= DISAGREE)?;
    advice(
        "The health check does not notice",
        disagreement(case, business, health),
        "Let the readiness check look at what users need (the dependency, a real request), not only at the process.",
    )
}

/// R16 the other way round: the users are content while the health check is not.
pub(super) fn r16_deep_health_check(case: &Case<'_>) -> Option<Found> {
    let (health, business) = pair(case, |health, business| health >= DISAGREE && business.is_zero())?;
    advice(
        "The health check cries wolf",
        disagreement(case, health, business),
        "The check fails on something users do not feel. A balancer would take healthy instances out: make it shallower.",
    )
}

/// Restarts that are not our own doing: killing a service restarts it once.
fn own_restarts<'a>(case: &Case<'a>) -> Option<(&'a str, f64)> {
    let (probe, rise) = restarts(case.run)?;
    let service = case.run.experiment().steady_state.iter().find_map(|spec| match &spec.kind {
        ProbeKind::Process(process) if spec.name == probe && process.measure == ProcessMeasure::Restarts => {
            match &process.target {
                ProcessSelector::Service(service) => Some(service.as_str()),
                ProcessSelector::Pid(_) | ProcessSelector::PidFile(_) => None,
            }
        }
        _ => None,
    });
    let killed = case.run.experiment().faults.iter().filter(|fault| {
        let target = fault.target.process().and_then(|target| target.by.service());
        let same = service.is_some() && target == service;
        same && matches!(fault.kind, FaultKind::ProcessKill(_))
    });
    let rise = rise - killed.count() as f64;
    (rise > 0.0).then_some((probe, rise))
}

/// A health probe and another HTTP probe whose bad times during the fault are like this.
fn pair<'a>(case: &Case<'a>, disagree: impl Fn(Duration, Duration) -> bool) -> Option<(&'a Seen<'a>, &'a Seen<'a>)> {
    let (health, business): (Vec<&Seen<'_>>, Vec<&Seen<'_>>) =
        case.seen.iter().filter(|seen| path(seen).is_some()).partition(|seen| is_health(seen));
    let pairs = health.iter().flat_map(|health| business.iter().map(move |business| (*health, *business)));
    let sampled = |seen: &Seen<'_>| seen.fault.evidence() >= 3;
    pairs
        .filter(|(health, business)| sampled(health) && sampled(business))
        .find(|(health, business)| disagree(bad_time(case, health), bad_time(case, business)))
}

/// How long this probe was bad during the fault: each bad sample stands for one interval.
fn bad_time(case: &Case<'_>, seen: &Seen<'_>) -> Duration {
    let windows = window::faults(case.run);
    let bad = |sample: &&Sample| seen.bad.is_bad(sample) == Some(true);
    let count = window::samples_in(&case.run.samples, seen.place, &windows).filter(bad).count();
    seen.probe.interval.0.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

fn disagreement(case: &Case<'_>, bad: &Seen<'_>, good: &Seen<'_>) -> String {
    let time = Timespan(bad_time(case, bad));
    format!("{} was bad for {time} during the fault, {} not at all", bad.probe.name, good.probe.name)
}

fn path<'a>(seen: &Seen<'a>) -> Option<&'a str> {
    let ProbeKind::Http(http) = &seen.probe.kind else { return None };
    let rest = http.url.split_once("://").map_or(http.url.as_str(), |(_, rest)| rest);
    Some(rest.find('/').map_or("", |slash| &rest[slash..]))
}

fn is_health(seen: &Seen<'_>) -> bool {
    path(seen).is_some_and(|path| HEALTH.iter().any(|word| path.contains(word)))
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised, every, http_at, restarts};
    use crate::model::sample::Outcome;

    fn restarting(times: u32) -> Story {
        let count = move |second: usize| f64::from(times).min(second as f64);
        Story::slow_generator().also(every(1.0, restarts("generator")), count)
    }

    #[test]
    fn a_restart_that_we_did_not_cause_is_a_crash() {
        assert!(advice_of(&restarting(1).tell(), "R14").evidence.contains("1 restart(s)"));
        assert!(!advised(&restarting(0).tell()).contains(&"R14".to_owned()));
    }

    #[test]
    fn three_restarts_are_a_crash_loop() {
        let rules = advised(&restarting(4).tell());
        assert!(rules.contains(&"R15".to_owned()) && !rules.contains(&"R14".to_owned()), "{rules:?}");
    }

    #[test]
    fn killing_a_service_explains_one_restart() {
        let killed = |times| advised(&restarting(times).killing("generator").tell());
        assert!(!killed(1).contains(&"R14".to_owned()));
        assert!(killed(2).contains(&"R14".to_owned()));
    }

    fn with_health(outcome: Outcome) -> Story {
        let health = http_at("health", "http://127.0.0.1:8080/health");
        Story::failing_generator(1.0).also_answering(health, move |_| (1.0, outcome))
    }

    #[test]
    fn a_health_check_that_stays_content_during_an_outage_is_too_shallow() {
        let outage = |_| (2.0, Outcome::Wrong);
        let shallow = with_health(Outcome::Ok).fault_seconds(15.0).fault(outage).tell();
        assert_eq!(advice_of(&shallow, "R16").title, "The health check does not notice");
        let honest = with_health(Outcome::Wrong).fault_seconds(15.0).fault(outage).tell();
        assert!(!advised(&honest).contains(&"R16".to_owned()));
    }

    #[test]
    fn a_health_check_that_fails_while_users_are_served_is_too_deep() {
        let deep = with_health(Outcome::Wrong).fault_seconds(15.0).tell();
        assert_eq!(advice_of(&deep, "R16").title, "The health check cries wolf");
    }
}

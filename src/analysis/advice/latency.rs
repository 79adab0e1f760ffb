//! Rules about how long answers took.

use super::super::analyse::Seen;
use super::super::findings::Standing;
use super::super::injected::Injected;
use super::{Case, Found, advice, time};
use crate::model::fault::FaultKind;
use crate::model::sample::Outcome;
use crate::model::units::Share;

/// Fewer samples than this show no pattern.
const ENOUGH: usize = 20;
/// A pile this little above the usual is no timeout that anybody sets, in seconds.
const SHORTEST: f64 = 0.01;
/// The smallest share of touched traffic whose latency can be told apart.
const VISIBLE: f64 = 0.1;

/// How many times the injected delay reached the caller.
struct Passed {
    low: f64,
    ratio: f64,
    before: f64,
    during: f64,
    delay: f64,
}

/// R01: the delay reaches the caller several times.
pub(super) fn r01_calls_in_sequence(case: &Case<'_>) -> Option<Found> {
    let (injected, seen, passed) = case.injected.iter().find_map(|injected| {
        let (seen, passed) = most_passed(case, injected)?;
        (passed.low >= 1.8).then_some((injected, seen, passed))
    })?;
    advice(
        "The delay is paid several times by one request",
        format!("{}: {}{}", seen.probe.name, passed.words(), case.while_alone(injected)),
        "Look for calls in sequence to the slow dependency: batch them, make them in parallel, or cache. \
         A chain of retries looks the same: retry at one layer only.",
    )
}

/// R00: the whole delay reaches the caller once, and the expectation on the latency did not hold.
pub(super) fn r00_the_delay_passes_through(case: &Case<'_>) -> Option<Found> {
    let (injected, seen, passed, broken) = case.injected.iter().find_map(|injected| {
        let (seen, passed) = most_passed(case, injected)?;
        let through = passed.low >= 0.5 && (0.8..1.8).contains(&passed.ratio) && passed.low < 1.8;
        let broken = broken_times(case, seen);
        (through && !broken.is_empty()).then_some((injected, seen, passed, broken))
    })?;
    advice(
        "The whole delay reaches the caller: nothing cuts it off",
        format!(
            "{}: {}{}; expected {}",
            seen.probe.name,
            passed.words(),
            case.while_alone(injected),
            broken.join(", ")
        ),
        "Between the caller and the slow dependency no timeout is shorter than this delay, and nothing answers in \
         its place. Set the timeout of the call below the limit the caller expects, and serve a fallback (a \
         cached or reduced answer) when it strikes.",
    )
}

/// The expectations on a latency that did not hold.
fn broken_times<'a>(case: &'a Case<'_>, seen: &Seen<'_>) -> Vec<&'a str> {
    let rows = case.analysis.probes.get(seen.place).map(|probe| probe.expectations.as_slice()).unwrap_or_default();
    let times = rows.iter().zip(&seen.probe.expect).filter(|(_, expectation)| expectation.must.is_time());
    times.filter(|(row, _)| row.result == Standing::Deviated).map(|(row, _)| row.expected.as_str()).collect()
}

/// R03: a share of the samples takes the same time T, well above the usual: T is somebody's timeout. Only where the
/// fault makes somebody wait: after a fast failure the pile is a pause between retries.
pub(super) fn r03_piles_up_at_a_timeout(case: &Case<'_>) -> Option<Found> {
    let at_once = |kind: &FaultKind| matches!(kind, FaultKind::HttpError(_) | FaultKind::HttpAbort(_));
    if case.run.experiment().faults.iter().all(|fault| at_once(&fault.kind)) {
        return None;
    }
    let (seen, pile) = case.seen.iter().find_map(|seen| Some((seen, pile(case, seen)?)))?;
    advice(
        "The latency is a client's timeout",
        format!(
            "{}: {} of {} samples took {} (within 2%); the p99 before was {}",
            seen.probe.name,
            pile.count,
            pile.of,
            time(pile.at),
            time(pile.usual)
        ),
        "Somebody in the path waits exactly that long before giving up. Set that timeout near the dependency's usual \
         p99.9, and serve a fallback when it strikes.",
    )
}

/// R04: requests that did not end within the probe's own timeout.
pub(super) fn r04_no_timeout(case: &Case<'_>) -> Option<Found> {
    let share = |seen: &Seen<'_>| seen.fault.count_of(Outcome::Timeout) as f64 / seen.fault.evidence().max(1) as f64;
    let before =
        |seen: &Seen<'_>| seen.baseline.count_of(Outcome::Timeout) as f64 / seen.baseline.evidence().max(1) as f64;
    let seen = case.seen.iter().filter(|seen| seen.fault.evidence() >= ENOUGH && share(seen) > 0.05);
    let seen = seen.filter(|seen| share(seen) > 2.0 * before(seen)).max_by(|a, b| share(a).total_cmp(&share(b)))?;
    advice(
        "Requests hang: there is no timeout in the path",
        format!(
            "{}: {} of {} samples ({}) had no answer within the probe's timeout of {}",
            seen.probe.name,
            seen.fault.count_of(Outcome::Timeout),
            seen.fault.evidence(),
            Share((share(seen) * 1e4).round() / 1e4),
            seen.probe.timeout
        ),
        "Give every call a connect and a request timeout, shorter than the caller's own, and pass the remaining \
         deadline on. Serve a fallback when it strikes.",
    )
}

/// The probe that felt most of the delay.
fn most_passed<'a>(case: &'a Case<'_>, injected: &Injected<'_>) -> Option<(&'a Seen<'a>, Passed)> {
    let felt = case.seen.iter().filter_map(|seen| Some((seen, passed(injected, seen)?)));
    felt.max_by(|a, b| a.1.low.total_cmp(&b.1.low))
}

/// Compares the median of the touched traffic: where a share f is delayed, it stands at the quantile `1 - f/2`.
fn passed(injected: &Injected<'_>, seen: &Seen<'_>) -> Option<Passed> {
    let (delay, share) = (injected.delay?, injected.share?);
    let fault = injected.seen.get(seen.place)?;
    if share < VISIBLE || fault.evidence() < ENOUGH || seen.baseline.evidence() < ENOUGH {
        return None;
    }
    let q = 1.0 - share / 2.0;
    let (before, during) = (seen.baseline.latency(q)?, fault.latency(q)?);
    if during.at_least {
        return None;
    }
    let low = fault.latency_interval(q).0 - seen.baseline.latency_interval(q).1;
    Some(Passed {
        low: low / delay,
        ratio: (during.number - before.number) / delay,
        before: before.number,
        during: during.number,
        delay,
    })
}

impl Passed {
    fn words(&self) -> String {
        format!(
            "{} was added, touched requests went from {} to {}, which is {:.1} times the delay (at least {:.1} with 95% confidence)",
            time(self.delay),
            time(self.before),
            time(self.during),
            self.ratio,
            self.low
        )
    }
}

struct Pile {
    count: usize,
    of: usize,
    at: f64,
    usual: f64,
}

/// At least 5 % of the samples within 2 % of one value, at least twice the p99 of the baseline, and three times as
/// dense as their surroundings: a mere slow-down is a broad hill. The injected delay itself is no timeout.
fn pile(case: &Case<'_>, seen: &Seen<'_>) -> Option<Pile> {
    let usual = seen.baseline.latency(0.99).filter(|p99| !p99.at_least)?.number;
    let median = seen.baseline.latency(0.5)?.number;
    let own_timeout = seen.probe.timeout.0.as_secs_f64();
    let latencies = seen.fault.all_latencies();
    let count = |from: f64, to: f64| latencies.partition_point(|l| *l < to) - latencies.partition_point(|l| *l < from);
    let candidates =
        latencies.iter().filter(|low| **low >= (2.0 * usual).max(usual + SHORTEST) && **low < 0.96 * own_timeout);
    let (low, members) = candidates.map(|low| (*low, count(*low, low * 1.04))).max_by_key(|(_, members)| *members)?;
    let around = count(low / 1.12, low / 1.04).max(count(low * 1.08, low * 1.16)) / 2;
    let at = low * 1.02;
    let found = members >= 5 && latencies.len() >= ENOUGH && members * 20 >= latencies.len() && members >= 3 * around;
    (found && !is_the_delay(case, at - median)).then(|| Pile {
        count: members,
        of: latencies.len(),
        at: middle(latencies, low),
        usual,
    })
}

/// The median of the latencies within 4 % above this one.
fn middle(latencies: &[f64], low: f64) -> f64 {
    let (from, to) = (latencies.partition_point(|l| *l < low), latencies.partition_point(|l| *l < low * 1.04));
    latencies.get(usize::midpoint(from, to)).copied().unwrap_or(low)
}

/// Whether a latency above the usual is what one to four delayed calls add.
fn is_the_delay(case: &Case<'_>, added: f64) -> bool {
    case.run.experiment().faults.iter().any(|fault| {
        let (delay, jitter) = match &fault.kind {
            FaultKind::NetworkLatency(latency) => (latency.delay, latency.jitter),
            FaultKind::HttpLatency(latency) => (latency.delay, latency.jitter),
            _ => return false,
        };
        let (delay, jitter) = (delay.0.as_secs_f64(), jitter.0.as_secs_f64());
        (1..=4).map(f64::from).any(|calls| (added - calls * delay).abs() <= calls * (0.1 * delay + jitter))
    })
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised};
    use crate::model::sample::Outcome;

    fn story(millis: impl Fn(usize) -> f64 + 'static) -> Story {
        Story::slow_generator().dose("added delay", 0.4).fault(move |i| (millis(i), Outcome::Ok))
    }

    #[test]
    fn a_delay_that_reaches_the_caller_asks_for_a_timeout_and_a_fallback() {
        let run = story(|i| 402.0 + (i % 10) as f64).tell();
        assert_eq!(advised(&run), ["R00"]);
        let advice = advice_of(&run, "R00");
        assert!(advice.evidence.contains("400ms was added") && advice.evidence.contains("1.0 times"), "{advice:?}");
        assert!(advice.evidence.contains("p95 <= 250ms"), "{advice:?}");
        assert!(advice.what_to_do.contains("fallback"));
    }

    #[test]
    fn of_several_faults_the_one_that_was_alone_is_named() {
        let run = story(|i| if i < 300 { 2.0 } else { 802.0 }).and_again(6.0, 4.0).tell();
        let advice = advice_of(&run, "R01");
        assert!(advice.evidence.contains("2.0 times the delay"), "{advice:?}");
        assert!(advice.evidence.ends_with("(while only slow generator again was active)"), "{advice:?}");
    }

    #[test]
    fn a_delay_that_is_cut_off_needs_no_such_advice() {
        let run = story(|i| 100.0 + (i % 10) as f64).tell();
        assert!(!advised(&run).iter().any(|rule| rule == "R00" || rule == "R01"));
    }

    #[test]
    fn a_delay_that_is_paid_twice_means_calls_in_sequence() {
        let run = story(|i| 802.0 + (i % 10) as f64).tell();
        assert_eq!(advised(&run), ["R01"]);
        assert!(advice_of(&run, "R01").evidence.contains("2.0 times the delay"));
    }

    #[test]
    fn a_delay_of_half_of_the_traffic_is_seen_in_that_half() {
        let half = |i: usize| if i.is_multiple_of(2) { 402.0 } else { 2.0 };
        let run = story(half).share(0.5).tell();
        assert_eq!(advised(&run), ["R00"]);
    }

    #[test]
    fn samples_that_pile_up_at_one_value_show_a_timeout() {
        let run = Story::slow_generator()
            .dose("added delay", 0.4)
            .fault(|i| (150.0 + (i % 3) as f64 * 0.5, Outcome::Wrong))
            .tell();
        assert!(advice_of(&run, "R03").evidence.contains("took 150ms"), "{:?}", advice_of(&run, "R03"));
    }

    #[test]
    fn a_pile_after_fast_failures_is_a_pause_between_retries_and_no_timeout() {
        let run = Story::failing_generator(1.0).fault(|i| (150.0 + (i % 3) as f64 * 0.5, Outcome::Ok)).tell();
        assert!(!advised(&run).contains(&"R03".to_owned()));
        assert!(advised(&run).contains(&"R05".to_owned()), "{:?}", advised(&run));
    }

    #[test]
    fn a_broad_hill_of_latencies_is_no_timeout() {
        let run = story(|i| 60.0 + (i % 100) as f64).tell();
        assert!(!advised(&run).contains(&"R03".to_owned()));
    }

    #[test]
    fn requests_that_hang_until_our_own_timeout_ask_for_one_in_the_path() {
        let hang = |i: usize| if i.is_multiple_of(5) { (1000.0, Outcome::Timeout) } else { (2.0, Outcome::Ok) };
        let run = Story::slow_generator().fault(hang).tell();
        let advice = advice_of(&run, "R04");
        assert!(advice.evidence.contains("(20%) had no answer within the probe's timeout of 1s"), "{advice:?}");
        let rare = |i: usize| if i.is_multiple_of(25) { (1000.0, Outcome::Timeout) } else { (2.0, Outcome::Ok) };
        assert!(!advised(&Story::slow_generator().fault(rare).tell()).contains(&"R04".to_owned()));
    }
}

//! Rules about what passes the proxies: they count requests where the probes count answers.

use super::super::batches::Spread;
use super::super::injected::Injected;
use super::super::run::TrafficLook;
use super::super::window::{self, Window};
use super::{Case, Found, advice, time};
use crate::model::fault::Target;
use crate::model::probe::ProbeKind;

/// So many times the requests of before are an amplification.
const AMPLIFIED: f64 = 1.5;
/// Over so many looks at the counters the requests of one step are counted: a good half of a second.
const STEP: usize = 3;
/// Fewer steps than this have no spread worth the name.
const STEPS: usize = 3;
/// Fewer looks than this show nothing constant.
const LOOKS: usize = 8;
/// A mean this near to the maximum is constant.
const CONSTANT: f64 = 0.95;
/// How near the throughput must be to what the pool can let through.
const NEAR: f64 = 0.25;
/// Fewer requests than this share of the usual are surely fewer.
const FEWER: f64 = 0.9;

/// R02: for each request that the probes send, more pass the proxy than before.
pub(super) fn r02_retry_amplification(case: &Case<'_>) -> Option<Found> {
    let (injected, proxy, before, during) = case.injected.iter().find_map(|injected| {
        case.run.traffic.iter().find_map(|(proxy, looks)| {
            let before = amplification(case, looks, &[window::baseline(case.run)?.settled()])?;
            let during = amplification(case, looks, &injected.alone)?;
            let sure = during.mean - during.half() >= AMPLIFIED * (before.mean + before.half());
            (before.mean > 0.0 && sure).then_some((injected, proxy, before, during))
        })
    })?;
    advice(
        "Retries multiply the load on a dependency that fails",
        format!(
            "proxy {proxy}: for each request sent, {:.2} passed before and {:.2} during the fault (at least {:.2} with \
             95% confidence){}",
            before.mean,
            during.mean,
            during.mean - during.half(),
            case.while_alone(injected)
        ),
        "Retry at one layer only, give retries a budget (10 % of the requests), and back off with a cap and full jitter. \
         A circuit breaker ends them while the dependency is down.",
    )
}

/// Requests through the proxy for each one that the probes sent, step by step.
fn amplification(case: &Case<'_>, looks: &[TrafficLook], windows: &[Window]) -> Option<Spread> {
    let ratios: Vec<f64> = windows.iter().flat_map(|window| ratios(case, looks, *window)).collect();
    Spread::of(&ratios).filter(|_| ratios.len() >= STEPS)
}

fn ratios(case: &Case<'_>, looks: &[TrafficLook], window: Window) -> Vec<f64> {
    let within: Vec<&TrafficLook> = looks.iter().filter(|look| window.contains(look.at)).collect();
    let edges: Vec<&&TrafficLook> = within.iter().step_by(STEP).collect();
    let steps = edges.windows(2).filter_map(|pair| {
        let [from, to] = [pair[0].requests?.begun, pair[1].requests?.begun];
        let sent = sent(case, Window::new(pair[0].at, pair[1].at));
        (sent > 0).then(|| to.saturating_sub(from) as f64 / sent as f64)
    });
    steps.collect()
}

/// The requests that probes sent in a window.
fn sent(case: &Case<'_>, window: Window) -> usize {
    let probes = &case.run.experiment().steady_state;
    let samples = &case.run.samples;
    let from = samples.partition_point(|sample| sample.intended() < window.from);
    let to = samples.partition_point(|sample| sample.intended() < window.to);
    let asks = |probe: usize| matches!(probes[probe].kind, ProbeKind::Http(_) | ProbeKind::Tcp(_));
    let sent = samples[from..to].iter().filter(|sample| asks(sample.probe()) && sample.outcome().is_data());
    sent.count()
}

/// R13: as many requests under way as a pool has places, and as few answers as these places allow.
pub(super) fn r13_pool_exhausted(case: &Case<'_>) -> Option<Found> {
    let (injected, proxy, full) = case.injected.iter().find_map(|injected| {
        let Target::Proxy(proxy) = &injected.fault.target else { return None };
        Some((injected, proxy, exhausted(case, injected, case.run.traffic.get(proxy)?)?))
    })?;
    advice(
        "A pool is exhausted by the slow dependency",
        format!(
            "proxy {proxy}: {} requests were under way all the time ({:.1} in the mean), each for {}, so {:.1}/s passed; \
             before it were {:.1}/s{}",
            full.places,
            full.mean,
            time(full.delay),
            full.rate,
            full.rate_before,
            case.while_alone(injected)
        ),
        "Give calls a timeout that frees their place soon, refuse early what finds no place (admission control), and \
         size the pool for the slow case or put a circuit breaker before it.",
    )
}

struct Full {
    places: u64,
    mean: f64,
    delay: f64,
    rate: f64,
    rate_before: f64,
}

fn exhausted(case: &Case<'_>, injected: &Injected<'_>, looks: &[TrafficLook]) -> Option<Full> {
    let delay = injected.delay?;
    let within = |look: &&TrafficLook| injected.alone.iter().any(|window| window.contains(look.at));
    let counts: Vec<u64> = looks.iter().filter(within).filter_map(|look| Some(look.requests?.in_flight)).collect();
    let places = counts.iter().copied().max()?;
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    if counts.len() < LOOKS || places < 2 || mean < CONSTANT * places as f64 {
        return None;
    }
    let (rate, rate_before) = (rate(looks, &injected.alone)?, rate(looks, &[window::baseline(case.run)?.settled()])?);
    let allowed = places as f64 / delay;
    // An open loop at constant load has a constant number under way, too; but then as many pass as before.
    let limited = rate < FEWER * rate_before && (rate / allowed - 1.0).abs() <= NEAR;
    limited.then_some(Full { places, mean, delay, rate, rate_before })
}

/// Requests a second in these windows.
fn rate(looks: &[TrafficLook], windows: &[Window]) -> Option<f64> {
    let (mut begun, mut seconds) = (0, 0.0);
    for window in windows {
        let mut within = looks.iter().filter(|look| window.contains(look.at));
        let (Some(first), Some(last)) = (within.next(), within.next_back()) else { continue };
        begun += last.requests?.begun.saturating_sub(first.requests?.begun);
        seconds += (last.at - first.at).as_secs_f64();
    }
    (seconds > 0.0).then(|| begun as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Passing, Story, advice_of, advised};
    use crate::model::fault::{FaultKind, Stream};
    use crate::model::http::HttpLatency;
    use crate::model::sample::Outcome;
    use crate::model::units::Timespan;

    /// Fifty requests a second are sent; so many pass the proxy for each of them.
    fn amplified(before: f64, during: f64) -> Story {
        let passing = |times: f64| Passing { per_second: 50.0 * times, ..Passing::default() };
        Story::failing_generator(1.0).passing(passing(before), passing(during), passing(before))
    }

    #[test]
    fn more_requests_for_each_one_sent_are_an_amplification() {
        let run = amplified(1.0, 4.0).tell();
        assert_eq!(advised(&run), ["R02"]);
        let evidence = advice_of(&run, "R02").evidence;
        assert!(
            evidence.starts_with("proxy generator: for each request sent, 1.00 passed before and 4.00"),
            "{evidence}"
        );
    }

    #[test]
    fn less_than_half_as_many_again_fewer_and_none_before_are_no_amplification() {
        for (before, during) in [(1.0, 1.4), (1.0, 0.0), (0.0, 4.0), (4.0, 4.0)] {
            assert_eq!(advised(&amplified(before, during).tell()), [""; 0], "{before} -> {during}");
        }
    }

    #[test]
    fn a_load_that_swings_is_no_amplification_for_sure() {
        let swing = Passing { per_second: 100.0, swing: 95.0, ..Passing::default() };
        let steady = Passing { per_second: 50.0, ..Passing::default() };
        let run = Story::failing_generator(1.0).passing(steady, swing, steady).tell();
        assert!(!advised(&run).contains(&"R02".to_owned()), "{:?}", advised(&run));
    }

    fn latency(delay: Timespan) -> HttpLatency {
        let (jitter, stream) = (Timespan::ZERO, Stream::Downstream);
        HttpLatency { delay, jitter, stream, method: Vec::new(), path: None, header: None, share: None }
    }

    fn pool(under_way: u64, wobble: u64, per_second: f64) -> Vec<String> {
        let usual = Passing { per_second: 50.0, in_flight: 1, ..Passing::default() };
        let full = Passing { per_second, in_flight: under_way, wobble, ..Passing::default() };
        let latency = latency(Timespan::millis(400));
        let refused = |i: usize| (2.0, if i.is_multiple_of(5) { Outcome::Ok } else { Outcome::Wrong });
        let story =
            Story::slow_generator().with(|it| it.faults[0].kind = FaultKind::HttpLatency(latency)).fault(refused);
        advised(&story.passing(usual, full, usual).tell())
    }

    #[test]
    fn a_constant_number_under_way_that_lets_few_pass_is_an_exhausted_pool() {
        assert_eq!(pool(4, 0, 10.0), ["R13"]);
    }

    #[test]
    fn constant_load_a_number_that_changes_and_one_at_a_time_are_no_exhausted_pool() {
        assert_eq!(pool(20, 0, 50.0), [""; 0], "as many pass as before: that is the load, not a limit");
        assert_eq!(pool(4, 3, 10.0), [""; 0], "not constant");
        assert_eq!(pool(4, 0, 25.0), [""; 0], "more than four places allow");
        assert_eq!(pool(1, 0, 2.5), [""; 0], "one is no pool");
    }
}

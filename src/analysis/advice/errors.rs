//! Rules about how many answers failed, and how fast.

use super::super::analyse::Seen;

use super::super::injected::Injected;
use super::super::tally::Tally;
use super::super::window::{Window, samples_in};
use super::{Case, Found, advice, time};
use crate::model::fault::FaultKind;
use crate::model::statistics::{quantile, wilson};
use crate::model::units::Share;

/// Fewer samples than this show no pattern.
const ENOUGH: usize = 20;
/// Differences below this are the scheduler's.
const NOISE_SECONDS: f64 = 1e-3;

/// R05: the dependency fails at once, and yet the answer takes much longer than before.
pub(super) fn r05_fails_slowly(case: &Case<'_>) -> Option<Found> {
    let failing = case.injected.iter().filter(|injected| injected.fails_fast());
    let (injected, seen, (before, during)) = pairs(case, failing).find_map(|(injected, seen)| {
        let (before, during) = slower(injected, seen)?;
        let much = during >= 2.0 * before && during - before >= 5.0 * NOISE_SECONDS;
        much.then_some((injected, seen, (before, during)))
    })?;
    advice(
        "It fails slowly on a fast failure",
        format!(
            "{}: the dependency failed at once, yet touched requests went from {} to {}{}",
            seen.probe.name,
            time(before),
            time(during),
            case.while_alone(injected)
        ),
        "Do not retry synchronously inside the request, or cap it by a budget; open a circuit breaker so that the \
         next requests fail (or fall back) at once.",
    )
}

/// The median of the touched requests before and during.
fn slower(injected: &Injected<'_>, seen: &Seen<'_>) -> Option<(f64, f64)> {
    let q = 1.0 - injected.share?.max(0.1) / 2.0;
    let fault = injected.seen.get(seen.place)?;
    let enough = seen.baseline.evidence() >= ENOUGH && fault.evidence() >= ENOUGH;
    let both = quantile(seen.baseline.all_latencies(), q).zip(quantile(fault.all_latencies(), q));
    both.filter(|_| enough)
}

/// Every one of these faults with every probe.
fn pairs<'a>(
    case: &'a Case<'a>,
    faults: impl Iterator<Item = &'a Injected<'a>>,
) -> impl Iterator<Item = (&'a Injected<'a>, &'a Seen<'a>)> {
    faults.flat_map(|injected| case.seen.iter().map(move |seen| (injected, seen)))
}

/// R10: at least twice as many errors as traffic was touched.
pub(super) fn r10_shared_pool(case: &Case<'_>) -> Option<Found> {
    let (injected, seen, touched) = pairs(case, case.injected.iter()).find_map(|(injected, seen)| {
        let touched = injected.share.filter(|share| *share > 0.0 && *share <= 0.5)?;
        let fault = injected.seen.get(seen.place)?;
        let before = seen.baseline.error_share().unwrap_or_default();
        let spreads = fault.evidence() >= ENOUGH && interval(fault).0 - before >= 2.0 * touched;
        spreads.then_some((injected, seen, touched))
    })?;
    advice(
        "The failure spreads to requests that were not touched",
        format!(
            "{}: {}; {} of the traffic was touched{}",
            seen.probe.name,
            errors(&injected.seen[seen.place]),
            rounded(touched),
            case.while_alone(injected)
        ),
        "Something shared is poisoned by the failing part: a connection pool, a queue, a lock. Separate it \
         (bulkheads), and take failing connections or instances out (outlier ejection).",
    )
}

/// R11: as many errors as traffic was touched, from the beginning to the end.
pub(super) fn r11_no_failover(case: &Case<'_>) -> Option<Found> {
    let stops_answers = |injected: &&Injected<'_>| {
        matches!(
            injected.fault.kind,
            FaultKind::HttpError(_)
                | FaultKind::HttpAbort(_)
                | FaultKind::HttpTimeout(_)
                | FaultKind::ProcessKill(_)
                | FaultKind::ProcessPause(_)
        )
    };
    let stopping = case.injected.iter().filter(stops_answers);
    let (injected, seen, touched) = pairs(case, stopping).find_map(|(injected, seen)| {
        let touched = injected.share.filter(|share| *share >= 0.05)?;
        let all_the_time = halves(case, injected, seen)?.iter().all(|half| fails_like(half, touched));
        all_the_time.then_some((injected, seen, touched))
    })?;
    advice(
        "No failover: every touched request fails, all the time",
        format!(
            "{}: {}; {} of the traffic was touched; the second half of the fault was no better than the first{}",
            seen.probe.name,
            errors(&injected.seen[seen.place]),
            rounded(touched),
            case.while_alone(injected)
        ),
        "Let health-checked balancing take the failing instance out, and retry once on a second replica. Where there \
         is no second one, answer with a fallback behind a circuit breaker.",
    )
}

/// The samples of the first and of the second half of the fault; none where one has too few.
fn halves(case: &Case<'_>, injected: &Injected<'_>, seen: &Seen<'_>) -> Option<[Tally; 2]> {
    let [whole] = injected.alone[..] else { return None };
    let middle = whole.from + whole.length() / 2;
    let halves = [Window::new(whole.from, middle), Window::new(middle, whole.to)];
    let tallies = halves.map(|half| Tally::of(seen.probe, samples_in(&case.run.samples, seen.place, &[half])));
    tallies.iter().all(|tally| tally.evidence() >= ENOUGH).then_some(tallies)
}

/// The share of errors is the share of touched traffic, give or take a tenth of it or what chance allows.
fn fails_like(tally: &Tally, touched: f64) -> bool {
    let (low, high) = interval(tally);
    let share = tally.error_share().unwrap_or_default();
    (share - touched).abs() <= 0.1 * touched || (low <= touched && touched <= high)
}

fn interval(tally: &Tally) -> (f64, f64) {
    wilson(tally.failed() as u64, tally.evidence() as u64, 1.959_964)
}

fn errors(tally: &Tally) -> String {
    let share = rounded(tally.error_share().unwrap_or_default());
    format!("{} of {} samples failed ({share})", tally.failed(), tally.evidence())
}

fn rounded(share: f64) -> Share {
    Share((share * 1e3).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised};
    use crate::model::sample::Outcome;

    fn one_in(n: usize) -> impl Fn(usize) -> (f64, Outcome) {
        move |i| (2.0, if i.is_multiple_of(n) { Outcome::Wrong } else { Outcome::Ok })
    }

    #[test]
    fn as_many_errors_as_touched_requests_means_no_failover() {
        let run = Story::failing_generator(1.0).fault(one_in(1)).tell();
        assert_eq!(advised(&run), ["R11"]);
        assert!(advice_of(&run, "R11").evidence.contains("450 of 450 samples failed (100%)"));
        assert_eq!(advised(&Story::failing_generator(0.25).fault(one_in(4)).tell()), ["R11"]);
    }

    #[test]
    fn errors_that_stop_half_way_through_are_a_failover() {
        let first_half = |i: usize| (2.0, if i < 260 { Outcome::Wrong } else { Outcome::Ok });
        let run = Story::failing_generator(1.0).fault(first_half).tell();
        assert!(!advised(&run).contains(&"R11".to_owned()));
    }

    #[test]
    fn fewer_errors_than_touched_requests_are_no_missing_failover() {
        let run = Story::failing_generator(1.0).fault(one_in(10)).tell();
        assert!(!advised(&run).contains(&"R11".to_owned()));
    }

    #[test]
    fn more_errors_than_touched_requests_mean_a_shared_pool() {
        let run = Story::failing_generator(0.1).fault(one_in(2)).tell();
        assert_eq!(advised(&run), ["R10"]);
        assert!(advice_of(&run, "R10").evidence.contains("(50%); 10% of the traffic was touched"));
    }

    #[test]
    fn a_slow_answer_to_a_fast_failure_is_told() {
        let run = Story::failing_generator(1.0).fault(|_| (90.0, Outcome::Wrong)).tell();
        let advice = advice_of(&run, "R05");
        assert!(advice.evidence.contains("from 2ms to 90ms"), "{advice:?}");
        let fast = Story::failing_generator(1.0).fault(|_| (3.0, Outcome::Wrong)).tell();
        assert!(!advised(&fast).contains(&"R05".to_owned()));
    }
}

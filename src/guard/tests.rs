use std::time::Duration;

use rand::{RngExt, SeedableRng};

use super::{Fired, StopWatch};
use crate::model::expectation::{Limit, Metric, Must, Operator, StopCondition, Subject};
use crate::model::experiment::Experiment;
use crate::model::phase::Phase;
use crate::model::probe::{HostMeasure, HostProbe, OnNoData, ProbeKind, ProbeSpec, TcpProbe};
use crate::model::sample::{Measurement, Outcome, Sample};
use crate::model::testing;
use crate::model::units::{Share, Timespan};

fn probe(kind: ProbeKind) -> ProbeSpec {
    ProbeSpec {
        name: "ask".into(),
        kind,
        interval: Timespan::millis(100),
        timeout: Timespan::seconds(1),
        expect: Vec::new(),
        on_no_data: OnNoData::Stop,
        independent_of: Vec::new(),
    }
}

fn watching(kind: ProbeKind, metric: Metric, operator: Operator, limit: Limit, hold: Option<Timespan>) -> Experiment {
    let condition = StopCondition {
        text: "the condition".into(),
        subject: Subject::Probe { probe: 0, metric },
        breach: Must::Compare { operator, limit },
        hold,
    };
    experiment(probe(kind), condition)
}

fn experiment(probe: ProbeSpec, condition: StopCondition) -> Experiment {
    Experiment { steady_state: vec![probe], stop_conditions: vec![condition], ..testing::experiment() }
}

fn tcp() -> ProbeKind {
    ProbeKind::Tcp(TcpProbe { address: "127.0.0.1:1".into() })
}

fn load() -> ProbeKind {
    ProbeKind::Host(HostProbe { measure: HostMeasure::Load, path: None })
}

pub(super) fn errors_over(share: f64, hold: Option<Timespan>) -> Experiment {
    watching(tcp(), Metric::ErrorRate, Operator::More, Limit::Share(Share(share)), hold)
}

/// Samples ten times a second; `measure` says how the k-th went and how long it took.
fn feed(
    experiment: &Experiment,
    count: u64,
    mut measure: impl FnMut(u64) -> (Measurement, u64),
) -> Option<(u64, Fired)> {
    let mut watch = StopWatch::new(experiment, Duration::ZERO);
    (0..count).find_map(|k| {
        let (measurement, took) = measure(k);
        let intended = Duration::from_millis(100 * k);
        let done = intended + Duration::from_millis(took);
        let sample = Sample::new(0, Phase::Observe, [intended, intended, done], measurement);
        watch.see(&sample).map(|fired| (k, fired))
    })
}

fn error() -> Measurement {
    Measurement::failed(Outcome::Refused, "refused")
}

#[test]
fn an_outage_stops_within_a_second_and_names_its_first_bad_event() {
    let (k, fired) = feed(&errors_over(0.2, None), 100, |k| (if k < 50 { Measurement::ok() } else { error() }, 1))
        .expect("an outage stops the run");
    assert!(k <= 56, "stopped after {k} samples");
    assert_eq!(fired.first_bad, Duration::from_secs(5));
}

#[test]
fn a_healthy_run_with_half_the_errors_allowed_is_hardly_ever_stopped() {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let stopped = (0..200).filter(|_| {
        let outcome = feed(&errors_over(0.05, None), 3000, |_| {
            (if dice.random_bool(0.01) { error() } else { Measurement::ok() }, 1)
        });
        outcome.is_some()
    });
    assert!(stopped.count() <= 2, "more than 1 % false stops");
}

#[test]
fn an_error_rate_above_the_threshold_is_found() {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(2);
    let (k, _) =
        feed(&errors_over(0.05, None), 600, |_| (if dice.random_bool(0.5) { error() } else { Measurement::ok() }, 1))
            .expect("half of all requests failing stops the run");
    assert!(k <= 50, "stopped only after {k} samples");
}

#[test]
fn a_quantile_is_a_share_of_slow_events() {
    let slow = watching(tcp(), Metric::Quantile(0.99), Operator::More, Limit::Time(Timespan::seconds(2)), None);
    assert_eq!(feed(&slow, 300, |_| (Measurement::ok(), 1900)), None);
    assert!(feed(&slow, 300, |_| (Measurement::ok(), 2100)).is_some());
}

#[test]
fn for_means_without_a_break() {
    let held = errors_over(0.5, Some(Timespan::seconds(3)));
    let (k, fired) = feed(&held, 200, |k| (if k < 20 { Measurement::ok() } else { error() }, 0)).expect("held for 3 s");
    assert!((50..=60).contains(&k), "fired at sample {k}");
    assert!(fired.first_bad <= Duration::from_millis(2500));
    let broken = feed(&held, 200, |k| (if k % 25 < 15 { Measurement::ok() } else { error() }, 0));
    assert_eq!(broken, None, "a breach of 1 s every 2.5 s is no breach for 3 s");
}

#[test]
fn a_single_value_breaches_by_three_in_a_row() {
    let high = watching(load(), Metric::Value, Operator::More, Limit::Number(10.0), None);
    let spike = feed(&high, 50, |k| (Measurement::value(if k % 3 == 2 { 1.0 } else { 11.0 }), 0));
    assert_eq!(spike, None);
    let (k, _) = feed(&high, 50, |k| (Measurement::value(if k < 10 { 1.0 } else { 11.0 }), 0)).expect("three in a row");
    assert_eq!(k, 12);
}

#[test]
fn no_data_stops_unless_the_file_says_otherwise() {
    let mut experiment = errors_over(0.2, None);
    let blind = |experiment: &Experiment| {
        let mut watch = StopWatch::new(experiment, Duration::from_secs(10));
        (10..30).find(|second| watch.tick(Duration::from_secs(*second), 0).is_some())
    };
    assert_eq!(blind(&experiment), Some(17), "5 s of patience and the timeout");
    experiment.steady_state[0].on_no_data = OnNoData::Continue;
    assert_eq!(blind(&experiment), None);
}

#[test]
fn samples_without_data_do_not_count_as_data_nor_as_errors() {
    let outcome = feed(&errors_over(0.0, None), 50, |_| (Measurement::failed(Outcome::NoData, "empty vector"), 0));
    assert_eq!(outcome, None);
}

#[test]
fn too_many_affected_users_stop_the_run() {
    let condition = StopCondition {
        text: "affected_users > 100".into(),
        subject: Subject::AffectedUsers,
        breach: Must::Compare { operator: Operator::More, limit: Limit::Number(100.0) },
        hold: None,
    };
    let mut watch = StopWatch::new(&experiment(probe(tcp()), condition), Duration::ZERO);
    assert_eq!(watch.tick(Duration::from_secs(1), 100), None);
    let fired = watch.tick(Duration::from_secs(2), 101).expect("one too many");
    assert_eq!((fired.condition.as_str(), fired.measured.as_str()), ("affected_users > 100", "101 affected users"));
}

#[test]
fn a_condition_that_fires_on_the_baseline_is_found_beforehand() {
    let sample = |k: u64| {
        let at = Duration::from_millis(100 * k);
        Sample::new(0, Phase::Baseline, [at; 3], error())
    };
    let baseline: Vec<Sample> = (0..50).map(sample).collect();
    let end = Duration::from_secs(5);
    assert!(StopWatch::backtest(&errors_over(0.2, None), &baseline, end, &[]).is_some());
    assert!(StopWatch::backtest(&errors_over(0.2, None), &[], end, &[]).is_none());
}

pub(super) fn slower_than_two_seconds() -> Experiment {
    watching(tcp(), Metric::Quantile(0.99), Operator::More, Limit::Time(Timespan::seconds(2)), None)
}

/// Ten requests a second from `first` on, each by its probe and when it was due.
fn under_way(first: u64, count: u64) -> Vec<(usize, Duration)> {
    (0..count).map(|k| (0, Duration::from_millis(first + 100 * k))).collect()
}

pub(super) fn answer(due: Duration, took: Duration, measurement: Measurement) -> Sample {
    Sample::new(0, Phase::Observe, [due, due, due + took], measurement)
}

#[test]
fn a_request_without_an_answer_is_bad_the_moment_it_is_too_slow() {
    let mut watch = StopWatch::new(&slower_than_two_seconds(), Duration::ZERO);
    let hanging = under_way(1_000, 100);
    let mut now = (0..100).map(|tick| Duration::from_millis(100 * tick));
    let (at, fired) = now.find_map(|now| Some((now, watch.waiting(now, &hanging)?))).expect("stops");
    // The fifth is beyond its 2 s.
    assert_eq!(at, Duration::from_millis(1_400 + 2_000 + 100));
    assert_eq!(fired.first_bad, Duration::from_secs(1));
}

#[test]
fn what_was_bad_while_it_was_under_way_is_not_bad_once_more_when_it_ends() {
    let mut watch = StopWatch::new(&slower_than_two_seconds(), Duration::ZERO);
    let four = under_way(0, 4);
    assert_eq!(watch.waiting(Duration::from_secs(3), &four), None);
    assert_eq!(watch.waiting(Duration::from_secs(4), &four), None, "nor while it goes on");
    let answers = [Measurement::ok(), Measurement::failed(Outcome::Timeout, ""), error(), Measurement::ok()];
    for ((_, due), measurement) in four.into_iter().zip(answers) {
        assert_eq!(watch.see(&answer(due, Duration::from_secs(5), measurement)), None);
    }
    let fifth = answer(Duration::from_secs(3), Duration::from_secs(3), Measurement::ok());
    assert!(watch.see(&fifth).is_some(), "but the next is the fifth in a row");
}

#[test]
fn only_what_is_too_slow_is_bad_before_it_ends() {
    for experiment in [
        errors_over(0.0, None),
        watching(tcp(), Metric::Mean, Operator::More, Limit::Time(Timespan::millis(1)), None),
        watching(tcp(), Metric::Quantile(0.5), Operator::Less, Limit::Time(Timespan::seconds(60)), None),
    ] {
        let mut watch = StopWatch::new(&experiment, Duration::ZERO);
        assert_eq!(watch.waiting(Duration::from_secs(50), &under_way(0, 100)), None);
    }
}

#[test]
fn a_baseline_at_whose_end_requests_hang_is_no_proof() {
    let slow = slower_than_two_seconds();
    let backtest = |now| StopWatch::backtest(&slow, &[], Duration::from_millis(now), &under_way(0, 5));
    assert!(backtest(2_401).is_some() && backtest(2_399).is_none());
}

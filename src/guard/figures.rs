//! The figures that are promised of stop conditions, counted over many seeds: how seldom a healthy system is stopped,
//! and how soon a sick one.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::StopWatch;
use super::tests::{answer, errors_over, slower_than_two_seconds};
use crate::host::output;
use crate::model::experiment::Experiment;
use crate::model::sample::{Measurement, Outcome, Sample};

const INTERVAL: Duration = Duration::from_millis(100);

/// When a probe of ten samples a second first stops the run; `bad` is the chance of a bad sample at a moment.
fn stopped_after(
    experiment: &Experiment,
    seed: u64,
    seconds: u64,
    bad: impl Fn(Duration) -> f64,
    how: impl Fn(bool) -> (Duration, Measurement),
) -> Option<Duration> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut watch = StopWatch::new(experiment, Duration::ZERO);
    let count = 10 * u32::try_from(seconds).expect("few");
    let mut samples: Vec<Sample> = (0..count)
        .map(|k| {
            let (took, measurement) = how(dice.random_bool(bad(INTERVAL * k)));
            answer(INTERVAL * k, took, measurement)
        })
        .collect();
    samples.sort_by_key(|sample| sample.done());
    samples.iter().find_map(|sample| watch.see(sample).map(|_| sample.done()))
}

fn by_errors(bad: bool) -> (Duration, Measurement) {
    (Duration::ZERO, if bad { Measurement::failed(Outcome::Refused, "") } else { Measurement::ok() })
}

fn by_slowness(bad: bool) -> (Duration, Measurement) {
    (Duration::from_millis(if bad { 2_100 } else { 10 }), Measurement::ok())
}

/// The mean time from the beginning of the trouble to the stop, in seconds.
fn mean_delay(share: f64) -> f64 {
    let begin = Duration::from_secs(20);
    let bad = |due| if due < begin { 0.001 } else { share };
    let delays: Vec<f64> = (0..100)
        .map(|seed| stopped_after(&errors_over(0.05, None), seed, 320, bad, by_errors).expect("it stops"))
        .map(|at| (at.saturating_sub(begin) + INTERVAL).as_secs_f64())
        .collect();
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    output::stderr(&format!(
        "{share} bad, threshold 5 %, 10/s: stopped after {mean:.2} s in the mean of {}\n",
        delays.len()
    ));
    mean
}

#[test]
fn an_outage_is_noticed_within_half_a_second_and_half_of_it_within_two_or_three() {
    for (share, least, most) in [(1.0, 0.4, 0.6), (0.5, 1.0, 2.5), (0.2, 3.0, 6.5)] {
        let delay = mean_delay(share);
        assert!((least..=most).contains(&delay), "at {share}: {delay} s");
    }
}

#[test]
fn a_healthy_system_is_hardly_ever_stopped_in_five_minutes() {
    let stopped = |experiment: &Experiment, share, how: fn(bool) -> (Duration, Measurement)| {
        (0..100).filter(|seed| stopped_after(experiment, *seed, 300, |_| share, how).is_some()).count()
    };
    for (share, most) in [(0.001, 0), (0.01, 0), (0.02, 1), (0.025, 1)] {
        let count = stopped(&errors_over(0.05, None), share, by_errors);
        assert!(count <= most, "{count} of 100 at a true share of {share}");
    }
    for (share, most) in [(0.001, 0), (0.002, 1)] {
        let count = stopped(&slower_than_two_seconds(), share, by_slowness);
        assert!(count <= most, "{count} of 100 at a true share of {share} slow ones");
    }
}

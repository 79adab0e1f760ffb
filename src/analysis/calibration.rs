//! How often healthy systems are accused, and how far the dates of recovery are off: seeded simulations with
//! heavy-tailed latencies and background errors.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::analyse;
use super::testing::{Story, expecting, http};
use crate::model::sample::Outcome;
use crate::model::verdict::Verdict;

/// The most samples of a phase: 15 s at 50/s.
const SAMPLES: usize = 750;

/// Log-normal latencies around 2 ms, and two errors in a thousand; the same for the same seed.
fn healthy(seed: u64) -> impl Fn(usize) -> (f64, Outcome) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let samples: Vec<(f64, Outcome)> = (0..SAMPLES)
        .map(|_| {
            // The sum of twelve uniform numbers is normal enough, with mean 6 and deviation 1.
            let normal: f64 = (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0;
            let fails = dice.random::<f64>() < 0.002;
            (2.0 * (0.6 * normal).exp(), if fails { Outcome::Wrong } else { Outcome::Ok })
        })
        .collect();
    move |n| samples[n]
}

/// A run of a healthy system that declares no limit of latency, so that the baseline has to set it.
fn null_run(seed: u64) -> Story {
    Story::slow_generator()
        .with(|experiment| experiment.steady_state[0] = expecting(http("ask"), &["success_rate >= 99%"]))
        .baseline(healthy(3 * seed))
        .fault(healthy(3 * seed + 1))
        .after(15.0, healthy(3 * seed + 2))
}

#[test]
fn healthy_systems_are_hardly_ever_accused() {
    let analyses: Vec<_> = (0..100).map(|seed| analyse(&null_run(seed).tell())).collect();
    let accused = analyses.iter().filter(|analysis| analysis.verdict != Verdict::Held).count();
    let alarmed = analyses.iter().filter(|analysis| analysis.detection.is_some()).count();
    let blamed = analyses.iter().filter(|analysis| analysis.advice.iter().any(|advice| advice.rule != "R23")).count();
    assert!(accused <= 1, "{accused} of 100 not held");
    assert!(alarmed <= 1, "{alarmed} of 100 raised the alarm");
    assert!(blamed <= 1, "{blamed} of 100 got advice on a fault they do not have");
}

#[test]
fn recoveries_are_dated_to_within_a_second() {
    let outage = 100;
    let errors: Vec<f64> = (0..40)
        .filter_map(|seed| {
            let (during, after) = (healthy(7 * seed), healthy(7 * seed + 1));
            let broken = move |n| if n < outage { (0.5, Outcome::Refused) } else { after(n) };
            let story = null_run(seed).fault(move |n| (during(n).0, Outcome::Refused)).after(15.0, broken);
            let recovery = analyse(&story.tell()).recovery;
            // Two seconds of outage after the start of the undo, which took ten milliseconds.
            recovery.time_to_recover.map(|time| time.as_secs_f64() - 1.99)
        })
        .collect();
    assert!(errors.len() >= 39, "only {} of 40 recovered", errors.len());
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let early = errors.iter().filter(|error| **error < 0.0).count();
    assert!(mean.abs() <= 1.0, "off by {mean} s in the mean");
    assert_eq!(early, 0, "never before it was over");
}

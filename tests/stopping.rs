//! How well stop conditions stop, over whole runs on the fake machine with its clock paused: never a healthy system, and
//! a broken one at once.
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use chaos::analysis::{Run, analyse};
use chaos::host::fake::{FakeMachine, Trials};
use chaos::host::output;
use chaos::model::event::{Event, EventKind};
use chaos::model::expectation::{Limit, Metric, Must, Operator, StopCondition, Subject};
use chaos::model::experiment::Experiment;
use chaos::model::units::{Share, Timespan};

/// Ten probes a second, and no more than 5 % of errors.
fn watched(fault: Timespan) -> Experiment {
    let mut experiment = support::experiment(vec![support::fault(0, "errors", Timespan::ZERO, fault)]);
    experiment.steady_state[0].interval = Timespan::millis(100);
    experiment.blast_radius.duration = fault;
    experiment.baseline = Timespan::seconds(10);
    experiment.stop_conditions = vec![StopCondition {
        text: "ask.error_rate > 5%".into(),
        subject: Subject::Probe { probe: 0, metric: Metric::ErrorRate },
        breach: Must::Compare { operator: Operator::More, limit: Limit::Share(Share(0.05)) },
        hold: None,
    }];
    experiment
}

async fn run(seed: u64, experiment: Experiment, trials: Trials) -> Vec<Event> {
    support::undisturbed(experiment, &FakeMachine::new(seed, trials)).await
}

#[tokio::test(start_paused = true)]
async fn of_a_hundred_runs_of_a_healthy_system_none_is_stopped() {
    let one_percent = Trials {
        sample_fails: 0.01,
        sample_fails_when_broken: 0.01,
        sample_fails_afterwards: 0.01,
        ..Trials::default()
    };
    let (mut samples, mut errors) = (0_u32, 0_u32);
    for seed in 0..100 {
        let events = run(seed, watched(Timespan::seconds(60)), one_percent).await;
        for event in &events {
            match &event.kind {
                EventKind::StopFired { .. } => panic!("seed {seed}: {event:?}"),
                EventKind::BaselineJudged { problems } => assert_eq!(problems, &[""; 0], "seed {seed}"),
                EventKind::Sample(sample) => {
                    samples += 1;
                    errors += u32::from(sample.outcome().is_error());
                }
                _ => {}
            }
        }
    }
    let share = f64::from(errors) / f64::from(samples);
    assert!(samples > 70_000 && (0.008..0.012).contains(&share), "{errors} errors of {samples} samples");
}

#[tokio::test(start_paused = true)]
async fn from_the_first_bad_event_of_an_outage_to_the_verified_undo_it_takes_no_second() {
    let outage = Trials { sample_fails_when_broken: 1.0, ..Trials::default() };
    let mut times = Vec::new();
    for seed in 0..200 {
        let events = run(seed, watched(Timespan::seconds(20)), outage).await;
        let breach = analyse(&Run::fold(&events).expect("its header")).breach_to_rollback;
        times.push(breach.unwrap_or_else(|| panic!("seed {seed}: not stopped")));
    }
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    output::stderr(&format!(
        "breach to rollback on the fake machine: p50 {median:?}, p99 {p99:?} of {}\n",
        times.len()
    ));
    assert!(p99 <= Duration::from_secs(1), "{p99:?}");
}

//! Whether the system was steady before anything was broken.

use std::time::Duration;

use super::findings::Standing;
use super::judge::judge;
use super::tally::Tally;
use super::window::{Window, samples_in};
use crate::model::experiment::Experiment;
use crate::model::sample::Sample;

/// Why the baseline from `from` to `to` is not steady, a line each; empty when it is. Every expectation must seem to hold,
/// on enough samples: a baseline that says nothing is not steady. That it seems to hold is enough to begin; for the
/// verdict that it held, it must be sure.
pub fn baseline_problems(experiment: &Experiment, samples: &[Sample], from: Duration, to: Duration) -> Vec<String> {
    let window = [Window::new(from, to).settled()];
    let mut problems = Vec::new();
    for (place, probe) in experiment.steady_state.iter().enumerate() {
        let tally = Tally::of(probe, samples_in(samples, place, &window));
        for expectation in &probe.expect {
            let actual = judge(expectation, &tally);
            let why =
                actual.why.as_deref().filter(|_| actual.seems == Standing::Inconclusive || actual.number.is_none());
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            let found = match actual.seems {
                Standing::Held => continue,
                Standing::NotMeasured => "no samples".to_owned(),
                _ if actual.number.is_none() => format!("{}{why}", actual.shown.replace('-', "not measured")),
                _ => format!("measured {} over {} samples{why}", actual.shown, actual.samples),
            };
            problems.push(format!("{}: {}, {found}", probe.name, expectation.text));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::baseline_problems;
    use crate::analysis::testing::{expecting, experiment, http, prometheus, sample, value};
    use crate::model::sample::{Outcome, Sample};

    const TEN: Duration = Duration::from_secs(10);

    fn answers(per_second: usize, millis: f64) -> Vec<Sample> {
        (0..10 * per_second).map(|i| sample(i as f64 / per_second as f64, millis, Outcome::Ok)).collect()
    }

    #[test]
    fn a_steady_baseline_has_no_problems() {
        let experiment = experiment(vec![http("ask")]);
        assert_eq!(baseline_problems(&experiment, &answers(50, 2.0), Duration::ZERO, TEN), Vec::<String>::new());
    }

    #[test]
    fn a_problem_says_what_was_expected_and_what_was_measured() {
        let experiment = experiment(vec![expecting(http("ask"), &["p95 <= 250ms"])]);
        let problems = baseline_problems(&experiment, &answers(50, 412.0), Duration::ZERO, TEN);
        assert_eq!(problems, ["ask: p95 <= 250ms, measured 412ms over 450 samples"]);
    }

    #[test]
    fn a_silent_probe_is_a_problem() {
        let experiment = experiment(vec![expecting(prometheus("depth"), &["value <= 10"])]);
        let problems = |samples: &[Sample]| baseline_problems(&experiment, samples, Duration::ZERO, TEN);
        assert_eq!(problems(&[]), ["depth: value <= 10, no samples"]);
        let blind: Vec<Sample> = (2..9).map(|i| sample(f64::from(i), 1.0, Outcome::NoData)).collect();
        assert_eq!(problems(&blind), ["depth: value <= 10, not measured (100% of the samples are no evidence)"]);
    }

    #[test]
    fn too_few_samples_are_a_problem() {
        let experiment = experiment(vec![expecting(http("ask"), &["p95 <= 250ms"])]);
        let problems = baseline_problems(&experiment, &answers(5, 2.0), Duration::ZERO, TEN);
        assert_eq!(problems, ["ask: p95 <= 250ms, measured 2ms over 45 samples (45 of at least 100 samples)"]);
    }

    #[test]
    fn what_happens_in_the_first_second_is_left_out() {
        let experiment = experiment(vec![expecting(prometheus("depth"), &["value <= 10"])]);
        let samples = [value(0.5, 99.0), value(2.0, 1.0), value(4.0, 1.0), value(6.0, 1.0)];
        assert_eq!(baseline_problems(&experiment, &samples, Duration::ZERO, TEN), Vec::<String>::new());
    }
}

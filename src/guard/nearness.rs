//! How near a stop condition is to what it forbids: for who looks on, never for who decides.

use std::time::Duration;

use super::condition::{Rule, Watched};
use super::window::Window;
use crate::model::expectation::{Limit, Metric, Must, Operator, Subject};
use crate::model::statistics::quantile;

/// What a stop condition measures now, beside its limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearness {
    /// What is watched: `ask.error_rate`.
    pub subject: String,
    /// What is measured over the condition's own window; none without samples.
    pub measured: Option<String>,
    /// What it must not go beyond.
    pub limit: String,
    /// It must stay above the limit, not below it.
    pub from_above: bool,
    /// How much of the way to the limit is gone, 0 to 1.
    pub share: f64,
    /// With `for`: how long it has been beyond the limit, and how long it may be.
    pub beyond: Option<(Duration, Duration)>,
}

impl Watched {
    /// How near the condition is, with so many users affected.
    pub(super) fn nearness(&self, users: u64) -> Nearness {
        let must = self.condition.breach;
        let measured = self.measured_now(users);
        let (limit, from_above) = match must {
            Must::Compare { operator, limit } => (limit, matches!(operator, Operator::Less | Operator::AtMost)),
            Must::Within { tolerance, .. } => (tolerance, true),
        };
        Nearness {
            subject: subject(&self.condition.text),
            measured: measured.map(|number| must.show(number)),
            limit: limit.to_string(),
            from_above,
            share: measured.map_or(0.0, |number| gone(number, limit, from_above)),
            beyond: self.beyond(),
        }
    }

    fn measured_now(&self, users: u64) -> Option<f64> {
        let window = &self.window;
        let Subject::Probe { metric, .. } = self.condition.subject else { return Some(users as f64) };
        if window.len() == 0 {
            return None;
        }
        let bad = window.bad() as f64 / window.len() as f64;
        match (metric, self.rule) {
            (Metric::ErrorRate, _) => Some(bad),
            (Metric::SuccessRate, _) => Some(1.0 - bad),
            (_, Rule::Mean) => Some(window.mean()),
            (Metric::Quantile(q), Rule::TooMany { .. }) => among(window, q),
            (Metric::Max, Rule::TooMany { .. }) => among(window, 1.0),
            (Metric::Min, Rule::TooMany { .. }) => among(window, 0.0),
            _ => window.newest(),
        }
    }
}

fn among(window: &Window, q: f64) -> Option<f64> {
    let mut numbers: Vec<f64> = window.numbers().collect();
    numbers.sort_unstable_by(f64::total_cmp);
    quantile(&numbers, q)
}

fn gone(number: f64, limit: Limit, from_above: bool) -> f64 {
    let (part, whole) = if from_above { (limit.number(), number) } else { (number, limit.number()) };
    let share = if whole > 0.0 { part / whole } else { f64::from(u8::from(part > 0.0)) };
    share.clamp(0.0, 1.0)
}

/// What stands before the comparison.
fn subject(text: &str) -> String {
    text.split(['<', '>']).next().unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::subject;
    use crate::guard::StopWatch;
    use crate::guard::tests::{answer, errors_over, slower_than_two_seconds};
    use crate::model::experiment::Experiment;
    use crate::model::sample::{Measurement, Outcome};
    use crate::model::units::Timespan;

    fn after(experiment: &Experiment, answers: impl IntoIterator<Item = (u64, Measurement)>) -> StopWatch {
        let mut watch = StopWatch::new(experiment, Duration::ZERO);
        for (k, (took, measurement)) in (0..).zip(answers) {
            watch.see(&answer(Duration::from_millis(100 * k), Duration::from_millis(took), measurement));
        }
        watch
    }

    #[test]
    fn a_share_of_errors_is_told_beside_its_limit() {
        let fails = |k: u64| match k % 20 {
            0 => Measurement::failed(Outcome::Refused, "no"),
            _ => Measurement::ok(),
        };
        let watch = after(&errors_over(0.2, None), (0..100).map(|k| (1, fails(k))));
        let near = &watch.nearness(0)[0];
        assert_eq!((near.measured.as_deref(), near.limit.as_str(), near.from_above), (Some("5%"), "20%", false));
        assert!((near.share - 0.25).abs() < 1e-9, "{near:?}");
    }

    #[test]
    fn a_quantile_is_told_as_the_time_it_is() {
        let watch = after(&slower_than_two_seconds(), (0..51).map(|k| (k * 20, Measurement::ok())));
        let near = &watch.nearness(0)[0];
        assert_eq!((near.measured.as_deref(), near.limit.as_str()), (Some("990ms"), "2s"));
        assert!((near.share - 0.495).abs() < 1e-9, "{near:?}");
    }

    #[test]
    fn what_must_hold_for_a_time_says_since_when_it_does() {
        let fails = (0..20).map(|_| (0, Measurement::failed(Outcome::Refused, "no")));
        let near = after(&errors_over(0.2, Some(Timespan::seconds(3))), fails).nearness(0).remove(0);
        assert_eq!(near.beyond, Some((Duration::from_millis(1900), Duration::from_secs(3))));
        let well = after(&errors_over(0.2, Some(Timespan::seconds(3))), [(0, Measurement::ok())]).nearness(0).remove(0);
        assert_eq!(well.beyond, Some((Duration::ZERO, Duration::from_secs(3))));
    }

    #[test]
    fn without_samples_nothing_is_claimed() {
        let near = after(&errors_over(0.2, None), []).nearness(0).remove(0);
        assert_eq!((near.measured, near.share), (None, 0.0));
    }

    #[test]
    fn the_subject_is_what_stands_before_the_comparison() {
        assert_eq!(subject("ask.p99 > 2s for 3s"), "ask.p99");
        assert_eq!(subject("affected_users > 100"), "affected_users");
    }
}

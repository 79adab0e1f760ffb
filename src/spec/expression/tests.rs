//! What the grammar takes, and what it says about what it does not take.

use super::{Known, Values, expectation, single_value, stop_condition};
use crate::model::expectation::{Expectation, Limit, Metric, Must, Operator, Subject};
use crate::model::units::{Bytes, Share, Timespan};

fn reads(text: &str, values: Values) -> Expectation {
    expectation(text, Some(values)).expect(text).expect("values are known")
}

/// The blamed part, the message and the help.
fn trouble(text: &str, values: Values) -> (String, String, String) {
    let trouble = expectation(text, Some(values)).expect_err(text);
    (text[trouble.part].to_owned(), trouble.message, trouble.help)
}

fn compare(operator: Operator, limit: Limit) -> Must {
    Must::Compare { operator, limit }
}

#[test]
fn expectations_are_read_with_their_units() {
    let success = reads("success_rate >= 99%", Values::None);
    assert_eq!(
        (success.metric, success.must),
        (Metric::SuccessRate, compare(Operator::AtLeast, Limit::Share(Share(0.99))))
    );
    let latency = reads("p99.9<250 ms", Values::None);
    assert_eq!(latency.metric, Metric::Quantile(0.999));
    assert_eq!(latency.must, compare(Operator::Less, Limit::Time(Timespan::millis(250))));
    let near = Must::Within { tolerance: Limit::Number(5.0), centre: Limit::Number(10.0) };
    assert_eq!(reads("value within 5 of 10", Values::Any).must, near);
    assert_eq!(reads("median > -3", Values::Numbers).must, compare(Operator::More, Limit::Number(-3.0)));
    assert_eq!(reads("max <= 64MiB", Values::Bytes).must, compare(Operator::AtMost, Limit::Bytes(Bytes(64 << 20))));
    assert_eq!(reads("mean <= 10ms", Values::Bytes).must, compare(Operator::AtMost, Limit::Time(Timespan::millis(10))));
    assert_eq!(reads("value < 250%", Values::CoreShares).must, compare(Operator::Less, Limit::Number(2.5)));
}

#[test]
fn a_missing_or_wrong_unit_is_blamed_where_it_stands() {
    let (part, message, help) = trouble("success_rate >= 99", Values::None);
    assert_eq!((part.as_str(), message.as_str()), ("99", "`99` has no unit"));
    assert_eq!(help, "did you mean `99%`?");
    let (part, message, _) = trouble("success_rate >= 250ms", Values::None);
    assert_eq!((part.as_str(), message.as_str()), ("250ms", "`250ms` is a time, but `success_rate` is a share"));
    assert_eq!(trouble("value < 3s", Values::Numbers).1, "`3s` is a time, but `value` is a plain number");
    assert_eq!(trouble("p95 <= 5%", Values::None).1, "`5%` is a share, but `p95` is a time");
    assert_eq!(trouble("p95 <= fast", Values::None).1, "`fast` is no limit for `p95`");
    assert_eq!(trouble("error_rate <= 101%", Values::None).1, "`101%` is more than everything");
}

#[test]
fn unknown_metrics_and_comparisons_come_with_a_suggestion() {
    let expected = ("sucess_rate".to_owned(), "there is no metric `sucess_rate`".to_owned());
    let (part, message, help) = trouble("sucess_rate >= 99%", Values::None);
    assert_eq!((part, message), expected);
    assert_eq!(help, "did you mean `success_rate`?");
    assert_eq!(trouble("p101 < 1s", Values::None).2, "quantiles go from `p0` to `p100`");
    assert_eq!(trouble("latency < 1s", Values::None).2, "say which one: `p95`, `mean` or `max`");
    assert_eq!(trouble("p95 => 1s", Values::None).2, "did you mean `>=`?");
    assert_eq!(trouble("value == 5", Values::Any).2, "for one exact value, write `value within 0 of 10`");
    assert_eq!(trouble("value < 5", Values::None).1, "the samples of this probe carry no value");
}

#[test]
fn what_is_too_much_or_too_little_is_said() {
    assert_eq!(trouble("", Values::None).1, "an expectation is missing here");
    assert_eq!(trouble(">= 99%", Values::None).1, "there is no metric before `>=`");
    assert_eq!(trouble("p95", Values::None).1, "`p95` is compared with nothing");
    assert_eq!(trouble("p95 <=", Values::None).1, "a limit is missing at the end");
    let (part, _, help) = trouble("p95 <= 1s and p99 <= 2s", Values::None);
    assert_eq!((part.as_str(), help.as_str()), ("and p99 <= 2s", "write each condition on a line of its own"));
    assert_eq!(trouble("value within 5", Values::Any).1, "within of what?");
    assert_eq!(trouble("value within 5% of 10", Values::Any).1, "the tolerance and the centre have different units");
    assert_eq!(trouble("value within -5 of 10", Values::Any).1, "a tolerance is not negative");
}

const PROBES: [Known<'static>; 3] = [
    Known { name: "ask", values: Some(Values::None) },
    Known { name: "queue depth", values: Some(Values::Any) },
    Known { name: "v1.2", values: Some(Values::None) },
];

fn stops(text: &str) -> (Subject, Must, Option<Timespan>) {
    let stop = stop_condition(text, &PROBES, true).expect(text).expect("probes are known");
    (stop.subject, stop.breach, stop.hold)
}

fn no_stop(text: &str) -> (String, String, String) {
    let trouble = stop_condition(text, &PROBES, true).expect_err(text);
    (text[trouble.part].to_owned(), trouble.message, trouble.help)
}

#[test]
fn stop_conditions_name_a_probe_and_a_metric() {
    let late = compare(Operator::More, Limit::Time(Timespan::seconds(2)));
    let subject = |probe, metric| Subject::Probe { probe, metric };
    assert_eq!(stops("ask.p99 > 2s for 3s"), (subject(0, Metric::Quantile(0.99)), late, Some(Timespan::seconds(3))));
    assert_eq!(stops("ask.p99.9 > 2s").0, subject(0, Metric::Quantile(0.999)));
    assert_eq!(stops("queue depth.value > 20").0, subject(1, Metric::Value));
    assert_eq!(stops("\"queue depth\".value>20").0, subject(1, Metric::Value));
    assert_eq!(stops("v1.2.p50 > 2s"), (subject(2, Metric::Quantile(0.5)), late, None));
    let users = compare(Operator::More, Limit::Number(100.0));
    assert_eq!(stops("affected_users > 100"), (Subject::AffectedUsers, users, None));
}

#[test]
fn wrong_stop_conditions_are_blamed_where_they_are_wrong() {
    let (part, message, help) = no_stop("aks.p99 > 2s");
    assert_eq!((part.as_str(), message.as_str()), ("aks", "there is no probe `aks` in `steady_state`"));
    assert_eq!(help, "did you mean `ask`?");
    assert_eq!(no_stop("ask.p9x > 2s").0, "p9x");
    assert_eq!(no_stop("p99 > 2s").1, "`p99` names no metric of a probe");
    assert_eq!(no_stop("affected_users > many").1, "`many` is no number of users");
    assert_eq!(no_stop("affected_users > 5 for 3s").2, "`for` belongs to stop conditions that watch a probe");
    assert_eq!(no_stop("ask.p99 > 2s for 3").1, "`3` has no unit");
    assert_eq!(no_stop("ask.p99 within 1s of 2s").0, "within");
    assert!(stop_condition("gone.p99 > 2s", &PROBES, false).expect("no error").is_none(), "some probe is unreadable");
}

#[test]
fn the_single_value_form_is_an_expectation() {
    let expectation = single_value("10", Some("5"), Values::Any).expect("numbers");
    assert_eq!(expectation.text, "value within 5 of 10");
    assert_eq!(expectation, reads("value within 5 of 10", Values::Any));
    assert!(single_value("10", None, Values::Any).is_ok());
    assert!(single_value("10", None, Values::Shares).expect_err("no unit").0);
    assert!(!single_value("10%", Some("x"), Values::Shares).expect_err("no number").0);
}

#[test]
fn no_text_makes_the_reading_panic() {
    let parts = ["ask", ".", "p99", "\"", " ", ">", "=", "within", " of ", "5", "%", "ä", "for", "-", "value", "ms"];
    for (a, b, c) in (0..4096).map(|n| (n % 16, n / 16 % 16, n / 256)) {
        for text in [[parts[a], parts[b], parts[c]].concat(), format!("ask.p99 {}{}{}", parts[a], parts[b], parts[c])] {
            for values in [Values::None, Values::Any, Values::CoreShares] {
                if let Err(trouble) = expectation(&text, Some(values)) {
                    assert!(text.get(trouble.part).is_some(), "{text}");
                }
            }
            if let Err(trouble) = stop_condition(&text, &PROBES, true) {
                assert!(text.get(trouble.part).is_some(), "{text}");
            }
        }
    }
}

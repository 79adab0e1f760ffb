//! Samples, probes and expectations to test with.

use std::time::Duration;

use chrono::DateTime;

use crate::analysis::findings::Advice;
use crate::analysis::{Run, analyse};
use crate::model::dose::{Dose, DosePart};
use crate::model::event::RunHeader;
use crate::model::expectation::{Expectation, Limit, Metric, Must, Operator};
use crate::model::experiment::{BlastRadius, Experiment, Recovery, Scope};
use crate::model::fault::Target;
use crate::model::phase::Phase;
use crate::model::probe::{
    HttpProbe, OnNoData, ProbeKind, ProbeSpec, ProcessMeasure, ProcessProbe, ProcessSelector, PrometheusProbe,
};
use crate::model::sample::{Measurement, Outcome, Sample};
use crate::model::units::{Share, Timespan};
use crate::model::verdict::Mode;

/// How long the baseline of a test is.
pub(super) const BASELINE: Duration = Duration::from_secs(10);

pub(super) fn proxy() -> Target {
    Target::Proxy("generator".to_owned())
}

pub(super) fn dose_of(what: &str, number: f64, measured: String) -> Dose {
    let part = DosePart { what: what.to_owned(), asked: "400ms".to_owned(), measured, number };
    Dose { parts: vec![part], ineffective: None }
}

pub(super) fn header(experiment: Experiment) -> RunHeader {
    RunHeader {
        format: 1,
        run: "0197-run".into(),
        tool: "0.1.0".into(),
        started: DateTime::UNIX_EPOCH,
        file: "experiments/slow.yaml".into(),
        mode: Mode::Inject,
        seed: 42,
        folder: Some("/var/lib/chaos/runs/0197-run".into()),
        variables: Vec::new(),
        experiment,
    }
}

/// When a sample was intended, sent (at once) and done.
pub(super) fn timed(intended: Duration, millis: f64) -> [Duration; 3] {
    [intended, intended, intended + Duration::from_nanos((millis * 1e6).round() as u64)]
}

/// A sample of the first probe, intended at this second, that took so long.
pub fn sample(second: f64, millis: f64, outcome: Outcome) -> Sample {
    let intended = Duration::from_nanos((second * 1e9).round() as u64);
    Sample::new(0, Phase::Observe, timed(intended, millis), Measurement { outcome, value: None, detail: None })
}

/// A sample of the first probe that read a value.
pub fn value(second: f64, value: f64) -> Sample {
    sample(second, 1.0, Outcome::Ok).but(Measurement::value(value))
}

/// An experiment without faults.
pub fn experiment(steady_state: Vec<ProbeSpec>) -> Experiment {
    Experiment {
        name: "answers keep flowing when the generator is slow".into(),
        description: None,
        tags: Vec::new(),
        services: Vec::new(),
        proxies: Vec::new(),
        steady_state,
        faults: Vec::new(),
        blast_radius: BlastRadius {
            scope: Scope::SingleInstance,
            traffic: Share::ALL,
            max_affected_users: None,
            duration: Timespan::seconds(20),
        },
        stop_conditions: Vec::new(),
        baseline: Timespan(BASELINE),
        recovery: Recovery { within: Timespan::seconds(15), watch: None },
        allow_irreversible: false,
    }
}

/// An HTTP probe at 50/s that gives up after a second and wants 99 % of good answers and a p95 of 250 ms.
pub fn http(name: &str) -> ProbeSpec {
    http_at(name, "http://127.0.0.1:8080/ask?q=chaos")
}

/// The same at this URL.
pub fn http_at(name: &str, url: &str) -> ProbeSpec {
    let http = HttpProbe::get(url.to_owned());
    expecting(probe(name, ProbeKind::Http(http)), &["success_rate >= 99%", "p95 <= 250ms"])
}

/// A Prometheus probe once a second.
pub fn prometheus(name: &str) -> ProbeSpec {
    let query = PrometheusProbe { server: "http://127.0.0.1:9090".into(), query: "up".into(), max_age: None };
    every(1.0, expecting(probe(name, ProbeKind::Prometheus(query)), &["value <= 10"]))
}

/// A probe that counts the restarts of a service and tolerates them.
pub fn restarts(service: &str) -> ProbeSpec {
    ProbeSpec { name: "restarts".to_owned(), ..measuring(service, ProcessMeasure::Restarts) }
}

/// A probe of the CPU time of a service, in cores.
pub fn cpu(service: &str) -> ProbeSpec {
    ProbeSpec { name: "cpu".to_owned(), ..measuring(service, ProcessMeasure::Cpu) }
}

/// A probe of what a service uses, which tolerates everything.
pub fn measuring(service: &str, measure: ProcessMeasure) -> ProbeSpec {
    let target = ProcessSelector::Service(service.to_owned());
    let process = ProcessProbe { target, measure };
    expecting(probe("usage", ProbeKind::Process(process)), &["value <= 1000000000000"])
}

/// The probe with these expectations instead.
pub fn expecting(mut probe: ProbeSpec, expect_texts: &[&str]) -> ProbeSpec {
    probe.expect = expect_texts.iter().map(|text| expect(text)).collect();
    probe
}

/// The probe with this interval instead.
pub fn every(seconds: f64, mut probe: ProbeSpec) -> ProbeSpec {
    probe.interval = Timespan(Duration::from_secs_f64(seconds));
    probe
}

fn probe(name: &str, kind: ProbeKind) -> ProbeSpec {
    ProbeSpec {
        name: name.to_owned(),
        kind,
        interval: Timespan::millis(20),
        timeout: Timespan::seconds(1),
        expect: Vec::new(),
        on_no_data: OnNoData::Stop,
        independent_of: Vec::new(),
    }
}

/// An expectation from its text. Only well-formed ones: the real grammar lives in another room.
pub fn expect(text: &str) -> Expectation {
    let words: Vec<&str> = text.split(' ').collect();
    let metric = match words[0] {
        "success_rate" => Metric::SuccessRate,
        "error_rate" => Metric::ErrorRate,
        "mean" => Metric::Mean,
        "min" => Metric::Min,
        "max" => Metric::Max,
        "value" => Metric::Value,
        quantile => Metric::Quantile(format!("0.{}", &quantile[1..]).parse().expect("a quantile")),
    };
    let must = match words[1] {
        "within" => Must::Within { tolerance: limit(words[2]), centre: limit(words[4]) },
        operator => Must::Compare { operator: sign(operator), limit: limit(words[2]) },
    };
    Expectation { text: text.to_owned(), metric, must }
}

fn sign(text: &str) -> Operator {
    match text {
        "<" => Operator::Less,
        "<=" => Operator::AtMost,
        ">" => Operator::More,
        _ => Operator::AtLeast,
    }
}

fn limit(text: &str) -> Limit {
    let plain = text.parse().map(Limit::Number).ok();
    let share = text.parse().map(Limit::Share).ok();
    plain.or(share).unwrap_or_else(|| Limit::Time(text.parse().expect("a time")))
}

/// The ids of the rules that fire on a run.
pub fn advised(run: &Run) -> Vec<String> {
    analyse(run).advice.into_iter().map(|advice| advice.rule).collect()
}

/// The advice of one rule on a run.
pub fn advice_of(run: &Run, rule: &str) -> Advice {
    let advice = analyse(run).advice;
    let found = advice.iter().find(|advice| advice.rule == rule);
    found.unwrap_or_else(|| panic!("{rule} did not fire, only {advice:?}")).clone()
}

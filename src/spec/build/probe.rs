//! `steady_state`.

use std::ops::Range;

use super::names::{Names, Unique};
use super::service::check_program;
use super::{Context, check_url, is_host_and_port};
use crate::model::expectation::Expectation;
use crate::model::probe::{HttpProbe, ProbeKind, ProbeSpec, ProcessSelector};
use crate::model::units::Timespan;
use crate::spec::catalogue::{Flat, PROBES, read_flat};
use crate::spec::decode::{Field, Raw, Spanned};
use crate::spec::expression::{self, Values};
use crate::spec::file::{ExperimentFile, ProbeFile};
use crate::spec::suggest;
use crate::spec::tree::NodeId;

/// An entry of `steady_state`, as far as it is right.
pub(super) struct Probe {
    /// Its name, for stop conditions.
    pub name: Option<String>,
    /// What its samples carry, where its settings are right.
    pub values: Option<Values>,
    /// All of it.
    pub spec: Option<ProbeSpec>,
}

/// The probes, one for each entry.
pub(super) fn probes(
    context: &Context<'_, '_>,
    file: &ExperimentFile,
    names: &Names,
    head: &Range<usize>,
) -> Vec<Probe> {
    if let Some(list) = context.require(&file.steady_state, "steady_state", head)
        && list.value.is_empty()
    {
        context.error(&list.span, "an experiment without probes proves nothing", "add a probe to `steady_state`");
    }
    let mut unique = Unique::new("probe");
    file.steady_state.each().iter().map(|&Raw(node)| probe(context, node, names, &mut unique)).collect()
}

fn probe(context: &Context<'_, '_>, node: NodeId, names: &Names, unique: &mut Unique) -> Probe {
    let Flat { common: file, kind } = read(context, node);
    let Some(file) = file else { return Probe { name: None, values: None, spec: None } };
    let head = context.decoder.tree.head(node);
    let given = context.require(&file.name, "name", &head);
    let name = given.and_then(|name| context.name(name));
    if let (Some(given), Some(name)) = (given, &name) {
        unique.add(context, name, &given.span);
    }
    if let Some(kind) = &kind {
        settings(context, node, kind, names);
    }
    let values = kind.as_ref().map(Values::of);
    let expect = expectations(context, &file, values, &head);
    let interval = interval(context, &file, kind.as_ref());
    let (least, most) = (Timespan::ZERO, Timespan::seconds(300));
    let timeout = context.time(&file.timeout, "timeout", least, most, Timespan::seconds(2));
    let on_no_data = file.on_no_data.or(crate::model::probe::OnNoData::Stop);
    let independent_of = independent_of(context, &file, names);
    let spec = || {
        let name = name.clone()?;
        Some(ProbeSpec { name, kind: kind?, interval, timeout, expect, on_no_data, independent_of })
    };
    Probe { spec: spec(), name, values }
}

/// What faults act on that must not be felt here.
fn independent_of(context: &Context<'_, '_>, file: &ProbeFile, names: &Names) -> Vec<String> {
    let given = file.independent_of.each().iter().filter_map(Field::given);
    let check = |name: &Spanned<String>| {
        names.check_target(context, name.value.trim(), &name.span);
        name.value.trim().to_owned()
    };
    given.map(check).collect()
}

/// Reads an entry; reports a word that no probe has.
fn read(context: &Context<'_, '_>, node: NodeId) -> Flat<ProbeFile, ProbeKind> {
    let flat: Flat<ProbeFile, ProbeKind> = read_flat(context.decoder, node, "probe", &PROBES);
    if let Some(file) = &flat.common
        && let Some(word) = context.require(&file.probe, "probe", &context.decoder.tree.head(node))
        && !ProbeKind::WORDS.contains(&word.value.as_str())
    {
        let help = suggest::hint(&word.value, &ProbeKind::WORDS);
        context.error(&word.span, format!("there is no probe `{}`", word.value), help);
    }
    flat
}

/// `expect`, and `expected_value` with its `tolerance`.
fn expectations(
    context: &Context<'_, '_>,
    file: &ProbeFile,
    values: Option<Values>,
    head: &Range<usize>,
) -> Vec<Expectation> {
    let lines = file.expect.each().iter().filter_map(|&Raw(node)| {
        let text: String = context.decoder.read(node)?;
        expression::expectation(&text, values).unwrap_or_else(|trouble| {
            let place = context.decoder.tree.part(node, trouble.part);
            context.error(&place, trouble.message, trouble.help);
            None
        })
    });
    let mut expect: Vec<Expectation> = lines.collect();
    expect.extend(single_value(context, file, values));
    let nothing = file.expect.each().is_empty() && file.expected_value.given().is_none();
    if nothing && !file.expect.is_broken() && !file.expected_value.is_broken() {
        let place = file.expect.given().map_or(head, |given| &given.span);
        let help = "write `expect:` with at least one line, such as `- success_rate >= 99%`";
        context.error(place, "this probe expects nothing", help);
    }
    expect
}

fn single_value(context: &Context<'_, '_>, file: &ProbeFile, values: Option<Values>) -> Option<Expectation> {
    let Some(value) = file.expected_value.given() else {
        if let Some(tolerance) = file.tolerance.given().filter(|_| !file.expected_value.is_broken()) {
            context.error(&tolerance.span, "`tolerance` has nothing to apply to", "add `expected_value`");
        }
        return None;
    };
    let text: String = context.decoder.read(value.value.0)?;
    let tolerance: Option<String> = match file.tolerance.get() {
        Some(&Raw(node)) => Some(context.decoder.read(node)?),
        None => None,
    };
    match expression::single_value(&text, tolerance.as_deref(), values?) {
        Ok(expectation) => Some(expectation),
        Err((of_value, trouble)) => {
            let place = if of_value { &value.span } else { file.tolerance.given().map_or(&value.span, |it| &it.span) };
            context.error(place, trouble.message, trouble.help);
            None
        }
    }
}

/// The time between two samples, from `rate` or `interval`.
fn interval(context: &Context<'_, '_>, file: &ProbeFile, kind: Option<&ProbeKind>) -> Timespan {
    if let (Some(rate), Some(interval)) = (file.rate.given(), file.interval.given()) {
        let error = crate::diagnostic::Diagnostic::error("`rate` and `interval` say the same thing twice")
            .at(interval.span.clone())
            .also(rate.span.clone(), "this is a rate")
            .help("keep one of them");
        context.decoder.report(error);
    }
    let seldom = !matches!(kind, Some(ProbeKind::Http(_) | ProbeKind::Tcp(_)));
    let default = if seldom { Timespan::seconds(1) } else { Timespan::millis(100) };
    let default = file.rate.get().map_or(default, |rate| Timespan(rate.interval()));
    let shortest = Timespan(std::time::Duration::from_micros(10));
    context.time(&file.interval, "interval", shortest, Timespan::seconds(3600), default)
}

/// What serde cannot know about the settings of each kind.
fn settings(context: &Context<'_, '_>, node: NodeId, kind: &ProbeKind, names: &Names) {
    let refuse = |key: &str, message: &str, help: &str| context.error(&context.place(node, key), message, help);
    match kind {
        ProbeKind::Http(probe) => http(context, node, probe),
        ProbeKind::Tcp(probe) if !is_host_and_port(&probe.address) => {
            refuse("address", "`address` must be `HOST:PORT`", "write it like `127.0.0.1:6379`");
        }
        ProbeKind::Tcp(_) => {}
        ProbeKind::Command(probe) => {
            check_program(context, probe.command.clone(), &context.place(node, "command"));
            let right = probe.number.as_deref().is_none_or(|from| from == "stdout" || from.starts_with('/'));
            if !right {
                refuse("number", "a number comes from `stdout` or from a JSON pointer", "write `stdout`, or `/a/b`");
            }
        }
        ProbeKind::Process(probe) => match &probe.target {
            ProcessSelector::Service(name) => names.services.check(context, name, &selector_place(context, node)),
            ProcessSelector::Pid(pid) if *pid <= 0 => {
                refuse("target", "a process id is more than 0", "write that of a running process")
            }
            ProcessSelector::Pid(_) | ProcessSelector::PidFile(_) => {}
        },
        ProbeKind::Host(probe) => {
            let without = probe.path.is_some() && probe.measure != crate::model::probe::HostMeasure::Disk;
            if without {
                refuse("path", "only `measure: disk` looks at a path", "remove it");
            }
        }
        ProbeKind::Prometheus(probe) => {
            if let Err(problem) = check_url(&probe.server) {
                refuse("server", &problem, "write it like `http://127.0.0.1:9090`");
            }
            if probe.query.trim().is_empty() {
                refuse("query", "the query is empty", "write PromQL, such as `sum(queue_depth)`");
            }
        }
    }
}

/// The name inside of `target: { service: NAME }`.
fn selector_place(context: &Context<'_, '_>, node: NodeId) -> Range<usize> {
    let tree = context.decoder.tree;
    let mut at = tree.get(node, "target").unwrap_or(node);
    while let Some(entry) = tree.entries(at).first() {
        at = entry.value;
    }
    tree.head(at)
}

fn http(context: &Context<'_, '_>, node: NodeId, probe: &HttpProbe) {
    let refuse = |key: &str, message: &str, help: &str| context.error(&context.place(node, key), message, help);
    if let Err(problem) = check_url(&probe.url) {
        refuse("url", &problem, "write it like `http://127.0.0.1:8080/health`");
    }
    let method = reqwest::Method::from_bytes(probe.method.as_bytes());
    if method.is_err() || probe.method.chars().any(char::is_lowercase) {
        refuse("method", &format!("`{}` is no method", probe.method), "write one such as `GET` or `POST`");
    }
    for (name, value) in &probe.headers {
        let place = context.place_within(node, "headers", name);
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            context.error(&place, format!("`{name}` cannot be the name of a header"), "write a name such as `accept`");
        } else if reqwest::header::HeaderValue::from_str(value.reveal()).is_err() {
            let message = format!("the value of `{name}` cannot be sent");
            context.error(&place, message, "remove line breaks and control characters");
        }
    }
    if let Some(status) = probe.status.iter().find(|status| !(100..=599).contains(*status)) {
        refuse("status", &format!("{status} is no HTTP status"), "write statuses from 100 to 599");
    }
    if let Some(Err(error)) = probe.body_matches.as_deref().map(regex_lite::Regex::new) {
        refuse(
            "body_matches",
            &format!("this is no regular expression: {error}"),
            "a backslash before a sign takes it as it is",
        );
    }
    if let Some(json) = &probe.json {
        if !json.pointer.is_empty() && !json.pointer.starts_with('/') {
            let place = context.place_within(node, "json", "pointer");
            let message = format!("`{}` is no JSON pointer", json.pointer);
            context.error(&place, message, "it begins with `/`, such as `/items/0/id`");
        }
        if json.equals.as_ref().is_some_and(|value| value.is_array() || value.is_object()) {
            let place = context.place_within(node, "json", "equals");
            context.error(
                &place,
                "`equals` must be a text, a number, `true` or `false`",
                "point deeper with `pointer`",
            );
        }
    }
}

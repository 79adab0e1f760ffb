//! What the parts of a file say together: required values, ranges, references, contradictions. A file a topic.

mod fault;
mod group_limit;
mod holds;
mod limits;
mod names;
mod network;
mod probe;
mod proxy;
mod request;
mod service;
mod stress;
mod target;

use std::ops::Range;

use self::names::Names;
use super::decode::{Decoder, Field, Spanned};
use super::file::ExperimentFile;
use super::tree::NodeId;
use crate::diagnostic::Diagnostic;
use crate::model::experiment::{Experiment, Recovery};
use crate::model::units::Timespan;

/// The most entries that any list of a file may have; more are a slip of a generator, and cost time to judge.
pub(super) const MOST_ENTRIES: usize = 100;

/// Builds the experiment; none when an error has been reported.
pub fn experiment(decoder: &Decoder<'_>) -> Option<Experiment> {
    let root = decoder.tree.root;
    let file: ExperimentFile = decoder.read(root)?;
    let context = Context { decoder };
    context.lists_are_short(&file);
    let head = decoder.tree.head(root);
    let name = context.require(&file.name, "name", &head).and_then(|name| context.name(name));
    let names = Names::gather(&context, &file);
    let services = service::services(&context, &file);
    let mut proxies = proxy::proxies(&context, &file);
    let probes = probe::probes(&context, &file, &names, &head);
    let blast_radius = limits::blast_radius(&context, &file.blast_radius, !file.faults.each().is_empty());
    let faults = fault::faults(&context, &file, &names, &blast_radius);
    proxy::choose_protocols(&context, &mut proxies, &faults);
    network::need_tcp(&context, &proxies, &faults);
    holds::are_apart(&context, &faults);
    let stop_conditions = limits::stop_conditions(&context, &file, &probes);
    let tags = file.tags.each().iter().filter_map(|tag| context.name(tag.given()?)).collect();
    context.description(&file.description);
    let experiment = Experiment {
        name: name?,
        description: file.description.get().cloned(),
        tags,
        services,
        proxies: proxies.into_iter().map(|(proxy, _)| proxy).collect(),
        steady_state: probes.into_iter().filter_map(|probe| probe.spec).collect(),
        faults: faults.into_iter().map(|(fault, _)| fault).collect(),
        blast_radius,
        stop_conditions,
        baseline: limits::baseline(&context, &file.baseline),
        recovery: limits::recovery(&context, &file.recovery),
        allow_irreversible: file.allow_irreversible.or(false),
    };
    if decoder.has_errors() {
        return None;
    }
    limits::samples(&context, &experiment);
    (!decoder.has_errors()).then_some(experiment)
}

/// What all topics need.
struct Context<'d, 't> {
    decoder: &'d Decoder<'t>,
}

impl Context<'_, '_> {
    fn error(&self, place: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.decoder.error(place.clone(), message, help);
    }

    fn warn(&self, place: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.decoder.report(Diagnostic::warning(message).at(place.clone()).help(help));
    }

    /// The value, or a complaint that it is missing. `owner` is what to underline then.
    fn require<'f, T>(&self, field: &'f Field<T>, key: &str, owner: &Range<usize>) -> Option<&'f Spanned<T>> {
        match field {
            Field::Given(given) => return Some(given),
            Field::Broken => {}
            Field::Empty(place) => {
                self.error(place, format!("`{key}` is empty"), format!("write its value: `{key}: ...`"))
            }
            Field::Absent => self.error(owner, format!("`{key}` is missing"), format!("add `{key}: ...` here")),
        }
        None
    }

    /// A name that is fit to be shown.
    fn name(&self, name: &Spanned<String>) -> Option<String> {
        const MOST: usize = 80;
        let text = name.value.trim();
        let problem = if text.is_empty() {
            Some("a name is not empty".to_owned())
        } else if text.chars().any(char::is_control) {
            Some("a name is one line of plain characters".to_owned())
        } else {
            (text.chars().count() > MOST).then(|| format!("a name has at most {MOST} characters"))
        };
        match problem {
            None => Some(text.to_owned()),
            Some(problem) => {
                self.error(&name.span, problem, "say it in a few words; `description` has room for more");
                None
            }
        }
    }

    /// It is printed as it stands.
    fn description(&self, field: &Field<String>) {
        let Some(given) = field.given() else { return };
        if given.value.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            self.error(&given.span, "a description holds no control characters", "remove them");
        }
    }

    /// A time that is longer than nothing and at most `most`; `default` when there is none.
    fn time(&self, field: &Field<Timespan>, key: &str, least: Timespan, most: Timespan, default: Timespan) -> Timespan {
        let Some(given) = field.given() else { return default };
        if given.value < least || given.value > most || given.value == Timespan::ZERO {
            let least = if least == Timespan::ZERO { "more than 0s".to_owned() } else { format!("at least {least}") };
            let message = format!("`{key}` cannot be {}", given.value);
            self.error(&given.span, message, format!("write {least} and at most {most}"));
        }
        given.value
    }

    /// What to underline for a setting of a flat mapping.
    fn place(&self, node: NodeId, key: &str) -> Range<usize> {
        let tree = self.decoder.tree;
        tree.head(tree.get(node, key).unwrap_or(node))
    }

    /// What to underline for a value within a setting of a flat mapping.
    fn place_within(&self, node: NodeId, key: &str, inner: &str) -> Range<usize> {
        self.place(self.decoder.tree.get(node, key).unwrap_or(node), inner)
    }

    fn lists_are_short(&self, file: &ExperimentFile) {
        let lists = [
            ("tags", file.tags.each().len()),
            ("services", file.services.each().len()),
            ("proxies", file.proxies.each().len()),
            ("steady_state", file.steady_state.each().len()),
            ("faults", file.faults.each().len()),
            ("stop_conditions", file.stop_conditions.each().len()),
        ];
        for (key, length) in lists.into_iter().filter(|(_, length)| *length > MOST_ENTRIES) {
            let message = format!("`{key}` has {length} entries, at most {MOST_ENTRIES}");
            self.error(&self.place(self.decoder.tree.root, key), message, "split the experiment into several files");
        }
    }
}

/// `HOST:PORT` with both there; the host of an IPv6 address stands in brackets.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = !host.is_empty() && !host.contains([':', '/', '[', ']', '@']) && !host.contains(char::is_whitespace);
    (bracketed || plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether it is an `http://` or `https://` URL with a host; what is wrong with it otherwise.
fn check_url(text: &str) -> Result<(), String> {
    match reqwest::Url::parse(text) {
        Err(_) => Err(format!("`{}` is no URL", super::decode::shorten(text))),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Err(format!("`{}://` is not spoken here", url.scheme()))
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("a user or password in a URL is shown in plans and reports; send it as a header".to_owned())
        }
        Ok(_) => Ok(()),
    }
}

fn recovery_default() -> Recovery {
    Recovery { within: Timespan::seconds(30), watch: None }
}

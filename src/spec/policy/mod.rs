//! YAML -> [`Policy`]. No variables are put in: the environment has no say in what is allowed.

mod file;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

pub(super) use self::file::PolicyFile;
use self::file::WindowFile;
use super::decode::{Decoder, Field, Spanned};
use super::scalar::{Plain, resolve};
use super::tree::NodeId;
use super::{Source, catalogue, parser, suggest};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::fault::FaultKind;
use crate::model::policy::{Day, DoseLimit, Policy, Quantity, Rule, Window, matches};

/// Reads a policy.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn read(source: Source<'_>, of_system: bool) -> Result<Policy, Diagnostics> {
    let mut told = Diagnostics::new(source.name, source.text);
    if source.text.len() > parser::MOST_BYTES {
        told.push(Diagnostic::error(format!("a policy has at most {} KiB", parser::MOST_BYTES / 1024)));
        return Err(told);
    }
    if source.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        let help = "a policy has at least one rule, such as `max_duration: 1m`";
        told.push(Diagnostic::error("this policy says nothing").help(help));
        return Err(told);
    }
    let tree = match parser::parse(source.text) {
        Ok(tree) => tree,
        Err(errors) => {
            errors.into_iter().for_each(|error| told.push(error));
            return Err(told);
        }
    };
    let decoder = Decoder::new(&tree, told, []);
    let builder = Builder { decoder: &decoder, text: source.text };
    let policy = decoder.read(tree.root).map(|file| builder.policy(&file));
    let mut told = decoder.into_reported();
    told.sort();
    match policy {
        Some(policy) if told.errors() == 0 => Ok(Policy { file: source.name.to_owned(), of_system, ..policy }),
        _ => Err(told),
    }
}

struct Builder<'d, 't> {
    decoder: &'d Decoder<'t>,
    text: &'t str,
}

impl Builder<'_, '_> {
    fn policy(&self, file: &PolicyFile) -> Policy {
        self.nothing_is_empty();
        Policy {
            file: String::new(),
            of_system: false,
            allow_faults: self.list("allow_faults", &file.allow_faults, |word| self.faults(word)),
            deny_faults: self.list("deny_faults", &file.deny_faults, |word| self.faults(word)),
            at_most: self.doses("at_most", &file.at_most),
            at_least: self.doses("at_least", &file.at_least),
            max_fault_duration: self.rule("max_fault_duration", &file.max_fault_duration),
            max_duration: self.rule("max_duration", &file.max_duration),
            max_traffic: self.rule("max_traffic", &file.max_traffic),
            max_affected_users: self.rule("max_affected_users", &file.max_affected_users),
            min_baseline: self.rule("min_baseline", &file.min_baseline),
            require_stop_conditions: self.rule("require_stop_conditions", &file.require_stop_conditions),
            require_approval: self.rule("require_approval", &file.require_approval),
            approved_plans: self.list("approved_plans", &file.approved_plans, |digest| self.digest(digest)),
            forbid_irreversible: self.rule("forbid_irreversible", &file.forbid_irreversible),
            allow_programs: self.list("allow_programs", &file.allow_programs, |program| self.program(program)),
            allow_uids: self.list("allow_uids", &file.allow_uids, |uid| Some(uid.value)),
            allow_cgroups: self
                .list("allow_cgroups", &file.allow_cgroups, |group| self.absolute(group, "a control group")),
            allow_listen: self.list("allow_listen", &file.allow_listen, |network| Some(network.value)),
            allow_upstreams: self
                .list("allow_upstreams", &file.allow_upstreams, |upstream| Some(upstream.value.clone())),
            allow_paths: self
                .list("allow_paths", &file.allow_paths, |path| self.absolute(path, "a path"))
                .map(|rule| Rule { value: rule.value.iter().map(PathBuf::from).collect(), line: rule.line }),
            windows: self.list("windows", &file.windows, |window| self.window(window)),
        }
    }

    fn error(&self, place: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.decoder.error(place.clone(), message, help);
    }

    /// The line of a key of a mapping, from 1.
    fn line(&self, mapping: NodeId, key: &str) -> usize {
        let entry = self.decoder.tree.entries(mapping).iter().find(|entry| entry.key == key);
        let start = entry.map_or(0, |entry| entry.key_span.start);
        self.text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count() + 1
    }

    fn rule<T: Clone>(&self, key: &str, field: &Field<T>) -> Option<Rule<T>> {
        let given = field.given()?;
        Some(Rule { value: given.value.clone(), line: self.line(self.decoder.tree.root, key) })
    }

    /// A rule without a value would be a rule that says nothing, which nobody means.
    fn nothing_is_empty(&self) {
        for entry in self.decoder.tree.entries(self.decoder.tree.root) {
            let value = self.decoder.tree.scalar(entry.value);
            let empty = value.is_some_and(|value| value.plain && resolve(&value.text) == Plain::Null);
            if empty {
                let help = "write its value, or remove it; an empty list (`[]`) allows nothing";
                self.error(&entry.key_span, format!("`{}` is empty", entry.key), help);
            }
        }
    }

    fn list<T, U>(
        &self,
        key: &str,
        field: &Field<Vec<Field<T>>>,
        take: impl Fn(&Spanned<T>) -> Option<U>,
    ) -> Option<Rule<Vec<U>>> {
        let given = field.given()?;
        let value = given.value.iter().filter_map(|element| match element {
            Field::Given(element) => take(element),
            Field::Empty(place) => {
                self.error(place, "there is nothing here", "write a value, or remove it");
                None
            }
            Field::Absent | Field::Broken => None,
        });
        Some(Rule { value: value.collect(), line: self.line(self.decoder.tree.root, key) })
    }

    /// A pattern that no fault is of would silently forbid or allow nothing.
    fn faults(&self, pattern: &Spanned<String>) -> Option<String> {
        if !FaultKind::WORDS.iter().any(|word| matches(&pattern.value, word)) {
            let help = suggest::hint(&pattern.value, &FaultKind::WORDS);
            self.error(&pattern.span, format!("no fault is called `{}`", pattern.value), help);
        }
        Some(pattern.value.clone())
    }

    fn doses(&self, key: &str, field: &Field<BTreeMap<String, Field<Quantity>>>) -> Vec<DoseLimit> {
        let Some(given) = field.given() else { return Vec::new() };
        let mapping = self.decoder.tree.get(self.decoder.tree.root, key).unwrap_or(self.decoder.tree.root);
        let known = catalogue::settings_of_faults();
        let mut limits = Vec::new();
        for (setting, limit) in &given.value {
            if !known.contains(&setting.as_str()) {
                let message = format!("no fault has a setting `{setting}`");
                self.error(&given.span, message, suggest::hint(setting, &known));
            }
            match limit {
                Field::Given(limit) => limits.push(DoseLimit {
                    setting: setting.clone(),
                    limit: limit.value,
                    line: self.line(mapping, setting),
                }),
                Field::Empty(place) => self.error(place, format!("`{setting}` is empty"), "write a quantity"),
                Field::Absent | Field::Broken => {}
            }
        }
        limits
    }

    fn digest(&self, digest: &Spanned<String>) -> Option<String> {
        let hex = digest.value.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            let message = format!("`{}` is no digest of a plan", super::decode::shorten(&digest.value));
            self.error(&digest.span, message, "copy what `chaos plan` prints: `sha256:` and 64 digits");
        }
        Some(digest.value.clone())
    }

    /// A bare name would mean whatever a `PATH` makes of it.
    fn program(&self, program: &Spanned<String>) -> Option<String> {
        if program.value == "chaos" { Some(program.value.clone()) } else { self.absolute(program, "a program") }
    }

    fn absolute(&self, path: &Spanned<String>, what: &str) -> Option<String> {
        let climbs = path.value.split('/').any(|part| matches!(part, "." | ".."));
        if !path.value.starts_with('/') || climbs {
            let message = format!("{what} is named by its full path, not `{}`", super::decode::shorten(&path.value));
            self.error(&path.span, message, "begin with `/`, and without `.` and `..`");
        }
        Some(path.value.clone())
    }

    fn window(&self, given: &Spanned<WindowFile>) -> Option<Window> {
        let file = &given.value;
        let days = self.list("days", &file.days, |day| Some(day.value)).map_or(Day::ALL.to_vec(), |rule| rule.value);
        if days.is_empty() {
            self.error(&given.span, "a window without days never opens", "remove `days` for every day");
        }
        let (from, to) = (self.time(&file.from, "from", given), self.time(&file.to, "to", given));
        Some(Window { days, from: from?, to: to? })
    }

    /// Minutes after midnight.
    fn time(&self, field: &Field<String>, key: &str, window: &Spanned<WindowFile>) -> Option<u32> {
        let given = match field {
            Field::Given(given) => given,
            Field::Absent | Field::Empty(_) => {
                self.error(&window.span, format!("`{key}` is missing"), "a window has `from` and `to`, in UTC");
                return None;
            }
            Field::Broken => return None,
        };
        let minutes = given.value.split_once(':').and_then(|(hours, minutes)| {
            let number = |text: &str| (text.len() == 2).then(|| text.parse::<u32>().ok()).flatten();
            let (hours, minutes) = (number(hours)?, number(minutes)?);
            Some(hours * 60 + minutes).filter(|all| minutes < 60 && *all <= 1440)
        });
        if minutes.is_none() {
            let message = format!("`{}` is no time of a day", super::decode::shorten(&given.value));
            self.decoder
                .report(Diagnostic::error(message).at(given.span.clone()).help("write it like `09:00`, in UTC"));
        }
        minutes
    }
}

#[cfg(test)]
mod tests;

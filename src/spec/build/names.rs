//! The names that others refer to: unique, and known even where the rest of their entry is wrong.

use std::collections::HashMap;
use std::ops::Range;

use super::Context;
use crate::diagnostic::Diagnostic;
use crate::spec::decode::Spanned;
use crate::spec::file::ExperimentFile;
use crate::spec::suggest;

/// Names of one kind. Not complete when some entry could not be read: then no reference is called wrong.
pub(super) struct Known {
    what: &'static str,
    names: Vec<String>,
    complete: bool,
}

/// The names of services and proxies.
pub(super) struct Names {
    pub services: Known,
    pub proxies: Known,
}

impl Names {
    /// All names of a file; those that come twice are reported.
    pub fn gather(context: &Context<'_, '_>, file: &ExperimentFile) -> Self {
        let services = file.services.each().iter().map(|service| service.get().and_then(|it| it.name.given()));
        let proxies = file.proxies.each().iter().map(|proxy| proxy.get().and_then(|it| it.name.given()));
        Self {
            services: Known::new(context, "service", "services", services, file.services.is_broken()),
            proxies: Known::new(context, "proxy", "proxies", proxies, file.proxies.is_broken()),
        }
    }
}

impl Names {
    /// Whether a proxy or a service has this name; reports it when none has.
    pub fn check_target(&self, context: &Context<'_, '_>, name: &str, place: &Range<usize>) {
        if !self.services.names.iter().any(|known| known == name) {
            self.proxies.check(context, name, place);
        }
    }
}

impl Known {
    fn new<'f>(
        context: &Context<'_, '_>,
        what: &'static str,
        list: &'static str,
        names: impl Iterator<Item = Option<&'f Spanned<String>>>,
        broken: bool,
    ) -> Self {
        let names: Vec<Option<&Spanned<String>>> = names.collect();
        let complete = !broken && names.iter().all(Option::is_some);
        let mut unique = Unique::new(what);
        names.iter().flatten().for_each(|name| unique.add(context, name.value.trim(), &name.span));
        let names = names.into_iter().flatten().map(|name| name.value.trim().to_owned()).collect();
        Self { what: list, names, complete }
    }

    /// Whether the name is known; reports it when it is not.
    pub fn check(&self, context: &Context<'_, '_>, name: &str, place: &Range<usize>) {
        if !self.complete || self.names.iter().any(|known| known == name) {
            return;
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let help = if names.is_empty() {
            format!("this file has no `{}`: add one of that name", self.what)
        } else {
            suggest::hint(name, &names)
        };
        context.error(place, format!("there is no `{name}` in `{}`", self.what), help);
    }
}

/// Reports names that come twice.
pub(super) struct Unique {
    what: &'static str,
    seen: HashMap<String, Range<usize>>,
}

impl Unique {
    pub fn new(what: &'static str) -> Self {
        Self { what, seen: HashMap::new() }
    }

    pub fn add(&mut self, context: &Context<'_, '_>, name: &str, place: &Range<usize>) {
        let Some(first) = self.seen.get(name) else {
            self.seen.insert(name.to_owned(), place.clone());
            return;
        };
        let error = Diagnostic::error(format!("another {} is named `{name}`", self.what))
            .at(place.clone())
            .label("the second")
            .also(first.clone(), "the first")
            .help("give each a name of its own");
        context.decoder.report(error);
    }
}

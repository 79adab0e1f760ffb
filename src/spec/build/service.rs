//! `services`.

use std::collections::BTreeMap;

use super::{Context, check_url, is_host_and_port};
use crate::model::experiment::Service;
use crate::model::secret::Secret;
use crate::model::units::Timespan;
use crate::spec::decode::{Field, Spanned};
use crate::spec::file::{ExperimentFile, ServiceFile};

/// The services that are right.
pub(super) fn services(context: &Context<'_, '_>, file: &ExperimentFile) -> Vec<Service> {
    file.services.each().iter().filter_map(|service| service_of(context, service.given()?)).collect()
}

fn service_of(context: &Context<'_, '_>, given: &Spanned<ServiceFile>) -> Option<Service> {
    let file = &given.value;
    let name = context.require(&file.name, "name", &given.span).and_then(|name| context.name(name));
    let command = context.require(&file.command, "command", &given.span).and_then(|words| command(context, words));
    if let Some(ready) = file.ready.given() {
        check_ready(context, ready);
    }
    let (least, most, default) = (Timespan::ZERO, Timespan::seconds(600), Timespan::seconds(10));
    Some(Service {
        ready_within: context.time(&file.ready_within, "ready_within", least, most, default),
        env: env(context, &file.env),
        ready: file.ready.get().cloned(),
        directory: file.directory.get().map(Into::into),
        restart: file.restart.or(false),
        name: name?,
        command: command?,
    })
}

/// The words of a command: at least the program.
pub(super) fn command(context: &Context<'_, '_>, given: &Spanned<Vec<Field<String>>>) -> Option<Vec<String>> {
    let words: Option<Vec<String>> = given.value.iter().map(|word| word.get().cloned()).collect();
    check_program(context, words?, &given.span)
}

pub(super) fn check_program(
    context: &Context<'_, '_>,
    words: Vec<String>,
    place: &std::ops::Range<usize>,
) -> Option<Vec<String>> {
    if words.first().is_none_or(|program| program.trim().is_empty()) {
        context.error(place, "a command begins with a program", "write it like `[redis-server, --port, \"6379\"]`");
        return None;
    }
    if words.iter().any(|word| word.contains('\0')) {
        context.error(place, "a command holds no NUL characters", "remove them");
        return None;
    }
    Some(words)
}

fn check_ready(context: &Context<'_, '_>, ready: &Spanned<String>) {
    let right = if ready.value.contains("://") { check_url(&ready.value) } else { Ok(()) };
    let help = "write a URL such as `http://127.0.0.1:8080/health`, or `HOST:PORT`";
    match right {
        Err(problem) => context.error(&ready.span, problem, help),
        Ok(()) if ready.value.contains("://") || is_host_and_port(&ready.value) => {}
        Ok(()) => context.error(&ready.span, "`ready` must be a URL or `HOST:PORT`", help),
    }
}

fn env(context: &Context<'_, '_>, field: &Field<BTreeMap<String, Field<Secret>>>) -> BTreeMap<String, Secret> {
    let Some(given) = field.given() else { return BTreeMap::new() };
    let mut env = BTreeMap::new();
    for (name, value) in &given.value {
        let value = value.or(Secret::new(""));
        if name.is_empty() || name.contains(['=', '\0']) || value.reveal().contains('\0') {
            let message = format!("`{name}` cannot be an environment variable");
            context.error(&given.span, message, "a name holds no `=`, and neither name nor value a NUL character");
        }
        env.insert(name.clone(), value);
    }
    env
}

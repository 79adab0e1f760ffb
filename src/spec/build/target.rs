//! `target` of a fault.

use std::path::PathBuf;

use super::Context;
use super::names::Names;
use crate::model::fault::{ProcessTarget, Selector, Target};
use crate::model::glob::Glob;
use crate::spec::decode::Spanned;
use crate::spec::file::{ProcessFile, TargetFile};

const HELP: &str = "write `{ proxy: NAME }`, `{ process: { service: NAME } }` or `{ host: local }`";
const PROCESS: &str = "write one of `service: NAME`, `name: PROGRAM`, `pid: NUMBER`, `pid_file: PATH`, `command: PATTERN` or \
                       `port: NUMBER`";

/// The one target that is named.
pub(super) fn target(context: &Context<'_, '_>, given: &Spanned<TargetFile>, names: &Names) -> Option<Target> {
    let file = &given.value;
    match (file.proxy.given(), file.process.given(), file.host.given()) {
        (Some(proxy), None, None) => {
            names.proxies.check(context, &proxy.value, &proxy.span);
            Some(Target::Proxy(proxy.value.clone()))
        }
        (None, Some(given), None) => process(context, given, names).map(Target::Process),
        (None, None, Some(host)) if host.value == "local" => Some(Target::Host),
        (None, None, Some(host)) => {
            context.error(&host.span, format!("`{}` is not this machine", host.value), "write `{ host: local }`");
            None
        }
        (None, None, None) => {
            let broken = file.proxy.is_broken() || file.process.is_broken() || file.host.is_broken();
            if !broken {
                context.error(&given.span, "an empty target means nothing, never everything", HELP);
            }
            None
        }
        _ => {
            context.error(&given.span, "a fault acts on one target", HELP);
            None
        }
    }
}

fn process(context: &Context<'_, '_>, given: &Spanned<ProcessFile>, names: &Names) -> Option<ProcessTarget> {
    let file = &given.value;
    type Way = fn(&Context<'_, '_>, &ProcessFile, &Names) -> Found;
    let ways: [Way; 6] = [service, name, pid, pid_file, command, port];
    let found = ways.map(|way| way(context, file, names));
    let wrong = found.iter().any(|one| matches!(one, Some(None)));
    let mut right = found.into_iter().flatten().flatten();
    let by = match (right.next(), right.next()) {
        (Some(by), None) => by,
        (None, _) if wrong || is_broken(file) => return None,
        (None, _) => {
            context.error(&given.span, "no process is named, which means none, never all", PROCESS);
            return None;
        }
        (Some(_), Some(_)) => {
            context.error(&given.span, "processes are found in one way", PROCESS);
            return None;
        }
    };
    Some(ProcessTarget { by, children: file.children.or(false) })
}

fn is_broken(file: &ProcessFile) -> bool {
    let texts = [&file.service, &file.name, &file.pid_file, &file.command];
    texts.iter().any(|text| text.is_broken()) || file.pid.is_broken() || file.port.is_broken()
}

/// None where the key is not there; none inside where it is wrong, which has been told then.
type Found = Option<Option<Selector>>;

fn service(context: &Context<'_, '_>, file: &ProcessFile, names: &Names) -> Found {
    let given = file.service.given()?;
    names.services.check(context, &given.value, &given.span);
    Some(Some(Selector::Service(given.value.clone())))
}

fn name(context: &Context<'_, '_>, file: &ProcessFile, _: &Names) -> Found {
    let given = file.name.given()?;
    if given.value.is_empty() || given.value.contains('/') {
        let message = format!("`{}` is no name of a program", given.value);
        context.error(&given.span, message, "write its file name, such as `redis-server`, or use `command`");
        return Some(None);
    }
    Some(Some(Selector::Name(given.value.clone())))
}

fn pid(context: &Context<'_, '_>, file: &ProcessFile, _: &Names) -> Found {
    let given = file.pid.given()?;
    if given.value < 1 {
        context.error(&given.span, format!("{} is no process id", given.value), "write a number above 1");
        return Some(None);
    }
    Some(Some(Selector::Pid(given.value)))
}

fn pid_file(context: &Context<'_, '_>, file: &ProcessFile, _: &Names) -> Found {
    let given = file.pid_file.given()?;
    if given.value.is_empty() {
        context.error(&given.span, "`pid_file` is empty", "write the path of a file that holds a process id");
        return Some(None);
    }
    Some(Some(Selector::PidFile(PathBuf::from(&given.value))))
}

fn command(context: &Context<'_, '_>, file: &ProcessFile, _: &Names) -> Found {
    let given = file.command.given()?;
    if given.value.chars().all(|c| matches!(c, '*' | '?' | ' ')) {
        let message = format!("the pattern `{}` means everybody", given.value);
        context.error(&given.span, message, "write some of the command line, such as `redis-server *:6379*`");
        return Some(None);
    }
    Some(Some(Selector::Command(Glob::new(given.value.clone()))))
}

fn port(context: &Context<'_, '_>, file: &ProcessFile, _: &Names) -> Found {
    let given = file.port.given()?;
    if given.value == 0 {
        context.error(&given.span, "nobody listens on port 0", "write a port from 1 to 65535");
        return Some(None);
    }
    Some(Some(Selector::Port(given.value)))
}

//! The settings of the faults on HTTP requests.

use super::Context;
use super::limits::HOUR;
use crate::model::fault::FaultKind;
use crate::model::http::{HeaderMatch, HttpError, RequestMatch};
use crate::model::units::{Bytes, Timespan};
use crate::spec::tree::NodeId;

/// The longest path or header value that is looked for; longer ones are a slip, and cost time for each request.
const LONGEST_PATTERN: usize = 1000;
/// Headers that say how a message is framed; the proxy writes them.
const FRAMING: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];

/// The ranges of the settings of each kind, and which requests are meant.
pub(super) fn settings(context: &Context<'_, '_>, node: NodeId, kind: &FaultKind) {
    let refuse = |wrong: bool, key: &str, message: &str, help: &str| {
        if wrong {
            context.error(&context.place(node, key), message, help);
        }
    };
    match kind {
        FaultKind::HttpError(fault) => error(context, node, fault),
        FaultKind::HttpLatency(fault) => {
            refuse(fault.delay == Timespan::ZERO, "delay", "a delay of nothing breaks nothing", "write more than 0s");
            let help = "write at most as much: nothing arrives before it was sent";
            refuse(fault.jitter > fault.delay, "jitter", "`jitter` is more than `delay`", help);
            refuse(fault.delay > HOUR, "delay", "`delay` is longer than an hour", "write a shorter time");
        }
        FaultKind::HttpAbort(fault) => {
            let help = "write more than 0B, or leave it out to reset in place of an answer";
            refuse(fault.after == Some(Bytes(0)), "after", "after 0 bytes there is nothing to cut", help);
        }
        FaultKind::HttpTimeout(fault) => {
            let help = "write more than 0s, leave it out to hold until the fault ends, or use `http.abort`";
            refuse(fault.after == Some(Timespan::ZERO), "after", "a timeout of nothing holds nothing", help);
            refuse(fault.after > Some(HOUR), "after", "`after` is longer than an hour", "write a shorter time");
        }
        FaultKind::HttpCorrupt(fault) => {
            refuse(fault.bytes.0 <= 0.0, "bytes", "changing 0% of the bytes breaks nothing", "write more than 0%");
        }
        _ => {}
    }
    if let Some(only) = kind.only() {
        requests(context, node, &only);
    }
}

fn error(context: &Context<'_, '_>, node: NodeId, fault: &HttpError) {
    if !(400..=599).contains(&fault.status) {
        let message = format!("{} is no error", fault.status);
        context.error(&context.place(node, "status"), message, "write a status from 400 to 599");
    }
    for (name, value) in &fault.headers {
        let place = context.place(node, "headers");
        let framing = FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing));
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            context.error(
                &place,
                format!("`{name}` cannot be the name of a header"),
                "write a name such as `retry-after`",
            );
        } else if framing {
            context.error(&place, format!("`{name}` is written by the proxy"), "remove it");
        } else if reqwest::header::HeaderValue::from_str(value).is_err() {
            let message = format!("the value of `{name}` cannot be sent in a header");
            context.error(&place, message, "write it without line ends and control characters");
        }
    }
}

fn requests(context: &Context<'_, '_>, node: NodeId, only: &RequestMatch) {
    for method in &only.method {
        let capitals = method.to_ascii_uppercase();
        if reqwest::Method::from_bytes(method.as_bytes()).is_err() {
            let message = format!("`{method}` cannot be a method");
            context.error(&context.place(node, "method"), message, "write a method such as `GET`");
        } else if *method != capitals {
            let message = format!("no request has the method `{method}`: methods are told apart by case");
            context.error(&context.place(node, "method"), message, format!("did you mean `{capitals}`?"));
        }
    }
    if let Some(path) = only.path.as_ref().map(crate::model::glob::Glob::as_str) {
        let place = context.place(node, "path");
        if !path.starts_with(['/', '*']) {
            context.error(
                &place,
                "a path begins with `/`",
                format!("write `/{path}`, or `*{path}` for any that ends so"),
            );
        } else if path.contains('#') {
            context.error(&place, "no request has a `#` in its path", "remove it and what follows");
        } else if path.split_once('?').is_some_and(|(_, query)| query.contains('=')) {
            context.error(&place, "`path` is compared without the query", "remove the `?` and what follows");
        } else if path.len() > LONGEST_PATTERN {
            context.error(&place, "`path` is longer than 1000 characters", "shorten it with `*`");
        } else if path.ends_with('/') && path.len() > 1 {
            context.warn(&place, format!("only `{path}` itself fits"), format!("for all below it write `{path}*`"));
        }
    }
    if let Some(HeaderMatch { name, value }) = &only.header {
        let place = context.place(node, "header");
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let help = "write `{ name: x-tenant }`, or with a value `{ name: x-tenant, value: beta* }`";
            context.error(&place, format!("`{name}` cannot be the name of a header"), help);
        }
        if value.as_ref().is_some_and(|value| value.as_str().len() > LONGEST_PATTERN) {
            context.error(&place, "`value` is longer than 1000 characters", "shorten it with `*`");
        }
    }
}

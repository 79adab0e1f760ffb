//! Ours: toxics on HTTP requests, for proxies with `"protocol": "http"`. They are the `http.*` faults of experiments, in
//! the manner of Toxiproxy: times in ms, rates in KB/s. Which requests are meant is said by `method`, `path` and `header`.

use std::collections::BTreeMap;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::toxic::{in_millis, millis, read, written};
use crate::model::glob::Glob;
use crate::model::http::{HeaderMatch, HttpEffect, RequestMatch};
use crate::model::step::ToxicKind;
use crate::model::units::{ByteRate, Bytes, Share};

/// A rate's unit is 1000 bytes per second.
const KILO: f64 = 1_000.0;
/// Headers that say how a message is framed; the proxy writes them.
const FRAMING: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];
/// The longest pattern that is looked for in each request.
const LONGEST_PATTERN: usize = 1_000;

/// Which requests are meant; all of them when nothing is said.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Only {
    #[serde(skip_serializing_if = "Methods::is_any")]
    method: Methods,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Glob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<HeaderMatch>,
}

/// A method or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Methods {
    One(String),
    Many(Vec<String>),
}

impl Default for Methods {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Methods {
    fn is_any(&self) -> bool {
        *self == Self::default()
    }

    fn list(self) -> Vec<String> {
        match self {
            Self::One(method) => vec![method],
            Self::Many(methods) => methods,
        }
    }

    fn of(methods: &[String]) -> Self {
        match methods {
            [one] => Self::One(one.clone()),
            many => Self::Many(many.to_vec()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Error {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

impl Default for Error {
    fn default() -> Self {
        Self { status: 503, body: None, headers: BTreeMap::new() }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Latency {
    /// ms
    latency: u64,
    /// ms
    jitter: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Abort {
    /// Bytes of the answer's body that pass before; 0 resets in place of an answer.
    bytes: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Timeout {
    /// ms; 0 is never.
    timeout: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Corrupt {
    /// The probability that a byte is changed, above 0 and up to 1.
    probability: f64,
}

impl Default for Corrupt {
    fn default() -> Self {
        Self { probability: 0.01 }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SlowBody {
    /// KB/s; above 0.
    rate: f64,
}

/// The kind of a type on requests.
pub(super) fn kind(word: &str, attributes: Map<String, Value>) -> Result<ToxicKind, ApiError> {
    let effect = effect(word, attributes.clone())?;
    Ok(ToxicKind::Http { only: only(read(attributes)?)?, effect })
}

fn effect(word: &str, attributes: Map<String, Value>) -> Result<HttpEffect, ApiError> {
    Ok(match word {
        "http_error" => error(read(attributes)?)?,
        "http_latency" => {
            let Latency { latency, jitter } = read(attributes)?;
            HttpEffect::Latency { delay: millis(latency), jitter: millis(jitter) }
        }
        "http_abort" => {
            let Abort { bytes } = read(attributes)?;
            HttpEffect::Abort { after: (bytes > 0).then_some(Bytes(bytes)) }
        }
        "http_timeout" => {
            let Timeout { timeout } = read(attributes)?;
            HttpEffect::Timeout { after: (timeout > 0).then(|| millis(timeout)) }
        }
        "http_corrupt" => {
            let Corrupt { probability } = read(attributes)?;
            refuse(!(probability > 0.0 && probability <= 1.0), "probability is above 0 and at most 1")?;
            HttpEffect::Corrupt { bytes: Share(probability) }
        }
        "http_duplicate" => HttpEffect::Duplicate,
        "http_slow_body" => {
            let SlowBody { rate } = read(attributes)?;
            refuse(!(rate > 0.0 && rate <= 1e9), "rate is above 0 and at most 1000000000")?;
            HttpEffect::SlowBody { rate: ByteRate(rate * KILO) }
        }
        _ => return Err(ApiError::invalid_type()),
    })
}

fn error(Error { status, body, headers }: Error) -> Result<HttpEffect, ApiError> {
    refuse(!(400..=599).contains(&status), "status is from 400 to 599")?;
    for (name, value) in &headers {
        let sent = HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok();
        refuse(!sent, &format!("{name:?} cannot be sent as a header with that value"))?;
        let framing = FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing));
        refuse(framing, &format!("{name:?} is written by the proxy"))?;
    }
    Ok(HttpEffect::Error { status, body, headers })
}

fn only(Only { method, path, header }: Only) -> Result<RequestMatch, ApiError> {
    let method = method.list();
    for one in &method {
        let known = Method::from_bytes(one.as_bytes()).is_ok() && *one == one.to_ascii_uppercase();
        refuse(!known, &format!("{one:?} is no method, such as \"GET\""))?;
    }
    let begins = |path: &Glob| path.as_str().starts_with(['/', '*']);
    refuse(path.as_ref().is_some_and(|path| !begins(path)), "path begins with \"/\" or \"*\"")?;
    let named = |header: &HeaderMatch| HeaderName::try_from(&header.name).is_ok();
    refuse(header.as_ref().is_some_and(|header| !named(header)), "header.name cannot be the name of a header")?;
    let value = header.as_ref().and_then(|header| header.value.as_ref());
    let long = |pattern: &Glob| pattern.as_str().len() > LONGEST_PATTERN;
    refuse(path.iter().chain(value).any(long), "a pattern is longer than 1000 characters")?;
    Ok(RequestMatch { method, path, header })
}

fn refuse(wrong: bool, why: &str) -> Result<(), ApiError> {
    if wrong { Err(ApiError::bad_body(why)) } else { Ok(()) }
}

/// The type of a toxic on requests, and its attributes.
pub(super) fn attributes(only: &RequestMatch, effect: &HttpEffect) -> (&'static str, Map<String, Value>) {
    let (word, mut attributes) = match effect {
        HttpEffect::Error { status, body, headers } => {
            let (body, headers) = (body.clone(), headers.clone());
            ("http_error", written(&Error { status: *status, body, headers }))
        }
        HttpEffect::Latency { delay, jitter } => {
            let (latency, jitter) = (in_millis(*delay), in_millis(*jitter));
            ("http_latency", written(&Latency { latency, jitter }))
        }
        HttpEffect::Abort { after } => ("http_abort", written(&Abort { bytes: after.map_or(0, |bytes| bytes.0) })),
        HttpEffect::Timeout { after } => ("http_timeout", written(&Timeout { timeout: after.map_or(0, in_millis) })),
        HttpEffect::Corrupt { bytes } => ("http_corrupt", written(&Corrupt { probability: bytes.0 })),
        HttpEffect::Duplicate => ("http_duplicate", Map::new()),
        HttpEffect::SlowBody { rate } => ("http_slow_body", written(&SlowBody { rate: rate.0 / KILO })),
    };
    let RequestMatch { method, path, header } = only.clone();
    attributes.extend(written(&Only { method: Methods::of(&method), path, header }));
    (word, attributes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{attributes, kind};
    use crate::model::step::ToxicKind;

    fn read(word: &str, given: &Value) -> Result<ToxicKind, String> {
        kind(word, given.as_object().expect("a map").clone()).map_err(|error| error.text)
    }

    #[test]
    fn every_kind_reads_back_as_it_was_written() {
        for (word, given) in [
            ("http_error", json!({ "status": 429, "body": "later", "headers": { "retry-after": "1" } })),
            ("http_error", json!({ "status": 503, "method": "GET", "path": "/api/*" })),
            ("http_latency", json!({ "latency": 100, "jitter": 10, "method": ["GET", "PUT"] })),
            ("http_abort", json!({ "bytes": 0 })),
            ("http_abort", json!({ "bytes": 5, "header": { "name": "x-tenant", "value": "beta*" } })),
            ("http_timeout", json!({ "timeout": 0 })),
            ("http_timeout", json!({ "timeout": 50 })),
            ("http_corrupt", json!({ "probability": 0.5 })),
            ("http_duplicate", json!({})),
            ("http_slow_body", json!({ "rate": 1.5 })),
        ] {
            let ToxicKind::Http { only, effect } = read(word, &given).expect("a toxic") else { panic!("{word}") };
            let (told, back) = attributes(&only, &effect);
            assert_eq!((told, Value::Object(back)), (word, given));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_reason() {
        for (word, given, why) in [
            ("http_error", json!({ "status": 200 }), "status is from 400 to 599"),
            ("http_error", json!({ "headers": { "a b": "c" } }), "\"a b\" cannot be sent as a header with that value"),
            ("http_error", json!({ "headers": { "a": "b\n" } }), "\"a\" cannot be sent as a header with that value"),
            (
                "http_error",
                json!({ "headers": { "Content-Length": "5" } }),
                "\"Content-Length\" is written by the proxy",
            ),
            ("http_corrupt", json!({ "probability": 0 }), "probability is above 0 and at most 1"),
            ("http_slow_body", json!({}), "rate is above 0 and at most 1000000000"),
            ("http_abort", json!({ "method": "get" }), "\"get\" is no method, such as \"GET\""),
            ("http_abort", json!({ "path": "api" }), "path begins with \"/\" or \"*\""),
            ("http_abort", json!({ "header": { "name": "" } }), "header.name cannot be the name of a header"),
            ("http_abort", json!({ "path": "*".repeat(1001) }), "a pattern is longer than 1000 characters"),
        ] {
            assert_eq!(read(word, &given).expect_err("refused"), format!("bad request body: {why}"));
        }
        assert_eq!(read("http_sharks", &json!({})).expect_err("refused"), "invalid toxic type");
    }
}

//! Toxiproxy's toxics: names, attributes and units, and what they are to our data plane.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::request;
use super::wire::ToxicInput;
use crate::model::fault::{Distribution, Stream};
use crate::model::step::{Toxic, ToxicKind};
use crate::model::units::{Bytes, Share, Timespan};

/// No delay is longer than a year: some clients write "for ever" as a very large number.
const LONGEST_MILLIS: u64 = 365 * 24 * 3_600 * 1_000;
/// A bandwidth's unit is 1000 bytes per second.
const KILO: u64 = 1_000;
/// What 0 means where a limit is asked for: none.
const NO_LIMIT: u64 = u64::MAX;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Latency {
    /// ms
    latency: u64,
    /// ms
    jitter: u64,
    /// Ours: how delays are spread; Toxiproxy's is uniform.
    #[serde(skip_serializing_if = "is_uniform")]
    distribution: Distribution,
}

fn is_uniform(distribution: &Distribution) -> bool {
    *distribution == Distribution::Uniform
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Bandwidth {
    /// KB/s
    rate: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SlowClose {
    /// ms
    delay: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Timeout {
    /// ms
    timeout: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Slicer {
    /// bytes
    average_size: u64,
    /// bytes
    size_variation: u64,
    /// us
    delay: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct LimitData {
    /// bytes
    bytes: u64,
}

/// The toxic that a client asks for: called `<type>_<stream>` and downstream, always, unless it says otherwise.
pub(super) fn created(input: ToxicInput) -> Result<Toxic, ApiError> {
    let stream = match input.stream.as_deref() {
        Some("upstream") => Stream::Upstream,
        None | Some("downstream") => Stream::Downstream,
        _ => return Err(ApiError::invalid_stream()),
    };
    let name = match input.name {
        name if name.is_empty() => format!("{}_{}", input.kind, word(stream)),
        name => name,
    };
    let kind = kind(&input.kind, input.attributes.unwrap_or_default())?;
    Ok(Toxic { name, stream, toxicity: share(input.toxicity.unwrap_or(1.0)), max_users: None, kind })
}

/// A toxic with what is named changed, and everything else as it was.
pub(super) fn updated(toxic: &Toxic, input: ToxicInput) -> Result<Toxic, ApiError> {
    let (kind_word, mut merged) = attributes(&toxic.kind).ok_or_else(ApiError::toxic_not_found)?;
    merged.extend(input.attributes.unwrap_or_default());
    let toxicity = input.toxicity.map_or(toxic.toxicity, share);
    Ok(Toxic { kind: kind(kind_word, merged)?, toxicity, ..toxic.clone() })
}

const fn word(stream: Stream) -> &'static str {
    match stream {
        Stream::Upstream => "upstream",
        Stream::Downstream => "downstream",
    }
}

fn share(toxicity: f64) -> Share {
    Share(toxicity.clamp(0.0, 1.0))
}

fn kind(word: &str, attributes: Map<String, Value>) -> Result<ToxicKind, ApiError> {
    Ok(match word {
        "latency" => {
            let Latency { latency, jitter, distribution } = read(attributes)?;
            ToxicKind::Latency { delay: millis(latency), jitter: millis(jitter), distribution }
        }
        "bandwidth" => {
            let Bandwidth { rate } = read(attributes)?;
            ToxicKind::Bandwidth { rate: Bytes(if rate == 0 { NO_LIMIT } else { rate.saturating_mul(KILO) }) }
        }
        "slow_close" => ToxicKind::SlowClose { delay: millis(read::<SlowClose>(attributes)?.delay) },
        "timeout" => ToxicKind::Timeout { timeout: millis(read::<Timeout>(attributes)?.timeout) },
        "reset_peer" => ToxicKind::ResetPeer { timeout: millis(read::<Timeout>(attributes)?.timeout) },
        "slicer" => {
            let Slicer { average_size, size_variation, delay } = read(attributes)?;
            let average = if average_size == 0 { NO_LIMIT } else { average_size };
            let delay = Timespan(std::time::Duration::from_micros(delay.min(LONGEST_MILLIS * 1_000)));
            let variation = Bytes(size_variation.min(average - 1));
            ToxicKind::Slicer { average_size: Bytes(average), size_variation: variation, delay }
        }
        "limit_data" => ToxicKind::LimitData { bytes: Bytes(read::<LimitData>(attributes)?.bytes) },
        _ => return request::kind(word, attributes),
    })
}

/// Toxiproxy's name of a kind, and its attributes; none for a kind that it does not have.
pub(super) fn attributes(kind: &ToxicKind) -> Option<(&'static str, Map<String, Value>)> {
    Some(match kind {
        ToxicKind::Latency { delay, jitter, distribution } => {
            let (latency, jitter) = (in_millis(*delay), in_millis(*jitter));
            ("latency", written(&Latency { latency, jitter, distribution: *distribution }))
        }
        ToxicKind::Bandwidth { rate } => ("bandwidth", written(&Bandwidth { rate: unlimited(rate.0) / KILO })),
        ToxicKind::SlowClose { delay } => ("slow_close", written(&SlowClose { delay: in_millis(*delay) })),
        ToxicKind::Timeout { timeout } => ("timeout", written(&Timeout { timeout: in_millis(*timeout) })),
        ToxicKind::ResetPeer { timeout } => ("reset_peer", written(&Timeout { timeout: in_millis(*timeout) })),
        ToxicKind::Slicer { average_size, size_variation, delay } => {
            let delay = u64::try_from(delay.0.as_micros()).unwrap_or(u64::MAX);
            let (average_size, size_variation) = (unlimited(average_size.0), size_variation.0);
            ("slicer", written(&Slicer { average_size, size_variation, delay }))
        }
        ToxicKind::LimitData { bytes } => ("limit_data", written(&LimitData { bytes: bytes.0 })),
        ToxicKind::Http { only, effect } => request::attributes(only, effect),
        ToxicKind::Down => return None,
    })
}

const fn unlimited(limit: u64) -> u64 {
    if limit == NO_LIMIT { 0 } else { limit }
}

pub(super) fn millis(millis: u64) -> Timespan {
    Timespan::millis(millis.min(LONGEST_MILLIS))
}

pub(super) fn in_millis(time: Timespan) -> u64 {
    u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX)
}

/// An attribute that is null is one that is not named.
pub(super) fn read<T: DeserializeOwned>(mut attributes: Map<String, Value>) -> Result<T, ApiError> {
    attributes.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(attributes)).map_err(ApiError::bad_body)
}

pub(super) fn written(attributes: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(attributes) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{attributes, created, updated};
    use crate::model::fault::Stream;
    use crate::model::step::ToxicKind;
    use crate::model::units::{Bytes, Share};

    fn input(value: serde_json::Value) -> super::ToxicInput {
        serde_json::from_value(value).expect("a toxic")
    }

    #[test]
    fn what_is_not_said_is_downstream_always_and_named_for_it() {
        let toxic = created(input(json!({ "type": "latency" }))).expect("a toxic");
        assert_eq!(
            (toxic.name.as_str(), toxic.stream, toxic.toxicity),
            ("latency_downstream", Stream::Downstream, Share::ALL)
        );
    }

    #[test]
    fn every_kind_reads_back_as_it_was_written() {
        for (kind, given) in [
            ("latency", json!({ "latency": 100, "jitter": 10 })),
            ("latency", json!({ "latency": 100, "jitter": 10, "distribution": "pareto" })),
            ("bandwidth", json!({ "rate": 100 })),
            ("bandwidth", json!({ "rate": 0 })),
            ("slow_close", json!({ "delay": 1000 })),
            ("timeout", json!({ "timeout": 0 })),
            ("reset_peer", json!({ "timeout": 2000 })),
            ("slicer", json!({ "average_size": 64, "size_variation": 32, "delay": 10 })),
            ("limit_data", json!({ "bytes": 5000 })),
        ] {
            let toxic = created(input(json!({ "type": kind, "attributes": given }))).expect("a toxic");
            let (word, read) = attributes(&toxic.kind).expect("known");
            assert_eq!((word, serde_json::Value::Object(read)), (kind, given));
        }
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let toxic = created(input(json!({ "type": "latency", "attributes": { "latency": 100, "jitter": 10 } })));
        let toxic = toxic.expect("a toxic");
        let changed = updated(&toxic, input(json!({ "attributes": { "latency": 1000 }, "toxicity": 0.5 })));
        let changed = changed.expect("a toxic");
        assert_eq!(
            attributes(&changed.kind).expect("known").1,
            json!({ "latency": 1000, "jitter": 10 }).as_object().expect("a map").clone()
        );
        assert_eq!(changed.toxicity, Share(0.5));
    }

    #[test]
    fn a_rate_counts_kilobytes_of_a_thousand() {
        let toxic = created(input(json!({ "type": "bandwidth", "attributes": { "rate": 5 } }))).expect("a toxic");
        assert_eq!(toxic.kind, ToxicKind::Bandwidth { rate: Bytes(5_000) });
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_the_words_that_clients_know() {
        let refused = |value| created(input(value)).expect_err("refused").text;
        assert_eq!(refused(json!({ "type": "sharks" })), "invalid toxic type");
        assert_eq!(
            refused(json!({ "type": "latency", "stream": "sideways" })),
            "stream was invalid, can be either upstream or downstream"
        );
        let text = refused(json!({ "type": "latency", "attributes": { "latency": "soon" } }));
        assert!(text.starts_with("bad request body: "), "{text}");
    }
}

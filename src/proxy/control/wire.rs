//! The JSON of the API. Unknown keys are passed over, as Toxiproxy does: clients send keys of versions past and to come.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::toxic;
use crate::model::experiment::Protocol;
use crate::model::fault::Stream;
use crate::model::step::Toxic;
use crate::proxy::ProxyState;

/// A proxy as a client asks for it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProxyInput {
    #[serde(deserialize_with = "or_empty")]
    pub(super) name: String,
    pub(super) listen: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) enabled: Option<bool>,
    /// Ours: what it understands; bytes when absent.
    pub(super) protocol: Option<Protocol>,
    /// Ours: toxics that come with the proxy.
    pub(super) toxics: Option<Vec<ToxicInput>>,
}

/// A toxic as a client asks for it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToxicInput {
    #[serde(deserialize_with = "or_empty")]
    pub(super) name: String,
    #[serde(rename = "type", deserialize_with = "or_empty")]
    pub(super) kind: String,
    pub(super) stream: Option<String>,
    pub(super) toxicity: Option<f64>,
    pub(super) attributes: Option<Map<String, Value>>,
}

fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A proxy as clients read it.
#[derive(Debug, Serialize)]
pub(super) struct ProxyOutput {
    name: String,
    listen: String,
    upstream: String,
    enabled: bool,
    /// Only where it is not Toxiproxy's: some clients are strict about keys.
    #[serde(skip_serializing_if = "is_tcp")]
    protocol: Protocol,
    toxics: Vec<ToxicOutput>,
}

fn is_tcp(protocol: &Protocol) -> bool {
    *protocol == Protocol::Tcp
}

/// A toxic as clients read it.
#[derive(Debug, Serialize)]
pub(super) struct ToxicOutput {
    attributes: Map<String, Value>,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    stream: Stream,
    #[serde(serialize_with = "plainly")]
    toxicity: f64,
}

/// `1`, not `1.0`.
fn plainly<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if *number == 1.0 {
        serializer.serialize_u8(1)
    } else if *number == 0.0 {
        serializer.serialize_u8(0)
    } else {
        serializer.serialize_f64(*number)
    }
}

impl From<&ProxyState> for ProxyOutput {
    fn from(state: &ProxyState) -> Self {
        Self {
            name: state.proxy.name.clone(),
            listen: state.address.to_string(),
            upstream: state.proxy.upstream.clone(),
            enabled: state.enabled,
            protocol: state.proxy.protocol,
            toxics: toxics(&state.toxics),
        }
    }
}

/// As Toxiproxy lists them: those of the way up first.
pub(super) fn toxics(all: &[Toxic]) -> Vec<ToxicOutput> {
    let of = |stream| all.iter().filter(move |toxic| toxic.stream == stream).filter_map(toxic_output);
    of(Stream::Upstream).chain(of(Stream::Downstream)).collect()
}

/// None for a kind that the API does not have.
pub(super) fn toxic_output(toxic: &Toxic) -> Option<ToxicOutput> {
    let (kind, attributes) = toxic::attributes(&toxic.kind)?;
    let (name, stream) = (toxic.name.clone(), toxic.stream);
    Some(ToxicOutput { attributes, name, kind, stream, toxicity: toxic.toxicity.0 })
}

/// A body as what it should be.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(ApiError::bad_body)
}

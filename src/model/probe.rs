//! The settings of the probes: how the system is looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::expectation::Expectation;
use super::secret::Secret;
use super::shape;
use super::units::Timespan;

/// A probe with its schedule and its expectations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeSpec {
    /// Its name, unique in the experiment.
    pub name: String,
    /// What it does.
    pub kind: ProbeKind,
    /// The time from one intended start to the next; greater than zero.
    pub interval: Timespan,
    /// A sample without an answer by then is given up as a timeout; greater than zero.
    pub timeout: Timespan,
    /// What must hold; never empty.
    pub expect: Vec<Expectation>,
    /// What to do when its source has no data while a fault is active.
    pub on_no_data: OnNoData,
    /// Proxies and services that what it looks at does not use, as the file says: a fault on them must not be felt here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub independent_of: Vec<String>,
}

/// What to do when a source has no data while a fault is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnNoData {
    /// Stop and roll back after max(3 intervals, 5 s).
    #[default]
    Stop,
    /// Go on, blind.
    Continue,
}

/// The kinds of probes, by the word in `probe:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeKind {
    /// Sends HTTP requests.
    Http(HttpProbe),
    /// Opens TCP connections.
    Tcp(TcpProbe),
    /// Runs a command.
    Command(CommandProbe),
    /// Looks at a process.
    Process(ProcessProbe),
    /// Looks at this machine.
    Host(HostProbe),
    /// Asks a Prometheus server.
    Prometheus(PrometheusProbe),
}

impl ProbeKind {
    /// Every word that `probe:` may say, in the order of the catalogue.
    pub const WORDS: [&'static str; 6] = ["http", "tcp", "command", "process", "host", "prometheus"];

    /// The word in `probe:`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Command(_) => "command",
            Self::Process(_) => "process",
            Self::Host(_) => "host",
            Self::Prometheus(_) => "prometheus",
        }
    }

    /// Whether its samples carry a value.
    pub const fn has_value(&self) -> bool {
        match self {
            Self::Http(_) | Self::Tcp(_) => false,
            Self::Command(command) => command.number.is_some(),
            Self::Process(process) => !matches!(process.measure, ProcessMeasure::Alive),
            Self::Host(_) | Self::Prometheus(_) => true,
        }
    }
}

/// Settings of `probe: http`: one request a sample, on an open-loop schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpProbe {
    /// `http://` or `https://`.
    #[schemars(extend("pattern" = "^https?://"))]
    pub url: String,
    /// The method; `GET` when absent.
    #[serde(default = "get")]
    pub method: String,
    /// Headers to send; their values are never shown.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// The body to send; never shown.
    #[serde(default)]
    pub body: Option<Secret>,
    /// Statuses that count as success; any 2xx when empty. One may be written without a list.
    #[serde(default, deserialize_with = "one_or_many")]
    #[schemars(schema_with = "shape::one_or_many::<u16>")]
    pub status: Vec<u16>,
    /// The body must contain this text.
    #[serde(default)]
    pub body_contains: Option<String>,
    /// The body must match this regular expression.
    #[serde(default)]
    pub body_matches: Option<String>,
    /// A JSON pointer (RFC 6901) into the body, and what must stand there.
    #[serde(default)]
    pub json: Option<JsonExpectation>,
    /// A file of PEM certificates to trust beside the built-in list of none; needed for `https`
    /// servers whose authority the system does not know.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<u16>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an HTTP status, such as `200`, or a list of them")
        }
        fn visit_u64<E: de::Error>(self, status: u64) -> Result<Vec<u16>, E> {
            let fits = u16::try_from(status).map(|status| vec![status]);
            fits.map_err(|_| E::invalid_value(de::Unexpected::Unsigned(status), &self))
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut statuses: A) -> Result<Vec<u16>, A::Error> {
            let mut all = Vec::new();
            while let Some(status) = statuses.next_element()? {
                all.push(status);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Visitor)
}

impl HttpProbe {
    /// A GET that wants any 2xx.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: get(),
            headers: BTreeMap::new(),
            body: None,
            status: Vec::new(),
            body_contains: None,
            body_matches: None,
            json: None,
            ca_file: None,
        }
    }
}

fn get() -> String {
    "GET".to_owned()
}

/// What must stand at a place of a JSON document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JsonExpectation {
    /// RFC 6901, such as `/status` or `/items/0/id`.
    pub pointer: String,
    /// What must stand there: text, number, true or false. When absent, anything but null.
    #[serde(default)]
    #[schemars(extend("type" = ["string", "number", "boolean"]))]
    pub equals: Option<serde_json::Value>,
}

/// Settings of `probe: tcp`: one connection a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TcpProbe {
    /// `HOST:PORT`.
    #[schemars(extend("pattern" = ".:[0-9]+$"))]
    pub address: String,
}

/// Settings of `probe: command`: one run of a command a sample; no shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandProbe {
    /// The program and its arguments.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// The exit code that counts as success.
    #[serde(default)]
    pub exit_code: i32,
    /// Reads a number from standard output: `stdout` for the whole (trimmed) output, or a JSON pointer into it.
    #[serde(default)]
    pub number: Option<String>,
}

/// Settings of `probe: process`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessProbe {
    /// Which process.
    #[schemars(schema_with = "selector")]
    pub target: ProcessSelector,
    /// What about it; `alive` when absent.
    #[serde(default)]
    pub measure: ProcessMeasure,
}

/// Which process to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessSelector {
    /// One of the experiment's own services.
    Service(String),
    /// A process id.
    Pid(i32),
    /// A file that holds a process id.
    PidFile(PathBuf),
}

/// Targets of faults are written `{ process: { service: NAME } }`; probes may do the same.
fn selector(generator: &mut SchemaGenerator) -> Schema {
    let plain = generator.subschema_for::<ProcessSelector>();
    let nested = json_schema!({ "type": "object", "properties": { "process": plain }, "required": ["process"] });
    let title = "{ service: NAME }, { pid: NUMBER } or { pid_file: PATH }";
    json_schema!({ "title": title, "anyOf": [plain, nested] })
}

/// What to measure of a process. A process that is gone, a zombie or stopped is a wrong answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessMeasure {
    /// Only whether it lives.
    #[default]
    Alive,
    /// Share of one core since the last sample, 0 to 1 a core.
    Cpu,
    /// Resident bytes.
    Memory,
    /// How often it was replaced since the run began.
    Restarts,
    /// Open file descriptors.
    OpenFiles,
    /// Threads.
    Threads,
}

/// Settings of `probe: host`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostProbe {
    /// What to measure.
    pub measure: HostMeasure,
    /// For `disk`: a path on the file system in question; `/` when absent.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

/// What to measure of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostMeasure {
    /// Share of all cores that was busy since the last sample, 0 to 1.
    Cpu,
    /// Share of memory that is not available, 0 to 1.
    Memory,
    /// Share of the file system that is used, 0 to 1.
    Disk,
    /// The load average over one minute.
    Load,
}

/// Settings of `probe: prometheus`: an instant query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PrometheusProbe {
    /// The server, such as `http://127.0.0.1:9090`.
    #[schemars(extend("pattern" = "^https?://"))]
    pub server: String,
    /// PromQL that yields a scalar or a vector of one element.
    pub query: String,
    /// A sample older than this is no data; 5 minutes when absent, as Prometheus itself looks back.
    #[serde(default)]
    pub max_age: Option<Timespan>,
}

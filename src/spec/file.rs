//! The form of the file: which keys there are and what stands under them. What is missing or contradicts itself is
//! judged in `build`. The comments of the fields are what editors show (`chaos schema`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::decode::{Field, Raw};
use super::schema;
use crate::model::experiment::{Protocol, Scope, UserKey};
use crate::model::probe::OnNoData;
use crate::model::secret::Secret;
use crate::model::units::{Rate, Share, Timespan};

/// An experiment: what must hold, what is broken, and within which limits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["name", "steady_state"]))]
pub struct ExperimentFile {
    /// One line that says what is believed, such as `answers keep flowing when the cache is slow`.
    pub name: Field<String>,
    /// More words about it.
    pub description: Field<String>,
    /// Words to find it by.
    pub tags: Field<Vec<Field<String>>>,
    /// Variables: `${NAME}` anywhere in a value stands for one. `--var NAME=VALUE` and the environment go before these.
    // Judged when variables are put in.
    #[schemars(schema_with = "schema::variables")]
    pub vars: Field<BTreeMap<String, Raw>>,
    /// Processes that are started for the run and stopped after it.
    pub services: Field<Vec<Field<ServiceFile>>>,
    /// Proxies between a client and its upstream: they pass everything through until a fault uses them.
    pub proxies: Field<Vec<Field<ProxyFile>>>,
    /// The hypothesis: what must hold before, during and after the faults.
    // Each is read once as `ProbeFile` and once as the settings of its kind.
    #[schemars(schema_with = "schema::entries")]
    pub steady_state: Field<Vec<Raw>>,
    /// What is broken; without faults the steady state is only measured.
    // Each is read once as `FaultFile` and once as the settings of its kind.
    #[schemars(schema_with = "schema::entries")]
    pub faults: Field<Vec<Raw>>,
    /// The limits of the harm.
    pub blast_radius: Field<BlastRadiusFile>,
    /// What ends the faults at once: `PROBE.METRIC OP LIMIT [for TIME]`, or `affected_users > N`. A stop condition is not
    /// an expectation: it is for harm that nobody wants to watch.
    // Judged as expressions.
    #[schemars(schema_with = "schema::conditions")]
    pub stop_conditions: Field<Vec<Raw>>,
    /// How long the steady state is measured before anything is broken, 1s to 1h.
    #[schemars(extend("default" = "10s"))]
    pub baseline: Field<Timespan>,
    /// What recovery is asked for.
    pub recovery: Field<RecoveryFile>,
    /// Consent to faults that cannot be undone.
    #[schemars(extend("default" = false))]
    pub allow_irreversible: Field<bool>,
}

/// A process of the experiment's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["name", "command"]))]
pub struct ServiceFile {
    /// Its name, unique among the services.
    pub name: Field<String>,
    /// The program and its arguments; no shell. The program `chaos` is this very binary.
    #[schemars(length(min = 1))]
    pub command: Field<Vec<Field<String>>>,
    /// A URL that answers 2xx, or `HOST:PORT` that accepts, once it is ready. Not awaited when absent.
    pub ready: Field<String>,
    /// How long readiness may take, up to 10m.
    #[schemars(extend("default" = "10s"))]
    pub ready_within: Field<Timespan>,
    /// Environment variables beside the inherited ones; their values are never shown.
    #[schemars(schema_with = "schema::environment")]
    pub env: Field<BTreeMap<String, Field<Secret>>>,
    /// Its working directory; that of the tool when absent.
    pub directory: Field<String>,
    /// Start it again when it ends by itself.
    #[schemars(extend("default" = false))]
    pub restart: Field<bool>,
}

/// A proxy between a client and its upstream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("required" = ["name", "listen", "upstream"]))]
pub struct ProxyFile {
    /// Its name, by which faults aim at it.
    pub name: Field<String>,
    /// Where it listens, such as `127.0.0.1:9102`: what its client must be pointed at. Port 0 is chosen by the kernel.
    #[schemars(extend("pattern" = ".:[0-9]+$"))]
    pub listen: Field<String>,
    /// `HOST:PORT` of the server behind it.
    #[schemars(extend("pattern" = "^[^/@]+:[0-9]+$"))]
    pub upstream: Field<String>,
    /// What it speaks. Chosen by itself: `http` when an `http.*` fault or `users` needs it, else `tcp`.
    pub protocol: Field<Protocol>,
    /// How users are told apart; by their addresses when absent.
    pub users: Field<UserKey>,
}

/// What all entries of `steady_state` have in common.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProbeFile {
    /// Its name, unique among the probes; stop conditions call it by it.
    pub name: Field<String>,
    /// What one sample is.
    pub probe: Field<String>,
    /// How often, on a schedule that waits for no answer, such as `50/s`. Not together with `interval`.
    pub rate: Field<Rate>,
    /// The time from one sample to the next; 100ms for `http` and `tcp`, 1s for the others when absent.
    pub interval: Field<Timespan>,
    /// A sample without an answer by then is given up as an error; up to 5m.
    #[schemars(extend("default" = "2s"))]
    pub timeout: Field<Timespan>,
    /// What must hold: `METRIC OP LIMIT`, such as `success_rate >= 99%`, `p95 <= 250ms` or `value within 5 of 10`.
    // Judged as expressions.
    #[schemars(schema_with = "schema::expectations")]
    pub expect: Field<Vec<Raw>>,
    /// Instead of `expect`: the value that every sample must have, give or take the `tolerance`.
    #[schemars(schema_with = "schema::value")]
    pub expected_value: Field<Raw>,
    /// How far a value may be from `expected_value`.
    #[schemars(schema_with = "schema::value")]
    pub tolerance: Field<Raw>,
    /// What to do when its source has no data while a fault is active.
    #[schemars(extend("default" = "stop"))]
    pub on_no_data: Field<OnNoData>,
    /// Proxies and services that what it looks at does not use: a fault on them must not be felt here.
    pub independent_of: Field<Vec<Field<String>>>,
}

/// What all entries of `faults` have in common.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FaultFile {
    /// Its name, unique among the faults; its word when absent.
    pub name: Field<String>,
    /// What is broken.
    pub fault: Field<String>,
    /// What it is done to.
    pub target: Field<TargetFile>,
    /// When it starts, counted from the end of the baseline; up to 1h.
    #[schemars(extend("default" = "0s"))]
    pub start: Field<Timespan>,
    /// How long it stays; until the blast radius ends when absent.
    pub duration: Field<Timespan>,
}

/// The target of a fault: exactly one of these.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct TargetFile {
    /// The name of a proxy of this experiment.
    pub proxy: Field<String>,
    /// Processes, found in one of these ways.
    pub process: Field<ProcessFile>,
    /// `local`: this machine.
    #[schemars(extend("enum" = ["local"]))]
    pub host: Field<String>,
}

/// Which processes are the target of a fault: found by exactly one of these, with their children or without.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 2))]
pub struct ProcessFile {
    /// The name of a service of this experiment.
    pub service: Field<String>,
    /// The name of the program, such as `redis-server`: every process that runs it.
    pub name: Field<String>,
    /// A process id.
    #[schemars(range(min = 1))]
    pub pid: Field<i32>,
    /// A file that holds a process id.
    pub pid_file: Field<String>,
    /// A pattern for the whole command line, such as `redis-server *:6379*`.
    pub command: Field<String>,
    /// A TCP port that they listen on.
    #[schemars(range(min = 1))]
    pub port: Field<u16>,
    /// Whether all that they started is meant, too.
    #[schemars(extend("default" = false))]
    pub children: Field<bool>,
}

/// The limits of the harm.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BlastRadiusFile {
    /// How many of the matching targets a fault may touch.
    #[schemars(extend("default" = "single_instance"))]
    pub scope: Field<Scope>,
    /// The largest share of connections or requests that may be touched.
    #[schemars(extend("default" = "100%"))]
    pub traffic: Field<Share>,
    /// At most so many distinct users are touched.
    #[schemars(range(min = 1))]
    pub max_affected_users: Field<u64>,
    /// The hard limit of the time from the first fault's start until the undo begins, up to 10m.
    #[schemars(extend("default" = "60s"))]
    pub duration: Field<Timespan>,
}

/// What recovery is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecoveryFile {
    /// The recovery time objective, counted from the verified undo; up to 1h.
    #[schemars(extend("default" = "30s"))]
    pub within: Field<Timespan>,
    pub watch: Field<Timespan>,
}

//! An experiment that has been read and checked: what is here cannot be wrong in form.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expectation::StopCondition;
use super::fault::FaultSpec;
use super::probe::{ProbeKind, ProbeSpec};
use super::redaction::Redaction;
use super::secret::Secret;
use super::units::{Share, Timespan};

/// One experiment file: steady state, faults, blast radius, stop conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// One line that says what is believed.
    pub name: String,
    /// More words about it.
    pub description: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Started for the run, stopped after it.
    pub services: Vec<Service>,
    /// Proxies that faults may switch toxics on.
    pub proxies: Vec<Proxy>,
    /// The probes whose expectations are the hypothesis; never empty.
    pub steady_state: Vec<ProbeSpec>,
    /// What is broken; may be empty only for a measurement of the steady state.
    pub faults: Vec<FaultSpec>,
    /// The limits.
    pub blast_radius: BlastRadius,
    /// What ends the fault at once.
    pub stop_conditions: Vec<StopCondition>,
    /// How long the steady state is measured before anything is broken.
    pub baseline: Timespan,
    /// What recovery is asked for.
    pub recovery: Recovery,
    /// Consent to faults that cannot be undone.
    pub allow_irreversible: bool,
}

impl Experiment {
    /// From the first fault's start to the last fault's end, counted from the start of the observe phase.
    pub fn fault_window(&self) -> Timespan {
        self.faults.iter().map(FaultSpec::end).max().unwrap_or_default()
    }

    /// How long the system is watched when every phase takes as long as it may.
    pub fn watched(&self) -> Duration {
        let observed = self.fault_window().0.max(self.baseline.0);
        self.baseline.0 + observed + self.recovery.within.0 + self.recovery.watch.unwrap_or_default().0
    }

    /// Everything that is written as `***`, with its place.
    pub fn secrets(&self) -> Vec<(String, &Secret)> {
        let mut secrets = Vec::new();
        for service in &self.services {
            secrets.extend(service.env.iter().map(|(name, value)| (format!("service {} {name}", service.name), value)));
        }
        for probe in &self.steady_state {
            let ProbeKind::Http(http) = &probe.kind else { continue };
            secrets.extend(http.headers.iter().map(|(name, value)| (format!("probe {} {name}", probe.name), value)));
            secrets.extend(http.body.iter().map(|body| (format!("probe {}", probe.name), body)));
        }
        secrets
    }

    /// What must be in no file of a run: what came from the environment or from files, and not what the experiment says.
    pub fn redaction(&self) -> Redaction {
        Redaction::of(self.secrets().iter().flat_map(|(_, secret)| secret.parts()))
    }
}

/// A process of the experiment's own: started before the baseline, stopped at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, unique among the services.
    pub name: String,
    /// The program and its arguments; never empty. The program `chaos` is this very binary.
    pub command: Vec<String>,
    /// A URL that answers 2xx, or `HOST:PORT` that accepts, once the service is ready. Not awaited when absent.
    pub ready: Option<String>,
    /// How long readiness may take.
    pub ready_within: Timespan,
    /// Environment variables set for it, beside the inherited ones; their values are never shown.
    pub env: BTreeMap<String, Secret>,
    /// Its working directory; that of the tool when absent.
    pub directory: Option<PathBuf>,
    /// Started again when it ends by itself.
    pub restart: bool,
}

/// A proxy between a client and its upstream; passes everything through until a fault uses it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proxy {
    /// Its name, unique among the proxies.
    pub name: String,
    /// Where it listens. Port 0 is chosen by the kernel.
    pub listen: SocketAddr,
    /// `HOST:PORT` of the upstream, resolved for each connection.
    pub upstream: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// How users are told apart; distinct client addresses when absent.
    pub users: Option<UserKey>,
}

/// What a proxy understands of the bytes that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Bytes.
    #[default]
    Tcp,
    /// Requests of HTTP/1.1 or, with prior knowledge, of HTTP/2. Chosen by itself when an `http.*` fault or `users` needs it.
    Http,
}

/// Where a request says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserKey {
    /// The value of this header.
    Header(String),
    /// The value of this cookie.
    Cookie(String),
}

/// The limits of harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// How many of the matching targets a fault may touch.
    pub scope: Scope,
    /// The largest share of connections or requests that may be touched.
    pub traffic: Share,
    /// At most so many distinct users are touched.
    pub max_affected_users: Option<u64>,
    /// The hard limit of the time from the first fault's start until the undo begins.
    pub duration: Timespan,
}

/// How many of the matching targets a fault may touch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One.
    SingleInstance,
    /// At most so many; at least 1.
    Count(u32),
    /// At most this share, rounded down, but at least one.
    Percentage(Share),
}

/// What recovery is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The recovery time objective, counted from the verified undo.
    pub within: Timespan,
    /// How long the system is watched once it is back; a second when absent. Leaks show only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Timespan>,
}

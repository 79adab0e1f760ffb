//! The form of the file: which keys there are and what stands under them. What is missing or contradicts itself is
//! judged in `build`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::decode::{Field, Raw};
use crate::model::experiment::{Protocol, Scope, UserKey};
use crate::model::probe::OnNoData;
use crate::model::secret::Secret;
use crate::model::units::{Rate, Share, Timespan};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExperimentFile {
    pub name: Field<String>,
    pub description: Field<String>,
    pub tags: Field<Vec<Field<String>>>,
    /// Judged when variables are put in.
    pub vars: Field<BTreeMap<String, Raw>>,
    pub services: Field<Vec<Field<ServiceFile>>>,
    pub proxies: Field<Vec<Field<ProxyFile>>>,
    /// Each is read once as [`ProbeFile`] and once as the settings of its kind.
    pub steady_state: Field<Vec<Raw>>,
    /// Each is read once as [`FaultFile`] and once as the settings of its kind.
    pub faults: Field<Vec<Raw>>,
    pub blast_radius: Field<BlastRadiusFile>,
    /// Judged as expressions.
    pub stop_conditions: Field<Vec<Raw>>,
    pub baseline: Field<Timespan>,
    pub recovery: Field<RecoveryFile>,
    pub allow_irreversible: Field<bool>,
}

/// An entry of `services`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServiceFile {
    pub name: Field<String>,
    pub command: Field<Vec<Field<String>>>,
    pub ready: Field<String>,
    pub ready_within: Field<Timespan>,
    pub env: Field<BTreeMap<String, Field<Secret>>>,
    pub directory: Field<String>,
    pub restart: Field<bool>,
}

/// An entry of `proxies`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProxyFile {
    pub name: Field<String>,
    pub listen: Field<String>,
    pub upstream: Field<String>,
    pub protocol: Field<Protocol>,
    pub users: Field<UserKey>,
}

/// What all entries of `steady_state` have in common.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProbeFile {
    pub name: Field<String>,
    pub probe: Field<String>,
    pub rate: Field<Rate>,
    pub interval: Field<Timespan>,
    pub timeout: Field<Timespan>,
    /// Judged as expressions.
    pub expect: Field<Vec<Raw>>,
    pub expected_value: Field<Raw>,
    pub tolerance: Field<Raw>,
    pub on_no_data: Field<OnNoData>,
}

/// What all entries of `faults` have in common.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FaultFile {
    pub name: Field<String>,
    pub fault: Field<String>,
    pub target: Field<TargetFile>,
    pub start: Field<Timespan>,
    pub duration: Field<Timespan>,
}

/// The target of a fault: exactly one of these.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TargetFile {
    pub proxy: Field<String>,
    pub process: Field<ProcessFile>,
    pub host: Field<String>,
}

/// Which process is the target of a fault.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProcessFile {
    pub service: Field<String>,
}

/// `blast_radius`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BlastRadiusFile {
    pub scope: Field<Scope>,
    pub traffic: Field<Share>,
    pub max_affected_users: Field<u64>,
    pub duration: Field<Timespan>,
}

/// `recovery`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RecoveryFile {
    pub within: Field<Timespan>,
}

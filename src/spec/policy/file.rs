//! The form of a policy file: which keys there are and what stands under them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::policy::{Day, Network, Quantity, Upstream};
use crate::model::units::{Share, Timespan};
use crate::spec::decode::Field;

type List<T> = Field<Vec<Field<T>>>;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PolicyFile {
    /// For people: only its form is judged.
    #[allow(dead_code, reason = "it is read so that it is no unknown key")]
    pub description: Field<String>,
    pub allow_faults: List<String>,
    pub deny_faults: List<String>,
    pub at_most: Field<BTreeMap<String, Field<Quantity>>>,
    pub at_least: Field<BTreeMap<String, Field<Quantity>>>,
    pub max_fault_duration: Field<Timespan>,
    pub max_duration: Field<Timespan>,
    pub max_traffic: Field<Share>,
    pub max_affected_users: Field<u64>,
    pub min_baseline: Field<Timespan>,
    pub require_stop_conditions: Field<bool>,
    pub require_approval: Field<bool>,
    pub approved_plans: List<String>,
    pub forbid_irreversible: Field<bool>,
    pub allow_programs: List<String>,
    pub allow_uids: List<u32>,
    pub allow_cgroups: List<String>,
    pub allow_listen: List<Network>,
    pub allow_upstreams: List<Upstream>,
    pub allow_paths: List<String>,
    pub windows: List<WindowFile>,
}

/// An entry of `windows`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WindowFile {
    pub days: List<Day>,
    pub from: Field<String>,
    pub to: Field<String>,
}

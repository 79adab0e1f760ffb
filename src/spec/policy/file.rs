//! The form of a policy file: which keys there are and what stands under them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::policy::{Day, Network, Quantity, Upstream};
use crate::model::units::{Share, Timespan};
use crate::spec::decode::Field;

type List<T> = Field<Vec<Field<T>>>;

/// A policy: what experiments may do on a machine. What is left out limits nothing; an empty list allows nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::spec) struct PolicyFile {
    /// For people: only its form is judged.
    #[allow(dead_code, reason = "it is read so that it is no unknown key")]
    pub description: Field<String>,
    /// Patterns of the faults that may be used, such as `network.*`.
    pub allow_faults: List<String>,
    /// Patterns of the faults that may not be used, even if allowed.
    pub deny_faults: List<String>,
    /// What settings of faults may be at most, by their names: `{ load: 80%, delay: 2s }`.
    pub at_most: Field<BTreeMap<String, Field<Quantity>>>,
    /// What settings of faults may be at least, by their names.
    pub at_least: Field<BTreeMap<String, Field<Quantity>>>,
    /// The longest duration of one fault.
    pub max_fault_duration: Field<Timespan>,
    /// The longest `blast_radius.duration`.
    pub max_duration: Field<Timespan>,
    /// The largest `blast_radius.traffic` of faults on proxies.
    pub max_traffic: Field<Share>,
    /// The largest `blast_radius.max_affected_users` of faults on proxies.
    pub max_affected_users: Field<u64>,
    /// The shortest baseline.
    pub min_baseline: Field<Timespan>,
    /// Faults need a stop condition.
    pub require_stop_conditions: Field<bool>,
    /// The digest of the plan must be given with `chaos run --approve`.
    pub require_approval: Field<bool>,
    /// The digests of the only plans that may be run.
    pub approved_plans: List<String>,
    /// Faults that cannot be undone are refused whatever the experiment consents to.
    pub forbid_irreversible: Field<bool>,
    /// Patterns of the programs that services and probes may start, by their full paths; `chaos` is this tool.
    pub allow_programs: List<String>,
    /// The users whose services may be broken, by number.
    pub allow_uids: List<u32>,
    /// Patterns of the control groups whose services may be broken.
    pub allow_cgroups: List<String>,
    /// The networks in which proxies may listen.
    pub allow_listen: List<Network>,
    /// The networks and names of hosts to which proxies may forward.
    pub allow_upstreams: List<Upstream>,
    /// Folders below which disk faults may write.
    pub allow_paths: List<String>,
    /// When faults may be active.
    pub windows: List<WindowFile>,
}

/// A stretch of each of some days.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::spec) struct WindowFile {
    /// The days on which it begins; every day when absent.
    pub days: List<Day>,
    /// When it begins, such as `09:00`, in UTC.
    pub from: Field<String>,
    /// When it ends; on the next day unless it is after `from`.
    pub to: Field<String>,
}

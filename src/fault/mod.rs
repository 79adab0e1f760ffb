//! What can be broken: one file a fault, settings in, reversible steps out. Pure: it decides, `host` acts.

mod catalogue;
mod cpu_limit;
mod cpu_stress;
mod disk_fill;
mod disk_stress;
mod fd_exhaust;
mod group_limit;
mod http_abort;
mod http_corrupt;
mod http_duplicate;
mod http_error;
mod http_latency;
mod http_slow_body;
mod http_timeout;
mod io_limit;
mod memory_limit;
mod memory_stress;
mod network_bandwidth;
mod network_blackhole;
mod network_disconnect;
mod network_down;
mod network_latency;
mod network_limit_data;
mod network_slice;
mod network_slow_close;
mod pids_limit;
mod process_exec;
mod process_kill;
mod process_pause;
mod process_slow;
mod request;
#[cfg(test)]
mod testing;
mod toxic;
mod victims;
mod words;
mod worker;

use std::time::Duration;

pub use self::catalogue::CATALOGUE;

use crate::host::Facts;
use crate::model::dose::{Dose, Meter, Reading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultKind, FaultSpec};
use crate::model::step::Step;

/// A fault turned into what is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPlan {
    /// The steps, in the order in which they are applied.
    pub steps: Vec<Step>,
    /// Where its dose is read.
    pub meter: Meter,
    /// What this user must be allowed to do, in words.
    pub needs: &'static str,
}

/// Turns a fault into steps. Errors are sentences that say what is missing on this machine.
pub fn plan(fault: &FaultSpec, experiment: &Experiment, facts: &Facts) -> Result<FaultPlan, String> {
    match &fault.kind {
        FaultKind::NetworkLatency(settings) => Ok(network_latency::plan(fault, settings, experiment)),
        FaultKind::NetworkBandwidth(settings) => Ok(network_bandwidth::plan(fault, settings, experiment)),
        FaultKind::NetworkDisconnect(settings) => Ok(network_disconnect::plan(fault, settings, experiment)),
        FaultKind::NetworkBlackhole(settings) => Ok(network_blackhole::plan(fault, settings, experiment)),
        FaultKind::NetworkSlowClose(settings) => Ok(network_slow_close::plan(fault, settings, experiment)),
        FaultKind::NetworkSlice(settings) => Ok(network_slice::plan(fault, settings, experiment)),
        FaultKind::NetworkLimitData(settings) => Ok(network_limit_data::plan(fault, settings, experiment)),
        FaultKind::NetworkDown(settings) => Ok(network_down::plan(fault, settings, experiment)),
        FaultKind::HttpError(settings) => Ok(http_error::plan(fault, settings, experiment)),
        FaultKind::HttpLatency(settings) => Ok(http_latency::plan(fault, settings, experiment)),
        FaultKind::HttpAbort(settings) => Ok(http_abort::plan(fault, settings, experiment)),
        FaultKind::HttpTimeout(settings) => Ok(http_timeout::plan(fault, settings, experiment)),
        FaultKind::HttpCorrupt(settings) => Ok(http_corrupt::plan(fault, settings, experiment)),
        FaultKind::HttpDuplicate(settings) => Ok(http_duplicate::plan(fault, settings, experiment)),
        FaultKind::HttpSlowBody(settings) => Ok(http_slow_body::plan(fault, settings, experiment)),
        FaultKind::CpuStress(settings) => cpu_stress::plan(fault, settings, facts),
        FaultKind::MemoryStress(settings) => memory_stress::plan(fault, settings, facts),
        FaultKind::DiskStress(settings) => Ok(disk_stress::plan(fault, settings)),
        FaultKind::DiskFill(settings) => Ok(disk_fill::plan(fault, settings)),
        FaultKind::CpuLimit(settings) => cpu_limit::plan(fault, settings, facts),
        FaultKind::MemoryLimit(settings) => memory_limit::plan(fault, settings, facts),
        FaultKind::IoLimit(settings) => io_limit::plan(fault, settings, facts),
        FaultKind::PidsLimit(settings) => pids_limit::plan(fault, settings, facts),
        FaultKind::ProcessKill(settings) => process_kill::plan(fault, settings, facts),
        FaultKind::ProcessPause(_) => process_pause::plan(fault, facts),
        FaultKind::ProcessSlow(settings) => process_slow::plan(fault, settings, facts),
        FaultKind::FdExhaust(settings) => fd_exhaust::plan(fault, settings, facts),
        FaultKind::ProcessExec(settings) => Ok(process_exec::plan(fault, settings)),
    }
}

/// What will be done on this machine instead of what a fault asks for, and why.
pub fn instead(fault: &FaultSpec, facts: &Facts) -> Option<String> {
    let controller = fault.kind.acts_in_a_group().filter(|_| fault.kind.limit().is_none())?;
    let why = group_limit::cannot(&fault.target, controller, facts)?;
    Some(format!("the whole machine will feel it instead: {why}"))
}

/// What the fault was asked to do against what the meter showed just before the undo, after it `lasted` so long;
/// `facts` are those it was planned with. A dose that did not bite says why.
pub fn dose(fault: &FaultSpec, experiment: &Experiment, facts: &Facts, reading: &Reading, lasted: Duration) -> Dose {
    let share = fault.kind.share().unwrap_or(experiment.blast_radius.traffic);
    match (&fault.kind, reading) {
        (FaultKind::NetworkLatency(settings), Reading::Toxic(toxic)) => network_latency::dose(settings, share, toxic),
        (FaultKind::NetworkBandwidth(settings), Reading::Toxic(toxic)) => {
            network_bandwidth::dose(settings, share, toxic)
        }
        (FaultKind::NetworkDisconnect(_), Reading::Toxic(toxic)) => network_disconnect::dose(share, toxic),
        (FaultKind::NetworkBlackhole(_), Reading::Toxic(toxic)) => network_blackhole::dose(share, toxic),
        (FaultKind::NetworkSlowClose(settings), Reading::Toxic(toxic)) => {
            network_slow_close::dose(settings, share, toxic)
        }
        (FaultKind::NetworkSlice(settings), Reading::Toxic(toxic)) => network_slice::dose(settings, share, toxic),
        (FaultKind::NetworkLimitData(settings), Reading::Toxic(toxic)) => {
            network_limit_data::dose(settings, share, toxic)
        }
        (FaultKind::NetworkDown(_), Reading::Toxic(toxic)) => network_down::dose(share, toxic),
        (FaultKind::HttpError(settings), Reading::Toxic(toxic)) => http_error::dose(settings, share, toxic),
        (FaultKind::HttpLatency(settings), Reading::Toxic(toxic)) => http_latency::dose(settings, share, toxic),
        (FaultKind::HttpAbort(settings), Reading::Toxic(toxic)) => http_abort::dose(settings, share, toxic),
        (FaultKind::HttpTimeout(settings), Reading::Toxic(toxic)) => http_timeout::dose(settings, share, toxic),
        (FaultKind::HttpCorrupt(settings), Reading::Toxic(toxic)) => http_corrupt::dose(settings, share, toxic),
        (FaultKind::HttpDuplicate(settings), Reading::Toxic(toxic)) => http_duplicate::dose(settings, share, toxic),
        (FaultKind::HttpSlowBody(settings), Reading::Toxic(toxic)) => http_slow_body::dose(settings, share, toxic),
        (FaultKind::CpuStress(settings), Reading::Worker(worker)) => cpu_stress::dose(settings, facts, worker),
        (FaultKind::MemoryStress(settings), Reading::Worker(worker)) => memory_stress::dose(settings, facts, worker),
        (FaultKind::DiskStress(settings), Reading::Worker(worker)) => disk_stress::dose(settings, worker),
        (FaultKind::DiskFill(settings), Reading::Worker(worker)) => disk_fill::dose(settings, worker),
        (FaultKind::CpuLimit(settings), Reading::Group(group)) => cpu_limit::dose(settings, group),
        (FaultKind::MemoryLimit(settings), Reading::Group(group)) => memory_limit::dose(settings, group),
        (FaultKind::IoLimit(settings), Reading::Group(group)) => io_limit::dose(settings, group),
        (FaultKind::PidsLimit(settings), Reading::Group(group)) => pids_limit::dose(settings, group),
        (FaultKind::ProcessKill(settings), Reading::Processes(victims)) => {
            process_kill::dose(settings, victims, lasted)
        }
        (FaultKind::ProcessPause(_), Reading::Processes(victims)) => process_pause::dose(victims, lasted),
        (FaultKind::ProcessSlow(settings), Reading::Worker(worker)) => process_slow::dose(settings, worker),
        (FaultKind::FdExhaust(settings), Reading::OpenFiles(limits)) => fd_exhaust::dose(settings, limits),
        (FaultKind::ProcessExec(settings), Reading::Command(in_place)) => process_exec::dose(settings, in_place),
        (kind, _) => words::unmeasured(&format!("{} was read from a meter of another kind", kind.word())),
    }
}

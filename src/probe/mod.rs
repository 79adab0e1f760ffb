//! The probes: how the system under test feels, as timed samples. One file a probe; [`schedule`] sends them in an open
//! loop. `README.md` beside this file says how to add one. Floor 3.

mod failure;
mod http;
mod http_client;
mod in_flight;
mod phase_cell;
mod prometheus;
mod recorder;
pub mod schedule;
mod tcp;
#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use phase_cell::PhaseCell;
pub use recorder::Recorder;

use crate::host::clock::Clock;
use crate::host::{Prober, Trouble};
use crate::model::probe::{ProbeKind, ProbeSpec};
use crate::model::step::ProcessIdentity;

/// What probes may know of the run around them.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock of the run.
    pub clock: Clock,
    /// The experiment's own services.
    pub service: ServiceLookup,
}

/// Finds one of the experiment's own services by its name; none while it has no process.
pub type ServiceLookup = Arc<dyn Fn(&str) -> Option<ServiceView> + Send + Sync>;

/// What is known of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceView {
    /// Its process now.
    pub identity: ProcessIdentity,
    /// How often its process was replaced since the run began.
    pub restarts: u64,
}

/// Turns the settings of a probe into one that takes samples. Contacts nothing; what is missing on this machine (a
/// program, a file of certificates) is a trouble now and not a surprise in the middle of the run.
pub fn prepare(spec: &ProbeSpec, surroundings: &Surroundings) -> Result<Arc<dyn Prober>, Trouble> {
    Ok(match &spec.kind {
        ProbeKind::Http(http) => Arc::new(http::prepare(spec, http, surroundings)?),
        ProbeKind::Tcp(tcp) => Arc::new(tcp::prepare(spec, tcp, surroundings)?),
        ProbeKind::Command(_) | ProbeKind::Process(_) | ProbeKind::Host(_) => return Err(Trouble::new("x", "y")),
        ProbeKind::Prometheus(prometheus) => Arc::new(prometheus::prepare(spec, prometheus, surroundings)?),
    })
}

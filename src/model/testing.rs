//! The smallest experiment, which tests fill with what they are about.

use super::experiment::{BlastRadius, Experiment, Recovery, Scope};
use super::step::ProcessIdentity;
use super::target::{ProcessTarget, Selector, Victim, Victims};
use super::units::{Share, Timespan};

/// An experiment without services, proxies, probes, faults and stop conditions; five seconds everywhere.
pub fn experiment() -> Experiment {
    Experiment {
        name: "test".into(),
        description: None,
        tags: Vec::new(),
        services: Vec::new(),
        proxies: Vec::new(),
        steady_state: Vec::new(),
        faults: Vec::new(),
        blast_radius: BlastRadius {
            scope: Scope::SingleInstance,
            traffic: Share::ALL,
            max_affected_users: None,
            duration: Timespan::seconds(5),
        },
        stop_conditions: Vec::new(),
        baseline: Timespan::seconds(5),
        recovery: Recovery { within: Timespan::seconds(5), watch: None },
        allow_irreversible: false,
    }
}

/// The process of a service that was chosen: pid 77.
pub fn whom(service: &str) -> Victims {
    let process = ProcessIdentity { pid: 77, pidfs_inode: 1, start_ticks: 1 };
    let victim = Victim { process, name: service.to_owned(), service: Some(service.to_owned()) };
    let target = ProcessTarget { by: Selector::Service(service.to_owned()), children: false };
    Victims { target, chosen: vec![victim] }
}

//! What a run asks of the world it acts on: a door that tests swap for a fake.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use crate::host::clock::Clock;
use crate::host::process::OpenFiles;
use crate::host::{cgroup, system};
use crate::model::cgroup::Controller;
use crate::model::dose::{Meter, Reading};
use crate::model::fault::FaultSpec;
use crate::model::probe::ProbeSpec;
use crate::model::sample::Measurement;
use crate::model::step::{Act, Check, Receipt, Step, Undo};
use crate::model::target::{ProcessTarget, Victim};
use crate::model::traffic::ProxyTraffic;

/// Why something could not be done on this machine, and what to try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}{}", .help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())]
pub struct Trouble {
    /// What was tried: "listen on 127.0.0.1:9102".
    pub what: String,
    /// Why it failed: "address already in use".
    pub why: String,
    /// What to try.
    pub help: Option<String>,
}

impl Trouble {
    /// A trouble without advice.
    pub fn new(what: impl Into<String>, why: impl ToString) -> Self {
        Self { what: what.into(), why: why.to_string(), help: None }
    }

    /// The same with advice.
    #[must_use = "advice is added to the trouble that is returned"]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What is known about a machine when a fault is turned into steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The numbers of the cores this process may use; never empty on a real machine.
    pub cores: Vec<usize>,
    /// Bytes of memory available without swapping.
    pub memory_available: u64,
    /// Why no service of ours can have a control group of its own, by what that is to control; nothing where it can.
    pub no_groups: BTreeMap<Controller, String>,
    /// Those that were chosen to be hit by the fault that is planned; nobody where nothing is looked at.
    pub victims: Vec<Victim>,
    /// What those have open, where it must be known.
    pub open_files: Vec<OpenFiles>,
}

impl Facts {
    /// Those of this machine.
    pub fn here() -> Self {
        Self {
            cores: system::cores(),
            memory_available: system::memory().map_or(0, |memory| memory.available),
            no_groups: cgroup::missing(),
            ..Self::default()
        }
    }
}

/// What is known just before an act, and what there is to be told about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prepared {
    /// What the undo needs to know, whatever becomes of the act.
    pub receipt: Receipt,
    /// What is done otherwise than asked, and why; or what is likely to come of it.
    pub notes: Vec<String>,
}

/// Those that a fault is to hit, and out of how many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen {
    /// The chosen, each with its children where they are meant.
    pub victims: Vec<Victim>,
    /// What they have open, where the fault must know it.
    pub open_files: Vec<OpenFiles>,
    /// How many of those that matched are among them, children aside.
    pub instances: usize,
    /// How many matched, children aside.
    pub matching: usize,
}

/// The answer to a [`Check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It is so.
    Yes,
    /// It is not so.
    No {
        /// What is there instead.
        because: String,
    },
    /// It is not so, and must not be made so: somebody else changed it meanwhile.
    Others {
        /// What is there instead.
        because: String,
    },
    /// It could not be found out, which is never a yes.
    Unknown {
        /// Why.
        because: String,
    },
}

/// Takes one sample at a time; several may be under way at once.
pub trait Prober: Send + Sync {
    /// Takes one sample. Never panics; ends by itself within the probe's timeout.
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>>;
}

/// The world a run acts on.
///
/// Every act is one primitive effect, either done completely or reported as a trouble; even then its undo is safe.
/// Undo is idempotent: an absent object is a success. No call waits without a limit of its own.
pub trait Machine: Send + Sync + 'static {
    /// The clock of this world.
    fn clock(&self) -> Clock;

    /// What is known now.
    fn facts(&self) -> impl Future<Output = Facts> + Send;

    /// Finds who matches the target of a fault now, refuses if any of them must not be hit, and chooses those that it may
    /// hit: the same for the same run's seed.
    fn choose(&self, fault: &FaultSpec, target: &ProcessTarget)
    -> impl Future<Output = Result<Chosen, Trouble>> + Send;

    /// Looks at what an act is about to change, so that its undo is known before. Changes nothing. An error says that the
    /// act cannot or must not be done.
    fn prepare(&self, step: &Step) -> impl Future<Output = Result<Prepared, Trouble>> + Send;

    /// Does something. `receipt` is what [`Self::prepare`] found and is in the journal; what comes back replaces it.
    fn apply(&self, act: &Act, receipt: Receipt) -> impl Future<Output = Result<Receipt, Trouble>> + Send;

    /// Undoes it; `receipt` is empty when the act was cut short.
    fn undo(&self, undo: &Undo, receipt: &Receipt) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Reads back.
    fn check(&self, check: &Check, receipt: &Receipt) -> impl Future<Output = Checked> + Send;

    /// Reads a dose.
    fn read(&self, meter: &Meter) -> impl Future<Output = Result<Reading, Trouble>> + Send;

    /// Prepares a probe.
    fn prober(&self, spec: &ProbeSpec) -> Result<Arc<dyn Prober>, Trouble>;

    /// Where the output of a service is kept.
    fn service_log(&self, service: &str) -> Option<PathBuf>;

    /// From now on no undo waits politely: graces are cut short.
    fn hurry(&self);

    /// Why what a fault acts on is not there any more; none while it is. Asked while the fault is in place, about one
    /// that is not to end its target.
    fn target_gone(&self, meter: &Meter) -> Option<String>;

    /// Distinct users touched by any toxic so far.
    fn affected_users(&self) -> u64;

    /// What has passed the open proxies so far, by name.
    fn traffic(&self) -> Vec<ProxyTraffic>;
}

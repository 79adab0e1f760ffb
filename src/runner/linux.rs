//! The real machine: proxies and workers of ours, processes and files through `host`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::readiness;
use crate::guard::policy::{self, ProcessPlace};
use crate::guard::protected;
use crate::host::clock::Clock;
use crate::host::process::{self, Signal};
use crate::host::service::Services;
use crate::host::workers::Workers;
use crate::host::{Checked, Facts, Machine, Prober, Trouble, system};
use crate::model::dose::{Meter, ProcessState, Reading};
use crate::model::experiment::{Experiment, Service};
use crate::model::fault::KillSignal;
use crate::model::policy::Policy;
use crate::model::probe::ProbeSpec;
use crate::model::step::{Act, Check, ProcessIdentity, Receipt, Undo};
use crate::probe::{ServiceView, Surroundings, prepare};
use crate::proxy::ProxySet;

/// This machine, for one run.
pub struct LinuxMachine {
    clock: Clock,
    proxies: ProxySet,
    workers: Workers,
    services: Arc<Services>,
    specs: BTreeMap<String, Service>,
    policies: Vec<Policy>,
    /// The processes that faults hit, by service: the dose is judged against them.
    hit: Mutex<BTreeMap<String, ProcessIdentity>>,
}

impl LinuxMachine {
    /// For this experiment; `logs` is the folder that takes the services' output.
    pub fn new(experiment: &Experiment, seed: u64, logs: PathBuf) -> Self {
        let clock = Clock::Real;
        let specs = experiment.services.iter().map(|service| (service.name.clone(), service.clone()));
        Self {
            clock,
            proxies: ProxySet::new(clock, seed),
            workers: Workers::new(clock),
            services: Arc::new(Services::new(clock, logs)),
            specs: specs.collect(),
            policies: Vec::new(),
            hit: Mutex::default(),
        }
    }

    fn surroundings(&self) -> Surroundings {
        let services = Arc::clone(&self.services);
        Surroundings {
            clock: self.clock,
            service: Arc::new(move |name| {
                let identity = services.current(name)?;
                Some(ServiceView { identity, restarts: services.restarts(name) })
            }),
        }
    }

    async fn start(&self, service: &Service) -> Result<Receipt, Trouble> {
        let process = self.services.start(service).await?;
        readiness::awaited(service, &self.services, &self.surroundings()).await?;
        Ok(of_process(process))
    }

    async fn revive(&self, name: &str) -> Result<(), Trouble> {
        let Some(service) = self.specs.get(name) else { return Ok(()) };
        self.services.revive(name).await?;
        readiness::awaited(service, &self.services, &self.surroundings()).await
    }

    /// The same under these policies: what they protect is hit by no fault.
    #[must_use = "the machine is returned"]
    pub fn under(mut self, policies: Vec<Policy>) -> Self {
        self.policies = policies;
        self
    }

    /// Looks at a process just before a fault hits it, as it is now, and refuses if it must not be hit.
    fn may_be_hit(&self, what: &str, process: &ProcessIdentity) -> Result<(), Trouble> {
        let refused = |why: &str| Trouble::new(what, format!("{process} must not be hit: {why}"));
        let profile = process::profile(process)?.ok_or_else(|| Trouble::new(what, "its process ended just before"))?;
        if let Some(why) = protected::why(&profile, &process::relatives()?) {
            return Err(refused(why));
        }
        let place = ProcessPlace { uid: profile.uid, cgroups: profile.cgroups };
        policy::hits(&place, &self.policies).map_err(|why| refused(&why))
    }

    /// Signals the very process that the service is now, and remembers which that was.
    fn signal(&self, service: &str, signal: Signal) -> Result<Receipt, Trouble> {
        let what = format!("signal service {service}");
        let process = self.services.current(service).ok_or_else(|| Trouble::new(&what, "it does not run"))?;
        self.may_be_hit(&what, &process)?;
        self.hit.lock().unwrap_or_else(PoisonError::into_inner).insert(service.to_owned(), process.clone());
        if self.services.signal(service, &process, signal) {
            Ok(of_process(process))
        } else {
            Err(Trouble::new(what, "its process ended just before"))
        }
    }

    /// SIGCONT to the process that was stopped: known from the receipt, or, when the act was cut short, from the hit.
    fn resume(&self, service: &str, receipt: &Receipt) {
        if let Some(process) = receipt.process.clone().or_else(|| self.process_hit(service)) {
            self.services.signal(service, &process, Signal::Continue);
        }
    }

    /// Whether that process is not stopped any more.
    fn goes_on(&self, service: &str, receipt: &Receipt) -> Checked {
        let process = receipt.process.clone().or_else(|| self.process_hit(service));
        match process.map(|process| self.services.state(service, &process)) {
            Some(ProcessState::Stopped) => no("its process is still stopped"),
            Some(ProcessState::Unknown) => unknown("the state of its process cannot be read"),
            Some(ProcessState::Running | ProcessState::Gone) | None => Checked::Yes,
        }
    }

    /// Stops a service. With the last one goes whatever left its group on the way, such as a daemon: it carries our mark.
    async fn stop(&self, service: &str) -> Result<(), Trouble> {
        self.services.stop(service).await?;
        if self.services.running().is_empty() {
            for process in process::children_left()? {
                process::send_signal(&process, Signal::Kill(KillSignal::Kill))?;
            }
        }
        Ok(())
    }

    fn stopped(&self, service: &str) -> Checked {
        if !self.services.group_gone(service) {
            return no("processes of it are left");
        }
        if !self.services.running().is_empty() {
            return Checked::Yes;
        }
        match process::children_left() {
            Ok(left) => left.first().map_or(Checked::Yes, |left| no(format!("{left}, which left its group, lives"))),
            Err(trouble) => unknown(trouble.to_string()),
        }
    }

    fn process_hit(&self, service: &str) -> Option<ProcessIdentity> {
        self.hit.lock().unwrap_or_else(PoisonError::into_inner).get(service).cloned()
    }

    fn read_service(&self, service: &str) -> Result<Reading, Trouble> {
        let hit = self.process_hit(service);
        let hit = hit.ok_or_else(|| Trouble::new(format!("look at service {service}"), "no fault touched it"))?;
        let replaced = self.services.current(service).is_some_and(|now| now != hit);
        let now = self.services.current(service).unwrap_or(hit);
        Ok(Reading::Service { state: self.services.state(service, &now), replaced })
    }

    /// Whether the very process that a fault hit has ended.
    fn service_gone(&self, service: &str) -> Option<String> {
        let hit = self.process_hit(service)?;
        let gone = self.services.state(service, &hit) == ProcessState::Gone;
        let how = self.services.ended(service).map(|how| format!(" with {how}")).unwrap_or_default();
        gone.then(|| format!("service {service} ({hit}) ended{how}"))
    }

    async fn ready(&self, name: &str) -> Checked {
        let Some(service) = self.specs.get(name) else { return unknown("no such service") };
        match self.services.current(name).map(|process| self.services.state(name, &process)) {
            Some(ProcessState::Running) => {}
            Some(ProcessState::Unknown) => return unknown("the state of its process cannot be read"),
            other => return no(format!("its process is {other:?}")),
        }
        match readiness::now(service, &self.surroundings()).await {
            Ok(true) => Checked::Yes,
            Ok(false) => no("it runs and is not ready"),
            Err(trouble) => unknown(trouble.to_string()),
        }
    }
}

impl Machine for LinuxMachine {
    fn clock(&self) -> Clock {
        self.clock
    }

    async fn facts(&self) -> Facts {
        Facts { cores: system::cores(), memory_available: system::memory().map_or(0, |memory| memory.available) }
    }

    async fn apply(&self, act: &Act) -> Result<Receipt, Trouble> {
        match act {
            Act::StartService { service } => self.start(service).await,
            Act::OpenProxy { proxy } => {
                let address = self.proxies.open(proxy).await?;
                Ok(Receipt { address: Some(address), ..Receipt::default() })
            }
            Act::AddToxic { proxy, toxic } => {
                self.proxies.add_toxic(proxy, toxic)?;
                Ok(Receipt::default())
            }
            Act::StartWorker { worker, job } => self.workers.start(worker, job).await.map(of_process),
            Act::PauseService { service } => self.signal(service, Signal::Stop),
            Act::KillService { service, signal } => self.signal(service, Signal::Kill(*signal)),
        }
    }

    async fn undo(&self, undo: &Undo, receipt: &Receipt) -> Result<(), Trouble> {
        match undo {
            Undo::StopService { service } => self.stop(service).await,
            Undo::CloseProxy { proxy } => Ok(self.proxies.close(proxy).await?),
            Undo::RemoveToxic { proxy, toxic } => Ok(self.proxies.remove_toxic(proxy, toxic)?),
            Undo::StopWorker { worker } => self.workers.stop(worker).await,
            Undo::ResumeService { service } => {
                self.resume(service, receipt);
                Ok(())
            }
            Undo::ReviveService { service } => self.revive(service).await,
            Undo::None { .. } => Ok(()),
        }
    }

    async fn check(&self, check: &Check, receipt: &Receipt) -> Checked {
        match check {
            Check::ServiceGone { service } => self.stopped(service),
            Check::ProxyGone { proxy } => yes_if(!self.proxies.is_open(proxy), "it still listens"),
            Check::ToxicGone { proxy, toxic } => yes_if(!self.proxies.has_toxic(proxy, toxic), "it is still on"),
            Check::WorkerGone { worker } => yes_if(self.workers.gone(worker), "its process is still there"),
            Check::ServiceRunning { service } => self.goes_on(service, receipt),
            Check::ServiceReady { service } => self.ready(service).await,
            Check::Nothing => Checked::Yes,
        }
    }

    async fn read(&self, meter: &Meter) -> Result<Reading, Trouble> {
        match meter {
            Meter::Toxic { proxy, toxic } => {
                let reading = self.proxies.reading(proxy, toxic).map(Reading::Toxic);
                reading.ok_or_else(|| Trouble::new(format!("read toxic {toxic} of proxy {proxy}"), "there is none"))
            }
            Meter::Worker { worker } => {
                let reading = self.workers.reading(worker).map(Reading::Worker);
                reading.ok_or_else(|| Trouble::new(format!("read worker {worker}"), "it has told nothing yet"))
            }
            Meter::Service { service } => self.read_service(service),
        }
    }

    fn prober(&self, spec: &ProbeSpec) -> Result<Arc<dyn Prober>, Trouble> {
        prepare(spec, &self.surroundings())
    }

    fn service_log(&self, service: &str) -> Option<PathBuf> {
        Some(self.services.log(service))
    }

    fn hurry(&self) {
        self.services.hurry();
    }

    fn target_gone(&self, meter: &Meter) -> Option<String> {
        match meter {
            Meter::Toxic { proxy, .. } => {
                (!self.proxies.is_open(proxy)).then(|| format!("proxy {proxy} does not listen any more"))
            }
            Meter::Service { service } => self.service_gone(service),
            // It is the fault itself; whether it bit is told by its dose.
            Meter::Worker { .. } => None,
        }
    }

    fn affected_users(&self) -> u64 {
        self.proxies.affected_users()
    }
}

fn of_process(process: ProcessIdentity) -> Receipt {
    Receipt { process: Some(process), ..Receipt::default() }
}

fn yes_if(so: bool, otherwise: &str) -> Checked {
    if so { Checked::Yes } else { no(otherwise) }
}

fn no(because: impl Into<String>) -> Checked {
    Checked::No { because: because.into() }
}

fn unknown(because: impl Into<String>) -> Checked {
    Checked::Unknown { because: because.into() }
}

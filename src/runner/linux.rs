//! The real machine: proxies and workers of ours, processes and files through `host`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::commands::Commands;
use super::groups::Groups;
use super::killing::Killing;
use super::targets::Targets;
use super::{commands, limits, readiness};
use crate::host::clock::Clock;
use crate::host::process::{self, Signal};
use crate::host::service::Services;
use crate::host::workers::Workers;
use crate::host::{Checked, Chosen, Facts, Machine, Prepared, Prober, Trouble, room};
use crate::model::dose::{Meter, ProcessState, Reading};
use crate::model::experiment::{Experiment, Protocol, Service};
use crate::model::fault::{FaultSpec, KillSignal, ProcessTarget};
use crate::model::policy::Policy;
use crate::model::probe::ProbeSpec;
use crate::model::redaction::Redaction;
use crate::model::step::{Act, Check, Job, ProcessIdentity, Receipt, Step, Undo};
use crate::model::target::Victims;
use crate::model::traffic::{ProxyTraffic, RequestCounts};
use crate::probe::{ServiceView, Surroundings, prepare};
use crate::proxy::{ProxySet, ProxyState};

/// This machine, for one run.
pub struct LinuxMachine {
    clock: Clock,
    proxies: ProxySet,
    workers: Workers,
    services: Arc<Services>,
    secrets: Redaction,
    commands: Commands,
    specs: BTreeMap<String, Service>,
    groups: Groups,
    targets: Arc<Targets>,
    killing: Killing,
}

impl LinuxMachine {
    /// For this experiment; `logs` is the folder that takes the services' output.
    pub fn new(experiment: &Experiment, seed: u64, logs: PathBuf) -> Self {
        let clock = Clock::Real;
        let specs = experiment.services.iter().map(|service| (service.name.clone(), service.clone()));
        let run = run_of(&logs);
        let secrets = experiment.redaction();
        let services = Arc::new(Services::new(clock, logs).hiding(secrets.clone()));
        let targets = Arc::new(Targets::new(Arc::clone(&services), experiment.blast_radius.scope, seed));
        Self {
            clock,
            proxies: ProxySet::new(clock, seed),
            workers: Workers::new(clock),
            groups: Groups::new(clock, run),
            killing: Killing::new(clock, Arc::clone(&targets)),
            targets,
            services,
            secrets,
            commands: Commands::default(),
            specs: specs.collect(),
        }
    }

    fn surroundings(&self) -> Surroundings {
        let services = Arc::clone(&self.services);
        Surroundings {
            clock: self.clock,
            secrets: self.secrets.clone(),
            service: Arc::new(move |name| {
                let identity = services.current(name)?;
                Some(ServiceView { identity, restarts: services.restarts(name) })
            }),
        }
    }

    async fn start(&self, service: &Service) -> Result<Receipt, Trouble> {
        let process = self.services.start_in(service, self.groups.of_service(&service.name)).await?;
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
    pub fn under(self, policies: Vec<Policy>) -> Self {
        self.targets.protect(policies);
        self
    }

    /// Lets those go on whom a worker slows down, the moment it ends, however it does.
    fn let_go_with(&self, worker: &str, whom: &Victims) {
        let (end, targets, whom) = (self.workers.end_of(worker), Arc::clone(&self.targets), whom.clone());
        tokio::spawn(async move {
            end.await;
            // What cannot be let go now is let go by the undo, and read back.
            let _ = targets.resume(&whom);
        });
    }

    /// Whether none of them is stopped any more.
    fn go_on(&self, whom: &Victims) -> Checked {
        for victim in &whom.chosen {
            match self.targets.state(victim) {
                ProcessState::Stopped => return no(format!("{victim} is still stopped")),
                ProcessState::Unknown => return unknown(format!("the state of {victim} cannot be read")),
                ProcessState::Running | ProcessState::Gone => {}
            }
        }
        Checked::Yes
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

    fn fill_gone(&self, worker: &str, folder: &Path) -> Checked {
        if !self.workers.gone(worker) {
            return no("its process is still there");
        }
        match process::run_of_children().map_or(Ok(Vec::new()), |run| room::drafts_of(folder, run)) {
            Ok(left) => left.first().map_or(Checked::Yes, |left| no(format!("{} is still there", left.display()))),
            Err(error) => unknown(format!("{} cannot be looked at: {error}", folder.display())),
        }
    }

    /// Starts a worker, beside these where it is meant for them alone.
    async fn start_worker(
        &self,
        worker: &str,
        job: &Job,
        beside: Option<&Victims>,
        receipt: Receipt,
    ) -> Result<Receipt, Trouble> {
        if let Some(whom) = beside {
            self.groups.beside(worker, whom, job);
        }
        let started = self.workers.start_in(worker, job, &receipt.groups).await;
        let started = started.map_err(|trouble| match self.groups.killed_beside(worker) {
            Some(why) => Trouble { why: format!("{}: {why}", trouble.why), ..trouble },
            None => trouble,
        })?;
        if let Job::Slow { whom, .. } = job {
            self.let_go_with(worker, whom);
        }
        Ok(Receipt { process: Some(started), ..receipt })
    }

    /// Whether those whose group a fault limits have ended; who is started again comes into the same group.
    fn limited_gone(&self, name: &str) -> Option<String> {
        let whom = self.groups.limited(name)?;
        let service = whom.target.by.service().and_then(|service| self.specs.get(service));
        let again = service.is_some_and(|service| service.restart);
        if again { None } else { self.targets.gone(&whom) }
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
        Facts::here()
    }

    async fn choose(&self, fault: &FaultSpec, target: &ProcessTarget) -> Result<Chosen, Trouble> {
        self.targets.choose(fault, target)
    }

    async fn prepare(&self, step: &Step) -> Result<Prepared, Trouble> {
        match &step.apply {
            Act::MakeGroup { service, controllers, needed } => self.groups.prepare_own(service, controllers, *needed),
            Act::LimitGroup { name, whom, limit } => self.groups.prepare_limit(name, whom, limit),
            Act::StartWorker { worker, job, beside: Some(whom) } => Ok(self.groups.prepare_beside(worker, whom, job)),
            Act::Run { command, check, .. } => commands::prepare(step, command, check.as_ref()).await,
            Act::StartService { .. }
            | Act::OpenProxy { .. }
            | Act::AddToxic { .. }
            | Act::StartWorker { beside: None, .. }
            | Act::Pause { .. }
            | Act::Kill { .. }
            | Act::KeepKilling { .. }
            | Act::TakeCharge { .. }
            | Act::LimitOpenFiles { .. } => Ok(Prepared::default()),
        }
    }

    async fn apply(&self, act: &Act, receipt: Receipt) -> Result<Receipt, Trouble> {
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
            Act::MakeGroup { service, .. } => self.groups.make_own(service, receipt),
            Act::LimitGroup { name, whom, limit } => self.groups.limit(name, whom, limit, receipt).await,
            Act::StartWorker { worker, job, beside } => self.start_worker(worker, job, beside.as_ref(), receipt).await,
            Act::Pause { whom } => self.targets.signal(whom, Signal::Stop).map(|()| Receipt::default()),
            Act::Kill { whom, signal } => self.targets.signal(whom, Signal::Kill(*signal)).map(|()| Receipt::default()),
            Act::KeepKilling { whom, signal, every } => {
                self.killing.start(whom, *signal, *every);
                Ok(Receipt::default())
            }
            Act::TakeCharge { whom } => self.targets.judge(whom).map(|()| Receipt::default()),
            Act::Run { command, .. } => commands::run(command, &receipt).await.map(|()| receipt),
            Act::LimitOpenFiles { whom, limits, .. } => {
                self.targets.judge(whom)?;
                limits::lower(whom, limits).map(|()| Receipt::default())
            }
        }
    }

    async fn undo(&self, undo: &Undo, receipt: &Receipt) -> Result<(), Trouble> {
        match undo {
            Undo::StopService { service } => self.stop(service).await,
            Undo::CloseProxy { proxy } => Ok(self.proxies.close(proxy).await?),
            Undo::RemoveToxic { proxy, toxic } => Ok(self.proxies.remove_toxic(proxy, toxic)?),
            Undo::StopWorker { worker } => self.workers.stop(worker).await,
            Undo::EndFill { worker, folder } => {
                self.workers.stop(worker).await?;
                process::run_of_children().map_or(Ok(()), |run| room::remove_drafts_of(folder, run))
            }
            Undo::RemoveGroup { service } => self.groups.remove_own(service, receipt),
            Undo::RestoreGroup { .. } => self.groups.restore(receipt),
            Undo::Resume { whom } => self.targets.resume(whom),
            Undo::StopKilling { whom } => {
                self.killing.stop(&whom.target).await;
                Ok(())
            }
            Undo::RestoreOpenFiles { whom, limits } => limits::restore(whom, limits),
            Undo::Run { name, command } => self.commands.undo(name, command, receipt).await,
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
            Check::FillGone { worker, folder } => self.fill_gone(worker, folder),
            Check::GroupGone { .. } => self.groups.gone(receipt),
            Check::GroupRestored { .. } => self.groups.restored(receipt),
            Check::Running { whom } => self.go_on(whom),
            Check::KillingStopped { whom } => yes_if(!self.killing.goes_on(&whom.target), "it goes on"),
            Check::OpenFilesRestored { whom, limits } => limits::restored(whom, limits),
            Check::NotInPlace { name, check } => self.commands.not_in_place(name, check.as_ref(), receipt).await,
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
            Meter::OpenFiles { whom, limits } => limits::read(whom, limits).map(Reading::OpenFiles),
            Meter::Group { name } => self.groups.reading(name).map(Reading::Group),
            Meter::Worker { worker } | Meter::Slowed { worker, .. } => {
                if let Some(how) = self.workers.ended(worker) {
                    let why = self.groups.killed_beside(worker).map(|why| format!("; {why}")).unwrap_or_default();
                    return Err(Trouble::new(format!("read worker {worker}"), format!("it ended with {how}{why}")));
                }
                let reading = self.workers.reading(worker).map(Reading::Worker);
                reading.ok_or_else(|| Trouble::new(format!("read worker {worker}"), "it has told nothing yet"))
            }
            Meter::Processes { whom } => Ok(Reading::Processes(self.targets.read(whom))),
            Meter::Command { check } => commands::read(check.as_ref()).await.map(Reading::Command),
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
            Meter::Processes { whom } | Meter::Slowed { whom, .. } | Meter::OpenFiles { whom, .. } => {
                self.targets.gone(whom)
            }
            Meter::Group { name } => self.limited_gone(name),
            // It is the fault itself; whether it bit is told by its dose.
            Meter::Worker { .. } | Meter::Command { .. } => None,
        }
    }

    fn affected_users(&self) -> u64 {
        self.proxies.affected_users()
    }

    fn traffic(&self) -> Vec<ProxyTraffic> {
        self.proxies.list().iter().map(passed).collect()
    }
}

/// What an experiment is told of a proxy.
fn passed(state: &ProxyState) -> ProxyTraffic {
    let counts = RequestCounts { begun: state.traffic.requests, in_flight: state.traffic.in_flight };
    let requests = (state.proxy.protocol == Protocol::Http).then_some(counts);
    ProxyTraffic { proxy: state.proxy.name.clone(), open: state.traffic.active, requests }
}

/// The id of the run whose folder this is; another one where it is not named so, as in tests.
fn run_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    uuid::Uuid::parse_str(&name).unwrap_or_else(|_| uuid::Uuid::now_v7()).to_string()
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

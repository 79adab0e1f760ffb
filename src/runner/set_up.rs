//! Proxies and services come up before the baseline and go down at the very end, by steps like any fault.

use std::time::Duration;

use super::contention::apart;
use super::hands::Undone;
use super::transition::Ended;
use super::walk::Walk;
use crate::host::{Machine, Trouble};
use crate::journal::Owner;
use crate::model::cgroup::Controller;
use crate::model::event::EventKind;
use crate::model::experiment::{Experiment, Proxy, Service};
use crate::model::fault::{FaultSpec, Target};
use crate::model::step::{Act, Check, Receipt, Step, Undo};
use crate::model::target::Victim;
use crate::model::verdict::Mode;
use crate::probe::schedule;

/// How long samples under way are awaited at the end.
const LAST_SAMPLES: Duration = Duration::from_millis(250);

impl<M: Machine> Walk<M> {
    /// Brings everything up and starts the probes.
    pub(super) async fn set_up(&mut self) -> Ended {
        // Who only looks needs no groups.
        let wanted = |step: &Step| self.header.mode == Mode::Inject || !matches!(step.apply, Act::MakeGroup { .. });
        for step in steps(&self.header.experiment).into_iter().filter(wanted).collect::<Vec<_>>() {
            let act = step.apply.clone();
            match self.hands.apply(Owner::SetUp, vec![step]).await {
                Ok(receipts) => receipts.iter().for_each(|receipt| self.tell_up(&act, receipt)),
                Err(Undone::Cancelled) => {
                    self.ears.cancelled();
                    return Ended::Cancelled;
                }
                Err(Undone::Trouble(trouble)) => return self.not_set_up(trouble.to_string()),
            }
        }
        let ready = match self.look_at_targets().await {
            Ok(()) => self.start_probes(),
            Err(trouble) => Err(trouble.to_string()),
        };
        match ready {
            Ok(()) => Ended::Well,
            Err(why) => self.not_set_up(why),
        }
    }

    /// A target that nobody matches, one that must not be hit, or one that two faults would hold at once is told before the
    /// baseline is measured and not after. Whom a fault hits is looked up once more just before.
    async fn look_at_targets(&self) -> Result<(), Trouble> {
        let mut seen: Vec<(&FaultSpec, Vec<Victim>)> = Vec::new();
        for fault in &self.header.experiment.faults {
            if let Some(target) = fault.target.process() {
                let chosen = self.hands.machine.choose(fault, target).await?;
                let at_once = seen.iter().filter(|(other, _)| fault.contends_with(other).is_some());
                apart(fault, &chosen.victims, at_once.map(|(other, whom)| (*other, whom.as_slice())))?;
                seen.push((fault, chosen.victims));
            }
        }
        Ok(())
    }

    fn not_set_up(&self, why: String) -> Ended {
        self.emitter.emit(EventKind::SetUpFailed { why });
        Ended::Failed
    }

    fn start_probes(&mut self) -> Result<(), String> {
        let probes = &self.header.experiment.steady_state;
        let ready: Result<Vec<_>, _> = probes.iter().map(|probe| self.hands.machine.prober(probe)).collect();
        let ready = ready.map_err(|trouble| trouble.to_string())?;
        for (place, (probe, prober)) in probes.iter().zip(ready).enumerate() {
            self.schedules.push(schedule::start(place, probe, prober, &self.recorder));
        }
        Ok(())
    }

    fn tell_up(&self, act: &Act, receipt: &Receipt) {
        match (act, &receipt.process, receipt.address) {
            (Act::StartService { service }, Some(process), _) => self.emitter.emit(EventKind::ServiceReady {
                service: service.name.clone(),
                pid: process.pid,
                log: self.hands.machine.service_log(&service.name),
            }),
            (Act::OpenProxy { proxy }, _, Some(address)) => {
                self.emitter.emit(EventKind::ProxyListening { proxy: proxy.name.clone(), address });
            }
            _ => {}
        }
    }

    /// Sends no more samples. Those under way are awaited for a moment; a signal gives them up at once.
    async fn stop_probes(&mut self) {
        let cancelled = self.ears.cancelled();
        for schedule in std::mem::take(&mut self.schedules) {
            if cancelled {
                schedule.abort();
            } else {
                let _ = tokio::time::timeout(LAST_SAMPLES, schedule.stop()).await;
            }
        }
        self.ears.drain_samples();
    }

    /// Stops the probes and undoes whatever is left, services before the proxies they use.
    pub(super) async fn tear_down(&mut self) -> Ended {
        self.stop_probes().await;
        self.ears.stop = None;
        if self.hands.put_back(|_| true).await { Ended::Well } else { Ended::Failed }
    }
}

/// Everything the experiment brings along, as steps.
pub fn steps(experiment: &Experiment) -> Vec<Step> {
    let proxies = experiment.proxies.iter().map(open);
    let services = experiment.services.iter().flat_map(|service| {
        let group = group(&service.name, experiment);
        group.into_iter().chain([start(service)])
    });
    proxies.chain(services).collect()
}

/// A control group for a service that a fault limits, or stresses without the rest of the machine.
fn group(service: &str, experiment: &Experiment) -> Option<Step> {
    let meant = |target: &Target| target.process().is_some_and(|target| target.by.service() == Some(service));
    let on_it = || experiment.faults.iter().filter(|fault| meant(&fault.target));
    let mut controllers: Vec<Controller> = on_it().filter_map(|fault| fault.kind.acts_in_a_group()).collect();
    if controllers.contains(&Controller::Cpu) {
        controllers.push(Controller::CpuAccount);
    }
    controllers.sort();
    controllers.dedup();
    let needed = on_it().any(|fault| fault.kind.limit().is_some());
    let name = service.to_owned();
    (!controllers.is_empty()).then(|| Step {
        apply: Act::MakeGroup { service: name.clone(), controllers, needed },
        undo: Undo::RemoveGroup { service: name.clone() },
        verify: Check::GroupGone { service: name },
    })
}

fn open(proxy: &Proxy) -> Step {
    let name = proxy.name.clone();
    Step {
        apply: Act::OpenProxy { proxy: proxy.clone() },
        undo: Undo::CloseProxy { proxy: name.clone() },
        verify: Check::ProxyGone { proxy: name },
    }
}

fn start(service: &Service) -> Step {
    let name = service.name.clone();
    Step {
        apply: Act::StartService { service: service.clone() },
        undo: Undo::StopService { service: name.clone() },
        verify: Check::ServiceGone { service: name },
    }
}

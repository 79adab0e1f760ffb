//! The control groups of a run: those that its services are given, the limits on them, and the workers in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::host::cgroup::{self, Counters, Place, Source};
use crate::host::clock::Clock;
use crate::host::{Checked, Prepared, Trouble, process};
use crate::model::cgroup::{Controller, GroupSetting, Limit, Whose};
use crate::model::dose::GroupReading;
use crate::model::step::{Job, ProcessIdentity, Receipt};
use crate::model::units::Timespan;

/// The control groups of a run.
#[derive(Debug)]
pub(super) struct Groups {
    clock: Clock,
    /// The id of the run, by which groups of its own are named.
    run: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The groups of services, by the service.
    own: BTreeMap<String, Vec<PathBuf>>,
    /// The limits that are in place, by the fault.
    limited: BTreeMap<String, Limited>,
    /// Where workers are that are in somebody's group, by the worker.
    beside: BTreeMap<String, (Source, Counters)>,
}

#[derive(Debug, Clone)]
struct Limited {
    process: ProcessIdentity,
    service: String,
    source: Source,
    settings: Vec<GroupSetting>,
    since: Instant,
    then: Counters,
}

impl Groups {
    pub fn new(clock: Clock, run: String) -> Self {
        Self { clock, run, state: Mutex::default() }
    }

    /// The groups that a service is started in.
    pub fn of_service(&self, service: &str) -> Vec<PathBuf> {
        self.state().own.get(service).cloned().unwrap_or_default()
    }

    /// Where a group for a service can be made. What only the account of CPU time is for may be missing.
    pub fn prepare_own(&self, service: &str, controllers: &[Controller], needed: bool) -> Result<Prepared, Trouble> {
        let what = || format!("make a control group for service {service}");
        let hierarchies = cgroup::hierarchies()?;
        let listing = cgroup::our_listing()?;
        let mut groups: Vec<PathBuf> = Vec::new();
        for controller in controllers {
            match cgroup::parents(&listing, &hierarchies, &[*controller]) {
                Ok(found) => groups.extend(found),
                Err(_) if *controller == Controller::CpuAccount => {}
                Err((_, why)) if needed => {
                    let help = "root may make some, and whoever a group was handed to; `chaos doctor` says more";
                    return Err(Trouble::new(what(), why).help(help));
                }
                Err((_, why)) => {
                    let note = format!(
                        "service {service} gets no control group of its own ({why}): what is meant for it alone is felt by \
                         the whole machine"
                    );
                    return Ok(Prepared { notes: vec![note], ..Prepared::default() });
                }
            }
        }
        groups.sort();
        groups.dedup();
        let us = process::this()
            .ok_or_else(|| Trouble::new(what(), "our own identity cannot be read: is /proc mounted?"))?;
        let name = cgroup::name(&self.run, process::pid_namespace().unwrap_or_default(), &us, service);
        let groups = groups.into_iter().map(|parent| parent.join(&name)).collect();
        Ok(Prepared { receipt: Receipt { groups, ..Receipt::default() }, ..Prepared::default() })
    }

    pub fn make_own(&self, service: &str, receipt: Receipt) -> Result<Receipt, Trouble> {
        receipt.groups.iter().try_for_each(|group| cgroup::make(group))?;
        self.state().own.insert(service.to_owned(), receipt.groups.clone());
        Ok(receipt)
    }

    pub fn remove_own(&self, service: &str, receipt: &Receipt) -> Result<(), Trouble> {
        self.state().own.remove(service);
        receipt.groups.iter().try_for_each(|group| cgroup::remove(group))
    }

    /// The values of a limit on the group of a process, as they are now.
    pub fn prepare_limit(&self, service: &str, process: ProcessIdentity, limit: &Limit) -> Result<Prepared, Trouble> {
        let place = self.own_place(service, &process, limit.controller())?;
        let planned = cgroup::settings(limit, &place)?;
        let receipt = Receipt { process: Some(process), settings: planned.settings, ..Receipt::default() };
        Ok(Prepared { receipt, notes: planned.notes })
    }

    /// Sets the values, in steps where there are several for one.
    pub async fn limit(&self, name: &str, service: &str, limit: &Limit, receipt: Receipt) -> Result<Receipt, Trouble> {
        let process = receipt.process.clone();
        let process = process.ok_or_else(|| Trouble::new(format!("limit service {service}"), "it does not run"))?;
        let source = self.source(service, &process, limit.controller(), &receipt.settings)?;
        let over = if let Limit::Memory { ramp, .. } = limit { *ramp } else { Timespan::ZERO };
        for setting in &receipt.settings {
            let steps = u32::try_from(setting.ours.len()).unwrap_or(1).max(1);
            for (step, value) in setting.ours.iter().enumerate() {
                if step > 0 {
                    self.clock.sleep(over.0 / steps).await;
                }
                cgroup::set(setting, value)?;
            }
        }
        let (since, then) = (self.clock.now(), Counters::read(&source));
        let service = service.to_owned();
        let limited = Limited { process, service, source, settings: receipt.settings.clone(), since, then };
        self.state().limited.insert(name.to_owned(), limited);
        Ok(receipt)
    }

    /// Sets the old values again where ours are still there, the newest first.
    pub fn restore(&self, receipt: &Receipt) -> Result<(), Trouble> {
        let restored: Vec<_> = receipt.settings.iter().rev().map(cgroup::restore).collect();
        restored.into_iter().collect()
    }

    /// Whether they are there.
    pub fn restored(&self, receipt: &Receipt) -> Checked {
        let mut checked = Checked::Yes;
        for setting in &receipt.settings {
            match cgroup::now(setting).map(|now| setting.whose(now.as_deref())) {
                Ok(Whose::Before | Whose::Nobodys) => {}
                Ok(Whose::Ours) => return Checked::No { because: format!("{setting} is still limited") },
                Ok(Whose::Others(now)) => checked = Checked::Others { because: others(setting, &now) },
                Err(trouble) => return Checked::Unknown { because: trouble.to_string() },
            }
        }
        checked
    }

    /// Whether no group of a service is left.
    pub fn gone(&self, receipt: &Receipt) -> Checked {
        for group in &receipt.groups {
            match cgroup::is_there(group) {
                Ok(false) => {}
                Ok(true) => return Checked::No { because: format!("{} is still there", group.display()) },
                Err(trouble) => return Checked::Unknown { because: trouble.to_string() },
            }
        }
        Checked::Yes
    }

    /// What came of a limit so far.
    pub fn reading(&self, name: &str) -> Result<GroupReading, Trouble> {
        let limited = self.state().limited.get(name).cloned();
        let limited = limited.ok_or_else(|| Trouble::new(format!("read the limit {name}"), "it was not set"))?;
        let elapsed = self.clock.now().saturating_duration_since(limited.since);
        let not_in_place = limited.settings.iter().find_map(not_in_place);
        Ok(GroupReading { elapsed, not_in_place, ..Counters::read(&limited.source).since(&limited.then) })
    }

    /// The process that a limit was meant for.
    pub fn limited_process(&self, name: &str) -> Option<ProcessIdentity> {
        self.state().limited.get(name).map(|limited| limited.process.clone())
    }

    /// Whether this service is the one that a limit is meant for.
    pub fn is_of(&self, name: &str, service: &str) -> bool {
        self.state().limited.get(name).is_some_and(|limited| limited.service == service)
    }

    /// The group of a process that a worker is put into; where there is none of its own, why, and what is done instead.
    pub fn prepare_beside(&self, worker: &str, service: &str, process: &ProcessIdentity, job: &Job) -> Prepared {
        let controller = controller_of(job);
        match self.own_place(service, process, controller) {
            Ok(place) => {
                let mut groups = vec![place.folder];
                groups.extend(self.account(service, controller));
                groups.dedup();
                Prepared { receipt: Receipt { groups, ..Receipt::default() }, ..Prepared::default() }
            }
            Err(trouble) => Prepared {
                notes: vec![format!(
                    "{worker} is felt by the whole machine, and not by service {service} alone: {}",
                    trouble.why
                )],
                ..Prepared::default()
            },
        }
    }

    /// A worker is about to be put into a group.
    pub fn beside(&self, worker: &str, service: &str, process: &ProcessIdentity, job: &Job) {
        if let Ok(source) = self.source(service, process, controller_of(job), &[]) {
            let then = Counters::read(&source);
            self.state().beside.insert(worker.to_owned(), (source, then));
        }
    }

    /// What the kernel did to the group of a worker that ended: whether it killed there for want of memory.
    pub fn killed_beside(&self, worker: &str) -> Option<String> {
        let (source, then) = self.state().beside.get(worker).cloned()?;
        let killed = Counters::read(&source).since(&then).killed;
        (killed > 0).then(|| {
            format!(
                "its control group {} came to its limit of memory, and the worker was the first to be killed there, before \
                 the target",
                source.place.folder.display()
            )
        })
    }

    /// The group of a process, if it is one that we made for its service.
    fn own_place(&self, service: &str, process: &ProcessIdentity, controller: Controller) -> Result<Place, Trouble> {
        let place = cgroup::place_of(process.pid, &cgroup::hierarchies()?, controller)?;
        let own = self.of_service(service).iter().any(|own| place.folder.starts_with(own));
        if own {
            return Ok(place);
        }
        let what = format!("use the control group of service {service}");
        Err(Trouble::new(what, format!("it shares {} with others", place.folder.display())))
    }

    fn source(
        &self,
        service: &str,
        process: &ProcessIdentity,
        controller: Controller,
        settings: &[GroupSetting],
    ) -> Result<Source, Trouble> {
        let place = self.own_place(service, process, controller)?;
        let device = settings.iter().find_map(|setting| setting.device.clone());
        Ok(Source { place, account: self.account(service, controller), device })
    }

    /// The group of a service that accounts for its CPU time, in version 1.
    fn account(&self, service: &str, controller: Controller) -> Option<PathBuf> {
        let accounts = |group: &PathBuf| Path::new(group).join("cpuacct.usage").exists();
        self.of_service(service).into_iter().find(accounts).filter(|_| controller == Controller::Cpu)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn controller_of(job: &Job) -> Controller {
    match job {
        Job::Cpu { .. } => Controller::Cpu,
        Job::Memory { .. } => Controller::Memory,
        Job::Disk { .. } => Controller::Io,
    }
}

fn not_in_place(setting: &GroupSetting) -> Option<String> {
    match cgroup::now(setting) {
        Ok(Some(now)) if now == setting.last() => None,
        Ok(Some(now)) => Some(others(setting, &now)),
        Ok(None) => Some(format!("{setting} is gone, and the control group with it")),
        Err(trouble) => Some(trouble.to_string()),
    }
}

fn others(setting: &GroupSetting, now: &str) -> String {
    let (last, before) = (setting.last(), &setting.before);
    format!(
        "somebody else set {setting} to `{now}`; we had set `{last}`, and `{before}` was there before: it is left to them"
    )
}

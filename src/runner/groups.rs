//! The control groups of a run: those that its services are given, the limits on them, and the workers in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::host::cgroup::{self, Counters, Place, Set, Source};
use crate::host::clock::Clock;
use crate::host::{Checked, Prepared, Trouble, process};
use crate::model::cgroup::{Controller, GroupSetting, Limit, Whose};
use crate::model::dose::{GroupReading, ProcessState};
use crate::model::step::{Job, Receipt};
use crate::model::target::Victims;
use crate::model::units::Timespan;

/// So long a limit is tried to be set while the kernel cannot take back enough memory.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

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
    /// The limits that were put in place, by the fault.
    limited: BTreeMap<String, Limited>,
    /// The values that are changed and not restored, by the fault.
    changed: BTreeMap<String, Vec<GroupSetting>>,
    /// Where workers are that are in somebody's group, by the worker.
    beside: BTreeMap<String, (Source, Counters)>,
}

#[derive(Debug, Clone)]
struct Limited {
    whom: Victims,
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

    /// The values of a limit on the group of these, as they are now.
    pub fn prepare_limit(&self, name: &str, whom: &Victims, limit: &Limit) -> Result<Prepared, Trouble> {
        let place = self.place(whom, limit.controller())?;
        let planned = cgroup::settings(limit, &place)?;
        if let Some((other, setting)) = contended(&self.state().changed, &planned.settings) {
            let why = format!(
                "`{other}` has set {setting}, and `{name}` would take that for what was there before: two limits on one \
                 disk or group cannot overlap"
            );
            let help = "let one start when the other has ended";
            return Err(Trouble::new(format!("limit {whom}"), why).help(help));
        }
        let receipt = Receipt { settings: planned.settings, ..Receipt::default() };
        Ok(Prepared { receipt, notes: planned.notes })
    }

    /// Sets the values, in steps where there are several for one.
    pub async fn limit(&self, name: &str, whom: &Victims, limit: &Limit, receipt: Receipt) -> Result<Receipt, Trouble> {
        let source = self.source(whom, limit.controller(), &receipt.settings)?;
        let over = if let Limit::Memory { ramp, .. } = limit { *ramp } else { Timespan::ZERO };
        self.state().changed.insert(name.to_owned(), receipt.settings.clone());
        // Version 2 kills whoever must make room before it says that the limit is set.
        let before = Counters::read(&source);
        for setting in &receipt.settings {
            let steps = u32::try_from(setting.ours.len()).unwrap_or(1).max(1);
            for (step, value) in setting.ours.iter().enumerate() {
                if step > 0 {
                    self.clock.sleep(over.0 / steps).await;
                }
                self.set(setting, value).await?;
            }
        }
        let (since, then) = (self.clock.now(), Counters::read(&source).with_kills_since(&before));
        let limited = Limited { whom: whom.clone(), source, settings: receipt.settings.clone(), since, then };
        self.state().limited.insert(name.to_owned(), limited);
        Ok(receipt)
    }

    /// Sets a value, with patience: a target that reads its files again meanwhile keeps the kernel from taking back memory.
    async fn set(&self, setting: &GroupSetting, value: &str) -> Result<(), Trouble> {
        let deadline = self.clock.now() + PATIENCE;
        loop {
            match cgroup::set(setting, value)? {
                Set::Done => return Ok(()),
                Set::NotYet(trouble) if self.clock.now() >= deadline => return Err(trouble),
                Set::NotYet(_) => self.clock.sleep(PAUSE).await,
            }
        }
    }

    /// Sets the old values again where ours are still there, the newest first.
    pub fn restore(&self, receipt: &Receipt) -> Result<(), Trouble> {
        let restored: Vec<_> = receipt.settings.iter().rev().map(cgroup::restore).collect();
        restored.into_iter().collect::<Result<(), Trouble>>()?;
        self.state().changed.retain(|_, settings| *settings != receipt.settings);
        Ok(())
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

    /// Those whose group a fault limits.
    pub fn limited(&self, name: &str) -> Option<Victims> {
        self.state().limited.get(name).map(|limited| limited.whom.clone())
    }

    /// The group of these that a worker is put into; where there is none of their own, why, and what is done instead.
    pub fn prepare_beside(&self, worker: &str, whom: &Victims, job: &Job) -> Prepared {
        let controller = controller_of(job);
        match self.place(whom, controller) {
            Ok(place) => {
                let mut groups = vec![place.folder];
                groups.extend(self.account(whom, controller));
                groups.dedup();
                let together = cgroup::dies_together(&groups[0]).filter(|_| controller == Controller::Memory);
                let notes = together.map(|group| {
                    format!(
                        "memory.oom.group of {} is 1: should memory end there, the kernel kills {whom} and all others in it \
                         with {worker}",
                        group.display()
                    )
                });
                let notes = notes.into_iter().collect();
                Prepared { receipt: Receipt { groups, ..Receipt::default() }, notes }
            }
            Err(trouble) => Prepared {
                notes: vec![format!("{worker} is felt by the whole machine, and not by {whom} alone: {}", trouble.why)],
                ..Prepared::default()
            },
        }
    }

    /// A worker is about to be put into a group.
    pub fn beside(&self, worker: &str, whom: &Victims, job: &Job) {
        if let Ok(source) = self.source(whom, controller_of(job), &[]) {
            let then = Counters::read(&source);
            self.state().beside.insert(worker.to_owned(), (source, then));
        }
    }

    /// What the kernel did to the group of a worker that ended: whether it killed there for want of memory.
    pub fn killed_beside(&self, worker: &str) -> Option<String> {
        let (source, then) = self.state().beside.get(worker).cloned()?;
        let killed = Counters::read(&source).since(&then).killed;
        let group = &source.place.folder;
        let how = match cgroup::dies_together(group) {
            None => "the worker was the first to be killed there, before the target".to_owned(),
            Some(together) => format!(
                "all that were in {} were killed together, the target, too, as its memory.oom.group says ({killed} killed)",
                together.display()
            ),
        };
        (killed > 0).then(|| format!("its control group {} came to its limit of memory, and {how}", group.display()))
    }

    /// The one group of these for a controller: one that we made, or one that nobody else is in.
    fn place(&self, whom: &Victims, controller: Controller) -> Result<Place, Trouble> {
        let what = || format!("use the control group of {whom}");
        let hierarchies = cgroup::hierarchies()?;
        let mut places = Vec::new();
        for victim in &whom.chosen {
            let place = cgroup::place_of(victim.process.pid, &hierarchies, controller)?;
            // What was seen was this very process only if it lives still.
            if process::state(&victim.process) == ProcessState::Gone {
                return Err(Trouble::new(what(), format!("{victim} ended just before")));
            }
            if !places.contains(&place) {
                places.push(place);
            }
        }
        match places.as_slice() {
            [] => Err(Trouble::new(what(), "nobody was chosen")),
            [place] => self.alone(whom, place).map(|()| place.clone()).map_err(|why| Trouble::new(what(), why)),
            several => Err(Trouble::new(what(), format!("they are in {} control groups", several.len()))),
        }
    }

    /// Whether nobody but these, and whom they started, is in a group. What we made is ours.
    fn alone(&self, whom: &Victims, place: &Place) -> Result<(), String> {
        let service = whom.target.by.service().unwrap_or_default();
        if self.of_service(service).iter().any(|own| place.folder.starts_with(own)) {
            return Ok(());
        }
        let group = place.folder.display();
        if place.is_root {
            return Err(format!("{group} is the root group, in which everybody is who has no other"));
        }
        let ours = |pid: i32| whom.identities().any(|one| one.pid == pid);
        for pid in cgroup::members(&place.folder).map_err(|trouble| trouble.to_string())? {
            if pid <= 0 {
                return Err(format!("{group} holds others, too, in another pid name space"));
            }
            let Some(other) = process::identity(pid) else { continue };
            let profile = process::profile(&other).map_err(|trouble| trouble.to_string())?;
            let stranger = profile.filter(|profile| !ours(pid) && !profile.ancestors.iter().any(|one| ours(*one)));
            if let Some(stranger) = stranger {
                return Err(format!("{group} holds others, too, such as {} ({other})", stranger.name));
            }
        }
        Ok(())
    }

    fn source(&self, whom: &Victims, controller: Controller, settings: &[GroupSetting]) -> Result<Source, Trouble> {
        let place = self.place(whom, controller)?;
        let device = settings.iter().find_map(|setting| setting.device.clone());
        Ok(Source { place, account: self.account(whom, controller), device })
    }

    /// The group of a service that accounts for its CPU time, in version 1.
    fn account(&self, whom: &Victims, controller: Controller) -> Option<PathBuf> {
        let accounts = |group: &PathBuf| group.join("cpuacct.usage").exists();
        let own = self.of_service(whom.target.by.service()?);
        own.into_iter().find(accounts).filter(|_| controller == Controller::Cpu)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn controller_of(job: &Job) -> Controller {
    match job {
        Job::Cpu { .. } | Job::Slow { .. } => Controller::Cpu,
        Job::Memory { .. } => Controller::Memory,
        Job::Disk { .. } | Job::Fill { .. } => Controller::Io,
    }
}

/// The first of these values that another fault has changed, and which.
fn contended<'a>(
    changed: &BTreeMap<String, Vec<GroupSetting>>,
    settings: &'a [GroupSetting],
) -> Option<(String, &'a GroupSetting)> {
    let same = |one: &GroupSetting, other: &GroupSetting| one.is_of_same(other);
    settings.iter().find_map(|setting| {
        let by = changed.iter().find(|(_, theirs)| theirs.iter().any(|other| same(other, setting)));
        by.map(|(name, _)| (name.clone(), setting))
    })
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

#[cfg(test)]
mod tests {
    use super::contended;
    use crate::model::cgroup::GroupSetting;

    #[test]
    fn a_value_that_another_fault_has_changed_is_told_with_that_fault() {
        let of = |device: &str| GroupSetting {
            file: "/g/io.max".into(),
            device: Some(device.into()),
            key: None,
            before: "max".into(),
            ours: vec!["1".into()],
        };
        let changed = [("reads".to_owned(), vec![of("8:0")])].into();
        let settings = [of("8:16"), of("8:0")];
        assert_eq!(contended(&changed, &settings), Some(("reads".to_owned(), &settings[1])));
        assert_eq!(contended(&changed, &settings[..1]), None, "another disk");
    }
}

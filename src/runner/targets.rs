//! The processes that faults hit: found just before, judged, chosen, held open, and signalled by who they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::matching::{descendants, is_named, near_commands, near_names, near_ports, pid_in, pids_of, victim};
use crate::guard::policy::{self, ProcessPlace};
use crate::guard::{choice, protected};
use crate::host::process::{self, Held, Seen, Signal};
use crate::host::service::Services;
use crate::host::{Chosen, Trouble};
use crate::model::dose::{ProcessState, VictimReading};
use crate::model::experiment::Scope;
use crate::model::fault::{FaultSpec, Target};
use crate::model::policy::Policy;
use crate::model::step::ProcessIdentity;
use crate::model::target::{ProcessTarget, Selector, Victim, Victims};

/// Everything that is hit in one run.
#[derive(Debug)]
pub(super) struct Targets {
    services: Arc<Services>,
    scope: Scope,
    seed: u64,
    policies: RwLock<Vec<Policy>>,
    /// Those that were chosen, the experiment's own services aside: their children are held by whoever started them.
    held: Mutex<Vec<Arc<Held>>>,
    /// Everybody that matched when somebody was chosen: whoever matches later and is none of them is new.
    known: Mutex<Vec<ProcessIdentity>>,
    /// Those that were hit later, by the target they matched.
    later: Mutex<Vec<(ProcessTarget, Victim)>>,
}

impl Targets {
    pub fn new(services: Arc<Services>, scope: Scope, seed: u64) -> Self {
        Self {
            services,
            scope,
            seed,
            policies: RwLock::default(),
            held: Mutex::default(),
            known: Mutex::default(),
            later: Mutex::default(),
        }
    }

    /// From now on what these protect is hit by no fault.
    pub fn protect(&self, policies: Vec<Policy>) {
        *self.policies.write().unwrap_or_else(PoisonError::into_inner) = policies;
    }

    /// Those that this fault hits: of all that match, as many as the blast radius allows. Refused when one that matches
    /// must not be hit, even if it would not be chosen: then the selector is not what was meant.
    pub fn choose(&self, fault: &FaultSpec, target: &ProcessTarget) -> Result<Chosen, Trouble> {
        let what = format!("find {}", target.by);
        let all = who_may_match(target)?;
        let found = self.find(&target.by, &all)?;
        for victim in &found {
            self.may_be_hit(&what, victim)?;
        }
        let matching = found.len();
        let mut victims = choice::draw(found.clone(), self.scope, self.seed, &fault.name);
        let instances = victims.len();
        if target.children {
            let children = descendants(&victims, &all);
            for victim in &children {
                self.may_be_hit(&what, victim)?;
            }
            victims.extend(children);
        }
        for victim in victims.iter().filter(|victim| victim.service.is_none()) {
            self.hold(&what, victim, fault.kind.stops_its_target())?;
        }
        lock(&self.known).extend(found.into_iter().map(|victim| victim.process));
        let open_files = victims.iter().filter(|_| fault.kind.counts_open_files());
        let open_files = open_files.filter_map(|victim| process::open_files(&victim.process).transpose());
        Ok(Chosen { open_files: open_files.collect::<Result<_, _>>()?, victims, instances, matching })
    }

    /// Takes hold of a process. One that somebody else has stopped already is refused to a fault that stops: its undo
    /// would let go on what was not ours to let go.
    fn hold(&self, what: &str, victim: &Victim, to_stop: bool) -> Result<(), Trouble> {
        let held = match self.held(&victim.process) {
            Some(held) => held,
            None => {
                let held = Held::hold(&victim.process)?.ok_or_else(|| ended(what, victim))?;
                let held = Arc::new(held);
                lock(&self.held).push(Arc::clone(&held));
                held
            }
        };
        match held.state() {
            ProcessState::Stopped if to_stop => {
                Err(Trouble::new(what, format!("{victim} is stopped already, by somebody else"))
                    .help(format!("let it go on first: kill -CONT {}", victim.process.pid)))
            }
            ProcessState::Gone => Err(ended(what, victim)),
            ProcessState::Stopped | ProcessState::Running | ProcessState::Unknown => Ok(()),
        }
    }

    /// Looks at a process just before it is hit, as it is now, and refuses if it must not be.
    fn may_be_hit(&self, what: &str, victim: &Victim) -> Result<(), Trouble> {
        let refused = |why: &str| Trouble::new(what, format!("{victim} must not be hit: {why}"));
        let profile = process::profile(&victim.process)?.ok_or_else(|| ended(what, victim))?;
        if let Some(why) = protected::why(&profile, &process::relatives()?) {
            return Err(refused(why));
        }
        let place = ProcessPlace { uid: profile.uid, cgroups: profile.cgroups };
        let policies = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        policy::hits(&place, &policies).map_err(|why| refused(&why))
    }

    /// Whether each of them may be hit, as it is now.
    pub fn judge(&self, whom: &Victims) -> Result<(), Trouble> {
        let what = format!("hit {whom}");
        whom.chosen.iter().try_for_each(|victim| self.may_be_hit(&what, victim))
    }

    /// Those that match now, drawn as before; they are remembered as hit, too.
    pub fn draw_again(&self, whom: &Victims) -> Result<Victims, Trouble> {
        let all = who_may_match(&whom.target)?;
        let found = self.find(&whom.target.by, &all)?;
        let name = whom.target.to_string();
        let mut chosen = choice::draw(found, self.scope, self.seed, &name);
        if whom.target.children {
            chosen.extend(descendants(&chosen, &all));
        }
        let again = Victims { target: whom.target.clone(), chosen };
        self.judge(&again)?;
        lock(&self.later).extend(again.chosen.iter().map(|victim| (whom.target.clone(), victim.clone())));
        Ok(again)
    }

    /// Signals every one of them. One of many that ended since it was chosen is no trouble where children are meant: they
    /// come and go.
    pub fn signal(&self, whom: &Victims, signal: Signal) -> Result<(), Trouble> {
        let what = format!("signal {whom}");
        let mut hit = 0;
        for victim in &whom.chosen {
            let done = self.may_be_hit(&what, victim).and_then(|()| self.send(victim, signal));
            match done {
                Ok(true) => hit += 1,
                Ok(false) if whom.target.children => {}
                Ok(false) => return Err(ended(&what, victim)),
                Err(_) if whom.target.children && self.state(victim) == ProcessState::Gone => {}
                Err(trouble) => return Err(trouble),
            }
        }
        if hit == 0 { Err(Trouble::new(what, "none of them is there any more")) } else { Ok(()) }
    }

    /// Lets all of them go on; those that are gone need nothing.
    pub fn resume(&self, whom: &Victims) -> Result<(), Trouble> {
        let sent = whom.chosen.iter().map(|victim| self.send(victim, Signal::Continue).map(|_| ()));
        // One that cannot be signalled keeps none of the others stopped.
        sent.collect::<Vec<_>>().into_iter().collect()
    }

    /// Sends a signal to this very process; false when it is gone. Takes no descriptor for one that is held.
    fn send(&self, victim: &Victim, signal: Signal) -> Result<bool, Trouble> {
        match (&victim.service, self.held(&victim.process)) {
            (Some(service), _) => Ok(self.services.signal(service, &victim.process, signal)),
            (None, Some(held)) => held.signal(signal),
            (None, None) => process::send_signal(&victim.process, signal),
        }
    }

    /// The state of this very process.
    pub fn state(&self, victim: &Victim) -> ProcessState {
        match (&victim.service, self.held(&victim.process)) {
            (Some(service), _) => self.services.state(service, &victim.process),
            (None, Some(held)) => held.state(),
            (None, None) => process::state(&victim.process),
        }
    }

    /// How it is with each of them, and who stands in the place of those that are gone.
    pub fn read(&self, whom: &Victims) -> Vec<VictimReading> {
        let reading = |victim: &Victim| {
            let state = self.state(victim);
            let gone = state == ProcessState::Gone;
            let replaced_by = gone.then(|| self.in_place_of(whom, victim)).flatten();
            VictimReading { name: victim.to_string(), state, replaced_by }
        };
        let later = lock(&self.later);
        let later = later.iter().filter(|(target, _)| *target == whom.target).map(|(_, victim)| victim);
        whom.chosen.iter().chain(later).map(reading).collect()
    }

    /// Why they are no target any more: one that was chosen has ended. Of a family with all its children the whole.
    pub fn gone(&self, whom: &Victims) -> Option<String> {
        let gone: Vec<&Victim> = whom.chosen.iter().filter(|victim| self.state(victim) == ProcessState::Gone).collect();
        let first = *gone.first()?;
        if whom.target.children && gone.len() < whom.chosen.len() {
            return None;
        }
        let how = first.service.as_ref().and_then(|service| self.services.ended(service));
        let how = how.map(|how| format!(" with {how}")).unwrap_or_default();
        let instead = self.in_place_of(whom, first).map(|other| format!("; {other} is in its place"));
        Some(format!("{first} ended{how}{}", instead.unwrap_or_default()))
    }

    /// Somebody who matches now and did not when those were chosen.
    fn in_place_of(&self, whom: &Victims, victim: &Victim) -> Option<String> {
        let found = match &victim.service {
            Some(service) => self.service(service).into_iter().collect(),
            None => self.find(&whom.target.by, &process::census().ok()?).ok()?,
        };
        let known = lock(&self.known);
        found.into_iter().find(|other| !known.contains(&other.process)).map(|other| other.to_string())
    }

    fn held(&self, process: &ProcessIdentity) -> Option<Arc<Held>> {
        lock(&self.held).iter().find(|held| held.process() == process).cloned()
    }

    fn service(&self, name: &str) -> Option<Victim> {
        let process = self.services.current(name)?;
        Some(Victim { process, name: name.to_owned(), service: Some(name.to_owned()) })
    }

    /// Everybody who matches now; nobody is a trouble that names near misses.
    fn find(&self, by: &Selector, all: &[Seen]) -> Result<Vec<Victim>, Trouble> {
        match by {
            Selector::Service(name) => {
                let service = self.service(name);
                let missing = || Trouble::new(format!("find {by}"), "it does not run");
                service.map(|one| vec![one]).ok_or_else(missing)
            }
            by => strangers(by, all),
        }
    }
}

/// The same of those that the run did not start; services are none of them.
fn strangers(by: &Selector, all: &[Seen]) -> Result<Vec<Victim>, Trouble> {
    let nobody = |help: String| Trouble::new(format!("find {by}"), "there is none").help(help);
    let (pids, help) = match by {
        Selector::Service(_) => (Vec::new(), String::new()),
        Selector::Name(name) => (pids_of(all, |seen| is_named(seen, name)), near_names(name, all)),
        Selector::Command(pattern) => {
            let fits = |seen: &Seen| pattern.matches(seen.command.join(" ").as_bytes());
            (pids_of(all, fits), near_commands(pattern.as_str(), all))
        }
        Selector::Pid(pid) => (vec![*pid], format!("is {pid} the number of a process, and has it ended?")),
        Selector::PidFile(path) => (vec![pid_in(path)?], format!("is {} of an earlier start?", path.display())),
        Selector::Port(port) => {
            let (pids, ports) = process::listeners(*port)?;
            (pids, near_ports(*port, &ports))
        }
    };
    let found: Vec<Victim> = all.iter().filter(|seen| pids.contains(&seen.process.pid)).map(victim).collect();
    if found.is_empty() { Err(nobody(help)) } else { Ok(found) }
}

/// Those of other people whose state a fault would keep and put back, before any of them is chosen; none where they cannot
/// be found: then the fault will not be planned either.
pub fn strangers_of(fault: &FaultSpec) -> Vec<Victim> {
    match (&fault.target, fault.kind.hold()) {
        (Target::Process(target), Some(_)) if target.by.service().is_none() => {
            process::census().and_then(|all| strangers(&target.by, &all)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Everybody on the machine, where they must be looked through: a service is known by whoever started it, and a number
/// means one process.
fn who_may_match(target: &ProcessTarget) -> Result<Vec<Seen>, Trouble> {
    match target.by {
        Selector::Service(_) if !target.children => Ok(Vec::new()),
        Selector::Pid(pid) if !target.children => Ok(process::seen(pid)?.into_iter().collect()),
        _ => process::census(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ended(what: &str, victim: &Victim) -> Trouble {
    Trouble::new(what, format!("{victim} ended just before"))
}

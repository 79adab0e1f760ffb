//! The processes that faults hit: found just before, judged, chosen, held open, and signalled by who they are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::guard::policy::{self, ProcessPlace};
use crate::guard::{choice, protected};
use crate::host::process::{self, Held, Seen, Signal};
use crate::host::service::Services;
use crate::host::{Chosen, Trouble};
use crate::model::dose::{ProcessState, VictimReading};
use crate::model::experiment::Scope;
use crate::model::fault::FaultSpec;
use crate::model::policy::Policy;
use crate::model::step::ProcessIdentity;
use crate::model::target::{ProcessTarget, Selector, Victim, Victims};
use crate::spec::suggest;

/// Near misses that are told.
const MOST_NEAR: usize = 5;

/// Everything that is hit in one run.
#[derive(Debug)]
pub(super) struct Targets {
    services: Arc<Services>,
    scope: Scope,
    seed: u64,
    policies: Vec<Policy>,
    /// Those that were chosen, the experiment's own services aside: their children are held by whoever started them.
    held: Mutex<Vec<Arc<Held>>>,
    /// Everybody that matched when somebody was chosen: whoever matches later and is none of them is new.
    known: Mutex<Vec<ProcessIdentity>>,
}

impl Targets {
    pub fn new(services: Arc<Services>, scope: Scope, seed: u64) -> Self {
        Self { services, scope, seed, policies: Vec::new(), held: Mutex::default(), known: Mutex::default() }
    }

    /// From now on what these protect is hit by no fault.
    pub fn protect(&mut self, policies: Vec<Policy>) {
        self.policies = policies;
    }

    /// Those that this fault hits: of all that match, as many as the blast radius allows. Refused when one that matches
    /// must not be hit, even if it would not be chosen: then the selector is not what was meant.
    pub fn choose(&self, fault: &FaultSpec, target: &ProcessTarget) -> Result<Chosen, Trouble> {
        let what = format!("find {}", target.by);
        let all = process::census()?;
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
        Ok(Chosen { victims, instances, matching })
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
        policy::hits(&place, &self.policies).map_err(|why| refused(&why))
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
        whom.chosen.iter().map(reading).collect()
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
        let nobody = |help: String| Trouble::new(format!("find {by}"), "there is none").help(help);
        let (pids, help) = match by {
            Selector::Service(name) => {
                let service = self.service(name);
                return service
                    .map(|one| vec![one])
                    .ok_or_else(|| Trouble::new(format!("find {by}"), "it does not run"));
            }
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
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ended(what: &str, victim: &Victim) -> Trouble {
    Trouble::new(what, format!("{victim} ended just before"))
}

fn victim(seen: &Seen) -> Victim {
    Victim { process: seen.process.clone(), name: seen.name.clone(), service: None }
}

fn pids_of(all: &[Seen], fits: impl Fn(&Seen) -> bool) -> Vec<i32> {
    all.iter().filter(|seen| fits(seen)).map(|seen| seen.process.pid).collect()
}

/// The kernel keeps 15 bytes of a name; of a longer one the file's name decides.
fn is_named(seen: &Seen, name: &str) -> bool {
    const KEPT: usize = 15;
    match name.as_bytes().get(..KEPT).filter(|_| name.len() > KEPT) {
        None => seen.name == name,
        Some(kept) => seen.name.as_bytes() == kept && file_name(seen) == Some(name),
    }
}

fn file_name(seen: &Seen) -> Option<&str> {
    Path::new(seen.command.first()?).file_name()?.to_str()
}

/// Whoever any of them started, and whom those started, none of them twice; the oldest first.
fn descendants(of: &[Victim], all: &[Seen]) -> Vec<Victim> {
    let mut family: BTreeSet<i32> = of.iter().map(|victim| victim.process.pid).collect();
    let roots = family.clone();
    loop {
        let before = family.len();
        family.extend(
            all.iter().filter(|seen| family.contains(&seen.parent)).map(|seen| seen.process.pid).collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    all.iter()
        .filter(|seen| family.contains(&seen.process.pid) && !roots.contains(&seen.process.pid))
        .map(victim)
        .collect()
}

fn pid_in(path: &Path) -> Result<i32, Trouble> {
    let what = || format!("find the process in {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| Trouble::new(what(), error))?;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 0);
    pid.ok_or_else(|| Trouble::new(what(), "the file holds no process id"))
}

fn near_names(name: &str, all: &[Seen]) -> String {
    let names: BTreeSet<&str> = all.iter().map(|seen| seen.name.as_str()).collect();
    let part = names.iter().copied().filter(|other| other.contains(name) || name.contains(*other) && other.len() > 3);
    let near: BTreeSet<&str> = suggest::nearest(name, names.iter().copied()).into_iter().chain(part).collect();
    if near.is_empty() {
        return "no name of a process is near; `ps -e -o comm` lists all".to_owned();
    }
    format!("near misses: {}", some(near))
}

/// Those whose command lines hold the longest plain part of the pattern.
fn near_commands(pattern: &str, all: &[Seen]) -> String {
    let words = pattern.split(['*', '?', ' ']).filter(|word| word.len() > 2);
    let longest = words.max_by_key(|word| word.len()).unwrap_or(pattern);
    let lines = all.iter().map(|seen| seen.command.join(" ")).filter(|line| line.contains(longest));
    let near: BTreeSet<String> = lines.map(|line| line.chars().take(80).collect()).collect();
    if near.is_empty() {
        return format!(
            "no command line holds `{longest}`; the pattern is for the whole line, `ps -e -o args` lists all"
        );
    }
    format!("the pattern is for the whole line; near misses: {}", some(near.iter().map(String::as_str)))
}

fn near_ports(port: u16, ports: &BTreeSet<u16>) -> String {
    if ports.contains(&port) {
        return "somebody listens there who is not to be seen by us: another user, or in another pid namespace"
            .to_owned();
    }
    let mut near: Vec<u16> = ports.iter().copied().collect();
    near.sort_by_key(|other| other.abs_diff(port));
    near.truncate(MOST_NEAR);
    near.sort_unstable();
    let near: Vec<String> = near.iter().map(ToString::to_string).collect();
    if near.is_empty() {
        "nobody listens on any port".to_owned()
    } else {
        format!("ports that are listened on: {}", near.join(", "))
    }
}

fn some<'a>(near: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = near.into_iter().take(MOST_NEAR).map(|one| format!("`{one}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{descendants, is_named, near_commands, near_names, near_ports, victim};
    use crate::host::process::Seen;
    use crate::model::step::ProcessIdentity;

    fn seen(pid: i32, parent: i32, command: &str) -> Seen {
        let process = ProcessIdentity { pid, pidfs_inode: 1, start_ticks: 1 };
        let command: Vec<String> = command.split(' ').map(ToOwned::to_owned).collect();
        let file = command[0].rsplit('/').next().expect("a name");
        Seen { process, parent, name: file.chars().take(15).collect(), command }
    }

    #[test]
    fn a_name_is_the_whole_name_also_where_the_kernel_keeps_less_of_it() {
        assert!(is_named(&seen(7, 1, "/usr/bin/nginx -g"), "nginx"));
        assert!(!is_named(&seen(7, 1, "/usr/bin/nginx-debug"), "nginx"));
        let long = seen(7, 1, "/usr/bin/prometheus-node-exporter --x");
        assert!(is_named(&long, "prometheus-node-exporter"));
        assert!(!is_named(&long, "prometheus-node-importer"));
        assert!(!is_named(&long, "prometheus"));
    }

    #[test]
    fn children_are_all_that_was_started_however_far_down() {
        let all = [seen(7, 1, "a"), seen(8, 7, "b"), seen(9, 8, "c"), seen(10, 1, "d"), seen(6, 9, "e")];
        let family = descendants(&[victim(&all[0]), victim(&all[1])], &all);
        let pids: Vec<i32> = family.iter().map(|one| one.process.pid).collect();
        assert_eq!(pids, [9, 6]);
    }

    #[test]
    fn near_misses_are_named() {
        let all = [seen(7, 1, "/usr/bin/redis-server *:6379"), seen(8, 1, "sleep 5")];
        assert_eq!(near_names("redis-sever", &all), "near misses: `redis-server`");
        assert_eq!(near_names("redis", &all), "near misses: `redis-server`");
        assert!(near_names("postgres", &all).starts_with("no name of a process is near"));
        let near = near_commands("redis-server *:6380", &all);
        assert!(near.ends_with("near misses: `/usr/bin/redis-server *:6379`"), "{near}");
        assert_eq!(near_ports(6380, &BTreeSet::from([22, 6379])), "ports that are listened on: 22, 6379");
    }
}

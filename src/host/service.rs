//! The experiment's own services: started, watched, started again where they ask for it, and stopped with everything
//! in their process group.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::watch;

use super::Trouble;
use super::clean_log::CleanLog;
use super::clock::Clock;
use super::files;
use super::linux::child::Child;
use super::process::{self, KILL_LIMIT, Launch, Output, resolve_program};
use crate::model::dose::ProcessState;
use crate::model::experiment::Service;
use crate::model::redaction::Redaction;
use crate::model::step::ProcessIdentity;

/// How long a service may take to end by itself once it is asked to.
const GRACE: Duration = Duration::from_secs(2);
/// The wait before a service is started again; doubled each time, up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// A service that ran for so long is well: the next wait is the first again.
const STEADY: Duration = Duration::from_secs(10);
/// What is shown of the log of a service that ended.
const TAIL_BYTES: u64 = 4096;
const TAIL_LINES: usize = 5;

/// Every service of a run. All of them are killed when this is dropped.
#[must_use = "the services are killed when this is dropped"]
#[derive(Debug)]
pub struct Services {
    clock: Clock,
    logs: PathBuf,
    this_binary: PathBuf,
    secrets: Redaction,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
    hurry: watch::Sender<bool>,
}

/// One service, whichever process it is at the moment.
#[derive(Debug)]
struct Slot {
    clock: Clock,
    restart: bool,
    launch: Launch,
    /// The control groups that it is put into.
    groups: Vec<PathBuf>,
    log: PathBuf,
    /// What is not to be in the log.
    secrets: Redaction,
    /// Held while a process is started or stopped, so that the one cannot overtake the other.
    changing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wanted: bool,
    child: Option<Arc<Child>>,
    /// What carries its output where it does not write into the log itself.
    output: Option<Arc<CleanLog>>,
    restarts: u64,
    /// Where in the log the output of the present process begins.
    log_start: u64,
    /// Why the last start failed.
    trouble: Option<Trouble>,
}

impl Services {
    /// No services yet. Their output goes to files in `logs`, which is made when the first is started.
    pub fn new(clock: Clock, logs: PathBuf) -> Self {
        let this_binary = resolve_program("chaos");
        let (secrets, hurry) = (Redaction::default(), watch::Sender::new(false));
        Self { clock, logs, this_binary, secrets, slots: Mutex::default(), hurry }
    }

    /// The same, but none of these secrets gets into a log.
    pub fn hiding(mut self, secrets: Redaction) -> Self {
        self.secrets = secrets;
        self
    }

    /// The same, but the program word `chaos` means this file: for tests, which are not `chaos` themselves.
    pub fn with_binary(mut self, path: PathBuf) -> Self {
        self.this_binary = path;
        self
    }

    /// Starts a service; does not await its readiness. Refused while one of that name runs.
    pub async fn start(&self, service: &Service) -> Result<ProcessIdentity, Trouble> {
        self.start_in(service, Vec::new()).await
    }

    /// The same in these control groups, whenever it is started again, too.
    pub async fn start_in(&self, service: &Service, groups: Vec<PathBuf>) -> Result<ProcessIdentity, Trouble> {
        if self.current(&service.name).is_some() {
            return Err(Trouble::new(format!("start service {}", service.name), "it runs already"));
        }
        files::create_dir_all(&self.logs)
            .map_err(|error| Trouble::new(format!("make the folder {}", self.logs.display()), error))?;
        let slot = Arc::new(self.slot_for(service, groups)?);
        self.slots().insert(service.name.clone(), Arc::clone(&slot));
        let identity = slot.launch().await?;
        if service.restart {
            tokio::spawn(supervise(slot));
        }
        Ok(identity)
    }

    /// Starts a service again if it does not run; does not await its readiness.
    pub async fn revive(&self, name: &str) -> Result<ProcessIdentity, Trouble> {
        match self.slot(name) {
            Some(slot) => slot.launch_again().await,
            None => Err(Trouble::new(format!("start service {name} again"), "it was never started")),
        }
    }

    /// Ends a service for good: asks its process group, waits up to 2 s unless there is a hurry, then kills the group.
    /// An error says that something of it is left.
    pub async fn stop(&self, name: &str) -> Result<(), Trouble> {
        let Some(slot) = self.slot(name) else { return Ok(()) };
        let _changing = slot.changing.lock().await;
        let Some(child) = slot.retire() else { return Ok(()) };
        // In this order a stopped process finds the request the moment it goes on.
        child.signal_group(Signal::TERM);
        child.signal_group(Signal::CONT);
        let mut hurry = self.hurry.subscribe();
        tokio::select! {
            _ = child.ended() => (),
            _ = hurry.wait_for(|hurry| *hurry) => (),
            () = self.clock.sleep(GRACE) => (),
        }
        let killed = child.kill(self.clock, KILL_LIMIT).await;
        slot.catch_up();
        killed.map_err(|left| {
            let by_hand = format!("kill -KILL -- -{}", child.identity().pid);
            Trouble::new(format!("stop service {name}"), left).help(by_hand)
        })
    }

    /// The state of this very process of a service. Neither this nor [`Self::signal`] needs a descriptor: a paused
    /// service may keep so many of our requests waiting that none is left, and it must be possible to let it go on then.
    pub fn state(&self, name: &str, process: &ProcessIdentity) -> ProcessState {
        self.child(name, process).map_or(ProcessState::Gone, |child| child.state())
    }

    /// Signals this very process of a service; false when it is gone.
    pub fn signal(&self, name: &str, process: &ProcessIdentity, signal: process::Signal) -> bool {
        self.child(name, process).is_some_and(|child| child.signal(signal.raw()))
    }

    /// From now on `stop` kills without grace, also where it waits already.
    pub fn hurry(&self) {
        self.hurry.send_replace(true);
    }

    /// The process that the service is now; none while it does not run.
    pub fn current(&self, name: &str) -> Option<ProcessIdentity> {
        self.slot(name)?.running()
    }

    /// Every service that runs now, with its process.
    pub fn running(&self) -> BTreeMap<String, ProcessIdentity> {
        let slots = self.slots();
        slots.iter().filter_map(|(name, slot)| Some((name.clone(), slot.running()?))).collect()
    }

    /// How often it was started again.
    pub fn restarts(&self, name: &str) -> u64 {
        self.slot(name).map_or(0, |slot| slot.state().restarts)
    }

    /// How it ended, with the last lines it wrote; none while it runs or was never started.
    pub fn ended(&self, name: &str) -> Option<String> {
        self.slot(name)?.ended()
    }

    /// Where its output is kept.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs.join(log_name(name))
    }

    /// Whether no process of its process group is left. What left the group by itself is not seen.
    pub fn group_gone(&self, name: &str) -> bool {
        let child = self.slot(name).and_then(|slot| slot.state().child.clone());
        child.is_none_or(|child| child.left().is_none())
    }

    fn slot_for(&self, service: &Service, groups: Vec<PathBuf>) -> Result<Slot, Trouble> {
        let Some((program, arguments)) = service.command.split_first() else {
            return Err(Trouble::new(format!("start service {}", service.name), "its command is empty"));
        };
        let program = if program == "chaos" { self.this_binary.display().to_string() } else { program.clone() };
        let log = self.log(&service.name);
        let launch = Launch {
            program,
            arguments: arguments.to_vec(),
            environment: service.env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(),
            bare: false,
            directory: service.directory.clone(),
            output: Output::Append(log.clone()),
        };
        let state = Mutex::new(State { wanted: true, ..State::default() });
        Ok(Slot {
            clock: self.clock,
            restart: service.restart,
            launch,
            groups,
            log,
            secrets: self.secrets.clone(),
            changing: tokio::sync::Mutex::default(),
            state,
        })
    }

    /// The service's process if it is this one: one that was replaced has ended.
    fn child(&self, name: &str, process: &ProcessIdentity) -> Option<Arc<Child>> {
        let child = self.slot(name)?.state().child.clone()?;
        (child.identity() == process).then_some(child)
    }

    fn slot(&self, name: &str) -> Option<Arc<Slot>> {
        self.slots().get(name).cloned()
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for slot in self.slots().values() {
            if let Some(child) = slot.retire() {
                child.signal_group(Signal::KILL);
            }
        }
    }
}

/// Starts a service again whenever it ends, until it is not wanted any more.
async fn supervise(slot: Arc<Slot>) {
    let mut backoff = FIRST_BACKOFF;
    while let Some(child) = slot.wanted() {
        let since = slot.clock.now();
        child.ended().await;
        if slot.clock.now() - since >= STEADY {
            backoff = FIRST_BACKOFF;
        }
        slot.clock.sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
        // What fails here is kept for `ended`, and tried again.
        let _ = slot.launch_again().await;
    }
}

impl Slot {
    /// Starts the process, for the first time or again.
    async fn launch(&self) -> Result<ProcessIdentity, Trouble> {
        let _changing = self.changing.lock().await;
        self.spawn().await
    }

    /// Starts the process again if it does not run.
    async fn launch_again(&self) -> Result<ProcessIdentity, Trouble> {
        let _changing = self.changing.lock().await;
        if let Some(identity) = self.running() {
            return Ok(identity);
        }
        if !self.state().wanted {
            return Err(Trouble::new(format!("start `{}` again", self.launch.program), "it has been stopped"));
        }
        let identity = self.spawn().await?;
        self.state().restarts += 1;
        Ok(identity)
    }

    async fn spawn(&self) -> Result<ProcessIdentity, Trouble> {
        self.catch_up();
        let log_start = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        let spawned = self.start().await;
        let mut state = self.state();
        let (child, output) = spawned.inspect_err(|trouble| state.trouble = Some(trouble.clone()))?;
        let identity = child.identity().clone();
        (state.trouble, state.log_start, state.output) = (None, log_start, output);
        if state.wanted {
            state.child = Some(Arc::new(child));
            Ok(identity)
        } else {
            // All services were dropped meanwhile; so is this one.
            Err(Trouble::new(format!("start `{}`", self.launch.program), "it is not wanted any more"))
        }
    }

    /// A process, and what carries its output where somebody must.
    async fn start(&self) -> Result<(Child, Option<Arc<CleanLog>>), Trouble> {
        if self.secrets.is_empty() {
            return Ok((process::start_in(&self.launch, &self.groups).await?.child, None));
        }
        let trouble = |error| Trouble::new(format!("open {}", self.log.display()), error);
        let (end, output) = CleanLog::open(&self.log, &self.secrets).map_err(trouble)?;
        Ok((process::start_into(&self.launch, &self.groups, end).await?.child, Some(output)))
    }

    /// Brings what the process said so far into its log.
    fn catch_up(&self) {
        let output = self.state().output.clone();
        if let Some(output) = output {
            output.catch_up();
        }
    }

    fn running(&self) -> Option<ProcessIdentity> {
        let state = self.state();
        state.child.as_ref().filter(|child| child.end().is_none()).map(|child| child.identity().clone())
    }

    fn wanted(&self) -> Option<Arc<Child>> {
        let state = self.state();
        state.child.clone().filter(|_| state.wanted && self.restart)
    }

    /// It shall run no more; gives the process that is left to be stopped.
    fn retire(&self) -> Option<Arc<Child>> {
        let mut state = self.state();
        state.wanted = false;
        state.child.clone()
    }

    fn ended(&self) -> Option<String> {
        let state = self.state();
        if let Some(trouble) = &state.trouble {
            return Some(trouble.to_string());
        }
        let end = state.child.as_ref()?.end()?;
        if let Some(output) = &state.output {
            output.catch_up();
        }
        let tail = tail(&self.log, state.log_start);
        Some(if tail.is_empty() { end.to_string() } else { format!("{end}; its last words:\n{tail}") })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last lines of a log from a place on; without control characters, which could play tricks on a terminal.
fn tail(log: &Path, start: u64) -> String {
    let text = files::read_end(log, start, TAIL_BYTES).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(TAIL_LINES).collect();
    let lines: Vec<_> = lines.iter().rev().map(|line| line.replace(char::is_control, " ")).collect();
    lines.join("\n")
}

/// A file name for a service's log: two services never share one, whatever they are called.
fn log_name(service: &str) -> String {
    let mut name = String::new();
    for byte in service.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name + ".log"
}

#[cfg(test)]
mod tests {
    use super::log_name;

    #[test]
    fn no_service_name_leads_out_of_the_folder_or_to_another_log() {
        assert_eq!(log_name("demo-1"), "demo-1.log");
        assert_eq!(log_name("../etc"), "%2e%2e%2fetc.log");
        assert_ne!(log_name("a b"), log_name("a_b"));
        assert_ne!(log_name("a%20b"), log_name("a b"));
    }
}

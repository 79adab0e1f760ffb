//! A machine made of memory, for tests: it does what it is told, fails as its dice say, and knows what is left on it.
//!
//! It follows tokio's clock, so that a test may pause the time and walk through a whole run in milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::clock::Clock;
use super::{Checked, Facts, Machine, Prober, Trouble};
use crate::model::dose::{Meter, ProcessState, Reading, ToxicReading, WorkerReading};
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Measurement, Outcome};
use crate::model::step::{Act, Check, ProcessIdentity, Receipt, Undo};

/// How much goes wrong, as chances from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Trials {
    /// An act fails before it changed anything.
    pub act_fails: f64,
    /// An act changes something and is reported as failed.
    pub act_fails_late: f64,
    /// An act changes something and never returns.
    pub act_hangs: f64,
    /// An undo is refused this time.
    pub undo_refused: f64,
    /// An undo says that it worked and did nothing.
    pub undo_lies: f64,
    /// A thing can never be undone once it is there.
    pub stuck: f64,
    /// A read-back cannot say.
    pub check_unknown: f64,
    /// A sample fails although nothing is broken.
    pub sample_fails: f64,
    /// A sample fails while something is broken.
    pub sample_fails_when_broken: f64,
    /// A sample fails once something was broken, although it is undone: harm that lasts.
    pub sample_fails_afterwards: f64,
}

/// What happened on the machine, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// This thing came into being.
    Did(String),
    /// This thing was undone.
    Undid(String),
}

/// A machine made of memory. Copies are the same machine.
#[derive(Clone)]
pub struct FakeMachine {
    trials: Trials,
    state: Arc<Mutex<State>>,
}

struct State {
    dice: ChaCha8Rng,
    /// What is there, by name, and whether it can never be undone.
    things: BTreeMap<String, bool>,
    dead: BTreeSet<String>,
    deeds: Vec<Deed>,
    was_broken: bool,
    targets_gone: bool,
}

impl FakeMachine {
    /// An empty machine whose misfortunes follow the seed.
    pub fn new(seed: u64, trials: Trials) -> Self {
        let state = State {
            dice: ChaCha8Rng::seed_from_u64(seed),
            things: BTreeMap::new(),
            dead: BTreeSet::new(),
            deeds: Vec::new(),
            was_broken: false,
            targets_gone: false,
        };
        Self { trials, state: Arc::new(Mutex::new(state)) }
    }

    /// What is left on it.
    pub fn leftovers(&self) -> Vec<String> {
        self.state().things.keys().cloned().collect()
    }

    /// Whatever faults act on is gone from now on.
    pub fn lose_targets(&self) {
        self.state().targets_gone = true;
    }

    /// What happened on it.
    pub fn deeds(&self) -> Vec<Deed> {
        self.state().deeds.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a fault is in place.
    fn broken(&self) -> bool {
        let state = self.state();
        !state.dead.is_empty() || state.things.keys().any(|thing| is_fault(thing))
    }

    async fn take_time(&self) {
        let millis = self.state().dice.random_range(0..40);
        Clock::Tokio.sleep(Duration::from_millis(millis)).await;
    }
}

impl State {
    fn chance(&mut self, chance: f64) -> bool {
        self.dice.random_bool(chance)
    }

    fn make(&mut self, act: &Act, stuck: f64) {
        if let Act::KillService { service, .. } = act {
            self.dead.insert(service.clone());
        }
        let thing = thing_of(act);
        self.was_broken |= is_fault(&thing);
        let stuck = self.chance(stuck);
        self.deeds.push(Deed::Did(thing.clone()));
        self.things.insert(thing, stuck);
    }

    fn unmake(&mut self, thing: &str) -> Result<(), Trouble> {
        match self.things.get(thing) {
            None => Ok(()),
            Some(true) => Err(Trouble::new(format!("undo {thing}"), "it will not go")),
            Some(false) => {
                self.things.remove(thing);
                self.deeds.push(Deed::Undid(thing.to_owned()));
                if let Some(service) = thing.strip_prefix("killed ") {
                    self.dead.remove(service);
                }
                Ok(())
            }
        }
    }
}

impl Machine for FakeMachine {
    fn clock(&self) -> Clock {
        Clock::Tokio
    }

    async fn facts(&self) -> Facts {
        Facts { cores: vec![0, 1], memory_available: 8 << 30 }
    }

    async fn apply(&self, act: &Act) -> Result<Receipt, Trouble> {
        self.take_time().await;
        let (late, hangs) = {
            let mut state = self.state();
            if state.chance(self.trials.act_fails) {
                return Err(Trouble::new(act.to_string(), "the dice say no"));
            }
            state.make(act, self.trials.stuck);
            (state.chance(self.trials.act_fails_late), state.chance(self.trials.act_hangs))
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        self.take_time().await;
        match late {
            true => Err(Trouble::new(act.to_string(), "the dice say no, too late")),
            false => Ok(receipt_of(act)),
        }
    }

    async fn undo(&self, undo: &Undo, _: &Receipt) -> Result<(), Trouble> {
        self.take_time().await;
        let mut state = self.state();
        let Some(thing) = undone_by(undo) else { return Ok(()) };
        if state.chance(self.trials.undo_refused) {
            return Err(Trouble::new(undo.to_string(), "refused this time"));
        }
        if state.chance(self.trials.undo_lies) {
            return Ok(());
        }
        state.unmake(&thing)
    }

    async fn check(&self, check: &Check, _: &Receipt) -> Checked {
        let mut state = self.state();
        if state.chance(self.trials.check_unknown) {
            return Checked::Unknown { because: "the dice hide it".to_owned() };
        }
        match gone_after(check) {
            Some(thing) if state.things.contains_key(&thing) => {
                Checked::No { because: format!("{thing} is still there") }
            }
            _ => Checked::Yes,
        }
    }

    async fn read(&self, meter: &Meter) -> Result<Reading, Trouble> {
        Ok(match meter {
            Meter::Toxic { .. } => Reading::Toxic(ToxicReading { seen: 50, touched: 50, ..ToxicReading::default() }),
            Meter::Worker { .. } => {
                let second = Duration::from_secs(1);
                Reading::Worker(WorkerReading { elapsed: second, cpu: second, ..WorkerReading::default() })
            }
            Meter::Service { service } if self.state().dead.contains(service) => {
                Reading::Service { state: ProcessState::Gone, replaced: false }
            }
            Meter::Service { .. } => Reading::Service { state: ProcessState::Stopped, replaced: false },
        })
    }

    fn prober(&self, _: &ProbeSpec) -> Result<Arc<dyn Prober>, Trouble> {
        Ok(Arc::new(self.clone()))
    }

    fn service_log(&self, _: &str) -> Option<PathBuf> {
        None
    }

    fn hurry(&self) {}

    fn target_gone(&self, _: &Meter) -> Option<String> {
        self.state().targets_gone.then(|| "it ended by itself".to_owned())
    }

    fn affected_users(&self) -> u64 {
        u64::from(self.broken())
    }
}

impl Prober for FakeMachine {
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
        Box::pin(async move {
            Clock::Tokio.sleep(Duration::from_millis(2)).await;
            let chance = match (self.broken(), self.state().was_broken) {
                (true, _) => self.trials.sample_fails_when_broken,
                (false, true) => self.trials.sample_fails_afterwards.max(self.trials.sample_fails),
                (false, false) => self.trials.sample_fails,
            };
            match self.state().chance(chance) {
                true => Measurement::failed(Outcome::Wrong, "the dice say no"),
                false => Measurement::ok(),
            }
        })
    }
}

fn receipt_of(act: &Act) -> Receipt {
    let process = ProcessIdentity { pid: 4_242, pidfs_inode: 1, start_ticks: 1 };
    match act {
        Act::AddToxic { .. } => Receipt::default(),
        Act::OpenProxy { proxy } => Receipt { address: Some(proxy.listen), ..Receipt::default() },
        _ => Receipt { process: Some(process), ..Receipt::default() },
    }
}

fn is_fault(thing: &str) -> bool {
    !thing.starts_with("service ") && !thing.starts_with("proxy ")
}

fn thing_of(act: &Act) -> String {
    match act {
        Act::StartService { service } => format!("service {}", service.name),
        Act::OpenProxy { proxy } => format!("proxy {}", proxy.name),
        Act::AddToxic { proxy, toxic } => format!("toxic {} on {proxy}", toxic.name),
        Act::StartWorker { worker, .. } => format!("worker {worker}"),
        Act::PauseService { service } => format!("paused {service}"),
        Act::KillService { service, .. } => format!("killed {service}"),
    }
}

fn undone_by(undo: &Undo) -> Option<String> {
    Some(match undo {
        Undo::StopService { service } => format!("service {service}"),
        Undo::CloseProxy { proxy } => format!("proxy {proxy}"),
        Undo::RemoveToxic { proxy, toxic } => format!("toxic {toxic} on {proxy}"),
        Undo::StopWorker { worker } => format!("worker {worker}"),
        Undo::ResumeService { service } => format!("paused {service}"),
        Undo::ReviveService { service } => format!("killed {service}"),
        Undo::None { .. } => return None,
    })
}

fn gone_after(check: &Check) -> Option<String> {
    Some(match check {
        Check::ServiceGone { service } => format!("service {service}"),
        Check::ProxyGone { proxy } => format!("proxy {proxy}"),
        Check::ToxicGone { proxy, toxic } => format!("toxic {toxic} on {proxy}"),
        Check::WorkerGone { worker } => format!("worker {worker}"),
        Check::ServiceRunning { service } => format!("paused {service}"),
        Check::ServiceReady { service } => format!("killed {service}"),
        Check::Nothing => return None,
    })
}

//! A machine made of memory, for tests: it does what it is told, fails as its dice say, and knows what is left on it.
//!
//! It follows tokio's clock, so that a test may pause the time and walk through a whole run in milliseconds.

mod life;
mod paper;
mod scene;
mod world;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;

use super::clock::Clock;
use super::{Checked, Chosen, Facts, Machine, Prepared, Prober, Trouble};
use crate::model::dose::{
    GroupReading, InPlace, LimitReading, Meter, Reading, ToxicReading, VictimReading, WorkerReading,
};
use crate::model::fault::{FaultSpec, ProcessTarget};
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Measurement, Outcome};
use crate::model::step::{Act, Check, ProcessIdentity, Receipt, SoftLimit, Step, Undo};
use crate::model::target::{Victim, Victims};
use crate::model::traffic::ProxyTraffic;

pub use life::{Death, Life, Turns};
pub use scene::FakeScene;
use world::World;

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
    /// A signal of a recovery is refused this time.
    pub signal_refused: f64,
    /// A signal of a recovery is said to be sent and is not.
    pub signal_lies: f64,
    /// A killed process takes a while to be gone.
    pub death_is_slow: f64,
    /// A look through all processes fails.
    pub look_fails: f64,
    /// The state of a process cannot be seen.
    pub state_unknown: f64,
    /// Somebody else sets a value of a control group that we just set.
    pub value_taken: f64,
    /// A file cannot be made, written or cut; a record may get there in part, or whole.
    pub paper_fails: f64,
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

/// A machine made of memory, and a tool on it. Copies are the same machine and tool.
#[derive(Clone)]
pub struct FakeMachine {
    world: Shared,
    /// The tool's.
    life: Life,
}

/// The world that everybody on the machine shares.
#[derive(Clone)]
struct Shared(Arc<Mutex<World>>);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fake machine")
    }
}

fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeMachine {
    /// An empty machine whose misfortunes follow the seed, and a tool that does not die.
    pub fn new(seed: u64, trials: Trials) -> Self {
        Self::with_tool(seed, trials, Life::default())
    }

    /// The same with a tool of this life.
    pub fn with_tool(seed: u64, trials: Trials, life: Life) -> Self {
        Self { world: Shared(Arc::new(Mutex::new(World::new(seed, trials, life.clone())))), life }
    }

    /// What is left on it.
    pub fn leftovers(&self) -> Vec<String> {
        self.world().leftovers()
    }

    /// The processes of the run that are left.
    pub fn processes_left(&self) -> Vec<ProcessIdentity> {
        self.world().processes_left()
    }

    /// Whatever faults act on is gone from now on.
    pub fn lose_targets(&self) {
        self.world().targets_gone = true;
    }

    /// Somebody else sets every value that we set.
    pub fn take_values(&self) {
        let mut world = self.world();
        world.take_values();
    }

    /// What happened on it.
    pub fn deeds(&self) -> Vec<Deed> {
        self.world().deeds.clone()
    }

    /// What was done to somebody else.
    pub fn harm(&self) -> Vec<String> {
        self.world().harm.clone()
    }

    /// From the first fault until the first try to undo each fault; to `end` where there was none.
    pub fn injected(&self, end: Duration) -> Vec<(String, Duration)> {
        let world = self.world();
        let first = world.first_fault.unwrap_or(end);
        let faults = world.made.iter().filter(|name| is_fault(name));
        faults.map(|name| (name.clone(), world.tried.get(name).unwrap_or(&end).saturating_sub(first))).collect()
    }

    /// The machine in the eyes of a process of this life.
    pub fn scene(&self, life: Life) -> FakeScene {
        FakeScene { world: self.world.clone(), life }
    }

    /// The identity of the tool.
    pub fn tool(&self) -> ProcessIdentity {
        self.world().tool.clone()
    }

    /// Whether the tool lives.
    pub fn tool_lives(&self) -> bool {
        self.world().tool_lives()
    }

    /// The end of the tool, killed or come to its end by itself.
    pub fn end_tool(&self) {
        self.world().tool_dies();
    }

    /// The time of recoveries is that of tokio's clock from here on.
    pub fn follow_clock(&self) -> Duration {
        let mut world = self.world();
        let epoch = *world.epoch.get_or_insert_with(|| Clock::Tokio.now());
        world.now = world.now.max(Clock::Tokio.now() - epoch);
        world.now
    }

    /// Pids of the run and its tool that are free are taken by others; after a restart their identities may be the same
    /// as those before.
    pub fn reuse_pids(&self, identities_too: bool) {
        let mut world = self.world();
        for one in world.ever.clone() {
            world.intrude(one.pid, identities_too.then(|| one.clone()));
        }
    }

    /// The machine starts anew; these files are gone.
    pub fn restart(&self, lost: impl Fn(&Path) -> bool) {
        self.life.kill();
        let mut world = self.world();
        world.restart();
        world.files.retain(|path, _| !lost(path));
    }

    /// From here on so much goes wrong; with nothing to go wrong, what would not be undone can be.
    pub fn set_trials(&self, trials: Trials) {
        let mut world = self.world();
        world.trials = trials;
        world.heal();
    }

    /// What is in a file; none when there is none.
    pub fn file(&self, path: &Path) -> Option<Vec<u8>> {
        let file = self.world().files.get(path).cloned()?;
        let bytes = file.lock().unwrap_or_else(PoisonError::into_inner).bytes.clone();
        Some(bytes)
    }

    /// Takes a file away, or cuts it short, as no part of the tool would.
    pub fn spoil_file(&self, path: &Path, length: Option<usize>) {
        let mut world = self.world();
        match length {
            None => drop(world.files.remove(path)),
            Some(length) => {
                if let Some(file) = world.files.get(path) {
                    file.lock().unwrap_or_else(PoisonError::into_inner).bytes.truncate(length);
                }
            }
        }
    }

    /// The names of all files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.world().files.keys().cloned().collect()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Whether a fault is in place.
    fn broken(&self) -> bool {
        self.world().leftovers().iter().any(|thing| is_fault(thing))
    }

    /// A step of the tool. It never returns from its last.
    async fn step(&self) {
        if self.life.step().is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn take_time(&self) {
        let millis = self.world().dice.random_range(0..40);
        Clock::Tokio.sleep(Duration::from_millis(millis)).await;
    }
}

impl Machine for FakeMachine {
    fn clock(&self) -> Clock {
        Clock::Tokio
    }

    async fn facts(&self) -> Facts {
        Facts { cores: vec![0, 1], memory_available: 8 << 30, ..Facts::default() }
    }

    async fn choose(&self, _: &FaultSpec, target: &ProcessTarget) -> Result<Chosen, Trouble> {
        self.step().await;
        let victims = self.world().find(target);
        match victims.len() {
            0 => Err(Trouble::new(format!("find {target}"), "there is none")),
            count => {
                let open_files = self.world().open_files(&victims);
                Ok(Chosen { victims, open_files, instances: count, matching: count })
            }
        }
    }

    async fn prepare(&self, step: &Step) -> Result<Prepared, Trouble> {
        self.step().await;
        Ok(Prepared { receipt: self.world().prepare(&step.apply), notes: Vec::new() })
    }

    async fn apply(&self, act: &Act, prepared: Receipt) -> Result<Receipt, Trouble> {
        self.take_time().await;
        self.step().await;
        let now = self.follow_clock();
        let (late, hangs, receipt) = {
            let mut world = self.world();
            let trials = world.trials;
            if world.chance(trials.act_fails) {
                return Err(Trouble::new(act.to_string(), "the dice say no"));
            }
            let receipt = world.make(act, &prepared, now)?;
            (world.chance(trials.act_fails_late), world.chance(trials.act_hangs), receipt)
        };
        self.step().await;
        if hangs {
            std::future::pending::<()>().await;
        }
        self.take_time().await;
        match late {
            true => Err(Trouble::new(act.to_string(), "the dice say no, too late")),
            false => Ok(receipt),
        }
    }

    async fn undo(&self, undo: &Undo, _: &Receipt) -> Result<(), Trouble> {
        let Some(thing) = undone_by(undo) else { return Ok(()) };
        let now = self.follow_clock();
        self.world().tried.entry(thing.clone()).or_insert(now);
        self.take_time().await;
        self.step().await;
        let done = {
            let mut world = self.world();
            let trials = world.trials;
            if world.chance(trials.undo_refused) {
                return Err(Trouble::new(undo.to_string(), "refused this time"));
            }
            if world.chance(trials.undo_lies) && world.may_lie_of(&thing) {
                return Ok(());
            }
            world.unmake(&thing)
        };
        self.step().await;
        done
    }

    async fn check(&self, check: &Check, receipt: &Receipt) -> Checked {
        self.step().await;
        let mut world = self.world();
        let trials = world.trials;
        if world.chance(trials.check_unknown) {
            return Checked::Unknown { because: "the dice hide it".to_owned() };
        }
        if let Some(file) = world.taken_by_others(receipt) {
            return Checked::Others { because: format!("{} is somebody else's now", file.display()) };
        }
        match gone_after(check) {
            Some(thing) if world.is_there(&thing) => Checked::No { because: format!("{thing} is still there") },
            _ => Checked::Yes,
        }
    }

    async fn read(&self, meter: &Meter) -> Result<Reading, Trouble> {
        Ok(match meter {
            Meter::Toxic { .. } => Reading::Toxic(ToxicReading { seen: 50, touched: 50, ..ToxicReading::default() }),
            Meter::OpenFiles { whom, limits } => {
                let reading = |(victim, limit): (&Victim, &SoftLimit)| LimitReading {
                    name: victim.to_string(),
                    set: limit.set,
                    soft: Some(limit.set),
                    left: Some(0),
                };
                Reading::OpenFiles(whom.chosen.iter().zip(limits).map(reading).collect())
            }
            Meter::Worker { .. } | Meter::Slowed { .. } => {
                let second = Duration::from_secs(1);
                Reading::Worker(WorkerReading { elapsed: second, cpu: second, ..WorkerReading::default() })
            }
            Meter::Group { .. } => {
                let elapsed = Duration::from_secs(1);
                Reading::Group(GroupReading { elapsed, periods: 10, throttled: 5, ..GroupReading::default() })
            }
            Meter::Command { .. } => Reading::Command(InPlace::Yes),
            Meter::Processes { whom } => {
                let mut world = self.world();
                let reading = |victim: &Victim| VictimReading {
                    name: victim.to_string(),
                    state: world.state(&victim.process),
                    replaced_by: None,
                };
                Reading::Processes(whom.chosen.iter().map(reading).collect())
            }
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
        self.world().targets_gone.then(|| "it ended by itself".to_owned())
    }

    fn affected_users(&self) -> u64 {
        u64::from(self.broken())
    }

    /// No byte passes through memory.
    fn traffic(&self) -> Vec<ProxyTraffic> {
        Vec::new()
    }
}

impl Prober for FakeMachine {
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
        Box::pin(async move {
            Clock::Tokio.sleep(Duration::from_millis(2)).await;
            let broken = self.broken();
            let mut world = self.world();
            let trials = world.trials;
            let chance = match (broken, world.was_broken) {
                (true, _) => trials.sample_fails_when_broken,
                (false, true) => trials.sample_fails_afterwards.max(trials.sample_fails),
                (false, false) => trials.sample_fails,
            };
            match world.chance(chance) {
                true => Measurement::failed(Outcome::Wrong, "the dice say no"),
                false => Measurement::ok(),
            }
        })
    }
}

fn is_fault(thing: &str) -> bool {
    !thing.starts_with("service ") && !thing.starts_with("proxy ")
}

/// What is hit, in the name of a thing: `demo` of a service, else what the first of them is called.
fn short(whom: &Victims) -> String {
    let first = whom.chosen.first().map_or("nobody", |victim| victim.name.as_str());
    whom.target.by.service().unwrap_or(first).to_owned()
}

fn thing_of(act: &Act) -> String {
    match act {
        Act::StartService { service } => format!("service {}", service.name),
        Act::OpenProxy { proxy } => format!("proxy {}", proxy.name),
        Act::AddToxic { proxy, toxic } => format!("toxic {} on {proxy}", toxic.name),
        Act::StartWorker { worker, .. } => format!("worker {worker}"),
        // What only belongs to a service is no fault.
        Act::MakeGroup { service, .. } => format!("service {service} on a group"),
        Act::LimitGroup { name, .. } => format!("limit {name}"),
        Act::Pause { whom } => format!("paused {}", short(whom)),
        Act::Kill { whom, .. } => format!("killed {}", short(whom)),
        Act::KeepKilling { whom, .. } => format!("killing {}", short(whom)),
        Act::TakeCharge { whom } => format!("paused {}", short(whom)),
        Act::LimitOpenFiles { whom, .. } => format!("limited {}", short(whom)),
        Act::Run { name, .. } => format!("command {name}"),
    }
}

fn undone_by(undo: &Undo) -> Option<String> {
    Some(match undo {
        Undo::StopService { service } => format!("service {service}"),
        Undo::CloseProxy { proxy } => format!("proxy {proxy}"),
        Undo::RemoveToxic { proxy, toxic } => format!("toxic {toxic} on {proxy}"),
        Undo::StopWorker { worker } | Undo::EndFill { worker, .. } => format!("worker {worker}"),
        Undo::RemoveGroup { service } => format!("service {service} on a group"),
        Undo::RestoreGroup { name } => format!("limit {name}"),
        Undo::Resume { whom } => format!("paused {}", short(whom)),
        Undo::StopKilling { whom } => format!("killing {}", short(whom)),
        Undo::RestoreOpenFiles { whom, .. } => format!("limited {}", short(whom)),
        Undo::Run { name, .. } => format!("command {name}"),
        Undo::ReviveService { service } => format!("killed {service}"),
        Undo::None { .. } => return None,
    })
}

fn gone_after(check: &Check) -> Option<String> {
    Some(match check {
        Check::ServiceGone { service } => format!("service {service}"),
        Check::ProxyGone { proxy } => format!("proxy {proxy}"),
        Check::ToxicGone { proxy, toxic } => format!("toxic {toxic} on {proxy}"),
        Check::WorkerGone { worker } | Check::FillGone { worker, .. } => format!("worker {worker}"),
        Check::GroupGone { service } => format!("service {service} on a group"),
        Check::GroupRestored { name } => format!("limit {name}"),
        Check::Running { whom } => format!("paused {}", short(whom)),
        Check::KillingStopped { whom } => format!("killing {}", short(whom)),
        Check::OpenFilesRestored { whom, .. } => format!("limited {}", short(whom)),
        Check::NotInPlace { name, .. } => format!("command {name}"),
        Check::ServiceReady { service } => format!("killed {service}"),
        Check::Nothing => return None,
    })
}

//! One history: a tool, its guardian and its rollbacks on a fake machine, from the first file to the last look.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use chaos::host::Trouble;
use chaos::host::clock::Clock;
use chaos::host::fake::{Death, FakeMachine, Life, Trials, Turns};
use chaos::host::pulse::Heard;
use chaos::host::signals::{Cancel, CancelHandle};
use chaos::journal::guardian::{ALIVE, Alarm, BEAT, GOODBYE, Next, Vigil, respond};
use chaos::journal::recover::{Recovered, Recovery};
use chaos::journal::{FORMAT, Header, Journal};
use chaos::model::event::Event;
use chaos::runner::{self, Ending};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::bad::{Bad, Door};
use crate::fate::{Fate, Meanwhile};
use crate::support;

pub const PERSISTENT: &str = "/state/runs/a-run/journal.jsonl";
pub const VOLATILE: &str = "/run/chaos/a-run.jsonl";

/// Nobody waits longer for a tool that does not come to its end.
const LONGEST: Duration = Duration::from_secs(400);

pub struct History {
    pub fate: Fate,
    pub machine: FakeMachine,
    /// What the tool told, as far as it came.
    pub events: Vec<Event>,
    /// None when the tool did not come to its end.
    pub ending: Option<Ending>,
    /// What was there when the tool came to its end.
    pub left_by_tool: Vec<String>,
    /// Why the guardian acted, when, and what came of it; none when it died over it.
    pub alarm: Option<(Alarm, Duration, Option<Outcome>)>,
    /// How long the faults were in place before their undo began.
    pub injected: Vec<(String, Duration)>,
    /// What is wrong with this history.
    pub wrong: Vec<String>,
    /// What was seen on the way, by name.
    pub seen: Vec<&'static str>,
    /// What those who asked for a rollback while it was under way have to complain of.
    visitors: Arc<Mutex<Vec<String>>>,
    /// The files as they were checked last.
    checked: [Vec<u8>; 2],
}

/// How a recovery ended.
pub type Outcome = Result<Recovered, Trouble>;

/// The tool and its guardian die together in the middle of a run, and nobody has recovered anything yet.
pub fn abandoned(seed: u64) -> History {
    let mut fate = Fate::of(seed);
    let steps = 5 + seed % 40;
    (fate.tool_dies, fate.guardian_dies, fate.apart, fate.trials) = (Some(steps), Some(0), true, Trials::default());
    (fate.standstills, fate.longest) = (Vec::new(), 300_000);
    let life = Life::of_tool(fate.tool_dies);
    let mut history = History::of(seed, fate, &life);
    history.run(seed, &life, None);
    history
}

/// Lives through the history of a seed.
pub fn history(seed: u64, bad: Option<Bad>) -> History {
    let fate = Fate::of(seed);
    let life = Life::of_tool(fate.tool_dies);
    let mut history = History::of(seed, fate, &life);
    history.run(seed, &life, bad);
    history.check_paper("the tool");
    if bad != Some(Bad::NobodyRecovers) {
        history.recover(seed, bad);
    } else if !history.told_as_residue() && !history.machine.leftovers().is_empty() {
        history.wrong.push(format!("{:?} is left", history.machine.leftovers()));
    }
    let visitors = std::mem::take(&mut *history.visitors.lock().unwrap_or_else(PoisonError::into_inner));
    history.wrong.extend(visitors);
    let harm = history.machine.harm();
    history.wrong.extend(harm);
    history
}

impl History {
    fn of(seed: u64, fate: Fate, life: &Life) -> Self {
        Self {
            machine: FakeMachine::with_tool(seed, fate.trials, life.clone()),
            fate,
            events: Vec::new(),
            ending: None,
            left_by_tool: Vec::new(),
            alarm: None,
            injected: Vec::new(),
            wrong: Vec::new(),
            seen: Vec::new(),
            visitors: Arc::default(),
            checked: Default::default(),
        }
    }

    /// A recovery that nothing disturbs; none when it does not know what there was.
    pub fn recover_undisturbed(&mut self) -> Option<Recovered> {
        let outcome = self.recover_once("a recovery", None, None)?.ok()?;
        Some(outcome).filter(|outcome| !matches!(outcome, Recovered::Undone(account) if !account.is_clean()))
    }

    fn header(&self) -> Header {
        Header {
            journal: FORMAT,
            run: "a-run".into(),
            tool: "test".into(),
            boot: "boot 1".into(),
            owner: self.machine.tool(),
            volatile: self.fate.apart.then(|| VOLATILE.into()),
        }
    }

    fn run(&mut self, seed: u64, life: &Life, bad: Option<Bad>) {
        let door = Door::new(self.machine.scene(life.clone()), bad);
        match Journal::begin_at(&door, Path::new(PERSISTENT), &self.header()) {
            Ok(journal) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
                runtime.expect("runs").block_on(self.guarded(seed, life, bad, journal));
            }
            Err(_) => self.seen.push("no journal, no run"),
        }
        if !life.lasts() {
            self.seen.push("the tool was killed");
        }
        self.machine.end_tool();
    }

    async fn guarded(&mut self, seed: u64, life: &Life, bad: Option<Bad>, journal: Journal) {
        self.machine.follow_clock();
        let guardian_life = Life::of_recovery(None);
        let guardian_door = Door::new(self.machine.scene(guardian_life.clone()), bad);
        let recovery = dying(|| Recovery::open_on(guardian_door, Path::new(PERSISTENT)));
        // No guardian, no injection.
        let Some(Ok(recovery)) = recovery else { return };
        let (beats, heard) = unbounded_channel();
        let (handle, cancel) = Cancel::manual();
        let gate = Arc::new(Gate::default());
        let deaf = matches!(bad, Some(Bad::DeafGuardian));
        let guardian =
            tokio::spawn(watch(self.fate.clone(), self.machine.clone(), heard, recovery, deaf, handle.clone()));
        let others = self.others(seed, life, handle, &gate, &beats);
        let (events, ending) = self.tool(life, &gate, journal, cancel).await;
        (self.events, self.ending) = (events, ending);
        self.left_by_tool = self.machine.leftovers();
        if self.ending.is_some() {
            let _ = beats.send(GOODBYE);
        }
        self.machine.end_tool();
        others.into_iter().for_each(|task| task.abort());
        drop(beats);
        self.injected = self.machine.injected(self.machine.follow_clock());
        self.alarm = guardian.await.expect("no panic");
        if let Some((_, at, outcome)) = self.alarm.clone() {
            self.injected = self.machine.injected(at);
            self.seen.push("the guardian acted");
            self.judge("the guardian", outcome);
        }
    }

    /// The run itself, until it ends or dies.
    async fn tool(&self, life: &Life, gate: &Gate, journal: Journal, cancel: Cancel) -> (Vec<Event>, Option<Ending>) {
        let (sender, mut receiver) = unbounded_channel();
        let header = support::header(self.fate.experiment.clone(), self.fate.mode);
        let run = runner::run(header, Arc::new(self.machine.clone()), journal, cancel, sender);
        let ending = tokio::select! {
            biased;
            () = life.ended() => None,
            ending = gate.hold(run) => Some(ending),
            () = Clock::Tokio.sleep(LONGEST) => None,
        };
        let mut events = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            events.push(event);
        }
        (events, ending.filter(|_| life.lasts()))
    }

    /// Everybody else: who signals, who stops, who visits, and the heart of the tool.
    fn others(
        &self,
        seed: u64,
        life: &Life,
        handle: CancelHandle,
        gate: &Arc<Gate>,
        beats: &UnboundedSender<u8>,
    ) -> Vec<JoinHandle<()>> {
        let signals = self.fate.signals.clone();
        let mut tasks = vec![tokio::spawn(async move {
            for pause in signals {
                Clock::Tokio.sleep(Duration::from_millis(pause)).await;
                handle.request("SIGINT");
            }
        })];
        for standstill in self.fate.standstills.clone() {
            let gate = Arc::clone(gate);
            tasks.push(tokio::spawn(async move {
                Clock::Tokio.sleep(Duration::from_millis(standstill.at)).await;
                gate.close(standstill.beats);
                Clock::Tokio.sleep(Duration::from_millis(standstill.lasts)).await;
                gate.open();
            }));
        }
        for visit in self.fate.visits.clone() {
            let (machine, wrong) = (self.machine.clone(), Arc::clone(&self.visitors));
            tasks.push(tokio::spawn(async move {
                Clock::Tokio.sleep(Duration::from_millis(visit)).await;
                wrong.lock().unwrap_or_else(PoisonError::into_inner).extend(visit_of(&machine));
            }));
        }
        let dice = ChaCha8Rng::seed_from_u64(seed);
        tasks.push(tokio::spawn(beat(dice, self.fate.late_beats, life.clone(), Arc::clone(gate), beats.clone())));
        tasks
    }

    /// Whatever the tool and its guardian left: recoveries that die, two at once, one that comes to its end, and in the
    /// end one that nothing disturbs.
    fn recover(&mut self, seed: u64, bad: Option<Bad>) {
        let part_lost = self.meanwhile();
        for dies_after in self.fate.broken_recoveries.clone() {
            self.recover_once("a recovery that may die", Some(dies_after), bad);
        }
        if let Some(deaths) = self.fate.at_once {
            self.recover_at_once(seed, deaths, bad);
        }
        self.recover_once("a recovery", None, bad);
        self.machine.set_trials(Trials::default());
        let mut last = self.recover_once("the last recovery", None, bad);
        if last.as_ref().is_some_and(tells_of_a_conflict) {
            // As nobody could write down before that it was told. It is told once, and the next has nothing to say.
            last = self.recover_once("the recovery after a conflict was told", None, bad);
        }
        let mut left = self.machine.leftovers();
        if part_lost && matches!(last, Some(Ok(Recovered::Undone(account))) if !account.is_clean()) {
            // Strangers carry no mark: which of them the lost part named nobody knows any more, and that is told as
            // residue. Processes of the run are known by its mark and its groups by their names, with all that was set there.
            left.retain(|thing| !thing.ends_with(" fake"));
        }
        if !left.is_empty() {
            self.wrong.push(format!("{left:?} is left although nothing keeps it"));
        }
        if !part_lost && self.machine.file(Path::new(VOLATILE)).is_some() && bad.is_none() {
            self.wrong.push("the runtime folder is not empty".into());
        }
        self.again(bad);
    }

    /// Doing it once more changes nothing.
    fn again(&mut self, bad: Option<Bad>) {
        let files = |machine: &FakeMachine| [PERSISTENT, VOLATILE].map(|path| machine.file(Path::new(path)));
        let before = files(&self.machine);
        let outcome = self.recover_once("a further recovery", None, bad);
        let nothing = matches!(outcome, Some(Ok(Recovered::Nothing)));
        let unknown = matches!(outcome, Some(Ok(Recovered::Undone(account))) if !account.is_clean());
        if !nothing && !unknown && before[0].is_some() {
            self.wrong.push("a further recovery found something to do".into());
        }
        if nothing && files(&self.machine) != before {
            self.wrong.push("a further recovery changed the journal".into());
        }
    }

    /// What happens meanwhile; true when something is lost that nobody can know of any more.
    fn meanwhile(&mut self) -> bool {
        match self.fate.meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::ValuesTaken => self.machine.take_values(),
            Meanwhile::PidsReused => self.machine.reuse_pids(false),
            Meanwhile::Restarted { in_memory } => {
                self.seen.push("the machine started anew");
                self.machine.restart(|path| in_memory && path == Path::new(VOLATILE));
                self.machine.reuse_pids(true);
            }
            Meanwhile::PartLost => {
                let lost = self.machine.file(Path::new(VOLATILE)).is_some();
                self.machine.spoil_file(Path::new(VOLATILE), None);
                if lost {
                    self.seen.push("a part of the journal was lost");
                }
                return lost;
            }
        }
        false
    }

    fn recover_once(&mut self, who: &str, dies_after: Option<u64>, bad: Option<Bad>) -> Option<Outcome> {
        let door = Door::new(self.machine.scene(Life::of_recovery(dies_after)), bad);
        let outcome = dying(|| Recovery::open_on(door, Path::new(PERSISTENT)).and_then(|recovery| recovery.recover()));
        self.judge(who, outcome.clone());
        outcome
    }

    fn recover_at_once(&mut self, seed: u64, deaths: [Option<u64>; 2], bad: Option<Bad>) {
        self.seen.push("two recoveries at once");
        let turns = Turns::new(seed, 2);
        let one = |number: usize| {
            let life = Life::in_turns(deaths[number], &turns, number);
            let door = Door::new(self.machine.scene(life), bad);
            let outcome =
                dying(|| Recovery::open_on(door, Path::new(PERSISTENT)).and_then(|recovery| recovery.recover()));
            turns.leave(number);
            outcome
        };
        let outcomes = std::thread::scope(|scope| {
            let other = scope.spawn(|| one(1));
            [one(0), other.join().expect("no panic")]
        });
        for outcome in outcomes {
            self.judge("one of two recoveries", outcome);
        }
    }

    /// Whether a recovery said what is so, and wrote what is legal.
    fn judge(&mut self, who: &str, outcome: Option<Outcome>) {
        self.check_paper(who);
        let left = self.machine.leftovers();
        let claims_clean = match &outcome {
            None => {
                self.seen.push("a recovery died");
                false
            }
            Some(Ok(Recovered::Nothing)) => true,
            Some(Ok(Recovered::Undone(account))) => {
                self.seen.push(if account.is_clean() { "undone" } else { "residue told by a recovery" });
                if account.part_missing {
                    self.seen.push("a lost part was told");
                }
                account.is_clean()
            }
            Some(Ok(Recovered::Refused(_))) | Some(Err(_)) => false,
        };
        if claims_clean && !left.is_empty() {
            self.wrong.push(format!("{who} called it clean ({outcome:?}) and {left:?} is there"));
        }
    }

    pub fn told_as_residue(&self) -> bool {
        self.events.iter().any(|event| matches!(event.kind, chaos::model::event::EventKind::Residue { .. }))
    }

    /// The records on paper make sense and follow the table of legal transitions.
    fn check_paper(&mut self, who: &str) {
        for (place, path) in [PERSISTENT, VOLATILE].into_iter().enumerate() {
            let bytes = self.machine.file(Path::new(path)).unwrap_or_default();
            if bytes == self.checked[place] {
                continue;
            }
            self.checked[place].clone_from(&bytes);
            self.wrong
                .extend(crate::invariants::illegal(&bytes).map(|what| format!("{who} wrote into {path}: {what}")));
        }
    }
}

/// Somebody asks for a rollback of a run that is under way; what is wrong with the answer.
fn visit_of(machine: &FakeMachine) -> Option<String> {
    if !machine.tool_lives() {
        return None;
    }
    let (left, deeds) = (machine.leftovers(), machine.deeds());
    machine.follow_clock();
    let scene = machine.scene(Life::of_recovery(None));
    let outcome = Recovery::open_on(scene, Path::new(PERSISTENT)).and_then(|recovery| recovery.recover());
    let refused = matches!(outcome, Ok(Recovered::Refused(_)) | Err(_));
    let as_it_was = (machine.leftovers(), machine.deeds()) == (left, deeds);
    (!refused || !as_it_was).then(|| format!("a rollback of a run under way did {outcome:?}"))
}

/// The heart of the tool: signs of life, as long as it lives and is not stopped.
async fn beat(mut dice: ChaCha8Rng, late: u64, life: Life, gate: Arc<Gate>, beats: UnboundedSender<u8>) {
    loop {
        if !gate.is_silent() && beats.send(ALIVE).is_err() {
            return;
        }
        let late = Duration::from_millis(if late == 0 { 0 } else { dice.random_range(0..late) });
        tokio::select! {
            biased;
            () = life.ended() => return,
            () = Clock::Tokio.sleep(BEAT + late) => {}
        }
    }
}

/// The guardian: waits as the real one does, and acts as the real one does.
async fn watch(
    fate: Fate,
    machine: FakeMachine,
    mut beats: UnboundedReceiver<u8>,
    recovery: Recovery<Door>,
    deaf: bool,
    tool: CancelHandle,
) -> Option<(Alarm, Duration, Option<Outcome>)> {
    let killed = fate.guardian_killed.map(|at| Clock::Tokio.now() + Duration::from_millis(at));
    let mut vigil = Vigil::new(machine.follow_clock(), Duration::from_millis(fate.longest));
    loop {
        let patience = vigil.patience(machine.follow_clock());
        let heard = tokio::select! {
            biased;
            () = until(killed) => {
                tool.lose_guardian();
                return None;
            }
            heard = beats.recv() => newest(heard, &mut beats),
            () = Clock::Tokio.sleep(patience) => Heard::Silence,
        };
        match vigil.hear(machine.follow_clock(), heard) {
            Next::GoHome => return None,
            Next::Act(Alarm::Dead) => return Some(act(&fate, &machine, Alarm::Dead, &recovery, &tool)),
            Next::Act(alarm) if !deaf => return Some(act(&fate, &machine, alarm, &recovery, &tool)),
            Next::Act(_) => Clock::Tokio.sleep(BEAT).await,
            Next::Answer | Next::Listen => {}
        }
    }
}

fn act(
    fate: &Fate,
    machine: &FakeMachine,
    alarm: Alarm,
    recovery: &Recovery<Door>,
    tool: &CancelHandle,
) -> (Alarm, Duration, Option<Outcome>) {
    let at = machine.follow_clock();
    recovery.scene().dies_after(fate.guardian_dies);
    let outcome = dying(|| respond(alarm, recovery, &machine.tool()));
    // Where it could not kill the tool, that one hears that its guardian is gone.
    tool.lose_guardian();
    (alarm, at, outcome)
}

fn newest(heard: Option<u8>, beats: &mut UnboundedReceiver<u8>) -> Heard {
    let mut newest = heard;
    while let Ok(later) = beats.try_recv() {
        newest = Some(later);
    }
    newest.map_or(Heard::End, Heard::Sign)
}

async fn until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => Clock::Tokio.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Runs what may die; none when it did.
fn dying<T>(act: impl FnOnce() -> T) -> Option<T> {
    let died = |payload: Box<dyn Any + Send>| if payload.is::<Death>() { None } else { resume_unwind(payload) };
    catch_unwind(AssertUnwindSafe(act)).map_or_else(died, Some)
}

/// Holds up a future, as a stopped process does not get on.
#[derive(Default)]
struct Gate {
    closed: AtomicBool,
    silent: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Gate {
    fn close(&self, beats: bool) {
        self.silent.store(!beats, Ordering::Release);
        self.closed.store(true, Ordering::Release);
    }

    fn open(&self) {
        self.closed.store(false, Ordering::Release);
        self.silent.store(false, Ordering::Release);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }

    async fn hold<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
            if self.closed.load(Ordering::Acquire) { Poll::Pending } else { future.as_mut().poll(context) }
        })
        .await
    }
}

/// Whether all that is not well is what somebody else set meanwhile.
fn tells_of_a_conflict(outcome: &Outcome) -> bool {
    let Ok(Recovered::Undone(account)) = outcome else { return false };
    let troubles: Vec<&String> = account.steps.iter().filter_map(|step| step.undone.as_ref().err()).collect();
    !troubles.is_empty() && troubles.iter().all(|trouble| trouble.starts_with("somebody else set"))
}

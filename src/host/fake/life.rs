//! The life of a process on the fake machine, which may end at any step it takes.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Notify;

/// A process that acts on the fake machine: the tool, its guardian, a rollback. Copies are the same process.
#[derive(Clone, Default)]
pub struct Life(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    ended: Notify,
    turns: Option<(Arc<Turns>, usize)>,
    /// Whether its end is a panic, which is how a process without an event loop is left at once.
    unwinds: bool,
}

#[derive(Default)]
struct State {
    steps: u64,
    dies_after: Option<u64>,
    dead: bool,
}

/// What a process unwinds with when it dies.
#[derive(Debug)]
pub struct Death;

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a life of {} steps", self.steps())
    }
}

impl Life {
    /// The tool: it dies after so many steps; whoever drives it waits for [`Self::ended`].
    pub fn of_tool(dies_after: Option<u64>) -> Self {
        let state = Mutex::new(State { dies_after, ..State::default() });
        Self(Arc::new(Inner { state, ..Inner::default() }))
    }

    /// A process that recovers: when it dies it unwinds with a [`Death`].
    pub fn of_recovery(dies_after: Option<u64>) -> Self {
        let state = Mutex::new(State { dies_after, ..State::default() });
        Self(Arc::new(Inner { state, unwinds: true, ..Inner::default() }))
    }

    /// One of several that recover at the same time and take turns.
    pub fn in_turns(dies_after: Option<u64>, turns: &Arc<Turns>, number: usize) -> Self {
        let state = Mutex::new(State { dies_after, ..State::default() });
        Self(Arc::new(Inner { state, unwinds: true, turns: Some((Arc::clone(turns), number)), ..Inner::default() }))
    }

    /// How many steps it has taken.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// From here on it has so many steps left.
    pub fn dies_after(&self, steps: u64) {
        let mut state = self.state();
        state.dies_after = Some(state.steps + steps);
    }

    /// Whether it lives.
    pub fn lasts(&self) -> bool {
        !self.state().dead
    }

    /// Ends it, here and now.
    pub fn kill(&self) {
        self.state().dead = true;
        self.0.ended.notify_waiters();
        self.0.ended.notify_one();
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        while self.lasts() {
            self.0.ended.notified().await;
        }
    }

    /// A step; an error, or a panic with a [`Death`], when it is the last.
    pub(super) fn step(&self) -> io::Result<()> {
        self.may_die().map_err(|dead| self.end(dead))
    }

    /// A step whose death is dealt with by the caller, who then calls [`Self::end`].
    pub(super) fn may_die(&self) -> Result<(), Death> {
        if let Some((turns, number)) = &self.0.turns {
            turns.next(*number);
        }
        let mut state = self.state();
        state.steps += 1;
        let last = state.dead || state.dies_after.is_some_and(|most| state.steps > most);
        if last { Err(Death) } else { Ok(()) }
    }

    pub(super) fn end(&self, death: Death) -> io::Error {
        self.kill();
        if self.0.unwinds {
            std::panic::resume_unwind(Box::new(death));
        }
        io::Error::other("the process is dead")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose turn it is among processes that recover at the same time: the dice say, so that a seed repeats it.
#[derive(Debug)]
pub struct Turns {
    state: Mutex<(ChaCha8Rng, Vec<bool>, usize)>,
    changed: Condvar,
}

impl Turns {
    /// For so many, by the dice of a seed.
    pub fn new(seed: u64, count: usize) -> Arc<Self> {
        let state = Mutex::new((ChaCha8Rng::seed_from_u64(seed), vec![true; count], 0));
        Arc::new(Self { state, changed: Condvar::new() })
    }

    /// This one has come to its end.
    pub fn leave(&self, number: usize) {
        let mut state = self.wait(number);
        state.1[number] = false;
        self.hand_on(&mut state);
    }

    /// Gives the turn on and waits for it to come back.
    fn next(&self, number: usize) {
        let mut state = self.wait(number);
        self.hand_on(&mut state);
        drop(state);
        drop(self.wait(number));
    }

    fn hand_on(&self, state: &mut (ChaCha8Rng, Vec<bool>, usize)) {
        let there: Vec<usize> = (0..state.1.len()).filter(|place| state.1[*place]).collect();
        if !there.is_empty() {
            state.2 = there[state.0.random_range(0..there.len())];
        }
        self.changed.notify_all();
    }

    fn wait(&self, number: usize) -> MutexGuard<'_, (ChaCha8Rng, Vec<bool>, usize)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed.wait_while(state, |state| state.2 != number).unwrap_or_else(PoisonError::into_inner)
    }
}

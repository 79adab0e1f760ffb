//! The toxics of one proxy, changed while traffic passes; and what each of them means for a connection or a request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::counters::Counters;
use super::dice::Dice;
use super::error::Reason;
use super::toxic::latency;
use super::users::{UserId, Users};
use crate::host::clock::Clock;
use crate::model::dose::ToxicReading;
use crate::model::fault::Distribution;
use crate::model::http::HttpEffect;
use crate::model::step::{Toxic, ToxicKind};
use crate::model::units::Share;

/// So many toxics that were taken off are remembered for their counters.
const REMOVED_KEPT: usize = 64;

/// A connection (TCP) or a request (HTTP): its number on the proxy, from 1, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passenger {
    pub(super) number: u64,
    pub(super) user: UserId,
}

/// A toxic that was put on a proxy, with its settings as they were at some moment: a change makes a new one that shares
/// everything else.
#[derive(Debug)]
pub(super) struct LiveToxic {
    pub(super) toxic: Toxic,
    pub(super) counters: Arc<Counters>,
    /// The same for all its settings.
    pub(super) id: u64,
    removed: Arc<AtomicBool>,
}

impl LiveToxic {
    /// Whether it was taken off again.
    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }
}

/// The decision that a toxic touches a passenger, with the dice for what it does to it.
#[derive(Debug)]
pub(super) struct Touch {
    pub(super) toxic: Arc<LiveToxic>,
    dice: Dice,
}

/// What a toxic does to one chunk.
#[derive(Debug)]
pub(super) struct Dose {
    pub(super) toxic: Arc<LiveToxic>,
    pub(super) delay: Duration,
}

impl Touch {
    /// A number from 0 (included) to 1 (excluded), from the dice of this toxic for this passenger.
    pub(super) fn roll(&mut self) -> f64 {
        self.dice.roll()
    }

    /// What is done to a chunk of so many bytes; nothing once the toxic was taken off.
    pub(super) fn dose(&mut self, bytes: usize) -> Option<Dose> {
        let (delay, jitter, distribution) = match self.toxic.toxic.kind {
            ToxicKind::Latency { delay, jitter, distribution } => (delay, jitter, distribution),
            ToxicKind::Http { effect: HttpEffect::Latency { delay, jitter }, .. } => {
                (delay, jitter, Distribution::Uniform)
            }
            _ => return None,
        };
        if self.toxic.is_removed() {
            return None;
        }
        let delay = latency::draw(delay, jitter, distribution, &mut self.dice);
        self.toxic.counters.bytes(bytes);
        Some(Dose { toxic: Arc::clone(&self.toxic), delay })
    }
}

/// The toxics of one proxy.
#[derive(Debug)]
pub(super) struct Toxics {
    proxy: String,
    seed: u64,
    users: Arc<Users>,
    clock: Clock,
    /// Every toxic there was, the newest of a name: the counters stay readable after the removal.
    known: Mutex<BTreeMap<String, Arc<LiveToxic>>>,
    /// Those that are on, in the order in which they were added.
    live: watch::Sender<Vec<Arc<LiveToxic>>>,
    next_id: AtomicU64,
    /// The listener does not listen, for a toxic's sake.
    refusing: AtomicBool,
    /// The listener is gone, by nobody's will of ours.
    lost: AtomicBool,
}

impl Toxics {
    /// None yet.
    pub(super) fn new(proxy: &str, seed: u64, users: Arc<Users>, clock: Clock) -> Self {
        Self {
            proxy: proxy.to_owned(),
            seed,
            users,
            clock,
            known: Mutex::default(),
            live: watch::Sender::new(Vec::new()),
            next_id: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            lost: AtomicBool::new(false),
        }
    }

    /// Puts one on, for connections that exist and for new ones.
    pub(super) fn add(&self, toxic: &Toxic) -> Result<(), Reason> {
        let mut known = self.lock();
        if known.get(&toxic.name).is_some_and(|there| !there.is_removed()) {
            return Err(Reason::ToxicExists);
        }
        let live = Arc::new(LiveToxic {
            toxic: toxic.clone(),
            counters: Arc::default(),
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            removed: Arc::default(),
        });
        known.insert(toxic.name.clone(), Arc::clone(&live));
        forget_some(&mut known);
        self.live.send_modify(|all| all.push(live));
        Ok(())
    }

    /// Changes the settings of one.
    pub(super) fn update(&self, toxic: &Toxic) -> Result<(), Reason> {
        let mut known = self.lock();
        let old = known.get(&toxic.name).filter(|there| !there.is_removed()).ok_or(Reason::NoSuchToxic)?;
        let same = std::mem::discriminant(&old.toxic.kind) == std::mem::discriminant(&toxic.kind);
        if !same || old.toxic.stream != toxic.stream {
            return Err(Reason::AnotherToxic);
        }
        let (counters, removed) = (Arc::clone(&old.counters), Arc::clone(&old.removed));
        let live = Arc::new(LiveToxic { toxic: toxic.clone(), counters, id: old.id, removed });
        known.insert(toxic.name.clone(), Arc::clone(&live));
        self.live.send_modify(|all| {
            if let Some(place) = all.iter_mut().find(|other| other.id == live.id) {
                *place = live;
            }
        });
        Ok(())
    }

    /// Takes one off; what it holds goes on at once. One that is not there is no error.
    pub(super) fn remove(&self, name: &str) {
        let known = self.lock();
        if let Some(toxic) = known.get(name) {
            toxic.removed.store(true, Ordering::Release);
            self.live.send_modify(|all| all.retain(|other| other.id != toxic.id));
        }
    }

    /// Those that are on, in the order in which they were added.
    pub(super) fn list(&self) -> Vec<Toxic> {
        self.live.borrow().iter().map(|live| live.toxic.clone()).collect()
    }

    /// Whether it is on, or has effect although it was taken off.
    pub(super) fn has(&self, name: &str) -> bool {
        let known = self.lock();
        known.get(name).is_some_and(|toxic| {
            !toxic.is_removed()
                || toxic.toxic.kind == ToxicKind::Down && self.refusing.load(Ordering::Acquire) && !self.refuses_all()
        })
    }

    /// Its counters, also after the removal.
    pub(super) fn reading(&self, name: &str) -> Option<ToxicReading> {
        self.lock().get(name).map(|toxic| toxic.counters.read())
    }

    /// The toxics that are on, and a way to learn of changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Vec<Arc<LiveToxic>>> {
        self.live.subscribe()
    }

    /// Now, on the clock of the toxics.
    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The dice of a toxic for a passenger, before they are rolled. The first roll decides whether the one touches
    /// the other: the same number for all settings of the toxic.
    pub(super) fn dice(&self, toxic: &LiveToxic, passenger: Passenger) -> Dice {
        Dice::new(self.seed, &self.proxy, &toxic.toxic.name, passenger.number)
    }

    /// Notes that a toxic is about to touch a passenger, unless that would be one user too many.
    pub(super) fn seize(&self, toxic: &LiveToxic, passenger: Passenger) -> bool {
        let admitted = self.users.admit(passenger.user, toxic.toxic.max_users);
        if admitted {
            toxic.counters.touched(passenger.user);
        }
        admitted
    }

    /// Decides, once for a toxic and a passenger, whether the one touches the other, and counts it.
    pub(super) fn admit(&self, toxic: &Arc<LiveToxic>, passenger: Passenger) -> Option<Touch> {
        toxic.counters.saw();
        toxic.counters.matched();
        let mut dice = self.dice(toxic, passenger);
        let drawn = dice.roll() < toxic.toxic.toxicity.0;
        (drawn && self.seize(toxic, passenger)).then(|| Touch { toxic: Arc::clone(toxic), dice })
    }

    /// Whether every new connection is to be refused, so that the listener must not listen.
    pub(super) fn refuses_all(&self) -> bool {
        let all =
            |toxic: &Toxic| toxic.kind == ToxicKind::Down && toxic.toxicity == Share::ALL && toxic.max_users.is_none();
        self.live.borrow().iter().any(|live| all(&live.toxic))
    }

    /// The listener has ceased to listen, or listens again.
    pub(super) fn note_refusing(&self, refusing: bool) {
        self.refusing.store(refusing, Ordering::Release);
    }

    /// The listener is gone, by nobody's will of ours.
    pub(super) fn note_lost(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Whether the listener is gone, by nobody's will of ours.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// A connection was seen to be refused.
    pub(super) fn note_refusal_seen(&self) {
        for live in self.live.borrow().iter().filter(|live| live.toxic.kind == ToxicKind::Down) {
            live.counters.refusal_seen();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<LiveToxic>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_some(known: &mut BTreeMap<String, Arc<LiveToxic>>) {
    let mut removed: Vec<(u64, String)> =
        known.values().filter(|live| live.is_removed()).map(|live| (live.id, live.toxic.name.clone())).collect();
    removed.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    for (_, name) in removed.iter().skip(REMOVED_KEPT) {
        known.remove(name);
    }
}

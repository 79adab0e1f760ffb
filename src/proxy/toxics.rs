//! The toxics of one proxy, changed while traffic passes; and what each of them means for a connection or a request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::counters::Counters;
use super::dice::Dice;
use super::users::{UserId, Users};
use crate::host::Trouble;
use crate::model::dose::ToxicReading;
use crate::model::fault::Stream;
use crate::model::http::HttpEffect;
use crate::model::step::{Toxic, ToxicKind};

/// A connection (TCP) or a request (HTTP): its number on the proxy, from 1, and whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passenger {
    pub(super) number: u64,
    pub(super) user: UserId,
}

/// A toxic that was put on a proxy.
#[derive(Debug)]
pub(super) struct LiveToxic {
    pub(super) toxic: Toxic,
    pub(super) counters: Counters,
    removed: AtomicBool,
}

impl LiveToxic {
    /// Whether it was taken off again.
    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    /// Whether it delays what goes that way.
    pub(super) fn delays(&self, stream: Stream) -> bool {
        self.toxic.stream == stream && matches!(self.toxic.kind, ToxicKind::Latency { .. })
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
        let (ToxicKind::Latency { delay, jitter }
        | ToxicKind::Http { effect: HttpEffect::Latency { delay, jitter }, .. }) = self.toxic.toxic.kind
        else {
            return None;
        };
        if self.toxic.is_removed() {
            return None;
        }
        let deviation = jitter.0.as_secs_f64() * (2.0 * self.dice.roll() - 1.0);
        let seconds = (delay.0.as_secs_f64() + deviation).max(0.0);
        self.toxic.counters.bytes(bytes);
        Some(Dose { toxic: Arc::clone(&self.toxic), delay: Duration::from_secs_f64(seconds) })
    }
}

/// The toxics of one proxy.
#[derive(Debug)]
pub(super) struct Toxics {
    proxy: String,
    seed: u64,
    users: Arc<Users>,
    /// Every toxic there ever was, the newest of a name: the counters stay readable after the removal.
    known: Mutex<BTreeMap<String, Arc<LiveToxic>>>,
    live: watch::Sender<Vec<Arc<LiveToxic>>>,
}

impl Toxics {
    /// None yet.
    pub(super) fn new(proxy: &str, seed: u64, users: Arc<Users>) -> Self {
        Self { proxy: proxy.to_owned(), seed, users, known: Mutex::default(), live: watch::Sender::new(Vec::new()) }
    }

    /// Puts one on, for connections that exist and for new ones.
    pub(super) fn add(&self, toxic: &Toxic) -> Result<(), Trouble> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&toxic.name).is_some_and(|there| !there.is_removed()) {
            let what = format!("put toxic {} on proxy {}", toxic.name, self.proxy);
            return Err(Trouble::new(what, "it has a toxic of that name already").help("give each fault its own name"));
        }
        let live = LiveToxic { toxic: toxic.clone(), counters: Counters::default(), removed: AtomicBool::new(false) };
        known.insert(toxic.name.clone(), Arc::new(live));
        self.publish(&known);
        Ok(())
    }

    /// Takes one off; what it holds goes on at once. One that is not there is no error.
    pub(super) fn remove(&self, name: &str) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(toxic) = known.get(name) {
            toxic.removed.store(true, Ordering::Release);
            self.publish(&known);
        }
    }

    /// Whether it is on.
    pub(super) fn has(&self, name: &str) -> bool {
        self.live.borrow().iter().any(|toxic| toxic.toxic.name == name)
    }

    /// Its counters, also after the removal.
    pub(super) fn reading(&self, name: &str) -> Option<ToxicReading> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).map(|toxic| toxic.counters.read())
    }

    /// The toxics that are on, and a way to learn of changes.
    pub(super) fn subscribe(&self) -> watch::Receiver<Vec<Arc<LiveToxic>>> {
        self.live.subscribe()
    }

    /// Decides, once for a toxic and a passenger, whether the one touches the other, and counts it.
    pub(super) fn admit(&self, toxic: &Arc<LiveToxic>, passenger: Passenger) -> Option<Touch> {
        toxic.counters.saw();
        toxic.counters.matched();
        let mut dice = Dice::new(self.seed, &self.proxy, &toxic.toxic.name, passenger.number);
        if dice.roll() >= toxic.toxic.toxicity.0 || !self.users.admit(passenger.user, toxic.toxic.max_users) {
            return None;
        }
        toxic.counters.touched(passenger.user);
        Some(Touch { toxic: Arc::clone(toxic), dice })
    }

    fn publish(&self, known: &BTreeMap<String, Arc<LiveToxic>>) {
        self.live.send_replace(known.values().filter(|toxic| !toxic.is_removed()).cloned().collect());
    }
}

/// The toxics that delay one direction of one TCP connection: each is decided at the first chunk that passes while it
/// is on.
pub(super) struct Gate {
    toxics: Arc<Toxics>,
    live: watch::Receiver<Vec<Arc<LiveToxic>>>,
    stream: Stream,
    passenger: Passenger,
    decided: Vec<(Arc<LiveToxic>, Option<Touch>)>,
}

impl Gate {
    /// The gate of a connection, one way.
    pub(super) fn new(toxics: &Arc<Toxics>, stream: Stream, passenger: Passenger) -> Self {
        let live = toxics.subscribe();
        Self { toxics: Arc::clone(toxics), live, stream, passenger, decided: Vec::new() }
    }

    /// Returns when a toxic was added or removed since the last time. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        // The sender cannot be gone: `toxics` owns it.
        let _ = self.live.changed().await;
    }

    /// What is done to a chunk of so many bytes that passes now. Asks for the toxics of this very moment: one that was
    /// added before the bytes arrived is never missed.
    pub(super) fn doses(&mut self, bytes: usize) -> Vec<Dose> {
        let live = self.live.borrow();
        if live.is_empty() && self.decided.is_empty() {
            return Vec::new();
        }
        self.decided.retain(|(toxic, _)| !toxic.is_removed());
        for toxic in live.iter().filter(|toxic| toxic.delays(self.stream)) {
            if !self.decided.iter().any(|(known, _)| Arc::ptr_eq(known, toxic)) {
                self.decided.push((Arc::clone(toxic), self.toxics.admit(toxic, self.passenger)));
            }
        }
        drop(live);
        self.decided_doses(bytes)
    }

    /// What is done to the close or reset that travels behind the bytes: the same as to them, but it alone makes no
    /// connection touched.
    pub(super) fn trailing_doses(&mut self) -> Vec<Dose> {
        self.decided_doses(0)
    }

    fn decided_doses(&mut self, bytes: usize) -> Vec<Dose> {
        self.decided.iter_mut().filter_map(|(_, touch)| touch.as_mut()?.dose(bytes)).collect()
    }
}

//! The toxics of one direction of one TCP connection. Whether one touches the connection is drawn when it is first
//! heard of, and counted at the first thing it does: bytes that pass, bytes it holds back, a close it delays.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::dice::Dice;
use super::toxic::{Allowance, Effect, Hold, effect};
use super::toxics::{Dose, LiveToxic, Passenger, Toxics};
use crate::model::fault::Stream;

/// The toxics of one direction of one connection.
pub(super) struct Gate {
    toxics: Arc<Toxics>,
    live: watch::Receiver<Vec<Arc<LiveToxic>>>,
    stream: Stream,
    passenger: Passenger,
    hands: Vec<Hand>,
}

/// One toxic and this connection.
struct Hand {
    toxic: Arc<LiveToxic>,
    effect: Box<dyn Effect>,
    dice: Dice,
    /// The draw: the same for all settings of the toxic, whatever becomes of other toxics.
    roll: f64,
    seen: bool,
    /// Whether it may touch the connection's user; asked when it is about to.
    admitted: Option<bool>,
}

impl Hand {
    fn acts(&self) -> bool {
        self.roll < self.toxic.toxic.toxicity.0 && self.admitted != Some(false)
    }

    /// The toxic is about to act: counts it, and tells whether it may.
    fn seize(&mut self, toxics: &Toxics, passenger: Passenger) -> bool {
        self.see();
        let drawn = self.acts();
        drawn && *self.admitted.get_or_insert_with(|| toxics.seize(&self.toxic, passenger))
    }

    fn see(&mut self) {
        if !self.seen {
            self.seen = true;
            self.toxic.counters.saw();
        }
    }
}

impl Gate {
    /// The gate of a connection, one way.
    pub(super) fn new(toxics: &Arc<Toxics>, stream: Stream, passenger: Passenger) -> Self {
        let mut live = toxics.subscribe();
        live.mark_changed();
        Self { toxics: Arc::clone(toxics), live, stream, passenger, hands: Vec::new() }
    }

    /// Returns when a toxic was added, changed or removed since the last refresh. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        // The sender cannot be gone: `toxics` owns it.
        let _ = self.live.changed().await;
        self.live.mark_changed();
    }

    /// Whether a toxic was added, changed or removed since the last refresh.
    pub(super) fn is_stale(&self) -> bool {
        self.live.has_changed().unwrap_or(false)
    }

    /// Takes the toxics over as they are at this very moment.
    pub(super) fn refresh(&mut self) {
        let live = self.live.borrow_and_update();
        if live.is_empty() && self.hands.is_empty() {
            return;
        }
        self.hands.retain(|hand| live.iter().any(|toxic| toxic.id == hand.toxic.id));
        for toxic in live.iter().filter(|toxic| toxic.toxic.stream == self.stream) {
            match self.hands.iter_mut().find(|hand| hand.toxic.id == toxic.id) {
                Some(hand) if Arc::ptr_eq(&hand.toxic, toxic) => {}
                Some(hand) => {
                    hand.effect.change(&toxic.toxic.kind);
                    hand.toxic = Arc::clone(toxic);
                }
                None => {
                    let Some(effect) = effect(&toxic.toxic.kind, self.toxics.now()) else { continue };
                    let mut dice = self.toxics.dice(toxic, self.passenger);
                    let roll = dice.roll();
                    let toxic = Arc::clone(toxic);
                    self.hands.push(Hand { toxic, effect, dice, roll, seen: false, admitted: None });
                }
            }
        }
    }

    /// Whether bytes must pass through our hands, or be seen to pass.
    pub(super) fn wants_bytes(&self) -> bool {
        self.hands.iter().any(|hand| hand.effect.wants_bytes() && (hand.acts() || !hand.seen))
    }

    /// Whether bytes are let in at a pace of ours.
    pub(super) fn is_pacing(&self) -> bool {
        self.hands.iter().any(|hand| hand.effect.paces() && hand.acts())
    }

    /// Whether nothing passes, whether that is certain, and until when.
    pub(super) fn hold(&self) -> Option<(Hold, bool)> {
        let holding = self.hands.iter().filter(|hand| hand.acts());
        let holds = holding.filter_map(|hand| Some((hand.effect.hold()?, hand.admitted.is_some())));
        holds.reduce(|(one, certain), (other, also)| {
            let until = match (one.until, other.until) {
                (Some(one), Some(other)) => Some(if other.0 < one.0 { other } else { one }),
                (one, other) => one.or(other),
            };
            (Hold { until }, certain && also)
        })
    }

    /// There is something to hold back, or the time of a hold is up: makes certain that the toxics may.
    pub(super) fn seize(&mut self) {
        for hand in self.hands.iter_mut().filter(|hand| hand.effect.hold().is_some()) {
            hand.seize(&self.toxics, self.passenger);
        }
    }

    /// The time of a hold is up, and the connection is cut off for it.
    pub(super) fn note_cut(&self, at: Instant) {
        for hand in self.hands.iter().filter(|hand| hand.acts()) {
            if hand.effect.hold().and_then(|hold| hold.until).is_some_and(|(until, _)| until <= at) {
                hand.toxic.counters.cut();
            }
        }
    }

    /// How much may be let in now.
    pub(super) fn allowance(&mut self, now: Instant) -> Allowance {
        let acting = self.hands.iter_mut().filter(|hand| hand.acts());
        acting.map(|hand| hand.effect.allowance(now)).fold(Allowance::Most(usize::MAX), |one, other| {
            match (one, other) {
                (Allowance::UsedUp, _) | (_, Allowance::UsedUp) => Allowance::UsedUp,
                (Allowance::Later(one), Allowance::Later(other)) => Allowance::Later(one.max(other)),
                (Allowance::Later(then), _) | (_, Allowance::Later(then)) => Allowance::Later(then),
                (Allowance::Most(one), Allowance::Most(other)) => Allowance::Most(one.min(other)),
            }
        })
    }

    /// What is done to a chunk of so many bytes that passes now.
    pub(super) fn doses(&mut self, bytes: usize, now: Instant) -> Vec<Dose> {
        let mut doses = Vec::new();
        for hand in self.hands.iter_mut().filter(|hand| hand.effect.wants_bytes()) {
            if hand.seize(&self.toxics, self.passenger) {
                hand.toxic.counters.bytes(bytes);
                let delay = hand.effect.delay(bytes, now, &mut hand.dice);
                doses.push(Dose { toxic: Arc::clone(&hand.toxic), delay });
            }
        }
        doses
    }

    /// What is done to the close or reset that travels behind the bytes. A toxic that acts on bytes does the same to
    /// it, but it alone makes no connection touched.
    pub(super) fn doses_of_close(&mut self) -> Vec<Dose> {
        let mut doses = Vec::new();
        for hand in &mut self.hands {
            let Some(delay) = hand.effect.delay_of_close() else { continue };
            let touches = match hand.effect.wants_bytes() {
                true => hand.acts() && hand.admitted == Some(true),
                false => hand.seize(&self.toxics, self.passenger),
            };
            if touches {
                doses.push(Dose { toxic: Arc::clone(&hand.toxic), delay });
            }
        }
        doses
    }

    /// Everything that a limit lets through is delivered, and the connection is about to be closed for it: whether the
    /// toxic may.
    pub(super) fn seize_used_up(&mut self, now: Instant) -> bool {
        let mut certain = false;
        for hand in self.hands.iter_mut().filter(|hand| hand.acts()) {
            if hand.effect.allowance(now) == Allowance::UsedUp {
                let cuts = hand.seize(&self.toxics, self.passenger);
                if cuts {
                    hand.toxic.counters.cut();
                }
                certain |= cuts;
            }
        }
        certain
    }
}

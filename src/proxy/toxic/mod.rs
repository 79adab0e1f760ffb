//! What each toxic does to bytes: one file a toxic, one [`Effect`] for each direction of each connection it touches.
//! An effect decides; the lane acts.

mod bandwidth;
pub(super) mod down;
pub(super) mod latency;
mod limit_data;
mod reset_peer;
mod slicer;
mod slow_close;
mod timeout;

use std::time::Duration;

use tokio::time::Instant;

use super::dice::Dice;
use crate::model::step::ToxicKind;

/// How a connection is cut off in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Both ends are told that nothing more comes (FIN).
    Close,
    /// Both ends are reset (RST).
    Reset,
}

/// Nothing passes, and perhaps the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// When it is cut, and how; never when absent.
    pub(super) until: Option<(Instant, Cut)>,
}

/// How much may be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// At most so many bytes; never 0.
    Most(usize),
    /// Nothing before this moment.
    Later(Instant),
    /// Nothing more for good: once everything that was let in is delivered, the connection is closed.
    UsedUp,
}

/// What one toxic does to one direction of one connection. Whatever an effect does not speak about, it lets pass.
pub(super) trait Effect: Send {
    /// Takes new settings of the same kind over; what was done so far stays done.
    fn change(&mut self, kind: &ToxicKind);

    /// Whether it wants to be asked about bytes: then they pass through buffers of ours.
    fn wants_bytes(&self) -> bool {
        false
    }

    /// Whether it lets bytes in at a pace of its own.
    fn paces(&self) -> bool {
        false
    }

    /// Whether nothing passes.
    fn hold(&self) -> Option<Hold> {
        None
    }

    /// How much it lets in now.
    fn allowance(&mut self, _now: Instant) -> Allowance {
        Allowance::Most(usize::MAX)
    }

    /// So many bytes, no more than allowed, were let in: how much later they are to be delivered.
    fn delay(&mut self, _bytes: usize, _now: Instant, _dice: &mut Dice) -> Duration {
        Duration::ZERO
    }

    /// How much later than the last bytes the close is to be delivered, where it acts on closes.
    fn delay_of_close(&self) -> Option<Duration> {
        None
    }
}

/// The effect of a toxic that took hold of a connection just now; none for toxics that act elsewhere.
pub(super) fn effect(kind: &ToxicKind, now: Instant) -> Option<Box<dyn Effect>> {
    let mut effect: Box<dyn Effect> = match kind {
        ToxicKind::Latency { .. } => Box::<latency::Latency>::default(),
        ToxicKind::Bandwidth { .. } => Box::new(bandwidth::Bandwidth::new(now)),
        ToxicKind::SlowClose { .. } => Box::<slow_close::SlowClose>::default(),
        ToxicKind::Timeout { .. } => Box::new(timeout::Timeout::new(now)),
        ToxicKind::ResetPeer { .. } => Box::new(reset_peer::ResetPeer::new(now)),
        ToxicKind::Slicer { .. } => Box::new(slicer::Slicer::new(now)),
        ToxicKind::LimitData { .. } => Box::<limit_data::LimitData>::default(),
        _ => return None,
    };
    effect.change(kind);
    Some(effect)
}

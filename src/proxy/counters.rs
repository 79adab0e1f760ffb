//! What a toxic did, counted where it does it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::histogram::Histogram;
use super::users::UserId;
use crate::model::dose::ToxicReading;

/// The counters of one toxic since it was added.
#[derive(Debug, Default)]
pub(super) struct Counters {
    seen: AtomicU64,
    matched: AtomicU64,
    touched: AtomicU64,
    spared: AtomicU64,
    given_up: AtomicU64,
    bytes: AtomicU64,
    delays: Histogram,
    cut: AtomicU64,
    refused: AtomicBool,
    changed: AtomicU64,
    paced_nanos: AtomicU64,
    users: Mutex<HashSet<UserId>>,
}

impl Counters {
    /// A connection or a request passes while the toxic is on.
    pub(super) fn saw(&self) {
        self.seen.fetch_add(1, Relaxed);
    }

    /// It is one that the toxic is meant for.
    pub(super) fn matched(&self) {
        self.matched.fetch_add(1, Relaxed);
    }

    /// Nothing could be done to a request after all.
    pub(super) fn spared(&self) {
        self.spared.fetch_add(1, Relaxed);
    }

    /// A client gave up on a request or a connection that is held.
    pub(super) fn given_up(&self) {
        self.given_up.fetch_add(1, Relaxed);
    }

    /// It took so long to let bytes through that are slowed down.
    pub(super) fn paced(&self, time: Duration) {
        self.paced_nanos.fetch_add(nanos(time), Relaxed);
    }

    /// It is touched.
    pub(super) fn touched(&self, user: UserId) {
        self.touched.fetch_add(1, Relaxed);
        self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(user);
    }

    /// So many bytes are touched.
    pub(super) fn bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// So many of them are changed.
    pub(super) fn changed(&self, bytes: usize) {
        self.changed.fetch_add(bytes as u64, Relaxed);
    }

    /// A chunk was delivered, so much later than it arrived.
    pub(super) fn delayed(&self, by: Duration) {
        self.delays.add(by);
    }

    /// A connection was closed or reset.
    pub(super) fn cut(&self) {
        self.cut.fetch_add(1, Relaxed);
    }

    /// The listener was seen to refuse.
    pub(super) fn refusal_seen(&self) {
        self.refused.store(true, Relaxed);
    }

    /// What they show now.
    pub(super) fn read(&self) -> ToxicReading {
        ToxicReading {
            seen: self.seen.load(Relaxed),
            matched: self.matched.load(Relaxed),
            touched: self.touched.load(Relaxed),
            spared: self.spared.load(Relaxed),
            given_up: self.given_up.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            delayed: self.delays.count(),
            mean_delay: self.delays.mean(),
            median_delay: self.delays.quantile(0.5),
            p99_delay: self.delays.quantile(0.99),
            cut: self.cut.load(Relaxed),
            changed: self.changed.load(Relaxed),
            paced: Duration::from_nanos(self.paced_nanos.load(Relaxed)),
            users: self.users.lock().unwrap_or_else(PoisonError::into_inner).len() as u64,
            refused: self.refused.load(Relaxed),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

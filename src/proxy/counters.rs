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
    touched: AtomicU64,
    bytes: AtomicU64,
    delays: Histogram,
    cut: AtomicU64,
    refused: AtomicBool,
    users: Mutex<HashSet<UserId>>,
}

impl Counters {
    /// A connection or a request passes while the toxic is on.
    pub(super) fn saw(&self) {
        self.seen.fetch_add(1, Relaxed);
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
            touched: self.touched.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            delayed: self.delays.count(),
            mean_delay: self.delays.mean(),
            median_delay: self.delays.quantile(0.5),
            p99_delay: self.delays.quantile(0.99),
            cut: self.cut.load(Relaxed),
            users: self.users.lock().unwrap_or_else(PoisonError::into_inner).len() as u64,
            refused: self.refused.load(Relaxed),
        }
    }
}

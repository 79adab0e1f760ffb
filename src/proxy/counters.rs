//! What a toxic did, counted where it does it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::users::UserId;
use crate::model::dose::ToxicReading;

/// The counters of one toxic since it was added.
#[derive(Debug, Default)]
pub(super) struct Counters {
    seen: AtomicU64,
    touched: AtomicU64,
    bytes: AtomicU64,
    delayed: AtomicU64,
    delay_nanos: AtomicU64,
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
        self.delayed.fetch_add(1, Relaxed);
        self.delay_nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// What they show now.
    pub(super) fn read(&self) -> ToxicReading {
        let delayed = self.delayed.load(Relaxed);
        let mean = self.delay_nanos.load(Relaxed).checked_div(delayed).unwrap_or(0);
        ToxicReading {
            seen: self.seen.load(Relaxed),
            touched: self.touched.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            delayed,
            mean_delay: Duration::from_nanos(mean),
            users: self.users.lock().unwrap_or_else(PoisonError::into_inner).len() as u64,
        }
    }
}

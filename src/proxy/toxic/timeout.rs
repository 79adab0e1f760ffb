//! `timeout`: nothing passes, and after the timeout the connection is closed. The time runs from the moment the toxic
//! took hold of the connection, whatever the traffic. Bytes stay with the sender and in the kernel's buffers, so that
//! they pass unharmed if the toxic is taken off in time.

use std::time::Duration;

use tokio::time::Instant;

use super::{Cut, Effect, Hold};
use crate::model::step::ToxicKind;

pub(super) struct Timeout {
    since: Instant,
    timeout: Duration,
}

impl Timeout {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, timeout: Duration::ZERO }
    }
}

impl Effect for Timeout {
    fn change(&mut self, kind: &ToxicKind) {
        if let ToxicKind::Timeout { timeout } = kind {
            self.timeout = timeout.0;
        }
    }

    fn hold(&self) -> Option<Hold> {
        let ends = !self.timeout.is_zero();
        Some(Hold { until: ends.then(|| (self.since + self.timeout, Cut::Close)) })
    }
}

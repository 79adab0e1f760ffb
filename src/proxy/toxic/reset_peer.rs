//! `reset_peer`: nothing passes, and after the timeout both ends are reset, on connections that exist as well.

use std::time::Duration;

use tokio::time::Instant;

use super::{Cut, Effect, Hold};
use crate::model::step::ToxicKind;

pub(super) struct ResetPeer {
    since: Instant,
    timeout: Duration,
}

impl ResetPeer {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, timeout: Duration::ZERO }
    }
}

impl Effect for ResetPeer {
    fn change(&mut self, kind: &ToxicKind) {
        if let ToxicKind::ResetPeer { timeout } = kind {
            self.timeout = timeout.0;
        }
    }

    fn hold(&self) -> Option<Hold> {
        Some(Hold { until: Some((self.since + self.timeout, Cut::Reset)) })
    }
}

//! `limit_data`: the connection is closed once so many bytes have passed. The bytes up to the limit are delivered; what
//! is beyond it stays with the sender, so that it passes if the limit is taken off or raised in time.

use std::time::Duration;

use tokio::time::Instant;

use super::{Allowance, Effect};
use crate::model::step::ToxicKind;
use crate::proxy::dice::Dice;

#[derive(Default)]
pub(super) struct LimitData {
    limit: u64,
    passed: u64,
}

impl Effect for LimitData {
    fn change(&mut self, kind: &ToxicKind) {
        if let ToxicKind::LimitData { bytes } = kind {
            self.limit = bytes.0;
        }
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn allowance(&mut self, _: Instant) -> Allowance {
        match self.limit.saturating_sub(self.passed) {
            0 => Allowance::UsedUp,
            rest => Allowance::Most(usize::try_from(rest).unwrap_or(usize::MAX)),
        }
    }

    fn delay(&mut self, bytes: usize, _: Instant, _: &mut Dice) -> Duration {
        self.passed += bytes as u64;
        Duration::ZERO
    }
}

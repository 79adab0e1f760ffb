//! `slow_close`: the close, or the reset, travels so much longer than the bytes before it.

use std::time::Duration;

use super::Effect;
use crate::model::step::ToxicKind;

#[derive(Default)]
pub(super) struct SlowClose {
    delay: Duration,
}

impl Effect for SlowClose {
    fn change(&mut self, kind: &ToxicKind) {
        if let ToxicKind::SlowClose { delay } = kind {
            self.delay = delay.0;
        }
    }

    fn delay_of_close(&self) -> Option<Duration> {
        Some(self.delay)
    }
}

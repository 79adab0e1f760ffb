//! A precise alarm that a loop can await again and again, without asking the timer anew each time around.

use std::future::Future;
use std::pin::Pin;

use tokio::time::Instant;

use crate::host::clock::Clock;

type Wait = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Rings at a moment; keeps the wait that is under way as long as the moment stays the same.
pub(super) struct Alarm {
    clock: Clock,
    set: Option<(Instant, Wait)>,
}

impl Alarm {
    /// An alarm that is not set.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, set: None }
    }

    /// Waits for a moment; for ever when there is none. Cancel-safe: the wait goes on at the next call.
    pub(super) async fn at(&mut self, moment: Option<Instant>) {
        let Some(moment) = moment else { return std::future::pending().await };
        if self.set.as_ref().is_none_or(|(at, _)| *at != moment) {
            let clock = self.clock;
            self.set = Some((moment, Box::pin(async move { clock.sleep_until(moment).await })));
        }
        if let Some((_, wait)) = &mut self.set {
            wait.await;
        }
        self.set = None;
    }
}

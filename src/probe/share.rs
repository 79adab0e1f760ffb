//! How busy something was: the share between two looks at counters that only grow.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::host::clock::Clock;

/// Looks closer together than this would measure the kernel's accounting tick (up to 10 ms) rather than the load.
const SHORTEST_WINDOW: Duration = Duration::from_millis(100);

/// Two counters of time: how much was spent, and out of how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) busy: Duration,
    pub(super) total: Duration,
}

/// Remembers the last look; the share is always that since then. Samples that come faster than
/// [`SHORTEST_WINDOW`] see the last share again.
pub(super) struct ShareMeter {
    clock: Clock,
    last: Mutex<Last>,
}

struct Last {
    at: Instant,
    look: Look,
    share: Option<f64>,
}

impl ShareMeter {
    /// Counts from this look on.
    pub(super) fn new(clock: Clock, look: Look) -> Self {
        Self { clock, last: Mutex::new(Last { at: clock.now(), look, share: None }) }
    }

    /// The share since the last sample, by looking again; none when the look fails. A first sample that comes too soon
    /// waits until there is something to compare with.
    pub(super) async fn share(&self, look: impl Fn() -> Option<Look>) -> Option<f64> {
        if let Some(soonest) = self.too_soon_for_a_first() {
            self.clock.sleep_until(soonest).await;
        }
        let look = look()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if now >= last.at + SHORTEST_WINDOW {
            let share = look.since(&last.look)?;
            *last = Last { at: now, look, share: Some(share) };
        }
        last.share
    }

    fn too_soon_for_a_first(&self) -> Option<Instant> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.share.is_none().then_some(last.at + SHORTEST_WINDOW)
    }
}

impl Look {
    /// None when no time has passed. A counter that went back by rounding counts as standing still.
    fn since(&self, earlier: &Self) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|total| !total.is_zero())?;
        Some(self.busy.saturating_sub(earlier.busy).as_secs_f64() / total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Look, ShareMeter};
    use crate::host::clock::Clock;

    const CLOCK: Clock = Clock::Tokio;

    fn look(busy: u64, total: u64) -> Look {
        Look { busy: Duration::from_millis(busy), total: Duration::from_millis(total) }
    }

    #[tokio::test(start_paused = true)]
    async fn the_share_is_that_since_the_last_sample() {
        let meter = ShareMeter::new(CLOCK, look(1000, 1000));
        CLOCK.sleep(Duration::from_secs(1)).await;
        assert_eq!(meter.share(|| Some(look(1250, 2000))).await, Some(0.25));
        CLOCK.sleep(Duration::from_secs(1)).await;
        assert_eq!(meter.share(|| Some(look(1750, 3000))).await, Some(0.5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_sample_waits_for_something_to_compare_with() {
        let before = CLOCK.now();
        let meter = ShareMeter::new(CLOCK, look(0, 0));
        assert_eq!(meter.share(|| Some(look(50, 100))).await, Some(0.5));
        assert_eq!(before.elapsed(), super::SHORTEST_WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn samples_that_come_too_fast_see_the_last_share() {
        let meter = ShareMeter::new(CLOCK, look(0, 0));
        CLOCK.sleep(Duration::from_secs(1)).await;
        assert_eq!(meter.share(|| Some(look(250, 1000))).await, Some(0.25));
        assert_eq!(meter.share(|| Some(look(260, 1010))).await, Some(0.25));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_fails_or_a_clock_that_stands_has_no_share() {
        let meter = ShareMeter::new(CLOCK, look(0, 0));
        CLOCK.sleep(Duration::from_secs(1)).await;
        assert_eq!(meter.share(|| None).await, None);
        assert_eq!(meter.share(|| Some(look(0, 0))).await, None);
    }
}

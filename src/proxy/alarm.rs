//! A precise alarm that a loop can await again and again, without asking the timer anew each time around.
//!
//! Between the timer's thread and the task that waits lie two wake-ups of tens of microseconds. So the alarm is set a
//! little early and spins for the rest, as long as that costs no more than a twentieth of one core for all alarms
//! together; where it would, it rings those microseconds late.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::host::clock::Clock;

/// So much earlier the timer wakes; no spin is longer.
const EARLY: Duration = Duration::from_micros(80);
/// A spin is followed by so many times its length without one.
const REST: u32 = 20;

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
            self.set = Some((moment, Box::pin(ring(clock, moment))));
        }
        if let Some((_, wait)) = &mut self.set {
            wait.await;
        }
        self.set = None;
    }
}

async fn ring(clock: Clock, moment: Instant) {
    if clock == Clock::Real
        && let Some(early) = moment.checked_sub(EARLY)
    {
        clock.sleep_until(early).await;
        spin(clock, moment);
    }
    clock.sleep_until(moment).await;
}

/// Spins until a moment, at most `EARLY` away, if enough time has passed since the last spin of any alarm.
fn spin(clock: Clock, moment: Instant) {
    static SINCE: OnceLock<Instant> = OnceLock::new();
    /// Nanoseconds after that before which there is no spin.
    static NOT_BEFORE: AtomicU64 = AtomicU64::new(0);
    let start = clock.now();
    let since = *SINCE.get_or_init(|| start);
    let nanos = |moment: Instant| moment.saturating_duration_since(since).as_nanos() as u64;
    let spin = moment.saturating_duration_since(start).min(EARLY);
    let last = NOT_BEFORE.load(Ordering::Relaxed);
    let next = nanos(start + spin * REST);
    let ours =
        nanos(start) >= last && NOT_BEFORE.compare_exchange(last, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    while ours && clock.now() < moment {
        std::hint::spin_loop();
    }
}

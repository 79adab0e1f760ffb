//! A steady beat, for who does something at `first + k * interval` thousands of times a second.
//!
//! [`Clock::sleep_until`] has a thread of its own, so each wait costs a wake-up from thread to thread. A beat is a timer
//! of the kernel that the runtime itself waits for beside its sockets (`timerfd_create(2)`): as exact, and for a quarter
//! of the price.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::clock::Clock;
use super::thread;

/// So often the two names of one clock are read, to have them from moments that lie close together.
const TRIES: usize = 3;

/// Wakes whoever waits at each of its moments.
#[derive(Debug)]
pub struct Beat {
    clock: Clock,
    /// None on a clock that is not the kernel's, or where there is no descriptor left for it.
    timer: Option<AsyncFd<OwnedFd>>,
}

impl Beat {
    /// A beat with its moments at `first + k * interval`, for all k from 0. Needs a Tokio runtime.
    pub fn new(clock: Clock, first: Instant, interval: Duration) -> Self {
        let timer = match clock {
            Clock::Real => timer(first, interval).ok(),
            Clock::Tokio => None,
        };
        Self { clock, timer }
    }

    /// Waits until one of its moments has come; returns at once when it has passed. Cancel-safe.
    pub async fn reach(&self, moment: Instant) {
        if let Some(timer) = &self.timer {
            // A beat that nobody waited for is heard late: then this is not the one yet.
            while self.clock.now() < moment && heard(timer).await.is_ok() {}
        }
        self.clock.sleep_until(moment).await;
    }
}

#[allow(unsafe_code, reason = "a descriptor for the runtime to wait for")]
fn timer(first: Instant, interval: Duration) -> std::io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK.union(TimerfdFlags::CLOEXEC);
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let beat = Itimerspec { it_interval: spec(interval)?, it_value: spec(monotonic(first))? };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &beat)?;
    // SAFETY: an owned descriptor is valid for as long as it lives, and this one is never replaced or lent out.
    Ok(unsafe { AsyncFd::register(timer) }?)
}

/// A moment as the kernel counts it: never sooner, and later by less than a microsecond unless we are held up each time. One
/// that has passed stays where it was: all that follow count from it.
fn monotonic(moment: Instant) -> Duration {
    let once = |_| {
        let before = Clock::Real.now();
        let since_boot = thread::now();
        let took = Clock::Real.now() - before;
        let (to_come, passed) = (moment.saturating_duration_since(before), before.saturating_duration_since(moment));
        (took, (since_boot + to_come).saturating_sub(passed))
    };
    (0..TRIES).map(once).min().map_or_else(thread::now, |(_, moment)| moment)
}

/// A time of zero would switch the timer off.
fn spec(time: Duration) -> std::io::Result<Timespec> {
    Timespec::try_from(time.max(Duration::from_nanos(1))).map_err(std::io::Error::other)
}

async fn heard(timer: &AsyncFd<OwnedFd>) -> std::io::Result<()> {
    let mut ready = timer.readable().await?;
    match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?)) {
        // One read takes all that was to be heard: another one need not be tried to know that.
        Ok(Ok(_)) => ready.clear_ready(),
        Ok(Err(error)) => return Err(error),
        // Another wait heard it: it comes again.
        Err(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Beat, monotonic};
    use crate::host::clock::Clock;
    use crate::host::thread;

    const INTERVAL: Duration = Duration::from_millis(3);

    #[tokio::test]
    async fn every_moment_is_reached_and_none_too_soon() {
        let first = Clock::Real.now() + INTERVAL;
        let beat = Beat::new(Clock::Real, first, INTERVAL);
        assert!(beat.timer.is_some(), "this machine has no timers");
        for k in 0..20 {
            let moment = first + INTERVAL * k;
            beat.reach(moment).await;
            assert!(Clock::Real.now() >= moment);
        }
    }

    #[tokio::test]
    async fn moments_that_nobody_waited_for_do_not_come_later_in_place_of_others() {
        let first = Clock::Real.now();
        let beat = Beat::new(Clock::Real, first, INTERVAL);
        Clock::Real.sleep_until(first + INTERVAL * 5).await;
        for k in [1, 2, 6, 7, 20] {
            let moment = first + INTERVAL * k;
            beat.reach(moment).await;
            assert!(Clock::Real.now() >= moment, "beat {k} came too soon");
        }
    }

    #[test]
    fn moments_that_have_passed_are_not_moved_to_now() {
        let past = Clock::Real.now() - Duration::from_secs(1);
        assert!(monotonic(past) <= thread::now() - Duration::from_secs(1));
        let future = Clock::Real.now() + Duration::from_secs(1);
        assert!(monotonic(future) >= thread::now());
    }

    #[tokio::test(start_paused = true)]
    async fn on_the_paused_clock_it_waits_as_well() {
        let first = Clock::Tokio.now() + Duration::from_secs(3600);
        let beat = Beat::new(Clock::Tokio, first, INTERVAL);
        beat.reach(first + INTERVAL).await;
        assert_eq!(Clock::Tokio.now(), first + INTERVAL);
    }
}

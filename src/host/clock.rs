//! The clock, as an argument. The real one wakes within tens of microseconds: tokio's timer wheel is one millisecond
//! coarse and rounds up, which would spoil every latency measured from an intended start and every dose of delay.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Deadlines that are further away than this cost least.
const TURN: Duration = Duration::from_millis(50);

/// A source of time. Copies share the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's monotonic clock, with precise waits.
    Real,
    /// Tokio's clock, which a test may pause.
    Tokio,
}

impl Clock {
    /// Now, on the monotonic clock.
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    pub fn now(self) -> Instant {
        Instant::now()
    }

    /// Now, on the calendar.
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    pub fn wall(self) -> DateTime<Utc> {
        match self {
            Self::Real => Utc::now(),
            Self::Tokio => DateTime::UNIX_EPOCH,
        }
    }

    /// Waits for a moment; returns at once when it has passed. Cancel-safe.
    pub async fn sleep_until(self, deadline: Instant) {
        if self.now() >= deadline {
            return;
        }
        match self {
            #[allow(clippy::disallowed_methods, reason = "this is the door")]
            Self::Tokio => tokio::time::sleep_until(deadline).await,
            Self::Real => {
                // The sender is dropped without a word only if the timer thread died; then the time is over anyway.
                let _ = timer().wake_at(deadline).await;
            }
        }
    }

    /// Waits for a moment at which nothing has to happen in time, such as the end of somebody's patience: up to two
    /// milliseconds late, and for a tenth of the price, as nobody is woken for one that was given up. Cancel-safe.
    #[allow(clippy::disallowed_methods, reason = "this is the door")]
    pub async fn patience_until(self, deadline: Instant) {
        tokio::time::sleep_until(deadline).await;
    }

    /// Never ends, and makes [`Clock::patience_until`] cheap as long as it is awaited: a wheel that has nothing on it, or only
    /// what comes later, wakes its runtime by two system calls for each deadline that it is given (tokio 1.54,
    /// `runtime/time/mod.rs`, `reregister`).
    pub async fn turn_the_wheel(self) {
        loop {
            self.patience_until(self.now() + TURN).await;
        }
    }

    /// Waits for a length of time.
    pub async fn sleep(self, time: Duration) {
        self.sleep_until(self.now() + time).await;
    }
}

struct Alarm {
    at: Instant,
    number: u64,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Alarm {}
impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[derive(Default)]
struct Timer {
    alarms: Mutex<(BinaryHeap<Reverse<Alarm>>, u64)>,
    earlier: Condvar,
}

/// The one timer thread of the process, started when it is first needed.
fn timer() -> &'static Arc<Timer> {
    static TIMER: OnceLock<Arc<Timer>> = OnceLock::new();
    TIMER.get_or_init(|| {
        let timer = Arc::<Timer>::default();
        let run = Arc::clone(&timer);
        let thread = std::thread::Builder::new().name("timer".into()).spawn(move || run.serve());
        assert!(thread.is_ok(), "no thread for the timer");
        timer
    })
}

impl Timer {
    fn wake_at(&self, at: Instant) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        alarms.1 += 1;
        let number = alarms.1;
        let first = alarms.0.peek().is_none_or(|Reverse(alarm)| at < alarm.at);
        alarms.0.push(Reverse(Alarm { at, number, wake }));
        drop(alarms);
        if first {
            self.earlier.notify_one();
        }
        woken
    }

    /// Waits on the condition variable: the kernel's high-resolution timers wake it, late only by the thread's timer
    /// slack, which is asked to be 1 ns.
    fn serve(&self) {
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Clock::Real.now();
            while alarms.0.peek().is_some_and(|Reverse(alarm)| alarm.at <= now) {
                if let Some(Reverse(alarm)) = alarms.0.pop() {
                    let _ = alarm.wake.send(());
                }
            }
            alarms = match alarms.0.peek().map(|Reverse(alarm)| alarm.at.saturating_duration_since(now)) {
                None => self.earlier.wait(alarms).unwrap_or_else(PoisonError::into_inner),
                Some(time) => self.earlier.wait_timeout(alarms, time).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Clock;

    #[tokio::test]
    async fn alarms_ring_in_order_of_their_times_and_never_early() {
        let clock = Clock::Real;
        let start = clock.now();
        let late = async {
            clock.sleep(Duration::from_millis(20)).await;
            start.elapsed()
        };
        let soon = async {
            clock.sleep(Duration::from_millis(3)).await;
            start.elapsed()
        };
        let (late, soon) = tokio::join!(late, soon);
        assert!(soon >= Duration::from_millis(3) && late >= Duration::from_millis(20) && soon < late);
    }

    #[tokio::test(start_paused = true)]
    async fn on_the_paused_clock_an_hour_takes_no_time() {
        let before = Clock::Tokio.now();
        Clock::Tokio.sleep(Duration::from_secs(3600)).await;
        assert_eq!(before.elapsed(), Duration::from_secs(3600));
    }
}

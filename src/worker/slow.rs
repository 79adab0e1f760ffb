//! Stops processes again and again for a share of the time. Moments are absolute, so errors never add up. Every process is
//! held by a descriptor that was opened while all was well: nobody else who got its pid is ever signalled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::host::process::{Held, Signal};
use crate::host::{Trouble, thread};
use crate::model::dose::ProcessState;
use crate::model::target::Victims;
use crate::model::units::{Share, Timespan};

/// What the work has come to.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    all: Arc<All>,
}

#[derive(Debug, Default)]
struct All {
    periods: AtomicU64,
    unseen: AtomicU64,
    stopped: AtomicU64,
}

impl Counters {
    /// Whole periods, those of them in which somebody was not seen to be stopped, and the time for which all were kept
    /// stopped.
    pub fn read(&self) -> (u64, u64, Duration) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.all.periods), read(&self.all.unseen), Duration::from_nanos(read(&self.all.stopped)))
    }
}

/// Starts to slow them down. They go on when the thread ends in any way but the death of this process; then whoever
/// started it lets them.
pub fn pace(whom: &Victims, share: Share, period: Timespan) -> Result<Counters, Trouble> {
    let held = whom.identities().map(Held::hold).collect::<Result<Vec<_>, _>>()?;
    let held: Vec<Held> = held.into_iter().flatten().collect();
    if held.is_empty() {
        return Err(Trouble::new(format!("slow {whom} down"), "none of them is there any more"));
    }
    let counters = Counters::default();
    let counts = counters.clone();
    let thread = std::thread::Builder::new().name("pace".into()).spawn(move || {
        thread::wake_exactly();
        keep_pace(&held, share.0, period.0, &counts.all);
    });
    thread.map_err(|error| Trouble::new("start a thread", error))?;
    Ok(counters)
}

/// Until all of them are gone.
fn keep_pace(held: &[Held], share: f64, period: Duration, counts: &All) {
    let mut begin = thread::now();
    let mut living = true;
    while living {
        let began = thread::now();
        living = signal(held, Signal::Stop);
        thread::sleep_until(begin + period.mul_f64(share));
        let unseen = held.iter().any(|one| one.state() == ProcessState::Running);
        let stopped = thread::now() - began;
        signal(held, Signal::Continue);
        counts.periods.fetch_add(1, Ordering::Relaxed);
        counts.unseen.fetch_add(u64::from(unseen), Ordering::Relaxed);
        let nanos = u64::try_from(stopped.as_nanos()).unwrap_or(u64::MAX);
        counts.stopped.fetch_add(nanos, Ordering::Relaxed);
        // A machine that was asleep owes nobody the periods it missed.
        begin = (begin + period).max(thread::now().saturating_sub(period));
        thread::sleep_until(begin);
    }
}

/// Whether one of them is there still.
fn signal(held: &[Held], signal: Signal) -> bool {
    held.iter().filter(|one| one.signal(signal).unwrap_or(true)).count() > 0
}

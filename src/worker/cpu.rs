//! Burns a share of the time of some cores: one thread a core, bound to it.
//!
//! Each period has a goal of CPU time, counted from the start, so that errors never add up: a thread burns until its own
//! CPU clock says that the goal is reached, then sleeps to the end of the period, an absolute moment. What reports took
//! is a part of what the first thread owes. Time that others took away is made up for later, but no more than one period of
//! it, lest a burst follows a long wait. A goal is what the profile asks in its period, so a ramp rises with every one.

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rand::RngExt;

use crate::host::{Trouble, thread};
use crate::model::profile::Profile;
use crate::model::units::Share;

/// A tenth of a second, and a whole one, hold very nearly a whole number of these: whoever looks at such a window sees
/// the load, and not where its ends cut a period. They are a hundredth off 10 ms, so that within a second they begin at
/// every phase of a sampling tick and are never in step with it.
const PERIODS: [Duration; 2] = [Duration::from_micros(9_900), Duration::from_micros(10_100)];
/// By so much they differ from thread to thread.
const SPREAD: Duration = Duration::from_micros(10);

/// Starts to burn `load` of the time of each of these cores; says when.
pub fn burn(load: Share, profile: Profile, cores: &[usize]) -> Result<Duration, Trouble> {
    let (tell, started) = channel();
    let start = thread::now();
    for (place, &core) in cores.iter().enumerate() {
        let tell = tell.clone();
        let burner = move || {
            if pinned(core, tell) {
                keep_pace(load.0, profile, start, place == 0);
            }
        };
        let thread = std::thread::Builder::new().name(format!("burn {core}")).spawn(burner);
        thread.map_err(|error| Trouble::new("start a thread", error))?;
    }
    drop(tell);
    started.iter().try_for_each(|pinned: (usize, io::Result<()>)| {
        pinned.1.map_err(|error| Trouble::new(format!("use core {}", pinned.0), error))
    })?;
    Ok(start)
}

/// Binds this thread to a core, and tells whether that worked. The process ends at once when it did not.
fn pinned(core: usize, tell: Sender<(usize, io::Result<()>)>) -> bool {
    let pinned = thread::pin(core);
    let worked = pinned.is_ok();
    // Who listens waits until the last sender is gone.
    let _ = tell.send((core, pinned));
    worked
}

/// CPU time that reports took, in nanoseconds.
static REPORTING: AtomicU64 = AtomicU64::new(0);

/// Tells the burners what reports have cost up to now: some two thousandths of a core, and the dose is what the whole
/// process takes of the machine.
pub fn reports_took(time: Duration) {
    REPORTING.store(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn keep_pace(load: f64, profile: Profile, start: Duration, for_all: bool) -> ! {
    let reporting = || Duration::from_nanos(REPORTING.load(Ordering::Relaxed));
    let used = || thread::cpu_time() + if for_all { reporting() } else { Duration::ZERO };
    thread::wake_exactly();
    let mut dice = rand::rng();
    let period = PERIODS[dice.random_range(0..PERIODS.len())] + SPREAD.mul_f64(dice.random());
    let mut end = start + period.mul_f64(dice.random());
    thread::sleep_until(end);
    let mut goal = Goal { load, period, cpu: used() };
    loop {
        let begin = end;
        end += period;
        let until = goal.next(used(), profile.mean(begin - start, end - start));
        while used() < until && thread::now() < end {
            spin();
        }
        thread::sleep_until(end);
    }
}

/// The CPU time to have used by the end of a period.
struct Goal {
    load: f64,
    period: Duration,
    cpu: Duration,
}

impl Goal {
    /// The goal of the next period, when so much has been used by the end of this, and this part of the load is asked.
    fn next(&mut self, used: Duration, level: f64) -> Duration {
        self.cpu = self.cpu.min(used + self.period) + self.period.mul_f64(self.load * level);
        self.cpu
    }
}

/// About a microsecond of arithmetic.
fn spin() {
    let mut x = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..500 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    black_box(x);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Goal;

    const fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    #[test]
    fn a_goal_that_was_missed_by_a_little_is_made_up_for() {
        let mut goal = Goal { load: 0.5, period: ms(10), cpu: ms(0) };
        assert_eq!(goal.next(ms(0), 1.0), ms(5));
        assert_eq!(goal.next(ms(4), 1.0), ms(10));
        assert_eq!(goal.next(ms(11), 1.0), ms(15), "and what was too much is saved");
    }

    #[test]
    fn no_more_than_one_period_is_made_up_for() {
        let mut goal = Goal { load: 0.5, period: ms(10), cpu: ms(0) };
        for _ in 0..100 {
            goal.next(ms(0), 1.0);
        }
        assert_eq!(goal.next(ms(0), 1.0), ms(15));
    }

    #[test]
    fn a_part_of_the_load_is_a_part_of_the_goal() {
        let mut goal = Goal { load: 0.5, period: ms(10), cpu: ms(0) };
        assert_eq!((goal.next(ms(0), 0.2), goal.next(ms(1), 0.0)), (ms(1), ms(1)));
    }

    #[test]
    fn a_full_load_wants_all_of_every_period() {
        let mut goal = Goal { load: 1.0, period: ms(10), cpu: ms(0) };
        assert_eq!((goal.next(ms(0), 1.0), goal.next(ms(10), 1.0)), (ms(10), ms(20)));
    }
}

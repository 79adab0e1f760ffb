//! Burns a share of the time of some cores: one thread a core, bound to it.
//!
//! Each period has a goal of CPU time, counted from the start, so that errors never add up: a thread burns until its own
//! CPU clock says that the goal is reached, then sleeps to the end of the period, an absolute moment. Time that others
//! took away is made up for later, but no more than one period of it, lest a burst follows a long wait.

use std::hint::black_box;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rand::RngExt;

use crate::host::{Trouble, thread};
use crate::model::units::Share;

/// Periods differ from thread to thread, so that they never march in step with each other or with a sampling tick.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
const LONGEST_PERIOD: Duration = Duration::from_millis(20);

/// Starts to burn `load` of the time of each of these cores.
pub fn burn(load: Share, cores: &[usize]) -> Result<(), Trouble> {
    let (tell, started) = channel();
    for &core in cores {
        let tell = tell.clone();
        let thread = std::thread::Builder::new().name(format!("burn {core}")).spawn(move || run(load, core, tell));
        thread.map_err(|error| Trouble::new("start a thread", error))?;
    }
    drop(tell);
    started.iter().try_for_each(|pinned: (usize, io::Result<()>)| {
        pinned.1.map_err(|error| Trouble::new(format!("use core {}", pinned.0), error))
    })
}

fn run(load: Share, core: usize, tell: Sender<(usize, io::Result<()>)>) {
    let pinned = thread::pin(core);
    let failed = pinned.is_err();
    let _ = tell.send((core, pinned));
    // Who listens waits until the last sender is gone.
    drop(tell);
    // The process ends at once when a thread failed.
    if !failed {
        thread::wake_exactly();
        keep_pace(load.0);
    }
}

fn keep_pace(load: f64) -> ! {
    let period = rand::rng().random_range(SHORTEST_PERIOD..=LONGEST_PERIOD);
    let mut end = thread::now() + period.mul_f64(rand::rng().random());
    thread::sleep_until(end);
    let mut goal = Goal { load, period, cpu: thread::cpu_time() };
    loop {
        end += period;
        let until = goal.next(thread::cpu_time());
        while thread::cpu_time() < until && thread::now() < end {
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
    /// The goal of the next period, when so much has been used by the end of this.
    fn next(&mut self, used: Duration) -> Duration {
        self.cpu = self.cpu.min(used + self.period) + self.period.mul_f64(self.load);
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
        assert_eq!(goal.next(ms(0)), ms(5));
        assert_eq!(goal.next(ms(4)), ms(10));
        assert_eq!(goal.next(ms(11)), ms(15), "and what was too much is saved");
    }

    #[test]
    fn no_more_than_one_period_is_made_up_for() {
        let mut goal = Goal { load: 0.5, period: ms(10), cpu: ms(0) };
        for _ in 0..100 {
            goal.next(ms(0));
        }
        assert_eq!(goal.next(ms(0)), ms(15));
    }

    #[test]
    fn a_full_load_wants_all_of_every_period() {
        let mut goal = Goal { load: 1.0, period: ms(10), cpu: ms(0) };
        assert_eq!((goal.next(ms(0)), goal.next(ms(10))), (ms(10), ms(20)));
    }
}

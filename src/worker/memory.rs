//! Makes memory resident and keeps it so, as much as its profile asks at each moment, and never of what must stay free.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use crate::host::memory::Region;
use crate::host::{Trouble, system, this_process, thread};
use crate::model::profile::Profile;
use crate::model::units::Bytes;

/// What is never taken, whatever is asked: the machine needs room to put everything back.
const FLOOR: u64 = 64 << 20;
/// Populating is limited by page faults, which a few threads take better than one.
const MOST_THREADS: u64 = 4;
/// What a thread populates between two looks at what is available.
const PIECE: u64 = 64 << 20;
/// From this size on huge pages, which are many times as fast, are no more than a hundredth of the whole.
const LARGE: u64 = 200 << 20;
const HUGE: u64 = 2 << 20;
const SMALL: u64 = 64 << 10;
const PAGE: u64 = 4096;
/// How often the size follows its profile.
const TICK: Duration = Duration::from_millis(10);
/// How often is looked whether enough stays free while the size is right.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// What is available is told wrong for a moment after much was given back.
const LULL: Duration = Duration::from_secs(1);
/// Pages that nobody looks at would be swapped out in the end, where that is allowed.
const TOUCH_INTERVAL: Duration = Duration::from_secs(2);

/// What to hold.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub size: u64,
    /// What must stay available.
    pub leave_free: u64,
    pub profile: Profile,
}

impl Plan {
    const fn floor(&self) -> u64 {
        if self.leave_free > FLOOR { self.leave_free } else { FLOOR }
    }

    const fn grain(&self) -> u64 {
        if self.size >= LARGE { HUGE } else { SMALL }
    }

    /// The bytes to hold so long after the beginning.
    fn wanted(&self, at: Duration) -> u64 {
        let level = self.profile.level(at);
        // The last page is not always whole.
        let whole = self.size.next_multiple_of(PAGE);
        if level >= 1.0 { whole } else { (self.size as f64 * level) as u64 / self.grain() * self.grain() }
    }
}

/// The most that was asked and not taken, as it must stay free; in bytes.
pub type HeldBack = Arc<AtomicU64>;

/// Takes what the profile asks at its beginning; returns when that is resident, with the moment from which its time
/// counts. From then on a thread follows it until the process ends.
pub fn hold(plan: Plan) -> Result<(Duration, HeldBack), Trouble> {
    let before = this_process::resident()?;
    leave_the_floor(plan.size, plan.floor(), system::memory().map(|memory| memory.available))?;
    let length = usize::try_from(plan.size).map_err(no_memory)?.next_multiple_of(PAGE as usize);
    let region = Region::reserve(length, plan.grain() == HUGE).map_err(no_memory)?;
    let mut keeper = Keeper { plan, region, filled: 0, held_back: HeldBack::default() };
    let first = plan.wanted(Duration::ZERO);
    keeper.follow(first)?;
    let gained = this_process::resident()?.saturating_sub(before);
    // The kernel counts resident pages by the batch.
    if gained < first - first / 100 {
        let why = format!("only {} of {} became resident", Bytes(gained), Bytes(first));
        return Err(Trouble::new("keep memory resident", why).help("is somebody else taking it?"));
    }
    let (start, held_back) = (thread::now(), Arc::clone(&keeper.held_back));
    let thread = std::thread::Builder::new().name("hold".into()).spawn(move || keeper.keep(start));
    thread.map_err(|error| Trouble::new("start a thread", error))?;
    Ok((start, held_back))
}

fn leave_the_floor(size: u64, floor: u64, available: Option<u64>) -> Result<(), Trouble> {
    let what = || format!("take {} of memory", Bytes(size));
    let available = available.ok_or_else(|| Trouble::new(what(), "cannot find out how much is available"))?;
    match available.checked_sub(floor) {
        Some(room) if size <= room => Ok(()),
        room => {
            let why = format!("{} is available, and {} of it must stay", Bytes(available), Bytes(floor));
            Err(Trouble::new(what(), why).help(format!("ask for at most {}", Bytes(room.unwrap_or_default()))))
        }
    }
}

fn no_memory(why: impl ToString) -> Trouble {
    Trouble::new("allocate memory", why)
}

/// Who holds the memory: the first `filled` bytes of the region.
struct Keeper {
    plan: Plan,
    region: Region,
    filled: u64,
    held_back: HeldBack,
}

impl Keeper {
    fn keep(mut self, start: Duration) -> ! {
        let (mut tick, mut look, mut touch) = (start, start, start + TOUCH_INTERVAL);
        loop {
            // After a long wait for a core nothing is made up for.
            tick = (tick + TICK).max(thread::now());
            thread::sleep_until(tick);
            let wanted = self.plan.wanted(tick - start);
            if wanted != self.filled || tick >= look {
                let gave_back = self.make_room() || self.follow(wanted).is_err();
                look = tick + if gave_back { LULL } else { LOOK_INTERVAL };
                if gave_back {
                    tick = look;
                }
                self.held_back.fetch_max(wanted.saturating_sub(self.filled), Ordering::Relaxed);
            }
            if tick >= touch && self.region.may_be_swapped() {
                self.region.touch(0, as_length(self.filled));
                touch = tick + TOUCH_INTERVAL;
            }
        }
    }

    /// Gives back what others lack below the floor; whether that was anything.
    fn make_room(&mut self) -> bool {
        let Some(available) = system::memory().map(|memory| memory.available) else { return false };
        let lack = self.plan.floor().saturating_sub(available).next_multiple_of(HUGE).min(self.filled);
        lack > 0 && self.shrink_to((self.filled - lack) / self.plan.grain() * self.plan.grain()).is_ok()
    }

    /// Grows or shrinks to a size; less where more would leave too little.
    fn follow(&mut self, wanted: u64) -> Result<(), Trouble> {
        if wanted < self.filled {
            return self.shrink_to(wanted);
        }
        while self.filled < wanted {
            let available = system::memory().map_or(0, |memory| memory.available);
            let room = available.saturating_sub(self.plan.floor()) / HUGE * HUGE;
            let next = (wanted - self.filled).min(PIECE * threads()).min(room);
            if next == 0 {
                break;
            }
            self.populate(self.filled + next)?;
        }
        Ok(())
    }

    fn populate(&mut self, to: u64) -> Result<(), Trouble> {
        let (region, from, count) = (&self.region, self.filled, threads());
        let part = (to - from).div_ceil(count).next_multiple_of(HUGE);
        let populate = |from: u64, to: u64| region.populate(as_length(from), as_length(to));
        std::thread::scope(|scope| {
            let others = (1..count).map(|index| (from + index * part, (from + (index + 1) * part).min(to)));
            let others = others.filter(|(from, to)| from < to).map(|(from, to)| {
                // Where there is no room for one more thread, this one does it.
                let thread = std::thread::Builder::new().spawn_scoped(scope, move || populate(from, to));
                thread.map_err(|_| populate(from, to))
            });
            let others: Vec<_> = others.collect();
            let mut done = populate(from, to.min(from + part));
            for other in others {
                done = done.and(other.map_or_else(|done| done, joined));
            }
            done
        })
        .map_err(no_memory)?;
        self.filled = to;
        Ok(())
    }

    fn shrink_to(&mut self, size: u64) -> Result<(), Trouble> {
        self.region.release(as_length(size), as_length(self.filled)).map_err(no_memory)?;
        self.filled = size;
        Ok(())
    }
}

fn joined(thread: ScopedJoinHandle<'_, io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended")))
}

fn threads() -> u64 {
    (std::thread::available_parallelism().map_or(1, NonZero::get) as u64).min(MOST_THREADS)
}

/// A region is never longer than addresses go.
fn as_length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FLOOR, HUGE, Plan, SMALL, leave_the_floor};
    use crate::model::profile::Profile;
    use crate::model::units::Timespan;

    #[test]
    fn the_size_follows_its_profile_by_the_page() {
        let plan = |size| Plan { size, leave_free: 0, profile: Profile::Ramp(Timespan::seconds(10)) };
        let wanted = |size, seconds: f64| plan(size).wanted(Duration::from_secs_f64(seconds));
        assert_eq!((wanted(1 << 30, 0.0), wanted(1 << 30, 5.0), wanted(1 << 30, 10.0)), (0, 512 << 20, 1 << 30));
        assert_eq!(wanted(1 << 30, 1.0) % HUGE, 0);
        assert_eq!((wanted(100 << 20, 0.99) % SMALL, wanted(100 << 20, 0.99) >> 20), (0, 9));
        assert_eq!(wanted(1, 11.0), 4096, "there are no half pages");
    }

    #[test]
    fn the_machine_keeps_some_memory_to_put_everything_back() {
        assert_eq!(Plan { size: 1, leave_free: 0, profile: Profile::Constant }.floor(), FLOOR);
        assert_eq!(leave_the_floor(100 << 20, FLOOR, Some((100 << 20) + FLOOR)), Ok(()));
        let trouble = leave_the_floor(101 << 20, FLOOR, Some((100 << 20) + FLOOR)).expect_err("too much");
        assert_eq!(
            trouble.to_string(),
            "take 101MiB of memory: 164MiB is available, and 64MiB of it must stay; ask for at most 100MiB"
        );
        assert!(leave_the_floor(1, FLOOR, Some(1 << 20)).is_err());
        assert!(leave_the_floor(1, FLOOR, None).is_err(), "what is not known is not there");
    }
}

//! Reads and writes blocks of a nameless file at a steady pace, past the page cache where the file system can do that.
//!
//! Operations have numbers; number N is due at an absolute moment, by the pace and its profile. Several threads take
//! numbers in turn, so that a slow operation delays no other. What a slow disk could not do in time is made up for only
//! within [`LATEST`]; earlier numbers are left out.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::host::{Trouble, room, system, thread};
use crate::model::profile::Profile;
use crate::model::units::{Bytes, Rate, Share};

/// What is never taken of a file system.
const FLOOR: u64 = 64 << 20;
/// How far the pace may fall behind before the delay is forgotten.
const LATEST: Duration = Duration::from_secs(1);
/// One thread for so many operations a second: a disk that answers within 33 ms keeps pace.
const OPERATIONS_A_THREAD: f64 = 30.0;
const FEWEST_THREADS: usize = 4;
const MOST_THREADS: usize = 64;
/// Direct reads and writes want their memory aligned to the block size of the device.
const ALIGNMENT: usize = 4096;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub iops: Rate,
    /// Bytes of one operation.
    pub block_size: u64,
    /// Share of the operations that read.
    pub read: Share,
    /// Bytes of the file; at least one block.
    pub file_size: u64,
    pub profile: Profile,
}

/// Operations so far.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Whether they go past the page cache.
    pub direct: bool,
    /// Completed ones and failed ones.
    counts: Arc<[AtomicU64; 2]>,
}

impl Counters {
    /// Completed ones and failed ones.
    pub fn read(&self) -> (u64, u64) {
        (self.counts[0].load(Ordering::Relaxed), self.counts[1].load(Ordering::Relaxed))
    }

    fn count(&self, done: &io::Result<()>) {
        self.counts[usize::from(done.is_err())].fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts to load the file system of a folder; says when.
pub fn load(folder: &Path, plan: Plan) -> Result<(Duration, Counters), Trouble> {
    if plan.block_size == 0 || plan.block_size > plan.file_size {
        let why = format!("its blocks of {} do not fit", Bytes(plan.block_size));
        return Err(Trouble::new(format!("load a file of {}", Bytes(plan.file_size)), why));
    }
    let held = room::hold_folder(folder)
        .map_err(|error| Trouble::new(format!("make a file in {}", folder.display()), error))?;
    leave_the_floor(folder, &held, plan.file_size)?;
    let target = Arc::new(prepare(&held, plan).map_err(|error| {
        Trouble::new(format!("make a file of {} in {}", Bytes(plan.file_size), folder.display()), error)
    })?);
    let counters = Counters { direct: target.direct, ..Counters::default() };
    let start = thread::now();
    let pace = Arc::new(Pace::new(plan.iops, plan.profile, start));
    for _ in 0..threads_for(plan.iops) {
        let (target, pace, counters) = (Arc::clone(&target), Arc::clone(&pace), counters.clone());
        let thread = std::thread::Builder::new().name("load".into()).spawn(move || run(&target, &pace, &counters));
        thread.map_err(|error| Trouble::new("start a thread", error))?;
    }
    Ok((start, counters))
}

fn threads_for(iops: Rate) -> usize {
    ((iops.0 / OPERATIONS_A_THREAD).ceil() as usize).clamp(FEWEST_THREADS, MOST_THREADS)
}

fn leave_the_floor(folder: &Path, held: &OwnedFd, size: u64) -> Result<(), Trouble> {
    let what = || format!("make a file of {} in {}", Bytes(size), folder.display());
    let disk = system::disk_of(held).map_err(|error| Trouble::new(what(), error))?;
    if size.saturating_add(FLOOR) <= disk.available {
        return Ok(());
    }
    let why = format!("{} is free, and {} of it must stay", Bytes(disk.available), Bytes(FLOOR));
    Err(Trouble::new(what(), why).help("ask for a smaller file_size"))
}

/// The file to load, and how it is used.
struct Target {
    file: File,
    plan: Plan,
    direct: bool,
}

/// Makes the file; past the page cache if one write of a block shows that this works here.
fn prepare(folder: &OwnedFd, plan: Plan) -> io::Result<Target> {
    let direct = room::nameless(folder, true).and_then(|file| make(file, plan, true));
    match direct {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            room::nameless(folder, false).and_then(|file| make(file, plan, false))
        }
        done => done,
    }
}

fn make(file: File, plan: Plan, direct: bool) -> io::Result<Target> {
    room::allocate(&file, plan.file_size)?;
    let mut block = Block::new(plan.block_size as usize);
    block.fill(&mut SmallRng::seed_from_u64(1));
    file.write_all_at(block.bytes(), 0)?;
    // A block that was never written is not on the disk: reading it would load nothing.
    if plan.read.0 > 0.0 {
        for index in 1..plan.file_size / plan.block_size {
            file.write_all_at(block.bytes(), index * plan.block_size)?;
        }
    }
    file.sync_all()?;
    Ok(Target { file, plan, direct })
}

impl Target {
    fn operate(&self, block: &mut Block, dice: &mut SmallRng) -> io::Result<()> {
        let Plan { block_size, file_size, read, .. } = self.plan;
        let offset = dice.random_range(0..(file_size / block_size).max(1)) * block_size;
        if dice.random_bool(read.0.clamp(0.0, 1.0)) {
            if !self.direct {
                room::forget_cached(&self.file, offset, block_size)?;
            }
            self.file.read_exact_at(block.bytes_mut(), offset)
        } else {
            self.file.write_all_at(block.bytes(), offset)?;
            if self.direct { Ok(()) } else { self.file.sync_data() }
        }
    }
}

fn run(target: &Target, pace: &Pace, counters: &Counters) {
    thread::wake_exactly();
    let mut dice: SmallRng = rand::make_rng();
    let mut block = Block::new(target.plan.block_size as usize);
    block.fill(&mut dice);
    loop {
        thread::sleep_until(pace.next(thread::now()));
        counters.count(&target.operate(&mut block, &mut dice));
    }
}

/// When the operations are due.
struct Pace {
    start: Duration,
    iops: Rate,
    profile: Profile,
    number: AtomicU64,
}

impl Pace {
    const fn new(iops: Rate, profile: Profile, start: Duration) -> Self {
        Self { start, iops, profile, number: AtomicU64::new(0) }
    }

    /// When the next operation is due; the moment is past when the disk is too slow.
    fn next(&self, now: Duration) -> Duration {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        // In the middle of its time: so a window of a few of them holds them all, if they are a little late or not.
        let due = self.start.saturating_add(self.profile.when((number as f64 + 0.5) / self.iops.0));
        let late = now.saturating_sub(due);
        if late > LATEST {
            let in_plan = self.profile.area(now.saturating_sub(self.start + LATEST)) * self.iops.0;
            self.number.fetch_max(in_plan as u64, Ordering::Relaxed);
        }
        due
    }
}

/// Memory of one operation, aligned.
struct Block {
    memory: Vec<u8>,
    start: usize,
    size: usize,
}

impl Block {
    fn new(size: usize) -> Self {
        let memory = vec![0; size + ALIGNMENT];
        // The vector never grows, so its memory stays where it is.
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Self { memory, start, size }
    }

    fn fill(&mut self, dice: &mut SmallRng) {
        dice.fill_bytes(self.bytes_mut());
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.size]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.size]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::{ALIGNMENT, Block, Pace, Plan, Target, load, make, prepare, threads_for};
    use crate::host::room;
    use crate::model::profile::Profile;
    use crate::model::units::{Rate, Share, Timespan};

    const SMALL: Plan =
        Plan { iops: Rate(200.0), block_size: 4096, read: Share(0.5), file_size: 1 << 20, profile: Profile::Constant };

    fn pace(iops: f64, profile: Profile, start: Duration) -> Pace {
        Pace::new(Rate(iops), profile, start)
    }

    fn held(folder: &tempfile::TempDir) -> std::os::fd::OwnedFd {
        room::hold_folder(folder.path()).expect("holds it")
    }

    #[test]
    fn operations_are_due_at_absolute_moments() {
        let pace = pace(100.0, Profile::Constant, Duration::from_secs(5));
        let due: Vec<_> = (0..3).map(|_| pace.next(Duration::from_secs(5))).collect();
        assert_eq!(due, [5005, 5015, 5025].map(Duration::from_millis));
    }

    #[test]
    fn in_a_ramp_they_are_due_ever_sooner_after_each_other() {
        let pace = pace(100.0, Profile::Ramp(Timespan::seconds(10)), Duration::ZERO);
        let due: Vec<_> = (0..1000).map(|_| pace.next(Duration::ZERO)).collect();
        let within = |from: u64, to: u64| {
            due.iter()
                .filter(|due| (from..to).contains(&(due.as_millis() as u64)))
                .count()
                .abs_diff(((to * to - from * from) / 200_000) as usize)
        };
        assert!((0..10).all(|second| within(second * 1000, (second + 1) * 1000) <= 1), "{due:?}");
    }

    #[test]
    fn a_short_delay_is_made_up_for_and_a_long_one_is_forgotten() {
        let pace = pace(100.0, Profile::Constant, Duration::ZERO);
        pace.next(Duration::ZERO);
        assert_eq!(pace.next(Duration::from_millis(900)), Duration::from_millis(15), "still in the plan");
        pace.next(Duration::from_secs(11));
        let due = pace.next(Duration::from_secs(11));
        assert_eq!(due, Duration::from_millis(10_005), "one second late, not eleven");
    }

    #[test]
    fn memory_for_direct_operations_is_aligned() {
        let block = Block::new(512);
        assert_eq!((block.bytes().as_ptr().addr() % ALIGNMENT, block.bytes().len()), (0, 512));
    }

    #[test]
    fn a_faster_pace_has_more_in_flight() {
        assert_eq!([1.0, 300.0, 1e5].map(|rate| threads_for(Rate(rate))), [4, 10, 64]);
    }

    #[test]
    fn the_file_has_no_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = prepare(&held(&folder), SMALL).expect("makes it");
        assert_eq!(target.file.metadata().expect("is there").len(), SMALL.file_size);
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
    }

    #[test]
    fn operations_read_and_write_and_none_fails() {
        let folder = tempfile::tempdir().expect("a folder");
        operate_for_a_while(&prepare(&held(&folder), SMALL).expect("makes it"));
    }

    #[test]
    fn a_file_system_is_loaded_through_the_page_cache_where_there_is_no_other_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = room::nameless(&held(&folder), false).expect("makes it");
        operate_for_a_while(&make(file, SMALL, false).expect("makes it"));
    }

    fn operate_for_a_while(target: &Target) {
        let mut dice = SmallRng::seed_from_u64(7);
        let mut block = Block::new(SMALL.block_size as usize);
        for _ in 0..50 {
            target.operate(&mut block, &mut dice).expect("does it");
        }
    }

    #[test]
    fn a_very_slow_pace_is_no_trouble() {
        let pace = pace(f64::MIN_POSITIVE, Profile::Constant, Duration::from_secs(5));
        assert!(pace.next(Duration::from_secs(5)) > Duration::from_hours(24));
    }

    #[test]
    fn a_block_larger_than_the_file_is_refused() {
        for block_size in [0, 2 << 20] {
            load("/tmp".as_ref(), Plan { block_size, ..SMALL }).expect_err("does not fit");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let trouble = load("/no/such/folder".as_ref(), SMALL).expect_err("there is none");
        assert!(trouble.to_string().contains("/no/such/folder"), "{trouble}");
    }
}

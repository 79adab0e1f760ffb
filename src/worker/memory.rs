//! Maps memory, fills it and keeps it resident.

use std::num::NonZero;
use std::time::Duration;

use rand::Rng;

use crate::host::{Trouble, system, this_process, thread};
use crate::model::units::Bytes;

/// What is never taken: the machine needs room to put everything back.
const FLOOR: u64 = 64 << 20;
/// Filled at a time, with bytes that differ from page to page: equal pages could be merged, and zeros compressed away.
const BLOCK: usize = 1 << 20;
/// Allocated at a time; large enough to be a mapping of its own.
const PIECE: usize = 64 << 20;
/// Filling is limited by page faults, which a few threads take better than one.
const MOST_THREADS: u64 = 4;
/// Pages that nobody looks at would be swapped out in the end.
const TOUCH_INTERVAL: Duration = Duration::from_secs(2);
const PAGE: usize = 4096;

/// Takes so many bytes and keeps them until the process ends; returns when all of them are resident.
pub fn hold(size: u64) -> Result<(), Trouble> {
    let before = this_process::resident()?;
    leave_the_floor(size, system::memory().map(|memory| memory.available))?;
    let pieces = fill(size)?;
    let gained = this_process::resident()?.saturating_sub(before);
    // The kernel counts resident pages by the batch.
    if gained < size - size / 100 {
        let why = format!("only {} of {} became resident", Bytes(gained), Bytes(size));
        return Err(Trouble::new("keep memory resident", why).help("is it being swapped out?"));
    }
    let thread = std::thread::Builder::new().name("touch".into()).spawn(move || touch_for_ever(pieces));
    thread.map(drop).map_err(|error| Trouble::new("start a thread", error))
}

fn leave_the_floor(size: u64, available: Option<u64>) -> Result<(), Trouble> {
    let what = || format!("take {} of memory", Bytes(size));
    let available = available.ok_or_else(|| Trouble::new(what(), "cannot find out how much is available"))?;
    match available.checked_sub(FLOOR) {
        Some(room) if size <= room => Ok(()),
        room => {
            let why = format!("{} is available, and {} of it must stay", Bytes(available), Bytes(FLOOR));
            Err(Trouble::new(what(), why).help(format!("ask for at most {}", Bytes(room.unwrap_or_default()))))
        }
    }
}

fn fill(size: u64) -> Result<Vec<Vec<u8>>, Trouble> {
    let mut block = vec![0; BLOCK];
    rand::rng().fill_bytes(&mut block);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let shares = shares(size, cores.min(MOST_THREADS));
    std::thread::scope(|scope| {
        let block = &block;
        let threads: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || fill_share(share, block))).collect();
        let parts =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(no_memory("a thread ended"))));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    })
}

/// Splits a size into so many shares that differ by at most one byte.
fn shares(size: u64, count: u64) -> Vec<u64> {
    (0..count).map(|index| size / count + u64::from(index < size % count)).collect()
}

fn fill_share(share: u64, block: &[u8]) -> Result<Vec<Vec<u8>>, Trouble> {
    let mut left = usize::try_from(share).map_err(no_memory)?;
    let mut pieces = Vec::new();
    while left > 0 {
        let mut piece = Vec::new();
        let size = left.min(PIECE);
        piece.try_reserve_exact(size).map_err(no_memory)?;
        while piece.len() < size {
            piece.extend_from_slice(&block[..BLOCK.min(size - piece.len())]);
        }
        left -= size;
        pieces.push(piece);
    }
    Ok(pieces)
}

fn no_memory(why: impl ToString) -> Trouble {
    Trouble::new("allocate memory", why)
}

fn touch_for_ever(mut pieces: Vec<Vec<u8>>) -> ! {
    let mut next = thread::now();
    loop {
        next += TOUCH_INTERVAL;
        thread::sleep_until(next);
        for page in pieces.iter_mut().flat_map(|piece| piece.chunks_mut(PAGE)) {
            page[0] = std::hint::black_box(page[0].wrapping_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FLOOR, leave_the_floor, shares};

    #[test]
    fn shares_add_up() {
        assert_eq!(shares(10, 4), [3, 3, 2, 2]);
        assert_eq!(shares(1, 2), [1, 0]);
    }

    #[test]
    fn the_machine_keeps_some_memory_to_put_everything_back() {
        assert_eq!(leave_the_floor(100 << 20, Some((100 << 20) + FLOOR)), Ok(()));
        let trouble = leave_the_floor(101 << 20, Some((100 << 20) + FLOOR)).expect_err("too much");
        assert_eq!(
            trouble.to_string(),
            "take 101MiB of memory: 164MiB is available, and 64MiB of it must stay; ask for at most 100MiB"
        );
        assert!(leave_the_floor(1, Some(1 << 20)).is_err());
        assert!(leave_the_floor(1, None).is_err(), "what is not known is not there");
    }
}

//! How many experiments run at once: most of one is waiting. A debug build takes half a core for each, an optimised one a
//! fifth. One that takes the cores goes alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::binary;

/// So many experiments at once.
fn slots() -> usize {
    if binary::is_optimised() { 5 } else { 2 }
}

const PAUSE: Duration = Duration::from_millis(20);

/// Whom an experiment disturbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// Nobody to speak of.
    SideBySide,
    /// Everybody: it takes the machine's cores.
    Alone,
}

/// Room to run in, until it is dropped.
#[must_use = "the slot is free again when this is dropped"]
pub struct Slot(#[allow(dead_code, reason = "held for its lock")] Vec<File>);

/// Waits for room.
pub fn take(company: Company) -> Slot {
    let mut files: Vec<File> = (0..slots()).map(open).collect();
    match company {
        // In one order: nobody else holds more than one, so nobody waits in a circle.
        Company::Alone => files.iter().for_each(|file| file.lock().expect("a lock")),
        Company::SideBySide => {
            let free = any_of(&files);
            files = vec![files.swap_remove(free)];
        }
    }
    Slot(files)
}

fn any_of(files: &[File]) -> usize {
    loop {
        let is_free = |file: &File| match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => panic!("a lock: {error}"),
        };
        if let Some(free) = files.iter().position(is_free) {
            return free;
        }
        pause();
    }
}

/// Lets some time pass before one looks again.
#[allow(clippy::disallowed_methods, reason = "a test waits for other processes, whose time cannot be paused")]
pub fn pause() {
    std::thread::sleep(PAUSE);
}

fn open(number: usize) -> File {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-slot-{number}"));
    OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("a lock file")
}

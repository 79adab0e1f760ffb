//! Tests that keep the machine busy go one at a time: side by side each would be what spoils the other's latencies. Locked
//! by a file, as test runners may use a process a test.

use std::fs::{File, OpenOptions};
use std::path::Path;

/// The machine's cores, until it is dropped.
#[must_use = "others are busy again when this is dropped"]
pub struct Busy(#[allow(dead_code, reason = "held for its lock")] File);

/// Waits until no other test keeps the machine busy.
pub fn busy() -> Busy {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-busy");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("a lock file");
    file.lock().expect("a lock");
    Busy(file)
}

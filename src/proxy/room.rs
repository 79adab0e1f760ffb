//! How many connections there may be: a descriptor that is missing would be noticed by whoever needs it next, so the
//! proxies refuse before the process runs out of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

use crate::host::system;

/// Descriptors that are left to everything else in this process: pipes, probes, files, other sockets.
const RESERVE: u64 = 256;
/// Where the limit of descriptors is unlimited, or absurd.
const MOST: u64 = 500_000;

/// All queues together hold so many bytes, or a quarter of the memory that was available if that is less.
const MOST_BYTES: u64 = 2 << 30;
/// Each queue may hold so many bytes whatever the others hold, so that none starves.
const SURE_BYTES: usize = 256 << 10;

/// The room for connections, and for the bytes they hold, of all proxies of a set.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    taken: AtomicUsize,
    most_bytes: usize,
    bytes: AtomicUsize,
}

/// A place in the room, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Room>);

impl Room {
    /// Half of the descriptors that this process may have, without a reserve: each connection has two sockets.
    pub(super) fn of_this_process() -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        // With very few descriptors the reserve is a quarter of them.
        let most = (files - RESERVE.min(files / 4)).min(MOST) / 2;
        let available = system::memory().map_or(MOST_BYTES, |memory| memory.available);
        let bytes = (available / 4).min(MOST_BYTES);
        Self::for_at_most(usize::try_from(most).unwrap_or(usize::MAX), usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Room for so many connections and bytes.
    pub(super) fn for_at_most(most: usize, most_bytes: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0), most_bytes, bytes: AtomicUsize::new(0) }
    }

    /// Whether a queue that holds so many bytes may take more.
    pub(super) fn has_bytes_for(&self, held: usize) -> bool {
        held < SURE_BYTES || self.bytes.load(Ordering::Relaxed) < self.most_bytes
    }

    /// A queue takes so many bytes in.
    pub(super) fn take_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A queue has given so many away.
    pub(super) fn give_bytes(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A place, unless all are taken.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        let entered = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        entered.ok().map(|_| Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

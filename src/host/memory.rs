//! Memory of a worker: taken and given back by the part, huge pages where they are allowed, kept from being swapped out
//! where that is allowed.

#![allow(unsafe_code, reason = "this is the door")]

use std::ffi::c_void;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MlockFlags, ProtFlags, madvise, mlock_with, mmap_anonymous, munlock};

/// Huge pages are as large as this on all machines we know, and begin where it divides the address.
const HUGE: usize = 2 << 20;
const PAGE: usize = 4096;

/// Addresses for so many bytes, of which none has memory before it is populated. Never given back as a whole: a worker
/// ends with its process.
#[derive(Debug)]
pub struct Region {
    start: *mut c_void,
    length: usize,
    /// Whether the kernel keeps in memory what we have; not any more once it refused to.
    locks: AtomicBool,
}

// SAFETY: a region is addresses that nobody else uses and no reference ever points into; all access goes through system
// calls and single volatile bytes, which threads may do at the same time.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Takes addresses, and no memory.
    pub fn reserve(length: usize, huge_pages: bool) -> io::Result<Self> {
        let room = length.checked_add(HUGE).ok_or(io::ErrorKind::OutOfMemory)?;
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: the kernel chooses addresses that nothing else is at.
        let first = unsafe { mmap_anonymous(std::ptr::null_mut(), room, access, flags) }?;
        let start = first.wrapping_byte_add(first.align_offset(HUGE));
        let advice = if huge_pages { Advice::LinuxHugepage } else { Advice::LinuxNoHugepage };
        // SAFETY: these addresses are ours; the advice changes nothing that can be read there. Kernels without huge pages
        // refuse it, which is no harm.
        let _ = unsafe { madvise(start, length, advice) };
        Ok(Self { start, length, locks: AtomicBool::new(true) })
    }

    /// Gives every page of a part memory of its own; whole pages.
    pub fn populate(&self, from: usize, to: usize) -> io::Result<()> {
        let (start, length) = self.part(from, to);
        // SAFETY: these addresses are ours; locking changes nothing that can be read there.
        if self.locks.load(Ordering::Relaxed) && unsafe { mlock_with(start, length, MlockFlags::ONFAULT) }.is_err() {
            self.locks.store(false, Ordering::Relaxed);
        }
        loop {
            // SAFETY: these addresses are ours; populating fills them with zeros or leaves what is there.
            match unsafe { madvise(start, length, Advice::LinuxPopulateWrite) } {
                Err(Errno::INTR | Errno::AGAIN) => {}
                // Before Linux 5.14.
                Err(Errno::INVAL) => {
                    self.touch(from, to);
                    return Ok(());
                }
                done => return Ok(done?),
            }
        }
    }

    /// Takes the memory of a part away again; whole pages.
    pub fn release(&self, from: usize, to: usize) -> io::Result<()> {
        let (start, length) = self.part(from, to);
        // SAFETY: these addresses are ours, and no reference points there: what was there is given up.
        unsafe {
            let _ = munlock(start, length);
            Ok(madvise(start, length, Advice::LinuxDontNeed)?)
        }
    }

    /// Whether what was populated may be swapped out unless somebody uses it.
    pub fn may_be_swapped(&self) -> bool {
        !self.locks.load(Ordering::Relaxed)
    }

    /// Writes to every page of a part.
    pub fn touch(&self, from: usize, to: usize) {
        let (start, length) = self.part(from, to);
        for page in (0..length).step_by(PAGE) {
            let byte = start.wrapping_byte_add(page).cast::<u8>();
            // SAFETY: the byte is inside of our addresses, which can be read and written; nobody points there.
            unsafe { byte.write_volatile(byte.read_volatile().wrapping_add(1)) };
        }
    }

    /// Never more than there is.
    fn part(&self, from: usize, to: usize) -> (*mut c_void, usize) {
        let (from, to) = (from.min(self.length), to.min(self.length));
        (self.start.wrapping_byte_add(from), to.saturating_sub(from))
    }
}

#[cfg(test)]
mod tests {
    use super::{HUGE, Region};
    use crate::host::this_process;

    #[test]
    fn memory_is_there_when_it_is_populated_and_gone_when_it_is_released() {
        let resident = || this_process::resident().expect("reads");
        // Other tests run beside this one in some runners: large parts, loose bounds.
        let (size, half) = (256 << 20, 128 << 20);
        let before = resident();
        let region = Region::reserve(size, true).expect("reserves");
        assert!(resident() < before + (64 << 20), "addresses are no memory");
        region.populate(0, size).expect("populates");
        assert!(resident() > before + (192 << 20));
        region.touch(0, size);
        region.release(half, size).expect("releases");
        assert!(resident() < before + (192 << 20));
        region.release(0, half).expect("releases");
        region.populate(size, size + HUGE).expect("nothing is behind the end");
    }
}

//! Pipes that carry bulk data from socket to socket without copying it through this process. Lanes borrow one while
//! data flows and give it back when it stops, so that an idle connection holds none.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// The size of a pipe: a user without privileges has 64 MiB of pipes in all.
const SIZE: usize = 1 << 20;
/// So many pipes there may be in this process; lanes that find none use buffers.
const MOST: usize = 32;

static IDLE: Mutex<Vec<Ends>> = Mutex::new(Vec::new());
static OPEN: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// A pipe that a lane has borrowed. An empty one goes back when it is dropped; one with bytes left in it is closed.
#[derive(Debug)]
pub(super) struct Pipe {
    ends: Option<Ends>,
    /// So many bytes are in it.
    held: usize,
}

impl Pipe {
    /// Borrows one; none when there are too many, or the kernel gives none.
    pub(super) fn borrow() -> Option<Self> {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let ends = match idle {
            Some(ends) => ends,
            None => {
                OPEN.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| (open < MOST).then_some(open + 1))
                    .ok()?;
                open().inspect_err(|_| forget()).ok()?
            }
        };
        Some(Self { ends: Some(ends), held: 0 })
    }

    /// So many bytes are in it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Moves bytes from a socket into the pipe, which must be empty: else a full pipe and an empty socket would be
    /// told alike. 0 is the end of the stream.
    pub(super) fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let moved = splice(from, None, &ends.write, None, SIZE, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        self.held += moved;
        Ok(moved)
    }

    /// Moves bytes from the pipe to a socket.
    pub(super) fn empty(&mut self, to: impl AsFd) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let moved = splice(&ends.read, None, to, None, self.held, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?;
        self.held -= moved;
        Ok(moved)
    }

    /// Takes all bytes out.
    pub(super) fn take(&mut self) -> io::Result<Vec<u8>> {
        let Some(ends) = &self.ends else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let mut bytes = vec![0; self.held];
        let mut at = 0;
        while at < bytes.len() {
            at += rustix::io::read(&ends.read, &mut bytes[at..])?;
        }
        self.held = 0;
        Ok(bytes)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        match self.ends.take() {
            Some(ends) if self.held == 0 => IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(ends),
            _ => forget(),
        }
    }
}

fn open() -> io::Result<Ends> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    fcntl_setpipe_size(&write, SIZE)?;
    Ok(Ends { read, write })
}

fn forget() {
    OPEN.fetch_sub(1, Ordering::AcqRel);
}

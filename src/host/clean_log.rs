//! The log of a service without the secrets of the experiment. A service that has no secret to tell writes into its log
//! itself; this is the way of the others: into a pipe of ours, and what comes out of it goes into the log.
//!
//! The service notices no difference: what the disk refuses is dropped, as it would be if the service wrote itself, and
//! a tool that dies takes its services with it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::pipe::{PipeFlags, pipe_with};

use super::files;
use crate::model::redaction::{Redacting, Redaction};

/// What is carried before somebody else may have a turn; a pipe holds no more.
const AT_ONCE: usize = 64;

/// Carries what one process, and whoever it gives the pipe to, writes.
pub(super) struct CleanLog {
    pipe: File,
    spout: Mutex<Spout>,
}

struct Spout {
    log: File,
    text: Redacting,
}

impl fmt::Debug for CleanLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pipe.fmt(f)
    }
}

impl CleanLog {
    /// A pipe whose bytes go to the end of this log, until nobody has its end any more that is returned for the process.
    pub(super) fn open(log: &Path, secrets: &Redaction) -> io::Result<(OwnedFd, Arc<Self>)> {
        let (pipe, end) = named_pipe(&log.with_extension("pipe.log"))?;
        let spout = Mutex::new(Spout { log: files::append(log)?, text: secrets.stream() });
        let clean = Arc::new(Self { pipe, spout });
        let carrier = Arc::clone(&clean);
        std::thread::Builder::new().name("log".into()).spawn(move || carrier.carry_all())?;
        Ok((end, clean))
    }

    /// Carries what is in the pipe now, so that the last words of somebody who ended are in the log.
    pub(super) fn catch_up(&self) {
        self.carry();
    }

    fn carry_all(&self) {
        while self.carry() {
            // Whatever the trouble is, reading tells it.
            let _ = poll(&mut [PollFd::new(&self.pipe, PollFlags::IN)], None);
        }
    }

    /// Carries what is there; false when nothing can come any more.
    fn carry(&self) -> bool {
        let mut spout = self.spout.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chunk = [0; 16 << 10];
        for _ in 0..AT_ONCE {
            match (&self.pipe).read(&mut chunk) {
                Ok(0) => {
                    spout.end();
                    return false;
                }
                Ok(count) => spout.take(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

impl Spout {
    fn take(&mut self, bytes: &[u8]) {
        let shown = self.text.pass(bytes);
        // A log that cannot be written is no reason to let the service wait.
        let _ = self.log.write_all(&shown);
    }

    fn end(&mut self) {
        let rest = self.text.rest();
        let _ = self.log.write_all(&rest);
    }
}

/// A pipe that has had this name in the run's folder: by its name, which the kernel remembers, whoever writes to it is
/// known as somebody of the run. Where the file system has no such pipes it has no name.
fn named_pipe(path: &Path) -> io::Result<(File, OwnedFd)> {
    if mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).is_err() {
        let (ours, end) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        return Ok((ours.into(), end));
    }
    let ours = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let end = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    files::remove_file(path)?;
    Ok((ours?.into(), end?))
}

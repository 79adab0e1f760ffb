//! The one process of ours that must outlive us, and our ends of its pipes.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};

use super::linux::marked;
use super::linux::profile::remember_guardian;
use super::{Trouble, thread};

const PAUSE: Duration = Duration::from_millis(1);

/// A process of this very binary that is not killed when we end. Nothing is in its environment but the run that it
/// guards, if there is one; it is told that we ended by the end of its standard input.
#[derive(Debug)]
pub struct Detached {
    child: Child,
    stdin: Option<Arc<ChildStdin>>,
    stdout: Option<ChildStdout>,
}

impl Detached {
    /// Starts this binary with these words. It inherits these open files, which it holds until its end; no other child
    /// of ours does.
    #[allow(clippy::disallowed_methods, reason = "this is the door, and this one shall not die with us")]
    pub fn start<'a, S: AsRef<OsStr>>(
        words: impl IntoIterator<Item = S>,
        holding: impl IntoIterator<Item = BorrowedFd<'a>>,
    ) -> Result<Self, Trouble> {
        let trouble = |error| Trouble::new("start /proc/self/exe", error);
        let holding: io::Result<Vec<OwnedFd>> = holding.into_iter().map(|file| file.try_clone_to_owned()).collect();
        let mut command = Command::new("/proc/self/exe");
        command.args(words).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        inherit(&mut command, holding.map_err(trouble)?);
        command.envs(marked::mark().map(|run| (marked::GUARDIAN, run)));
        let mut child = command.spawn().map_err(trouble)?;
        remember_guardian(child.id().cast_signed());
        let (stdin, stdout) = (child.stdin.take().map(Arc::new), child.stdout.take());
        Ok(Self { child, stdin, stdout })
    }

    /// Its process id, which names nobody else until it is reaped by [`Self::end`].
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Our end of its standard input.
    pub fn stdin(&self) -> Option<&Arc<ChildStdin>> {
        self.stdin.as_ref()
    }

    /// Its standard output, for whoever asks first.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Waits for its end, kills it if that does not come in time, and reaps it.
    pub fn end(mut self, within: Duration) {
        let deadline = thread::now() + within;
        while matches!(self.child.try_wait(), Ok(None)) {
            if thread::now() >= deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep_until(thread::now() + PAUSE);
        }
    }
}

/// The files stay open across the start of this one child.
#[allow(unsafe_code)]
fn inherit(command: &mut Command, files: Vec<OwnedFd>) {
    let keep = move || files.iter().try_for_each(|file| Ok(fcntl_setfd(file, FdFlags::empty())?));
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes one raw system call
    // (fcntl) for each file; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(keep) };
}

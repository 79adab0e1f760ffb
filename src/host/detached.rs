//! The one process of ours that must outlive us, and our ends of its pipes.

use std::ffi::OsStr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::linux::profile::remember_guardian;
use super::{Trouble, thread};

const PAUSE: Duration = Duration::from_millis(1);

/// A process of this very binary that is not killed when we end. It has an empty environment; it is told that we ended
/// by the end of its standard input.
#[derive(Debug)]
pub struct Detached {
    child: Child,
    stdin: Option<Arc<ChildStdin>>,
    stdout: Option<ChildStdout>,
}

impl Detached {
    /// Starts this binary with these words.
    #[allow(clippy::disallowed_methods, reason = "this is the door, and this one shall not die with us")]
    pub fn start<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Result<Self, Trouble> {
        let mut command = Command::new("/proc/self/exe");
        command.args(words).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Trouble::new("start /proc/self/exe", error))?;
        remember_guardian(child.id().cast_signed());
        let (stdin, stdout) = (child.stdin.take().map(Arc::new), child.stdout.take());
        Ok(Self { child, stdin, stdout })
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

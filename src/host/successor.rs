//! A run of ours in a process of its own, as a suite makes one after the other. It is asked to end when we die, and puts
//! back what it did before it does.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal};
use tokio::process::Child;

use super::Trouble;
use super::signals::{Cancel, Reason};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code.
    Code(u8),
    /// By this signal.
    Killed(i32),
}

/// Whether it says something on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// Where we do.
    Heard,
    /// Nowhere.
    Silent,
}

/// A process of this very binary, about to be run.
#[derive(Debug)]
pub struct Successor {
    child: Child,
}

impl Successor {
    /// Starts this binary with these words. It leads a process group of its own, so that a Ctrl-C reaches it through us,
    /// once. Must be called from the main thread, within a tokio runtime: the kernel watches the thread that starts it.
    #[allow(clippy::disallowed_methods, reason = "this is the door, and this one rolls back when it is asked to end")]
    pub fn start<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>, voice: Voice) -> Result<Self, Trouble> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("chaos").args(words).stdin(Stdio::null()).process_group(0);
        if voice == Voice::Silent {
            command.stdout(Stdio::null());
        }
        end_with_parent(&mut command, getpid());
        let child = tokio::process::Command::from(command).spawn();
        child.map(|child| Self { child }).map_err(|error| Trouble::new("start /proc/self/exe", error))
    }

    /// Waits for its end. What we are asked meanwhile it is asked too: to end by the first signal, to hurry by the second.
    pub async fn ended(mut self, cancel: &Cancel) -> io::Result<Ended> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pass_on = async {
            let signal = signal(cancel.wait().await);
            ask(pid, signal);
            cancel.wait_hurry().await;
            ask(pid, signal);
            std::future::pending::<Infallible>().await
        };
        let status = tokio::select! {
            status = self.child.wait() => status?,
            never = pass_on => match never {},
        };
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or_else(|| Ended::Killed(status.signal().unwrap_or_default()), Ended::Code))
    }
}

/// The same that we were asked by.
fn signal(reason: Reason) -> Signal {
    match reason {
        Reason::Signal("SIGTERM") => Signal::TERM,
        Reason::Signal("SIGHUP") => Signal::HUP,
        Reason::Signal(_) | Reason::GuardianLost => Signal::INT,
    }
}

/// The process is not reaped yet, so that its number is nobody else's.
fn ask(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        // It may be dead and not reaped, which is as good.
        let _ = kill_process(pid, signal);
    }
}

#[allow(unsafe_code)]
fn end_with_parent(command: &mut Command, parent: Pid) {
    let wish = move || {
        // A terminal that only lets its foreground speak would stop it, and what is stopped looks as if it hung.
        ignore_tty_output();
        set_parent_process_death_signal(Some(Signal::TERM))?;
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes three raw system calls
    // (rt_sigaction, prctl, getppid) and compares two numbers; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(wish) };
}

#[allow(unsafe_code)]
fn ignore_tty_output() {
    // SAFETY: `signal` is async-signal-safe, and ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
}

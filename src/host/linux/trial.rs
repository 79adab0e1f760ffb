//! What the kernel permits, by trying: in a child of ours that does nothing else and ends at once, so that nothing is
//! changed by asking.

use std::process::{ChildStdout, ExitCode};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde::{Deserialize, Serialize};

use super::identity::{identity, send, state};
use crate::host::detached::Detached;
use crate::host::process::Signal;
use crate::host::{Trouble, output, this_process, thread};
use crate::model::dose::ProcessState;
use crate::model::fault::KillSignal;

/// The hidden command of the child.
pub const COMMAND: &str = "__trial";

/// How long the child may take to say what it found, and to follow a signal.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// What was tried, each with the reason why it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trials {
    /// To leave the terminal for a session of its own.
    pub session: Result<(), String>,
    /// To die last when memory ends.
    pub spared: Result<(), String>,
    /// To stay in memory.
    pub locked: Result<(), String>,
    /// To die with its parent.
    pub parent_death: Result<(), String>,
    /// To die first when memory ends.
    pub first: Result<(), String>,
    /// To make a user name space, and in it a network of its own.
    pub namespaces: Result<(), String>,
    /// To stop it, to let it go on and to kill it, through a pidfd; each was seen to happen.
    #[serde(skip, default = "untried")]
    pub signals: Result<(), String>,
}

fn untried() -> Result<(), String> {
    Err("not tried".to_owned())
}

impl Trials {
    /// Tries everything, in a child.
    pub fn perform() -> Result<Self, Trouble> {
        let mut child = Detached::start([COMMAND], [])?;
        let told = child.take_stdout().map(|stdout| line(&stdout)).unwrap_or_default();
        let signals = signals(child.pid());
        child.end(Duration::ZERO);
        let tried = serde_json::from_slice::<Self>(&told);
        let tried = tried.map_err(|error| Trouble::new("ask a child what it may do", error))?;
        Ok(Self { signals, ..tried })
    }
}

/// What the child does: tries, tells, and waits to be killed.
pub fn main() -> ExitCode {
    let told = |tried: Result<(), Trouble>| tried.map_err(|trouble| trouble.why);
    let tried = Trials {
        parent_death: told(this_process::die_with_parent()),
        first: told(this_process::die_first_when_memory_ends()),
        session: told(this_process::stand_alone()),
        spared: told(this_process::die_last_when_memory_ends()),
        locked: told(this_process::stay_in_memory()),
        namespaces: namespaces(),
        signals: untried(),
    };
    output::stdout(&(serde_json::to_string(&tried).unwrap_or_default() + "\n"));
    this_process::stdin_ends_until(thread::now() + LIMIT);
    ExitCode::SUCCESS
}

#[allow(unsafe_code)]
fn namespaces() -> Result<(), String> {
    // SAFETY: neither flag takes descriptors or memory away from anybody, and this process has one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNET) }.map_err(|error| error.to_string())
}

/// The first line that comes within the limit; what came of it otherwise.
fn line(stdout: &ChildStdout) -> Vec<u8> {
    let deadline = thread::now() + LIMIT;
    let mut told = Vec::new();
    while !told.ends_with(b"\n") {
        let left = Timespec::try_from(deadline.saturating_sub(thread::now())).ok();
        let mut bytes = [0; 4096];
        match poll(&mut [PollFd::new(stdout, PollFlags::IN)], left.as_ref()) {
            Ok(0) => break,
            Ok(_) => match rustix::io::read(stdout, &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(count) => told.extend_from_slice(&bytes[..count]),
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    told
}

fn signals(pid: i32) -> Result<(), String> {
    let process = identity(pid).ok_or("the child has no pidfd or no entry in /proc")?;
    let steps = [
        (Signal::Stop, ProcessState::Stopped),
        (Signal::Continue, ProcessState::Running),
        (Signal::Kill(KillSignal::Kill), ProcessState::Gone),
    ];
    for (signal, wanted) in steps {
        send(&process, signal.raw()).map_err(|trouble| trouble.to_string())?;
        let deadline = thread::now() + LIMIT;
        while state(&process) != wanted {
            if thread::now() >= deadline {
                return Err(format!("{signal:?} was sent to a child and not seen to happen"));
            }
            thread::sleep_until(thread::now() + PAUSE);
        }
    }
    Ok(())
}

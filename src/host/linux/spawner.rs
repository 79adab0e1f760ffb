//! Starts processes that die with us. The kernel sends the parent-death signal when the creating *thread* ends, so all
//! are started by one thread that lives as long as the process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::sync::oneshot;

use super::child::Child;
use super::{identity, marked};

/// A process just started, and our ends of its pipes.
#[derive(Debug)]
pub(in crate::host) struct Spawned {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
}

/// Starts a process in a group of its own, with the mark of the run where there is one, that is killed when this process ends, however it ends. (The kernel forgets
/// the wish when the program is set-user-id or carries capabilities.)
pub(in crate::host) async fn spawn(mut command: Command) -> io::Result<Spawned> {
    command.process_group(0);
    command.envs(marked::variables());
    die_with_parent(&mut command, getpid());
    let (reply, spawned) = oneshot::channel();
    let ended = || io::Error::other("the thread that starts processes has ended");
    spawner()?.send((command, reply)).map_err(|_| ended())?;
    spawned.await.map_err(|_| ended())?
}

type Order = (Command, oneshot::Sender<io::Result<Spawned>>);

/// The one spawner thread, started when it is first needed. Its orders come from a sender that is never dropped.
fn spawner() -> io::Result<&'static Sender<Order>> {
    static SPAWNER: OnceLock<io::Result<Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = channel();
        std::thread::Builder::new().name("spawner".into()).spawn(move || serve(&orders)).map(|_| sender)
    });
    spawner.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

fn serve(orders: &Receiver<Order>) {
    for (command, reply) in orders {
        // Nobody waits any more: the child is dropped with the answer, which kills it.
        let _ = reply.send(start(command));
    }
}

fn start(mut command: Command) -> io::Result<Spawned> {
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let pid = Pid::from_child(&child);
    let Some(identity) = identity::of_child(pid.as_raw_pid()) else {
        child.kill()?;
        child.wait()?;
        return Err(io::Error::other("the new process has no pidfd or no entry in /proc"));
    };
    Ok(Spawned { child: Child::watch(identity, pid)?, stdin, stdout, stderr })
}

#[allow(unsafe_code)]
pub(in crate::host) fn die_with_parent(command: &mut Command, parent: Pid) {
    let wish = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // If we died before the wish was heard, the child has another parent by now and must not go on.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes two raw system calls
    // (prctl, getppid) and compares two numbers; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(wish) };
}

//! Cancellation as a value: whoever may be asked to stop holds a [`Cancel`], and looks at it or waits on it.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether we are asked to stop. Copies share the answer, which never goes back.
#[derive(Debug, Clone)]
pub struct Cancel {
    requests: watch::Receiver<Requests>,
}

/// The other end of a [`Cancel`].
#[derive(Debug, Clone)]
pub struct CancelHandle {
    requests: watch::Sender<Requests>,
}

/// Why we are asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody asks: a signal, by its name.
    Signal(&'static str),
    /// Whoever would put things back in our place died or hangs.
    GuardianLost,
}

#[derive(Debug, Clone, Copy, Default)]
struct Requests {
    first: Option<Reason>,
    hurry: bool,
}

impl Cancel {
    /// Is never asked.
    pub fn never() -> Self {
        Self::manual().1
    }

    /// Is asked through the handle. A handle that is dropped asks no more.
    pub fn manual() -> (CancelHandle, Self) {
        let (sender, receiver) = watch::channel(Requests::default());
        (CancelHandle { requests: sender }, Self { requests: receiver })
    }

    /// Why we were asked first; none while we may go on.
    pub fn requested(&self) -> Option<Reason> {
        self.requests.borrow().first
    }

    /// Whether a second signal came: roll back faster, but never less.
    pub fn hurry(&self) -> bool {
        self.requests.borrow().hurry
    }

    /// Waits until we are asked, and tells why. Cancel-safe.
    pub async fn wait(&self) -> Reason {
        self.wait_until(|requests| requests.first).await
    }

    /// Waits for the second signal. Cancel-safe.
    pub async fn wait_hurry(&self) {
        self.wait_until(|requests| requests.hurry.then_some(())).await;
    }

    async fn wait_until<T>(&self, look: impl Fn(&Requests) -> Option<T>) -> T {
        let mut requests = self.requests.clone();
        let found = requests.wait_for(|requests| look(requests).is_some()).await.ok().and_then(|seen| look(&seen));
        match found {
            Some(found) => found,
            // The handle is gone: nobody can ask any more.
            None => std::future::pending().await,
        }
    }
}

impl CancelHandle {
    /// Asks to stop because the guardian is lost; whoever is asked already is not hurried by it.
    pub fn lose_guardian(&self) {
        self.requests.send_modify(|requests| requests.first = requests.first.or(Some(Reason::GuardianLost)));
    }

    /// Asks to stop in the name of a signal; the second time, to hurry.
    pub fn request(&self, name: &'static str) {
        self.requests.send_modify(|requests| match requests.first {
            None => requests.first = Some(Reason::Signal(name)),
            Some(_) => requests.hurry = true,
        });
    }
}

/// Listens to SIGINT, SIGTERM and SIGHUP from now on: the first asks to stop, any further one to hurry. Must be called
/// within a tokio runtime. None of them ends the process any more. A SIGHUP that was ignored when we were started stays
/// ignored: that is what `nohup` is for.
pub fn listen() -> io::Result<Cancel> {
    let (handle, cancel) = Cancel::manual();
    listen_for(handle, |signal| signal)?;
    Ok(cancel)
}

/// The same, for a handle that others may ask through too. `name` may know better than the signal who it is that asks.
pub fn listen_for(
    handle: CancelHandle,
    name: impl Fn(&'static str) -> &'static str + Send + 'static,
) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = if is_ignored(Signal::HUP) { None } else { Some(signal(SignalKind::hangup())?) };
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                Some(()) = interrupt.recv() => "SIGINT",
                Some(()) = terminate.recv() => "SIGTERM",
                Some(()) = async { hang_up.as_mut()?.recv().await } => "SIGHUP",
                else => return,
            };
            handle.request(name(signal));
        }
    });
    Ok(())
}

fn is_ignored(signal: Signal) -> bool {
    let status = procfs::process::Process::myself().and_then(|us| us.status());
    status.is_ok_and(|status| status.sigign >> (signal.as_raw() - 1) & 1 == 1)
}

/// The name of a signal, with `SIG`.
pub fn name(number: i32) -> String {
    const NAMES: [(Signal, &str); 15] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
    ];
    let found = NAMES.iter().find(|(signal, _)| signal.as_raw() == number);
    found.map_or_else(|| format!("signal {number}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cancel, Reason, listen, name};
    use crate::host::clock::Clock;

    #[tokio::test]
    async fn the_first_signal_stops_and_the_second_hurries() {
        let (handle, cancel) = Cancel::manual();
        assert_eq!((cancel.requested(), cancel.hurry()), (None, false));
        handle.request("SIGTERM");
        assert_eq!((cancel.wait().await, cancel.hurry()), (Reason::Signal("SIGTERM"), false));
        handle.request("SIGINT");
        cancel.wait_hurry().await;
        assert_eq!((cancel.requested(), cancel.hurry()), (Some(Reason::Signal("SIGTERM")), true));
    }

    #[tokio::test]
    async fn a_lost_guardian_stops_and_never_hurries() {
        let (handle, cancel) = Cancel::manual();
        handle.lose_guardian();
        handle.lose_guardian();
        assert_eq!((cancel.wait().await, cancel.hurry()), (Reason::GuardianLost, false));
        handle.request("SIGINT");
        assert!(cancel.hurry());
    }

    #[tokio::test]
    async fn a_request_is_seen_by_copies_and_after_the_handle_is_gone() {
        let (handle, cancel) = Cancel::manual();
        let copy = cancel.clone();
        handle.request("SIGHUP");
        drop((handle, cancel));
        assert_eq!(copy.wait().await, Reason::Signal("SIGHUP"));
    }

    #[tokio::test(start_paused = true)]
    async fn never_is_never() {
        let cancel = Cancel::never();
        tokio::select! {
            _ = cancel.wait() => panic!("nobody asked"),
            () = cancel.wait_hurry() => panic!("nobody asked"),
            () = Clock::Tokio.sleep(Duration::from_secs(3600)) => (),
        }
    }

    #[tokio::test]
    async fn real_signals_are_heard() {
        let cancel = listen().expect("listens");
        // SIGHUP and SIGINT may be ignored here, by `nohup` or in the background of a script, and then stay so.
        let terminate = || rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        terminate().expect("sends");
        assert_eq!(cancel.wait().await, Reason::Signal("SIGTERM"));
        terminate().expect("sends");
        cancel.wait_hurry().await;
    }

    #[test]
    fn signals_are_called_by_their_names() {
        assert_eq!((name(9), name(15), name(64)), ("SIGKILL".into(), "SIGTERM".into(), "signal 64".into()));
    }
}

//! One proxy that listens: accepts connections, carries each in a task of its own, and ends them all when it closes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::toxics::{Passenger, Toxics};
use super::users::Users;
use super::{http, tcp};
use crate::host::clock::Clock;
use crate::model::experiment::{Protocol, Proxy};

/// How long a request that is under way may take to end when the proxy closes.
const GRACE: Duration = Duration::from_millis(500);
/// The pause after an accept that failed, such as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(20);

/// What the connections of a proxy share.
pub(super) struct Shared {
    pub(super) proxy: Proxy,
    pub(super) clock: Clock,
    pub(super) toxics: Arc<Toxics>,
    pub(super) users: Arc<Users>,
    /// Requests so far (HTTP).
    pub(super) requests: AtomicU64,
    listening: AtomicBool,
}

impl Shared {
    /// What the connections of a proxy that is about to listen share.
    pub(super) fn new(proxy: Proxy, clock: Clock, toxics: Arc<Toxics>, users: Arc<Users>) -> Self {
        let (requests, listening) = (AtomicU64::new(0), AtomicBool::new(true));
        Self { proxy, clock, toxics, users, requests, listening }
    }

    /// Whether the socket listens.
    pub(super) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Acquire)
    }
}

/// Tells the tasks of a proxy to end.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<()>);

impl Stop {
    /// Returns when the proxy closes, or is dropped. Cancel-safe.
    pub(super) async fn asked(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// The tasks of a proxy. Dropping it ends them as well, but does not wait.
#[must_use = "the proxy closes when this is dropped; `close` also waits until it has"]
pub(super) struct Listening {
    running: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Begins to accept.
    pub(super) fn start(listener: TcpListener, shared: Arc<Shared>) -> Self {
        let (running, stop) = watch::channel(());
        Self { running, task: tokio::spawn(accept(listener, shared, Stop(stop))) }
    }

    /// Closes the listener, then the connections, and waits for all of it.
    pub(super) async fn close(self) {
        drop(self.running);
        // It neither panics nor is it aborted; and if it were, then it would be closed.
        let _ = self.task.await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: Stop) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, from)) => {
                    number += 1;
                    let passenger = Passenger { number, user: shared.users.at_address(from.ip()) };
                    connections.spawn(carry(client, passenger, Arc::clone(&shared), stop.clone()));
                }
                // It listens no more: somebody else shut the socket.
                Err(error) if error.kind() == ErrorKind::InvalidInput => break,
                Err(_) => shared.clock.sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    shared.listening.store(false, Ordering::Release);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = shared.clock.sleep(GRACE) => connections.shutdown().await,
    }
}

async fn carry(client: TcpStream, passenger: Passenger, shared: Arc<Shared>, stop: Stop) {
    match shared.proxy.protocol {
        Protocol::Tcp => tcp::carry(client, passenger, shared, stop).await,
        Protocol::Http => http::carry(client, passenger, shared, stop).await,
    }
}

/// Where a proxy's listener is bound.
pub(super) async fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

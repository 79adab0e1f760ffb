//! One proxy that listens: accepts connections, carries each in a task of its own, and ends them all when it closes.

use std::io;
use std::net::{SocketAddr, TcpListener as BoundListener};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use socket2::{Domain, Protocol as Kind, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::room::{Place, Room};
use super::tcp::reset;
use super::toxics::{Passenger, Toxics};
use super::traffic::Traffic;
use super::users::Users;
use super::{http, tcp};
use crate::host::clock::Clock;
use crate::model::experiment::{Protocol, Proxy};

/// How long a request that is under way may take to end when the proxy closes.
const GRACE: Duration = Duration::from_millis(500);
/// The pause after an accept that failed, such as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(20);
/// Connections that wait to be accepted; the kernel takes less where `somaxconn` is less.
const BACKLOG: i32 = 4096;

/// What the connections of a proxy share.
pub(super) struct Shared {
    pub(super) proxy: Proxy,
    pub(super) clock: Clock,
    pub(super) toxics: Arc<Toxics>,
    pub(super) users: Arc<Users>,
    pub(super) traffic: Arc<Traffic>,
    /// Requests so far (HTTP).
    pub(super) requests: AtomicU64,
    pub(super) room: Arc<Room>,
}

impl Shared {
    /// What the connections of a proxy that is about to listen share.
    pub(super) fn new(
        proxy: Proxy,
        clock: Clock,
        toxics: Arc<Toxics>,
        users: Arc<Users>,
        traffic: Arc<Traffic>,
        room: Arc<Room>,
    ) -> Self {
        Self { proxy, clock, toxics, users, traffic, requests: AtomicU64::new(0), room }
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
    task: JoinHandle<BoundListener>,
}

impl Listening {
    /// Begins to accept.
    pub(super) fn start(listener: BoundListener, shared: Arc<Shared>) -> Self {
        let (running, stop) = watch::channel(());
        Self { running, task: tokio::spawn(Acceptor::new(shared, Stop(stop)).run(listener)) }
    }

    /// Closes the listener, then the connections, and waits for all of it.
    pub(super) async fn close(self) {
        drop(self.close_and_keep().await);
    }

    /// Closes the connections and gives the socket back, which still listens; none if it was lost.
    pub(super) async fn close_and_keep(self) -> Option<BoundListener> {
        drop(self.running);
        // It neither panics nor is it aborted; and if it were, then it would be closed.
        self.task.await.ok()
    }
}

/// Binds an address without listening on it yet. A port that the kernel chose is then asked for by its number, because
/// only such a port stays ours while a toxic keeps the socket from listening.
pub(super) fn bind(address: SocketAddr) -> io::Result<BoundListener> {
    let first = bound(address)?;
    if address.port() != 0 {
        first.listen(BACKLOG)?;
        return Ok(first.into());
    }
    let chosen = first.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = bound(chosen)?;
    drop(first);
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A listener that was to move.
pub(super) struct Moved {
    /// The socket: at the new address, or at the old one where that was refused; none if even that was lost.
    pub(super) socket: Option<BoundListener>,
    /// Why the new address was refused.
    pub(super) refused: Option<io::Error>,
}

/// Ends what listens at one address and gives a socket that listens at another, which may be the same: `early`, where
/// it could be bound beside the old one.
pub(super) async fn rebind(old: Listening, from: SocketAddr, to: SocketAddr, early: Option<BoundListener>) -> Moved {
    let kept = old.close_and_keep().await;
    if from == to {
        return Moved { socket: kept.or_else(|| bind(to).ok()), refused: None };
    }
    drop(kept);
    // Where the port is the same, the old one may have been in the way of the new one.
    match early.map_or_else(|| bind(to), Ok) {
        Ok(socket) => Moved { socket: Some(socket), refused: None },
        Err(error) => Moved { socket: bind(from).ok(), refused: Some(error) },
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Kind::TCP))?;
    // As everybody does: connections of a predecessor that linger in TIME_WAIT are no reason to refuse.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Accepts for one proxy.
struct Acceptor {
    shared: Arc<Shared>,
    stop: Stop,
    connections: JoinSet<()>,
}

impl Acceptor {
    fn new(shared: Arc<Shared>, stop: Stop) -> Self {
        Self { shared, stop, connections: JoinSet::new() }
    }

    /// Accepts, or refuses while a toxic says so, until the proxy closes; gives the socket back.
    async fn run(mut self, socket: BoundListener) -> BoundListener {
        loop {
            let stopped = match self.shared.toxics.refuses_all() {
                true => self.refuse(&socket).await,
                false => self.accept(&socket).await,
            };
            if stopped {
                break;
            }
        }
        let Self { shared, mut connections, .. } = self;
        tokio::select! {
            () = async { while connections.join_next().await.is_some() {} } => {}
            () = shared.clock.sleep(GRACE) => connections.shutdown().await,
        }
        socket
    }

    /// Accepts until all are to be refused, or, which it tells, the proxy closes.
    async fn accept(&mut self, socket: &BoundListener) -> bool {
        let mut changes = self.shared.toxics.subscribe();
        let listener = loop {
            match listening(socket) {
                Ok(listener) => break listener,
                Err(_) => tokio::select! {
                    () = self.stop.asked() => return true,
                    () = self.shared.clock.sleep(PAUSE) => {}
                },
            }
        };
        self.shared.toxics.note_refusing(false);
        loop {
            tokio::select! {
                biased;
                () = self.stop.asked() => return true,
                _ = changes.changed() => if self.shared.toxics.refuses_all() { return false },
                Some(_) = self.connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((client, from)) => self.take_in(client, from),
                    // It listens no more: somebody else shut the socket.
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                        self.shared.toxics.note_lost();
                        return true;
                    }
                    Err(_) => self.shared.clock.sleep(PAUSE).await,
                },
            }
        }
    }

    /// Lets the kernel refuse connections until they are taken again, or, which it tells, the proxy closes. The port
    /// stays ours: the socket stays bound.
    async fn refuse(&mut self, socket: &BoundListener) -> bool {
        let mut changes = self.shared.toxics.subscribe();
        // A port whose owner does not listen may be taken by anybody else who reuses addresses, unless the owner does not.
        let _ = SockRef::from(socket).set_reuse_address(false);
        let _ = SockRef::from(socket).shutdown(std::net::Shutdown::Read);
        self.shared.toxics.note_refusing(true);
        if let Ok(address) = socket.local_addr()
            && super::toxic::down::is_refused(address).await
        {
            self.shared.toxics.note_refusal_seen();
        }
        loop {
            if !self.shared.toxics.refuses_all() {
                return false;
            }
            tokio::select! {
                biased;
                () = self.stop.asked() => return true,
                _ = changes.changed() => {}
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    fn take_in(&mut self, client: TcpStream, from: SocketAddr) {
        let traffic = &self.shared.traffic;
        let Some(place) = self.shared.room.enter() else {
            traffic.refused();
            return reset(&client);
        };
        let passenger = Passenger { number: traffic.accepted(), user: self.shared.users.at_address(from.ip()) };
        self.connections.spawn(carry(client, passenger, Arc::clone(&self.shared), self.stop.clone(), place));
    }
}

/// Lets a socket listen, again where need be. The copy that waits for events is dropped with its registration when
/// the socket is to refuse: events of a socket that does not listen would never end.
fn listening(socket: &BoundListener) -> io::Result<TcpListener> {
    SockRef::from(socket).set_reuse_address(true)?;
    SockRef::from(socket).listen(BACKLOG)?;
    TcpListener::from_std(socket.try_clone()?)
}

/// Counts the end of a connection, however it ends.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.traffic.ended();
    }
}

async fn carry(client: TcpStream, passenger: Passenger, shared: Arc<Shared>, stop: Stop, _place: Place) {
    let _ended = Ended(Arc::clone(&shared));
    match shared.proxy.protocol {
        Protocol::Tcp => tcp::carry(client, passenger, shared, stop).await,
        Protocol::Http => {
            let mut strike = super::toxic::down::Strike::new(&shared.toxics, passenger);
            tokio::select! {
                // Boxed, so that a TCP connection need not have the room for it.
                () = Box::pin(http::carry(client, passenger, shared, stop)) => {}
                () = strike.falls() => {}
            }
        }
    }
}

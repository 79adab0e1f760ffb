//! `down`: new connections are refused, existing ones reset. Refusing is the listener's part; here is what happens to
//! connections, and how it is seen that the listener refuses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::model::step::ToxicKind;
use crate::proxy::toxics::{LiveToxic, Passenger, Toxics};

/// What toxics of this kind mean for one connection.
pub(in crate::proxy) struct Strike {
    toxics: Arc<Toxics>,
    changes: watch::Receiver<Vec<Arc<LiveToxic>>>,
    passenger: Passenger,
    /// Those that have let it go, and with which share: another share is another question, and the same draw.
    spared: Vec<(u64, f64)>,
}

impl Strike {
    /// Nothing is decided yet.
    pub(in crate::proxy) fn new(toxics: &Arc<Toxics>, passenger: Passenger) -> Self {
        let mut changes = toxics.subscribe();
        changes.mark_changed();
        Self { toxics: Arc::clone(toxics), changes, passenger, spared: Vec::new() }
    }

    /// Returns when the connection is struck. Cancel-safe.
    pub(in crate::proxy) async fn falls(&mut self) {
        while self.changes.changed().await.is_ok() {
            if self.hits() {
                return;
            }
        }
        std::future::pending().await
    }

    fn hits(&mut self) -> bool {
        let Self { toxics, changes, passenger, spared } = self;
        let live = changes.borrow_and_update();
        for toxic in live.iter().filter(|toxic| toxic.toxic.kind == ToxicKind::Down) {
            let question = (toxic.id, toxic.toxic.toxicity.0);
            if spared.contains(&question) {
                continue;
            }
            if spared.iter().all(|(id, _)| *id != toxic.id) {
                toxic.counters.saw();
            }
            let drawn = toxics.dice(toxic, *passenger).roll() < toxic.toxic.toxicity.0;
            if drawn && toxics.seize(toxic, *passenger) {
                toxic.counters.cut();
                return true;
            }
            spared.push(question);
        }
        false
    }
}

/// Whether a connection to a listener of ours is refused. Where it listens on every address, loopback is tried.
pub(in crate::proxy) async fn is_refused(address: SocketAddr) -> bool {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let tried = TcpStream::connect(SocketAddr::new(ip, address.port())).await;
    tried.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

//! `down`: new connections are refused, existing ones reset. Refusing is the listener's part; here is what happens to
//! connections, and how it is seen that the listener refuses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;

use crate::model::step::ToxicKind;
use crate::proxy::toxics::{Passenger, Toxics};

/// Returns when a connection is struck by a toxic of this kind. Cancel-safe.
pub(in crate::proxy) async fn strikes(toxics: &Toxics, passenger: Passenger) {
    let mut changes = toxics.subscribe();
    // Those that have let it go, and with which share: another share is another question.
    let mut spared: Vec<(u64, f64)> = Vec::new();
    loop {
        let live = changes.borrow_and_update().clone();
        for toxic in live.iter().filter(|toxic| toxic.toxic.kind == ToxicKind::Down) {
            let question = (toxic.id, toxic.toxic.toxicity.0);
            if spared.contains(&question) {
                continue;
            }
            if toxics.admit(toxic, passenger).is_some() {
                return;
            }
            spared.push(question);
        }
        drop(live);
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
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

//! The data plane on real sockets.

mod alone;
mod bytes;
mod control;
mod cuts;
mod exact;
mod http;
mod latency;
mod lifecycle;
mod load;
mod peer;
mod sharing;
mod tcp;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::ProxySet;
use crate::host::clock::Clock;
use crate::model::experiment::{Protocol, Proxy};
use crate::model::fault::{Distribution, Stream};
use crate::model::http::{HttpEffect, RequestMatch};
use crate::model::step::{Toxic, ToxicKind};
use crate::model::units::{Share, Timespan};

const LOOPBACK: &str = "127.0.0.1:0";

fn proxy_to(upstream: SocketAddr, protocol: Protocol) -> Proxy {
    let listen = LOOPBACK.parse().expect("address");
    Proxy { name: "p".into(), listen, upstream: upstream.to_string(), protocol, users: None }
}

fn toxic(name: &str, stream: Stream, kind: ToxicKind) -> Toxic {
    Toxic { name: name.into(), stream, toxicity: Share::ALL, max_users: None, kind }
}

fn latency(delay: u64, jitter: u64, stream: Stream) -> Toxic {
    Toxic {
        name: "slow".into(),
        stream,
        toxicity: Share::ALL,
        max_users: None,
        kind: ToxicKind::Latency {
            delay: Timespan::millis(delay),
            jitter: Timespan::millis(jitter),
            distribution: Distribution::Uniform,
        },
    }
}

fn error(status: u16, share: f64) -> Toxic {
    Toxic {
        name: "broken".into(),
        stream: Stream::Downstream,
        toxicity: Share(share),
        max_users: None,
        kind: ToxicKind::Http {
            only: RequestMatch::default(),
            effect: HttpEffect::Error { status, body: Some("injected".into()), headers: BTreeMap::new() },
        },
    }
}

/// A TCP proxy before a listener.
struct Rig {
    set: ProxySet,
    address: SocketAddr,
    upstream: TcpListener,
}

impl Rig {
    async fn new(seed: u64) -> Self {
        let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
        let set = ProxySet::new(Clock::Real, seed);
        let proxy = proxy_to(upstream.local_addr().expect("address"), Protocol::Tcp);
        let address = set.open(&proxy).await.expect("opens");
        Self { set, address, upstream }
    }

    /// A client's and the upstream's end of a new connection.
    async fn pair(&self) -> (TcpStream, TcpStream) {
        self.pair_from("127.0.0.1").await
    }

    async fn pair_from(&self, client: &str) -> (TcpStream, TcpStream) {
        let socket = TcpSocket::new_v4().expect("socket");
        socket.bind(format!("{client}:0").parse().expect("address")).expect("binds");
        let client = socket.connect(self.address).await.expect("connects");
        let (server, _) = self.upstream.accept().await.expect("accepts");
        (client, server)
    }

    fn reading(&self) -> crate::model::dose::ToxicReading {
        self.set.reading("p", "slow").expect("a toxic of that name")
    }
}

/// Fails instead of hanging.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::select! {
        done = what => done,
        () = Clock::Real.sleep(Duration::from_secs(20)) => panic!("it takes too long"),
    }
}

/// So many bytes without a pattern.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

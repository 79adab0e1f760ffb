//! One TCP connection through a proxy: two lanes, half-close either way, resets passed on as resets.

use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

use super::lane::{End, Ending, Lane};
use super::listener::{Shared, Stop};
use super::toxics::{Gate, Passenger};
use crate::model::fault::Stream;

/// Carries a connection to the upstream until both directions have ended, either end is cut off or the proxy closes.
/// An upstream that cannot be reached is a reset for the client.
pub(super) async fn carry(client: TcpStream, passenger: Passenger, shared: Arc<Shared>, mut stop: Stop) {
    let upstream = tokio::select! {
        connected = TcpStream::connect(shared.proxy.upstream.as_str()) => connected.ok(),
        () = stop.asked() => None,
    };
    let Some(upstream) = upstream else { return reset(&client) };
    for stream in [&client, &upstream] {
        // Only a socket that is gone already refuses; the lanes will find that out.
        let _ = stream.set_nodelay(true);
    }
    let (client, upstream) = (End::new(client), End::new(upstream));
    let cut = tokio::select! {
        cut = both_ways(&client, &upstream, passenger, &shared) => cut,
        () = stop.asked() => true,
    };
    if cut {
        reset(&client.stream);
        reset(&upstream.stream);
    }
}

/// Carries both directions; tells whether the connection was cut rather than closed.
async fn both_ways(client: &End, upstream: &End, passenger: Passenger, shared: &Shared) -> bool {
    let gate = |stream| Gate::new(&shared.toxics, stream, passenger);
    let there = Lane::new(client, upstream, gate(Stream::Upstream), shared.clock).run();
    let back = Lane::new(upstream, client, gate(Stream::Downstream), shared.clock).run();
    tokio::try_join!(there, back) != Ok((Ending::Closed, Ending::Closed))
}

/// Lets the socket end with a reset when it is dropped, which must follow.
fn reset(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    if socket.set_linger(Some(Duration::ZERO)).is_err() {
        let _ = socket.shutdown(Shutdown::Both);
    }
}

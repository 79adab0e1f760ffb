//! One TCP connection through a proxy: two lanes, half-close either way, resets passed on as resets.

use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::gate::Gate;
use super::lane::{End, Ending, Lane};
use super::listener::{Shared, Stop};
use super::toxic::Cut;
use super::toxic::down::Strike;
use super::toxics::Passenger;
use super::upstream;
use crate::model::fault::Stream;

/// What comes in beyond that while a connection is cut off is cut off by a reset.
const MOST_DISCARDED: usize = 1 << 20;

/// Carries a connection to the upstream until both directions have ended, either end is cut off or the proxy closes.
/// An upstream that cannot be reached is a reset for the client.
pub(super) async fn carry(client: TcpStream, passenger: Passenger, shared: Arc<Shared>, mut stop: Stop) {
    let mut strike = Strike::new(&shared.toxics, passenger);
    let upstream = tokio::select! {
        biased;
        () = stop.asked() => None,
        () = strike.falls() => None,
        connected = upstream::connect(&shared.proxy.upstream, shared.clock) => connected.ok(),
        // Reset while the upstream does not answer.
        _ = client.ready(Interest::ERROR) => None,
    };
    let Some(upstream) = upstream else { return reset(&client) };
    for stream in [&client, &upstream] {
        // Only a socket that is gone already refuses; the lanes will find that out.
        let _ = stream.set_nodelay(true);
    }
    let (client, upstream) = (End::new(client), End::new(upstream));
    let cut = tokio::select! {
        cut = both_ways(&client, &upstream, passenger, &shared) => cut,
        () = stop.asked() => Some(Cut::Reset),
        () = strike.falls() => Some(Cut::Reset),
    };
    for end in [&client, &upstream] {
        match cut {
            Some(Cut::Reset) => reset(&end.stream),
            Some(Cut::Close) => discard(&end.stream),
            None => {}
        }
    }
}

/// Takes in what waits to be read: the kernel resets a socket that is closed with something in it, and this is a close.
fn discard(stream: &TcpStream) {
    let mut buffer = [0; 4096];
    for _ in 0..MOST_DISCARDED / buffer.len() {
        if !matches!(stream.try_read(&mut buffer), Ok(1..)) {
            return;
        }
    }
}

/// Carries both directions; tells how the connection was cut off, where it did not end by itself.
async fn both_ways(client: &End, upstream: &End, passenger: Passenger, shared: &Shared) -> Option<Cut> {
    let lane = |from, to, stream| Lane::new(from, to, stream, Gate::new(&shared.toxics, stream, passenger), shared);
    let mut there = lane(client, upstream, Stream::Upstream);
    let mut back = lane(upstream, client, Stream::Downstream);
    match tokio::try_join!(there.run(), back.run()) {
        Ok((Ending::Closed, Ending::Closed)) => None,
        Ok(_) => Some(Cut::Reset),
        Err(cut) => Some(cut),
    }
}

/// Lets the socket end with a reset when it is dropped, which must follow.
pub(super) fn reset(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    if socket.set_linger(Some(Duration::ZERO)).is_err() {
        let _ = socket.shutdown(Shutdown::Both);
    }
}

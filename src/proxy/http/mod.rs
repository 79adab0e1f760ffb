//! One HTTP connection through a proxy: HTTP/1.1 (and 1.0), or HTTP/2 with prior knowledge, told by its first bytes.
//!
//! Every client connection has one upstream connection of its own that speaks the same version, which it outlives by
//! no request. So headers that are meant for one hop (`Connection`, `Keep-Alive`, `TE`) say to either side what the
//! other meant, and messages pass with the headers they came with, `Host` and `Expect` included. What hyper cannot
//! keep: the order in which a header that is repeated stood among others, blanks around values, the borders of chunks,
//! and informational answers other than 100 and 101.
//!
//! What toxics do to a request is decided when its head is there, in [`decision`]; a toxic that is put on later touches
//! the next request. In which order they act is told in [`exchange`].

mod abort;
mod answer;
mod body;
mod corrupt;
mod crew;
mod decision;
mod delay;
mod duplicate;
mod exchange;
mod expect;
mod link;
mod preface;
mod slow;
mod timeout;
mod wire;

use std::pin::{Pin, pin};
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use self::crew::Crew;
use self::exchange::Exchange;
use self::preface::Speech;
use self::wire::Wire;
use super::listener::{Shared, Stop};
use super::toxics::Passenger;

/// The longest list of headers of an HTTP/2 request; as much as HTTP/1.1 requests may have.
const LONGEST_HEAD: u32 = 400 << 10;

/// Carries a connection: its requests, until the client, the upstream or the proxy closes.
pub(super) async fn carry(client: TcpStream, passenger: Passenger, shared: Arc<Shared>, mut stop: Stop) {
    // Only a socket that is gone already refuses.
    let _ = client.set_nodelay(true);
    let heard = tokio::select! {
        heard = preface::hear(&client) => heard,
        () = stop.asked() => None,
    };
    let Some((speech, first)) = heard else { return };
    let wire = Wire::new(client, first);
    let exchange = Arc::new(Exchange::new(shared, passenger.user, speech, wire.cord()));
    // Dropped after the connection, which spawns into them.
    let _crews = exchange.crews().map(Crew::dismissed_at_the_end);
    let answering = Arc::clone(&exchange);
    let service = service_fn(move |request: Request<Incoming>| {
        let exchange = Arc::clone(&answering);
        async move { exchange.answer(request).await }
    });
    let io = TokioIo::new(wire);
    match speech {
        Speech::One => {
            let mut builder = http1::Builder::new();
            builder.preserve_header_case(true).auto_date_header(false).header_read_timeout(None);
            let serving = builder.serve_connection(io, service).with_upgrades();
            attend(serving, |serving| serving.graceful_shutdown(), &exchange, &mut stop).await;
        }
        Speech::Two => {
            let mut builder = http2::Builder::new(exchange.crew().clone());
            builder.auto_date_header(false).max_header_list_size(LONGEST_HEAD);
            let serving = builder.serve_connection(io, service);
            attend(serving, |serving| serving.graceful_shutdown(), &exchange, &mut stop).await;
        }
    }
    tokio::select! {
        () = exchange.tunnels().done() => {}
        () = stop.asked() => {}
    }
}

/// Sees a connection to its end; when the upstream or the proxy closes, requests under way may end first.
async fn attend<C: Future>(serving: C, wind_down: impl FnOnce(Pin<&mut C>), exchange: &Exchange, stop: &mut Stop) {
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        // An error is the client's, who has seen it.
        _ = serving.as_mut() => true,
        () = exchange.upstream_gone() => false,
        () = stop.asked() => false,
    };
    if ended {
        return;
    }
    wind_down(serving.as_mut());
    tokio::select! {
        _ = serving => {}
        () = exchange.farewell(stop) => {}
    }
}

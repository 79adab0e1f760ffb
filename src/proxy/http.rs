//! One HTTP/1.1 connection through a proxy. Messages pass with their headers as they are, `Host` and `Connection`
//! included, as every client connection has an upstream connection of its own, which it outlives by no request.
//!
//! What a toxic does is decided for each request when it arrives; one that is put on later touches the next request.
//! A delay holds the head of the message and each frame of its body; toxics of the upstream direction hold the
//! request, those of the downstream direction the answer, an injected one as well. Bytes are counted of bodies only.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{self, OnUpgrade};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::body::Delay;
use super::link::{Body, BodyError, Link};
use super::listener::{Shared, Stop};
use super::toxics::{LiveToxic, Passenger, Touch};
use super::users::UserId;
use crate::model::fault::Stream;
use crate::model::step::ToxicKind;

/// The longest request body that is read to its end before an injected answer, so that the connection can be kept.
const LONGEST_DRAINED: usize = 16 << 20;

/// Carries a connection: one request after the other, until the client, the upstream or the proxy closes.
pub(super) async fn carry(client: TcpStream, passenger: Passenger, shared: Arc<Shared>, mut stop: Stop) {
    // Only a socket that is gone already refuses.
    let _ = client.set_nodelay(true);
    let link = Link::new(&shared.proxy.upstream);
    let exchange = Exchange { shared, address: passenger.user, link, tunnels: Mutex::default() };
    let service = service_fn(async |request| Ok::<_, Infallible>(exchange.answer(request).await));
    let serving = http1::Builder::new()
        .preserve_header_case(true)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        // An error is the client's, who has seen it.
        _ = serving.as_mut() => true,
        () = exchange.link.gone() => false,
        () = stop.asked() => false,
    };
    if !ended {
        serving.as_mut().graceful_shutdown();
        let _ = serving.await;
    }
    let mut tunnels = std::mem::take(&mut *exchange.lock_tunnels());
    tokio::select! {
        () = async { while tunnels.join_next().await.is_some() {} } => {}
        () = stop.asked() => {}
    }
}

/// What the requests of one connection share.
struct Exchange {
    shared: Arc<Shared>,
    /// The user whose address the client has.
    address: UserId,
    link: Link,
    /// Connections that were upgraded to another protocol.
    tunnels: Mutex<JoinSet<()>>,
}

/// The toxics that touch one request.
#[derive(Default)]
struct Touches {
    upstream: Vec<Touch>,
    downstream: Vec<Touch>,
    error: Option<Injected>,
}

/// An answer in place of the upstream's.
struct Injected {
    toxic: Arc<LiveToxic>,
    status: StatusCode,
    text: Bytes,
}

impl Exchange {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let touches = self.decide(&request);
        let expects_continue = request.headers().contains_key(EXPECT);
        let mut request = request.map(pass);
        if let Some(delay) = self.delay(touches.upstream) {
            let (head, body) = request.into_parts();
            request = Request::from_parts(head, delay.hold(body).await);
        }
        let response = match touches.error {
            Some(injected) => injected.answer(request.into_body(), expects_continue).await,
            None => self.forward(request).await,
        };
        match self.delay(touches.downstream) {
            None => response,
            Some(delay) => {
                let (head, body) = response.into_parts();
                Response::from_parts(head, delay.hold(body).await)
            }
        }
    }

    /// Decides which toxics touch a request. The first that answers it is the last that is asked to.
    fn decide(&self, request: &Request<Incoming>) -> Touches {
        let passenger = self.passenger(request);
        let mut touches = Touches::default();
        for toxic in self.shared.toxics.subscribe().borrow().iter() {
            let admit = || self.shared.toxics.admit(toxic, passenger);
            match &toxic.toxic.kind {
                ToxicKind::Latency { .. } if toxic.toxic.stream == Stream::Upstream => touches.upstream.extend(admit()),
                ToxicKind::Latency { .. } => touches.downstream.extend(admit()),
                ToxicKind::HttpError { status, body, path } => {
                    let matches = path.as_ref().is_none_or(|path| request.uri().path().starts_with(path.as_str()));
                    if matches && touches.error.is_none() {
                        touches.error = admit().map(|touch| Injected::new(touch.toxic, *status, body.as_deref()));
                    }
                }
                // The other toxics act on bytes, or, as `down`, on connections.
                _ => {}
            }
        }
        touches
    }

    fn passenger(&self, request: &Request<Incoming>) -> Passenger {
        let number = self.shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let named = self.shared.proxy.users.as_ref().and_then(|key| self.shared.users.named_in(request.headers(), key));
        Passenger { number, user: named.unwrap_or(self.address) }
    }

    fn delay(&self, touches: Vec<Touch>) -> Option<Delay> {
        Delay::new(touches, &self.shared.toxics, self.shared.clock)
    }

    /// Sends a request to the upstream and takes its answer.
    async fn forward(&self, mut request: Request<Body>) -> Response<Body> {
        let connects = *request.method() == Method::CONNECT;
        let client = upgrade::on(&mut request);
        match self.link.send(request).await {
            Ok(mut response) => {
                if response.status() == StatusCode::SWITCHING_PROTOCOLS || (connects && response.status().is_success())
                {
                    self.tunnel(client, upgrade::on(&mut response));
                }
                // The server part writes what the client understands.
                *response.version_mut() = Version::HTTP_11;
                response.map(pass)
            }
            Err(error) => self.bad_gateway(&error),
        }
    }

    fn bad_gateway(&self, error: &BodyError) -> Response<Body> {
        let cause = std::iter::successors(Some(&**error as &dyn std::error::Error), |error| error.source()).last();
        let proxy = &self.shared.proxy;
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        let text = format!("proxy {}: no answer from upstream {}: {cause}\n", proxy.name, proxy.upstream);
        plain(StatusCode::BAD_GATEWAY, text.into())
    }

    /// Joins both sides of a connection that has been upgraded; toxics do not reach into it.
    fn tunnel(&self, client: OnUpgrade, upstream: OnUpgrade) {
        self.lock_tunnels().spawn(async move {
            if let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) {
                let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
                // Either side's error ends both, which is all that can be told.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            }
        });
    }

    fn lock_tunnels(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tunnels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Injected {
    fn new(toxic: Arc<LiveToxic>, status: u16, text: Option<&str>) -> Self {
        // The experiment's reader lets no other status through than 400 to 599.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self { toxic, status, text: Bytes::copy_from_slice(text.unwrap_or_default().as_bytes()) }
    }

    /// Answers. The request's body is read to its end first, as what is left of it would be taken for the next
    /// request; a client that waits to be asked for it is not asked, and the connection then ends.
    async fn answer(self, body: Body, expects_continue: bool) -> Response<Body> {
        self.toxic.counters.bytes(self.text.len());
        let keep = !expects_continue && drained(body).await;
        let mut response = plain(self.status, self.text);
        if !keep {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

async fn drained(mut body: Body) -> bool {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > LONGEST_DRAINED {
            return false;
        }
    }
    true
}

fn plain(status: StatusCode, text: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(text).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn pass(body: Incoming) -> Body {
    body.map_err(BodyError::from).boxed_unsync()
}

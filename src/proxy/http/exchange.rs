//! One request and its answer. What toxics do to them happens in this order:
//!
//! 1. the request is delayed (`network.latency`, `http.latency`, upstream)
//! 2. it is reset (`http.abort`), held (`http.timeout`) or answered (`http.error`): the first of these that touches it
//!    is the last that is asked, and nothing is forwarded; a request that is held is forwarded when it is let go
//! 3. its body is changed (`http.corrupt`), then slowed (`http.slow_body`)
//! 4. it is sent, and sent again (`http.duplicate`)
//! 5. the answer's body is changed
//! 6. the answer is delayed, an injected one as well
//! 7. its body is slowed, then cut (`http.abort` with `after`)
//!
//! Bytes are counted of bodies only.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::upgrade::{self, OnUpgrade};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;

use super::abort::cut_after;
use super::body::{Body, BodyError, Cut, pass};
use super::corrupt::corrupted;
use super::crew::Crew;
use super::decision::{Stages, Touches, decide};
use super::delay::Delay;
use super::duplicate::{Twins, twins};
use super::link::{Link, LinkError};
use super::preface::Speech;
use super::slow::slowed;
use super::timeout::{Held, hold};
use super::wire::Cord;
use super::{answer, expect};
use crate::model::http::HttpEffect;
use crate::model::step::ToxicKind;
use crate::proxy::listener::{Shared, Stop};
use crate::proxy::toxics::{Passenger, Touch};
use crate::proxy::traffic::InFlight;
use crate::proxy::users::UserId;

/// How long a connection without a request under way may take to end.
const FAREWELL: Duration = Duration::from_millis(20);

/// What the requests of one connection share.
pub(super) struct Exchange {
    shared: Arc<Shared>,
    /// The user whose address the client has.
    address: UserId,
    speech: Speech,
    link: Arc<Link>,
    /// The client's socket.
    cord: Cord,
    /// What HTTP/2 does on the side.
    crew: Crew,
    /// What may go on when the connection has ended: tunnels to other protocols, and requests sent twice.
    tunnels: Crew,
    /// Requests under way: one for each holder, and one more.
    under_way: Arc<()>,
}

type Answer = Result<Response<Body>, BodyError>;

impl Exchange {
    /// Of a connection of a client with that address.
    pub(super) fn new(shared: Arc<Shared>, address: UserId, speech: Speech, cord: Cord) -> Self {
        let (crew, tunnels) = (Crew::default(), Crew::default());
        let link = Arc::new(Link::new(&shared.proxy.upstream, speech, crew.clone()));
        Self { shared, address, speech, link, cord, crew, tunnels, under_way: Arc::new(()) }
    }

    /// Everything that runs beside the connection.
    pub(super) fn crews(&self) -> [&Crew; 2] {
        [&self.crew, &self.tunnels]
    }

    /// What HTTP/2 does on the side.
    pub(super) fn crew(&self) -> &Crew {
        &self.crew
    }

    /// What may go on when the connection has ended.
    pub(super) fn tunnels(&self) -> &Crew {
        &self.tunnels
    }

    /// Returns when the upstream has ended the connection. Cancel-safe.
    pub(super) async fn upstream_gone(&self) {
        self.link.gone().await;
    }

    /// Returns when the proxy closes and nothing is under way any more: whoever has begun a request and not finished
    /// its head, or does not answer a farewell, is not waited for.
    pub(super) async fn farewell(&self, stop: &mut Stop) {
        stop.asked().await;
        loop {
            self.shared.clock.sleep(FAREWELL).await;
            let answered = Arc::strong_count(&self.under_way) == 1;
            if answered && !self.cord.is_blocked() {
                return;
            }
        }
    }

    /// Answers a request. An error resets or closes: the connection (HTTP/1.1) or the stream (HTTP/2).
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let under_way = (Arc::clone(&self.under_way), InFlight::begin(&self.shared.traffic));
        let touches = decide(&self.shared.toxics, self.passenger(&request), &request);
        let mut request = request.map(pass);
        if self.speech == Speech::One && expect::waits(&request) {
            request = expect::patient(request, self.shared.clock);
        }
        let Touches { request: mut there, ending, duplicate, answer: mut back, abort } = touches;
        if let Some(delay) = self.delay(std::mem::take(&mut there.delay)) {
            let (head, body) = request.into_parts();
            request = Request::from_parts(head, delay.hold(body).await);
        }
        let response = match ending {
            Some(touch) => self.end(touch, request).await?,
            None => self.forward(request.map(|body| self.staged(body, there)), duplicate).await?,
        };
        let (head, mut body) = response.into_parts();
        body = corrupted_by(body, std::mem::take(&mut back.corrupt));
        if let Some(delay) = self.delay(std::mem::take(&mut back.delay)) {
            body = delay.hold(body).await;
        }
        body = self.staged(body, back);
        if let Some(touch) = abort {
            body = self.cut(body, touch);
        }
        Ok(Response::from_parts(head, self.resetting(body, under_way)))
    }

    fn passenger(&self, request: &Request<Incoming>) -> Passenger {
        let number = self.shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let named = self.shared.proxy.users.as_ref().and_then(|key| self.shared.users.named_in(request.headers(), key));
        Passenger { number, user: named.unwrap_or(self.address) }
    }

    fn delay(&self, touches: Vec<Touch>) -> Option<Delay> {
        Delay::new(touches, &self.shared.toxics, self.shared.clock)
    }

    /// What happens to a body.
    fn staged(&self, body: Body, stages: Stages) -> Body {
        let body = corrupted_by(body, stages.corrupt);
        match stages.slow.is_empty() {
            true => body,
            false => slowed(body, stages.slow, &self.shared.toxics, self.shared.clock),
        }
    }

    fn cut(&self, body: Body, touch: Touch) -> Body {
        match &touch.toxic.toxic.kind {
            ToxicKind::Http { effect: HttpEffect::Abort { after: Some(bytes) }, .. } => {
                let bytes = bytes.0;
                cut_after(body, bytes, touch, self.cord.clone(), self.shared.clock)
            }
            _ => body,
        }
    }

    /// A body whose error is a reset for the client: a close would look like the end of some of them. Under way until
    /// it is dropped.
    fn resetting(&self, body: Body, under_way: (Arc<()>, InFlight)) -> Body {
        let cord = (self.speech == Speech::One).then(|| self.cord.clone());
        body.map_err(move |error| {
            // Held by the closure, and so by the body.
            let _ = &under_way;
            if let Some(cord) = &cord {
                cord.cut();
            }
            error
        })
        .boxed_unsync()
    }

    /// What happens in place of forwarding.
    async fn end(&self, touch: Touch, request: Request<Body>) -> Answer {
        let ToxicKind::Http { effect, .. } = &touch.toxic.toxic.kind else { return self.forward(request, None).await };
        match effect {
            HttpEffect::Timeout { after } => match hold(&touch, *after, &self.shared.toxics, self.shared.clock).await {
                Held::Released => self.forward(request, None).await,
                Held::Expired => Err(Cut::Closed.into()),
            },
            HttpEffect::Error { status, body, headers } => {
                let text = body.as_deref().unwrap_or_default();
                touch.toxic.counters.bytes(text.len());
                let waits = expect::waits(&request);
                let response = answer::injected(*status, text, headers);
                let keep = self.speech == Speech::Two || (!waits && answer::drained(request.into_body()).await);
                Ok(if keep { response } else { answer::closing(response) })
            }
            _ => {
                if self.speech == Speech::One {
                    self.cord.cut();
                }
                Err(Cut::Reset.into())
            }
        }
    }

    /// Sends a request to the upstream, twice if a toxic wants it so, and takes its answer.
    async fn forward(&self, mut request: Request<Body>, duplicate: Option<Touch>) -> Answer {
        let connects = *request.method() == Method::CONNECT;
        let client = upgrade::on(&mut request);
        if let Some(touch) = duplicate {
            let Twins { request: first, copy } = twins(request, touch).await?;
            request = first;
            if let Some(copy) = copy {
                self.tunnels.spawn(copy.send(self.link_for_copies()));
            }
        }
        match self.link.send(request).await {
            Ok(mut response) => {
                let success = connects && response.status().is_success();
                if response.status() == StatusCode::SWITCHING_PROTOCOLS || success {
                    self.tunnel(client, upgrade::on(&mut response));
                }
                if self.speech == Speech::One {
                    // The server part writes what the client understands.
                    *response.version_mut() = Version::HTTP_11;
                }
                Ok(response.map(pass))
            }
            // The reset of a stream is passed on with its reason.
            Err(LinkError::Broken(error)) if self.speech == Speech::Two => Err(error.into()),
            Err(error) => Ok(self.bad_gateway(&error)),
        }
    }

    /// HTTP/1.1 sends one request after the other, and a copy must not hold up the next.
    fn link_for_copies(&self) -> Arc<Link> {
        match self.speech {
            Speech::One => Arc::new(Link::new(&self.shared.proxy.upstream, self.speech, self.crew.clone())),
            Speech::Two => Arc::clone(&self.link),
        }
    }

    fn bad_gateway(&self, error: &LinkError) -> Response<Body> {
        let cause = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).last();
        let proxy = &self.shared.proxy;
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        let text = format!("proxy {}: no answer from upstream {}: {cause}\n", proxy.name, proxy.upstream);
        answer::plain(StatusCode::BAD_GATEWAY, Bytes::from(text))
    }

    /// Joins both sides of a connection that has been upgraded; toxics do not reach into it.
    fn tunnel(&self, client: OnUpgrade, upstream: OnUpgrade) {
        self.tunnels.spawn(async move {
            if let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) {
                let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
                // Either side's error ends both, which is all that can be told.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            }
        });
    }
}

fn corrupted_by(body: Body, touches: Vec<Touch>) -> Body {
    if touches.is_empty() { body } else { corrupted(body, touches) }
}

//! Requests that are sent twice.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use hyper::header::{EXPECT, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, Request};

use super::body::{Body, BodyError, Delivered, full};
use super::link::Link;
use crate::model::http::LONGEST_DUPLICATED;
use crate::proxy::toxics::{LiveToxic, Touch};

/// A request, and its copy where it may be sent twice.
pub(super) struct Twins {
    pub(super) request: Request<Body>,
    pub(super) copy: Option<Copy>,
}

/// The second of two.
pub(super) struct Copy {
    request: Request<Body>,
    bytes: usize,
    toxic: Arc<LiveToxic>,
}

/// Takes in the body of a request to send it twice. A request that is too long for that, wants to become another
/// protocol or waits to be asked for its body has no copy, and is counted as spared.
pub(super) async fn twins(request: Request<Body>, touch: Touch) -> Result<Twins, BodyError> {
    let toxic = touch.toxic;
    let (head, body) = request.into_parts();
    let too_long = usize::try_from(body.size_hint().lower()).is_ok_and(|length| length > LONGEST_DUPLICATED);
    if too_long || !may_be_repeated(&head) {
        toxic.counters.spared();
        return Ok(Twins { request: Request::from_parts(head, body), copy: None });
    }
    let kept = Kept::of(body).await?;
    let copy = kept.copy().map(|body| {
        let mut head = head.clone();
        head.extensions.remove::<OnUpgrade>();
        Copy { request: Request::from_parts(head, body), bytes: kept.length, toxic: Arc::clone(&toxic) }
    });
    if copy.is_none() {
        toxic.counters.spared();
    }
    Ok(Twins { request: Request::from_parts(head, kept.into_body()), copy })
}

fn may_be_repeated(head: &Parts) -> bool {
    head.method != Method::CONNECT && !head.headers.contains_key(UPGRADE) && !head.headers.contains_key(EXPECT)
}

impl Copy {
    /// Sends it, and throws away what is answered.
    pub(super) async fn send(self, link: Arc<Link>) {
        let counters = &self.toxic.counters;
        match link.send(self.request).await {
            Ok(answer) => {
                counters.bytes(self.bytes);
                let mut body = answer.into_body();
                while let Some(Ok(_)) = body.frame().await {}
            }
            Err(_) => counters.spared(),
        }
    }
}

/// What was taken in of a body: all of it, or its beginning.
struct Kept {
    data: VecDeque<Bytes>,
    length: usize,
    trailers: Option<HeaderMap>,
    /// What follows, when it is too long to be kept.
    rest: Option<Body>,
}

impl Kept {
    async fn of(mut body: Body) -> Result<Self, BodyError> {
        let mut kept = Self { data: VecDeque::new(), length: 0, trailers: None, rest: None };
        while let Some(frame) = body.frame().await {
            match frame?.into_data() {
                Ok(data) => {
                    kept.length += data.len();
                    kept.data.push_back(data);
                }
                Err(other) => kept.trailers = other.into_trailers().ok(),
            }
            if kept.length > LONGEST_DUPLICATED {
                kept.rest = Some(body);
                break;
            }
        }
        Ok(kept)
    }

    /// The same once more; none when it was too long.
    fn copy(&self) -> Option<Body> {
        let again = Self { data: self.data.clone(), length: self.length, trailers: self.trailers.clone(), rest: None };
        self.rest.is_none().then(|| again.into_body())
    }

    fn into_body(self) -> Body {
        // An empty body must be known to be one, or the request would be framed as if it had one.
        if self.length == 0 && self.trailers.is_none() && self.rest.is_none() {
            full(Bytes::new())
        } else {
            self.boxed_unsync()
        }
    }
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivered>> {
        if let Some(data) = self.data.pop_front() {
            self.length -= data.len();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(rest) = &mut self.rest {
            return Pin::new(rest).poll_frame(context);
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let known = self.length as u64;
        match &self.rest {
            None => SizeHint::with_exact(known),
            Some(rest) => {
                let hint = rest.size_hint();
                let mut whole = SizeHint::new();
                whole.set_lower(hint.lower() + known);
                if let Some(upper) = hint.upper() {
                    whole.set_upper(upper + known);
                }
                whole
            }
        }
    }
}

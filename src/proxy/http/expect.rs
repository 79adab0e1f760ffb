//! `Expect: 100-continue`: the client's body is asked for when the upstream asks for it, and not when the upstream
//! answers at once (RFC 9110, section 10.1.1).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::header::EXPECT;
use hyper::{Request, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::body::{Body, Delivered, pumped};
use crate::host::clock::Clock;

/// An upstream that says nothing for so long does not know the expectation, and clients stop waiting as well.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the client waits to be asked for the body.
pub(super) fn waits<B>(request: &Request<B>) -> bool {
    request.headers().get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// A request whose body is not asked for before the upstream has said that it wants it.
pub(super) fn patient(request: Request<Body>, clock: Clock) -> Request<Body> {
    let (wanted, heard) = oneshot::channel();
    let wanted = Mutex::new(Some(wanted));
    let mut request = request.map(|body| pumped(|frames| wait(body, heard, frames, clock)));
    hyper::ext::on_informational(&mut request, move |answer| {
        if answer.status() == StatusCode::CONTINUE
            && let Some(wanted) = wanted.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // A body that is gone is wanted no more.
            let _ = wanted.send(());
        }
    });
    request
}

async fn wait(mut body: Body, wanted: oneshot::Receiver<()>, frames: mpsc::Sender<Delivered>, clock: Clock) {
    tokio::select! {
        said = wanted => if said.is_err() {
            // The upstream has answered without the body: nobody asks the client for it, nor ends it for the upstream.
            drop(body);
            return std::future::pending().await;
        },
        () = clock.sleep(PATIENCE) => {}
    }
    while let Some(frame) = body.frame().await {
        if frames.send(frame).await.is_err() {
            return;
        }
    }
}

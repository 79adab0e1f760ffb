//! Requests that end with a reset.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame};
use tokio::sync::mpsc;

use super::body::{Body, Cut, Delivered, pumped};
use super::wire::Cord;
use crate::host::clock::Clock;
use crate::proxy::toxics::Touch;

/// What was sent leaves the proxy within this time, or as soon as the client takes it.
const SETTLING: Duration = Duration::from_millis(5);
/// So long is waited for a client that takes nothing.
const LONGEST_SETTLING: Duration = Duration::from_secs(1);

/// An answer's body that ends with an error once so many bytes of it went to the client. A shorter one passes, and is
/// counted as spared. A client that does not read gets less: what it has not taken when the reset comes is lost.
pub(super) fn cut_after(body: Body, bytes: u64, touch: Touch, cord: Cord, clock: Clock) -> Body {
    if body.is_end_stream() {
        touch.toxic.counters.spared();
        return body;
    }
    pumped(move |frames| Cutter { left: bytes, touch, cord, clock }.pump(body, frames))
}

struct Cutter {
    /// Bytes before the cut.
    left: u64,
    touch: Touch,
    cord: Cord,
    clock: Clock,
}

impl Cutter {
    async fn pump(mut self, mut body: Body, frames: mpsc::Sender<Delivered>) {
        if self.left == 0 {
            return self.cut(&frames).await;
        }
        while let Some(frame) = body.frame().await {
            let removed = self.touch.toxic.is_removed();
            let sent = match frame.map(Frame::into_data) {
                Ok(Ok(data)) if !removed && data.len() as u64 >= self.left => {
                    let last = data.slice(..self.left as usize);
                    return if self.pass(last, &frames).await {
                        self.cut(&frames).await
                    };
                }
                Ok(Ok(data)) => self.pass(data, &frames).await,
                Ok(Err(other)) => frames.send(Ok(other)).await.is_ok(),
                Err(error) => frames.send(Err(error)).await.is_ok(),
            };
            if !sent {
                return;
            }
        }
        self.touch.toxic.counters.spared();
    }

    async fn pass(&mut self, data: Bytes, frames: &mpsc::Sender<Delivered>) -> bool {
        self.left = self.left.saturating_sub(data.len() as u64);
        self.touch.toxic.counters.bytes(data.len());
        frames.send(Ok(Frame::data(data))).await.is_ok()
    }

    /// Ends the body, but not before what was sent has left: a reset discards what waits.
    async fn cut(&self, frames: &mpsc::Sender<Delivered>) {
        let deadline = self.clock.now() + LONGEST_SETTLING;
        self.clock.sleep(SETTLING).await;
        while self.cord.is_blocked() && self.clock.now() < deadline {
            self.clock.sleep(SETTLING).await;
        }
        // A receiver that is gone needs no cut.
        let _ = frames.send(Err(Cut::Reset.into())).await;
    }
}

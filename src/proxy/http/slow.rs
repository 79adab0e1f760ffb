//! Bodies that pass at a steady pace.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::body::{Body, Delivered, pumped};
use crate::host::clock::Clock;
use crate::model::http::HttpEffect;
use crate::model::step::ToxicKind;
use crate::proxy::toxics::{LiveToxic, Touch, Toxics};

/// What is sent at once is worth no more than this.
const BURST: Duration = Duration::from_millis(20);
/// So much of a late wake-up is made up for.
const CREDIT: Duration = Duration::from_millis(50);

/// A body that passes as slowly as the slowest of these toxics wants, and at full speed once all are taken off.
pub(super) fn slowed(body: Body, touches: Vec<Touch>, toxics: &Toxics, clock: Clock) -> Body {
    if body.is_end_stream() {
        touches.iter().for_each(|touch| touch.toxic.counters.spared());
        return body;
    }
    let toxics_on = touches.into_iter().map(|touch| touch.toxic).collect();
    let pacer = Pacer { toxics: toxics_on, changes: toxics.subscribe(), clock };
    pumped(|frames| pacer.pump(body, frames))
}

struct Pacer {
    toxics: Vec<Arc<LiveToxic>>,
    changes: watch::Receiver<Vec<Arc<LiveToxic>>>,
    clock: Clock,
}

impl Pacer {
    async fn pump(mut self, mut body: Body, frames: mpsc::Sender<Delivered>) {
        while let Some(frame) = body.frame().await {
            let sent = match frame.map(Frame::into_data) {
                Ok(Ok(data)) => self.pace(data, &frames).await,
                Ok(Err(other)) => frames.send(Ok(other)).await.is_ok(),
                Err(error) => frames.send(Err(error)).await.is_ok(),
            };
            if !sent {
                return;
            }
        }
    }

    /// Sends data piece by piece, each when all before it and itself are due; tells whether somebody takes it.
    async fn pace(&mut self, mut data: Bytes, frames: &mpsc::Sender<Delivered>) -> bool {
        let mut due = self.clock.now();
        while !data.is_empty() {
            let begun = self.clock.now();
            let rate = self.rate();
            let piece = match rate {
                None => std::mem::take(&mut data),
                Some(rate) => data.split_to(((rate * BURST.as_secs_f64()) as usize).clamp(1, data.len())),
            };
            if let Some(rate) = rate {
                due = due.max(begun.checked_sub(CREDIT).unwrap_or(begun));
                due += Duration::from_secs_f64(piece.len() as f64 / rate);
                self.wait_until(due).await;
            }
            let length = piece.len();
            if frames.send(Ok(Frame::data(piece))).await.is_err() {
                return false;
            }
            if rate.is_some() {
                self.note(length, begun.elapsed());
            }
        }
        true
    }

    /// Bytes per second; none once nothing slows any more.
    fn rate(&mut self) -> Option<f64> {
        self.toxics.retain(|toxic| !toxic.is_removed());
        self.toxics.iter().filter_map(|toxic| asked(toxic)).reduce(f64::min)
    }

    /// Waits, as long as any of the toxics is on.
    async fn wait_until(&mut self, due: Instant) {
        while self.toxics.iter().any(|toxic| !toxic.is_removed()) {
            tokio::select! {
                _ = self.changes.changed() => {}
                () = self.clock.sleep_until(due) => return,
            }
        }
    }

    fn note(&self, bytes: usize, time: Duration) {
        for toxic in &self.toxics {
            toxic.counters.bytes(bytes);
            toxic.counters.paced(time);
        }
    }
}

fn asked(toxic: &LiveToxic) -> Option<f64> {
    match &toxic.toxic.kind {
        ToxicKind::Http { effect: HttpEffect::SlowBody { rate }, .. } => Some(rate.0),
        _ => None,
    }
}

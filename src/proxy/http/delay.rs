//! Delays of HTTP messages. `http.latency` holds a message once, as a whole; `network.latency` delivers the head and
//! every frame of the body so long after they arrived.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::body::{Body, Delivered, pumped};
use super::timeout::Patience;
use crate::host::clock::Clock;
use crate::model::step::ToxicKind;
use crate::proxy::alarm::Alarm;
use crate::proxy::queue::DelayQueue;
use crate::proxy::toxics::{Dose, LiveToxic, Touch, Toxics};

/// The toxics that delay one message.
pub(super) struct Delay {
    /// Those that hold it once.
    once: Vec<Touch>,
    /// Those that delay whatever passes.
    each: Vec<Touch>,
    changes: watch::Receiver<Vec<Arc<LiveToxic>>>,
    clock: Clock,
}

impl Delay {
    /// The delay that these toxics make; none when there are none.
    pub(super) fn new(touches: Vec<Touch>, toxics: &Toxics, clock: Clock) -> Option<Self> {
        let holds_all = |touch: &Touch| matches!(touch.toxic.toxic.kind, ToxicKind::Http { .. });
        let (once, each): (Vec<_>, Vec<_>) = touches.into_iter().partition(holds_all);
        let none = once.is_empty() && each.is_empty();
        (!none).then(|| Self { once, each, changes: toxics.subscribe(), clock })
    }

    /// Holds a message whose head has just arrived until the head is due. Where frames are delayed too, the body is
    /// taken in from now on, so that it is later by the delay and not by more.
    pub(super) async fn hold(mut self, body: Body) -> Body {
        let now = self.clock.now();
        let mut head = DelayQueue::new();
        let mut doses = self.doses(0);
        doses.extend(self.once.iter_mut().filter_map(|touch| touch.dose(0)));
        let patience = Patience::new(doses.iter().map(|dose| &dose.toxic));
        head.push((), 0, now, doses);
        let mut changes = self.changes.clone();
        let clock = self.clock;
        let body = if body.is_end_stream() || self.each.is_empty() { body } else { self.spread(body, head.next_due()) };
        let mut alarm = Alarm::new(clock);
        while head.pop_due(clock.now(), now).is_none() {
            tokio::select! {
                _ = changes.changed() => head.retime(),
                () = alarm.at(head.next_due()) => {}
            }
        }
        patience.rewarded();
        body
    }

    fn doses(&mut self, bytes: usize) -> Vec<Dose> {
        self.each.iter_mut().filter_map(|touch| touch.dose(bytes)).collect()
    }

    fn spread(self, body: Body, head_due: Option<Instant>) -> Body {
        pumped(|frames| self.pump(body, head_due, frames))
    }

    /// Takes frames in as they arrive and delivers them when they are due.
    async fn pump(mut self, mut body: Body, head_due: Option<Instant>, frames: mpsc::Sender<Delivered>) {
        let mut queue = DelayQueue::not_before(head_due);
        let mut alarm = Alarm::new(self.clock);
        let mut idle_since = self.clock.now();
        let mut outgoing = None;
        let mut open = true;
        while open || outgoing.is_some() || !queue.is_empty() {
            if outgoing.is_none() {
                outgoing = queue.pop_due(self.clock.now(), idle_since);
            }
            let sending = outgoing.is_some();
            let due = if sending { None } else { queue.next_due() };
            tokio::select! {
                _ = self.changes.changed() => queue.retime(),
                permit = frames.reserve(), if sending => {
                    let Ok(permit) = permit else { return };
                    if let Some(frame) = outgoing.take() {
                        permit.send(frame);
                    }
                    idle_since = self.clock.now();
                }
                () = alarm.at(due), if due.is_some() => {}
                frame = body.frame(), if open && queue.has_room() => match frame {
                    Some(frame) => self.take_in(frame, &mut queue),
                    None => open = false,
                },
            }
        }
    }

    fn take_in(&mut self, frame: Delivered, queue: &mut DelayQueue<Delivered>) {
        let bytes = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
        let doses = self.doses(bytes);
        queue.push(frame, bytes, self.clock.now(), doses);
    }
}

//! Delays of HTTP messages: the head and every frame of the body are delivered so long after they arrived.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Frame};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::link::{Body, BodyError};
use super::queue::DelayQueue;
use super::toxics::{Dose, LiveToxic, Touch, Toxics};
use crate::host::clock::Clock;

/// The toxics that delay one message.
pub(super) struct Delay {
    touches: Vec<Touch>,
    changes: watch::Receiver<Vec<Arc<LiveToxic>>>,
    clock: Clock,
}

impl Delay {
    /// The delay that these toxics make; none when there are none.
    pub(super) fn new(touches: Vec<Touch>, toxics: &Toxics, clock: Clock) -> Option<Self> {
        (!touches.is_empty()).then(|| Self { touches, changes: toxics.subscribe(), clock })
    }

    /// Holds a message whose head has just arrived until the head is due. The body is taken in from now on, so that
    /// it is later by the delay and not by more.
    pub(super) async fn hold(mut self, body: Body) -> Body {
        let now = self.clock.now();
        let mut head = DelayQueue::new();
        head.push((), 0, now, self.doses(0));
        let mut changes = self.changes.clone();
        let clock = self.clock;
        let body = if body.is_end_stream() { body } else { self.spread(body, head.next_due()) };
        let mut alarm = Alarm::new(clock);
        while head.pop_due(clock.now(), now).is_none() {
            tokio::select! {
                _ = changes.changed() => head.retime(),
                () = alarm.at(head.next_due()) => {}
            }
        }
        body
    }

    fn doses(&mut self, bytes: usize) -> Vec<Dose> {
        self.touches.iter_mut().filter_map(|touch| touch.dose(bytes)).collect()
    }

    fn spread(self, body: Body, head_due: Option<Instant>) -> Body {
        let (frames, delivered) = mpsc::channel(1);
        let mut pump = JoinSet::new();
        pump.spawn(self.pump(body, head_due, frames));
        Delayed { frames: delivered, _pump: pump }.boxed_unsync()
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

type Delivered = Result<Frame<Bytes>, BodyError>;

/// A body whose frames come from a pump, which ends with it.
struct Delayed {
    frames: mpsc::Receiver<Delivered>,
    _pump: JoinSet<()>,
}

impl HttpBody for Delayed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivered>> {
        self.frames.poll_recv(context)
    }
}

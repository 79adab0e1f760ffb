//! Which toxics touch a request. Asked once, when its head is there.

use hyper::{HeaderMap, Method, Request};

use crate::model::fault::Stream;
use crate::model::http::{HttpEffect, RequestMatch};
use crate::model::step::ToxicKind;
use crate::proxy::toxics::{Passenger, Touch, Toxics};

/// The toxics that touch one request.
#[derive(Default)]
pub(super) struct Touches {
    /// What happens to the request on its way.
    pub(super) request: Stages,
    /// What happens in place of forwarding it.
    pub(super) ending: Option<Touch>,
    /// It is sent a second time.
    pub(super) duplicate: Option<Touch>,
    /// What happens to the answer.
    pub(super) answer: Stages,
    /// The answer is cut.
    pub(super) abort: Option<Touch>,
}

/// What happens to a message.
#[derive(Default)]
pub(super) struct Stages {
    pub(super) corrupt: Vec<Touch>,
    pub(super) slow: Vec<Touch>,
    /// It is delayed, once or frame by frame.
    pub(super) delay: Vec<Touch>,
}

/// The kinds in the order in which they are asked. The first three end a request: it is not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Reset,
    Silence,
    Error,
    Delay,
    Slow,
    Corrupt,
    Duplicate,
    Cut,
}

/// Decides which toxics touch a request. They are asked in the order of their kinds, and those of a kind in that of
/// their names; what can no longer happen because one of them ends the request is not asked.
pub(super) fn decide<B>(toxics: &Toxics, passenger: Passenger, request: &Request<B>) -> Touches {
    let live = toxics.subscribe().borrow().clone();
    if live.is_empty() {
        return Touches::default();
    }
    let mut turns: Vec<_> = live.iter().filter_map(|toxic| Some((turn(&toxic.toxic.kind)?, toxic))).collect();
    turns.sort_by_key(|(turn, _)| *turn);
    let mut touches = Touches::default();
    for (turn, toxic) in turns {
        if !touches.asks(turn, toxic.toxic.stream) || !fits(&toxic.toxic.kind, request) {
            toxic.counters.saw();
        } else if let Some(touch) = toxics.admit(toxic, passenger) {
            touches.note(turn, touch);
        }
    }
    touches
}

/// None for those that act on bytes, or, as `down`, on connections.
fn turn(kind: &ToxicKind) -> Option<Turn> {
    Some(match kind {
        ToxicKind::Latency { .. } => Turn::Delay,
        ToxicKind::Http { effect, .. } => match effect {
            HttpEffect::Latency { .. } => Turn::Delay,
            HttpEffect::SlowBody { .. } => Turn::Slow,
            HttpEffect::Corrupt { .. } => Turn::Corrupt,
            HttpEffect::Abort { after: None } => Turn::Reset,
            HttpEffect::Timeout { .. } => Turn::Silence,
            HttpEffect::Error { .. } => Turn::Error,
            HttpEffect::Duplicate => Turn::Duplicate,
            HttpEffect::Abort { after: Some(_) } => Turn::Cut,
        },
        _ => return None,
    })
}

impl Touches {
    /// Whether a toxic of a kind could still act on the request, or on what is answered.
    fn asks(&self, turn: Turn, stream: Stream) -> bool {
        let ending = self.ending.as_ref().and_then(|touch| self::turn(&touch.toxic.toxic.kind));
        match (turn, stream) {
            (Turn::Delay, Stream::Upstream) => true,
            (Turn::Delay | Turn::Slow | Turn::Corrupt, Stream::Downstream) => {
                matches!(ending, None | Some(Turn::Error))
            }
            (Turn::Cut, _) => ending.is_none() && self.abort.is_none(),
            _ => ending.is_none(),
        }
    }

    fn note(&mut self, turn: Turn, touch: Touch) {
        let stages = match touch.toxic.toxic.stream {
            Stream::Upstream => &mut self.request,
            Stream::Downstream => &mut self.answer,
        };
        match turn {
            Turn::Delay => stages.delay.push(touch),
            Turn::Slow => stages.slow.push(touch),
            Turn::Corrupt => stages.corrupt.push(touch),
            Turn::Reset | Turn::Silence | Turn::Error => self.ending = Some(touch),
            Turn::Duplicate => self.duplicate = Some(touch),
            Turn::Cut => self.abort = Some(touch),
        }
    }
}

/// Whether a toxic is meant for a request.
fn fits<B>(kind: &ToxicKind, request: &Request<B>) -> bool {
    match kind {
        ToxicKind::Http { only, .. } => wants(only, request.method(), request.uri().path(), request.headers()),
        _ => true,
    }
}

fn wants(only: &RequestMatch, method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let by = only.method.is_empty() || only.method.iter().any(|wanted| wanted == method.as_str());
    let to = only.path.as_ref().is_none_or(|wanted| wanted.matches(path.as_bytes()));
    let with = only.header.as_ref().is_none_or(|wanted| {
        let mut values = headers.get_all(&wanted.name).iter();
        values.any(|value| wanted.value.as_ref().is_none_or(|pattern| pattern.matches(value.as_bytes())))
    });
    by && to && with
}

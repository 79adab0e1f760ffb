//! Bodies with bytes that are not what was sent.

use http_body_util::BodyExt;
use hyper::body::Bytes;

use super::body::Body;
use crate::model::http::HttpEffect;
use crate::model::step::ToxicKind;
use crate::proxy::toxics::Touch;

/// A body of the same length in which each byte is changed with the probability of each toxic. Which, depends on the
/// toxic's dice and the byte's place alone, not on how the body is cut into frames.
pub(super) fn corrupted(body: Body, touches: Vec<Touch>) -> Body {
    let mut flippers: Vec<Flipper> = touches.into_iter().map(Flipper::new).collect();
    body.map_frame(move |frame| frame.map_data(|data| flippers.iter_mut().fold(data, |data, one| one.pass(data))))
        .boxed_unsync()
}

struct Flipper {
    touch: Touch,
    probability: f64,
    /// So many bytes pass before the next is changed.
    gap: f64,
}

impl Flipper {
    fn new(touch: Touch) -> Self {
        let probability = match &touch.toxic.toxic.kind {
            ToxicKind::Http { effect: HttpEffect::Corrupt { bytes }, .. } => bytes.0,
            _ => 0.0,
        };
        let mut flipper = Self { touch, probability, gap: 0.0 };
        flipper.gap = flipper.next_gap();
        flipper
    }

    /// The number of misses before a hit (the geometric distribution), so that only hits cost a roll.
    fn next_gap(&mut self) -> f64 {
        if self.probability <= 0.0 {
            return f64::INFINITY;
        }
        // `ln` of 1 - 1 is minus infinity, which makes no gap at all.
        ((1.0 - self.touch.roll()).ln() / (1.0 - self.probability).ln()).floor()
    }

    fn pass(&mut self, data: Bytes) -> Bytes {
        if self.touch.toxic.is_removed() {
            return data;
        }
        self.touch.toxic.counters.bytes(data.len());
        let length = data.len() as f64;
        if self.gap >= length {
            self.gap -= length;
            return data;
        }
        let mut bytes = Vec::from(data);
        let mut changed = 0;
        let mut at = self.gap;
        while at < length {
            // Never the same byte again: one of the 255 others.
            bytes[at as usize] ^= 1 + (self.touch.roll() * 255.0) as u8;
            changed += 1;
            at += 1.0 + self.next_gap();
        }
        self.gap = at - length;
        self.touch.toxic.counters.changed(changed);
        bytes.into()
    }
}

//! `slicer`: bytes travel in small pieces, each so long after the one before it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Allowance, Effect};
use crate::model::step::ToxicKind;
use crate::proxy::dice::Dice;

/// So far ahead of the pieces bytes are let in.
const AHEAD: Duration = Duration::from_millis(20);

pub(super) struct Slicer {
    average: u64,
    variation: u64,
    pause: Duration,
    /// When the last piece is due.
    last: Instant,
    /// No piece was cut yet: the first has no pause before it.
    first: bool,
    /// The size of the next piece; drawn after each piece with its dice.
    next: usize,
}

impl Slicer {
    pub(super) fn new(now: Instant) -> Self {
        Self { average: 1, variation: 0, pause: Duration::ZERO, last: now, first: true, next: 1 }
    }
}

impl Effect for Slicer {
    fn change(&mut self, kind: &ToxicKind) {
        if let ToxicKind::Slicer { average_size, size_variation, delay } = kind {
            (self.average, self.variation, self.pause) = (average_size.0.max(1), size_variation.0, delay.0);
            self.next = usize::try_from(self.average).unwrap_or(usize::MAX);
        }
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn paces(&self) -> bool {
        true
    }

    fn allowance(&mut self, now: Instant) -> Allowance {
        match self.last.checked_sub(AHEAD) {
            Some(then) if then > now => Allowance::Later(then),
            _ => Allowance::Most(self.next),
        }
    }

    fn delay(&mut self, _: usize, now: Instant, dice: &mut Dice) -> Duration {
        let spread = (2.0 * dice.roll() - 1.0) * self.variation as f64;
        self.next = ((self.average as f64 + spread).round() as usize).max(1);
        self.last = if self.first { now } else { now.max(self.last + self.pause) };
        self.first = false;
        self.last.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Allowance, Effect, Slicer};
    use crate::host::clock::Clock;
    use crate::model::step::ToxicKind;
    use crate::model::units::{Bytes, Timespan};
    use crate::proxy::dice::Dice;

    #[test]
    fn pieces_are_spread_around_their_mean_and_come_one_after_the_other() {
        let start = Clock::Tokio.now();
        let mut slicer = Slicer::new(start);
        let (average_size, size_variation, delay) = (Bytes(100), Bytes(50), Timespan::millis(1));
        slicer.change(&ToxicKind::Slicer { average_size, size_variation, delay });
        let mut dice = Dice::new(1, "p", "t", 1);
        let (mut now, mut sizes, mut dues) = (start, Vec::new(), Vec::new());
        while sizes.len() < 2000 {
            match slicer.allowance(now) {
                Allowance::Most(size) => {
                    sizes.push(size);
                    dues.push(now + slicer.delay(size, now, &mut dice));
                }
                Allowance::Later(then) => now = then,
                Allowance::UsedUp => unreachable!(),
            }
        }
        assert!(sizes.iter().all(|size| (50..=150).contains(size)));
        let mean = sizes.iter().sum::<usize>() as f64 / sizes.len() as f64;
        assert!((mean - 100.0).abs() < 4.0, "five standard errors: {mean}");
        assert!(dues.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_millis(1)));
        assert_eq!(dues[0], start, "the first piece does not wait");
    }
}

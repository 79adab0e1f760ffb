//! `bandwidth`: so many bytes a second pass on each connection. Bytes are let in in pieces of at most ten milliseconds'
//! worth, each due when its last byte would have come through a line of that rate; the sender is held back by what is
//! not read, so that nothing piles up here.

use std::time::Duration;

use tokio::time::Instant;

use super::{Allowance, Effect};
use crate::model::step::ToxicKind;
use crate::proxy::dice::Dice;

/// The longest piece.
const PIECE: Duration = Duration::from_millis(10);
/// So far ahead of the line bytes are let in, so that a late wake-up leaves no gap.
const AHEAD: Duration = Duration::from_millis(20);
/// A wake-up that was even later is made up for by so much at most: with `AHEAD` and a piece, no burst is over 50 ms.
const CREDIT: Duration = Duration::from_millis(15);

/// Bytes that come so soon after others belong to the same flow.
const BREATH: Duration = Duration::from_millis(2);

pub(super) struct Bandwidth {
    /// Bytes per second.
    rate: f64,
    /// When the line has sent all that was let in.
    busy_until: Instant,
    /// There was more to let in than the line could take.
    waited: bool,
    /// When bytes were let in last.
    last: Instant,
}

impl Bandwidth {
    pub(super) fn new(now: Instant) -> Self {
        Self { rate: 1.0, busy_until: now, waited: false, last: now }
    }
}

impl Effect for Bandwidth {
    fn change(&mut self, kind: &ToxicKind) {
        if let ToxicKind::Bandwidth { rate } = kind {
            self.rate = rate.0.max(1) as f64;
        }
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn paces(&self) -> bool {
        true
    }

    fn allowance(&mut self, now: Instant) -> Allowance {
        if self.busy_until > now + AHEAD {
            self.waited = true;
            return Allowance::Later(self.busy_until - AHEAD);
        }
        Allowance::Most(((self.rate * PIECE.as_secs_f64()) as usize).max(1))
    }

    fn delay(&mut self, bytes: usize, now: Instant, _: &mut Dice) -> Duration {
        let busy = self.waited || now.saturating_duration_since(self.last) < BREATH;
        let credit = if busy { CREDIT } else { Duration::ZERO };
        let start = self.busy_until.max(now.checked_sub(credit).unwrap_or(now));
        self.busy_until = start + Duration::from_secs_f64(bytes as f64 / self.rate);
        (self.waited, self.last) = (false, now);
        self.busy_until.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Allowance, Bandwidth, Effect};
    use crate::host::clock::Clock;
    use crate::model::step::ToxicKind;
    use crate::model::units::Bytes;
    use crate::proxy::dice::Dice;

    /// Lets in as much as is allowed for ten seconds; a wake-up is late by so much. Tells how much was delivered by
    /// then, and the most that was delivered within any 50 ms.
    fn saturated(rate: u64, late: Duration) -> (f64, f64) {
        let start = Clock::Tokio.now();
        let mut line = Bandwidth::new(start);
        line.change(&ToxicKind::Bandwidth { rate: Bytes(rate) });
        let mut dice = Dice::new(1, "p", "t", 1);
        let (mut now, mut delivered) = (start, Vec::new());
        while now < start + Duration::from_secs(10) {
            match line.allowance(now) {
                Allowance::Most(most) => {
                    let bytes = most.min(64 << 10);
                    delivered.push((now + line.delay(bytes, now, &mut dice), bytes));
                }
                Allowance::Later(then) => now = then + late,
                Allowance::UsedUp => unreachable!(),
            }
        }
        let mut most = 0;
        let (mut first, mut within) = (0, 0);
        for (at, bytes) in &delivered {
            within += bytes;
            while delivered[first].0 + Duration::from_millis(50) <= *at {
                within -= delivered[first].1;
                first += 1;
            }
            most = most.max(within);
        }
        let end = start + Duration::from_secs(10);
        let total = delivered.iter().filter(|(at, _)| *at <= end).map(|(_, bytes)| *bytes).sum::<usize>() as f64;
        (total / 10.0 / rate as f64, most as f64 / rate as f64)
    }

    #[test]
    fn the_rate_is_met_from_a_kilobyte_to_a_hundred_megabytes_a_second() {
        for rate in [1_000, 100_000, 1_000_000, 100_000_000] {
            for late in [Duration::ZERO, Duration::from_millis(2), Duration::from_millis(25)] {
                let (share, burst) = saturated(rate, late);
                assert!((share - 1.0).abs() < 0.005, "{rate} {late:?}: {share}");
                assert!(burst < 0.1, "{rate} {late:?}: {burst} s worth within 50 ms");
            }
        }
    }

    #[test]
    fn an_idle_line_saves_nothing_up() {
        let start = Clock::Tokio.now();
        let mut line = Bandwidth::new(start);
        line.change(&ToxicKind::Bandwidth { rate: Bytes(1000) });
        let later = start + Duration::from_secs(60);
        assert_eq!(line.delay(10, later, &mut Dice::new(1, "p", "t", 1)), Duration::from_millis(10));
    }
}

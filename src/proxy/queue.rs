//! Chunks that wait for their moment. Each has a deadline of its own, counted from its arrival, so that the delay
//! limits no throughput and small errors never add up; order is kept whatever the jitter says.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::toxics::Dose;

/// So many bytes are held in one direction before it stops reading. It bounds the memory, and the throughput under a
/// delay to this much per delay.
pub(super) const MOST_HELD: usize = 16 << 20;

/// What is kept beside a chunk, counted into what is held so that many tiny chunks are bounded as well.
const OVERHEAD: usize = 128;

/// Chunks in the order in which they arrived and will be delivered.
#[derive(Debug)]
pub(super) struct DelayQueue<T> {
    held: VecDeque<Held<T>>,
    bytes: usize,
    /// No chunk may be due before this: the deadline of the newest.
    latest: Option<Instant>,
}

#[derive(Debug)]
struct Held<T> {
    chunk: T,
    bytes: usize,
    arrived: Instant,
    due: Instant,
    doses: Vec<Dose>,
}

impl<T> DelayQueue<T> {
    /// Empty.
    pub(super) fn new() -> Self {
        Self { held: VecDeque::new(), bytes: 0, latest: None }
    }

    /// Empty; what is pushed will not be due before a moment.
    pub(super) fn not_before(moment: Option<Instant>) -> Self {
        Self { latest: moment, ..Self::new() }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < MOST_HELD
    }

    /// Takes in a chunk that has just arrived.
    pub(super) fn push(&mut self, chunk: T, bytes: usize, arrived: Instant, doses: Vec<Dose>) {
        let due = deadline(self.latest, arrived, &doses);
        self.latest = Some(due);
        self.bytes += bytes + OVERHEAD;
        self.held.push_back(Held { chunk, bytes, arrived, due, doses });
    }

    /// When the next chunk is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.held.front().map(|held| held.due)
    }

    /// The next chunk, if it is due, and notes how long it really was delayed. `idle_since` is when the way out became
    /// free: the wait for a slow reader is not the toxic's doing.
    pub(super) fn pop_due(&mut self, now: Instant, idle_since: Instant) -> Option<T> {
        let held = self.held.pop_front_if(|held| held.due <= now)?;
        self.bytes -= held.bytes + OVERHEAD;
        let delivered = if idle_since > held.due { held.due } else { now };
        held.note(delivered.saturating_duration_since(held.arrived));
        Some(held.chunk)
    }

    /// Takes the doses of removed toxics back: what only they held is due at once.
    pub(super) fn retime(&mut self) {
        self.latest = None;
        for held in &mut self.held {
            held.due = deadline(self.latest, held.arrived, &held.doses);
            self.latest = Some(held.due);
        }
    }
}

impl<T> Held<T> {
    /// Counts the delay; where several toxics made it, each has its share by what it asked for.
    fn note(&self, delay: Duration) {
        let asked: Duration = self.doses.iter().map(|dose| dose.delay).sum();
        for dose in &self.doses {
            let share = if asked.is_zero() { 1.0 } else { dose.delay.as_secs_f64() / asked.as_secs_f64() };
            dose.toxic.counters.delayed(delay.mul_f64(share));
        }
    }
}

fn deadline(latest: Option<Instant>, arrived: Instant, doses: &[Dose]) -> Instant {
    let delay: Duration = doses.iter().filter(|dose| !dose.toxic.is_removed()).map(|dose| dose.delay).sum();
    let due = arrived + delay;
    latest.map_or(due, |latest| latest.max(due))
}

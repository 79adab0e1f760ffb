//! Chunks that wait for their moment. Each has a deadline of its own, counted from its arrival, so that the delay
//! limits no throughput and small errors never add up; order is kept whatever the jitter says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::room::Room;
use super::toxics::Dose;

/// So many bytes are held in one direction before it stops reading. It bounds the memory, and the throughput under a
/// delay to this much per delay: 2.5 GB/s at 100 ms. All queues together are bounded by the room they share.
pub(super) const MOST_HELD: usize = 256 << 20;

/// So many bytes are held beyond their deadline, because the receiver is slow, before it is made the sender's trouble.
const MOST_OVERDUE: usize = 8 << 20;

/// A receiver that lets a chunk wait for so long is slow; less may be our own delay.
const SLOW: Duration = Duration::from_millis(50);

/// As `SLOW`, where chunks come at a pace of ours: then what piles up would later pass in a burst.
const SLOW_AT_PACE: Duration = Duration::from_millis(10);

/// What is kept beside a chunk, counted into what is held so that many tiny chunks are bounded as well.
const OVERHEAD: usize = 128;

/// Chunks in the order in which they arrived and will be delivered.
#[derive(Debug)]
pub(super) struct DelayQueue<T> {
    held: VecDeque<Held<T>>,
    bytes: usize,
    /// No chunk may be due before this: the deadline of the newest.
    latest: Option<Instant>,
    /// Where what is held is counted, where it is bounded together with others.
    room: Option<Arc<Room>>,
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
        Self { held: VecDeque::new(), bytes: 0, latest: None, room: None }
    }

    /// Empty; what it holds is bounded together with others.
    pub(super) fn within(room: Arc<Room>) -> Self {
        let mut queue = Self::new();
        queue.room = Some(room);
        queue
    }

    /// Empty; what is pushed will not be due before a moment.
    pub(super) fn not_before(moment: Option<Instant>) -> Self {
        let mut queue = Self::new();
        queue.latest = moment;
        queue
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < MOST_HELD && self.room.as_ref().is_none_or(|room| room.has_bytes_for(self.bytes))
    }

    /// Whether more may be read, with a look at a receiver that is slow. `paced`: chunks come at a pace of ours.
    pub(super) fn has_room_at(&self, now: Instant, paced: bool) -> bool {
        let (slow, most) = if paced { (SLOW_AT_PACE, 0) } else { (SLOW, MOST_OVERDUE) };
        let overdue = self.held.front().is_some_and(|held| held.due + slow < now);
        self.has_room() && (!overdue || self.bytes < most)
    }

    /// Takes in a chunk that has just arrived.
    pub(super) fn push(&mut self, chunk: T, bytes: usize, arrived: Instant, doses: Vec<Dose>) {
        let due = deadline(self.latest, arrived, &doses);
        self.latest = Some(due);
        self.bytes += bytes + OVERHEAD;
        if let Some(room) = &self.room {
            room.take_bytes(bytes + OVERHEAD);
        }
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
        self.give_back(held.bytes + OVERHEAD);
        let delivered = if idle_since > held.due { held.due } else { now };
        held.note(delivered.saturating_duration_since(held.arrived));
        Some(held.chunk)
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if let Some(room) = &self.room {
            room.give_bytes(bytes);
        }
        if self.held.is_empty() {
            self.held = VecDeque::new();
        }
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

impl<T> Drop for DelayQueue<T> {
    fn drop(&mut self) {
        self.give_back(self.bytes);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{DelayQueue, MOST_HELD};
    use crate::host::clock::Clock;
    use crate::model::fault::{Distribution, Stream};
    use crate::model::step::{Toxic, ToxicKind};
    use crate::model::units::{Share, Timespan};
    use crate::proxy::toxics::{Dose, Passenger, Toxics};
    use crate::proxy::users::Users;

    const MS: Duration = Duration::from_millis(1);

    /// A proxy with one toxic, and what that does to a chunk.
    fn dose(delay: u64) -> (Toxics, impl Fn(u64) -> Vec<Dose>) {
        let users = Arc::<Users>::default();
        let user = users.at_address([127, 0, 0, 1].into());
        let toxics = Toxics::new("p", 1, users, Clock::Tokio);
        let distribution = Distribution::Uniform;
        let kind = ToxicKind::Latency { delay: Timespan::millis(delay), jitter: Timespan::ZERO, distribution };
        let toxic =
            Toxic { name: "slow".into(), stream: Stream::Upstream, toxicity: Share::ALL, max_users: None, kind };
        toxics.add(&toxic).expect("adds");
        let live = Arc::clone(&toxics.subscribe().borrow()[0]);
        toxics.admit(&live, Passenger { number: 1, user }).expect("it touches all");
        (toxics, move |millis| vec![Dose { toxic: Arc::clone(&live), delay: Duration::from_millis(millis) }])
    }

    fn drain(queue: &mut DelayQueue<u32>, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop_due(now, now - 1000 * MS)).collect()
    }

    #[test]
    fn a_deadline_counts_from_the_arrival_and_no_chunk_overtakes_another() {
        let ((_toxics, dose), start) = (dose(1), Clock::Tokio.now() + 5000 * MS);
        let mut queue = DelayQueue::new();
        queue.push(1, 1, start, dose(30));
        queue.push(2, 1, start + 5 * MS, dose(10));
        queue.push(3, 1, start + 6 * MS, dose(40));
        queue.push(4, 1, start + 7 * MS, Vec::new());
        assert!(drain(&mut queue, start + 29 * MS).is_empty());
        assert_eq!(queue.next_due(), Some(start + 30 * MS));
        assert_eq!(drain(&mut queue, start + 30 * MS), [1, 2]);
        assert_eq!(drain(&mut queue, start + 46 * MS), [3, 4]);
    }

    #[test]
    fn what_a_removed_toxic_holds_is_due_at_once_and_counted_as_it_was() {
        let ((toxics, dose), start) = (dose(1), Clock::Tokio.now() + 5000 * MS);
        let mut queue = DelayQueue::new();
        queue.push(1, 1, start, dose(1000));
        queue.push(2, 1, start + 2 * MS, dose(1000));
        toxics.remove("slow");
        queue.retime();
        assert_eq!(drain(&mut queue, start + 8 * MS), [1, 2]);
        assert_eq!(toxics.reading("slow").expect("reads").mean_delay, 7 * MS);
    }

    #[test]
    fn the_wait_for_a_slow_reader_is_not_counted_as_delay() {
        let ((toxics, dose), start) = (dose(1), Clock::Tokio.now() + 5000 * MS);
        let mut queue = DelayQueue::new();
        queue.push(1, 1, start, dose(10));
        assert_eq!(queue.pop_due(start + 900 * MS, start + 900 * MS), Some(1));
        assert_eq!(toxics.reading("slow").expect("reads").mean_delay, 10 * MS);
    }

    #[test]
    fn what_is_held_is_bounded_however_small_the_chunks_are() {
        let now = Clock::Tokio.now();
        let mut queue = DelayQueue::new();
        let pushed = (0..)
            .take_while(|_| {
                queue.has_room() && {
                    queue.push((), 1, now, Vec::new());
                    true
                }
            })
            .count();
        assert!(pushed < MOST_HELD / 100, "{pushed}");
        while queue.pop_due(now, now).is_some() {}
        assert!(queue.is_empty() && queue.has_room() && queue.bytes == 0);
    }
}

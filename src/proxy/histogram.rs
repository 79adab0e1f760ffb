//! How long chunks were really delayed: a histogram of a fixed size that many connections add to without waiting.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Each power of two of nanoseconds is cut into so many steps of equal width: within 6.25 % of the truth in the middle.
const STEPS: usize = 8;
const BUCKETS: usize = 64 * STEPS;

/// Counts of delays.
#[derive(Debug)]
pub(super) struct Histogram {
    count: AtomicU64,
    nanos: AtomicU64,
    /// Made when the first delay is added: most toxics delay nothing.
    buckets: std::sync::OnceLock<Box<[AtomicU64]>>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { count: AtomicU64::new(0), nanos: AtomicU64::new(0), buckets: std::sync::OnceLock::new() }
    }
}

impl Histogram {
    /// Adds a delay.
    pub(super) fn add(&self, delay: Duration) {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let buckets = self.buckets.get_or_init(|| std::iter::repeat_with(AtomicU64::default).take(BUCKETS).collect());
        buckets[bucket(nanos)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Their mean, exact; 0 when there are none.
    pub(super) fn mean(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Relaxed).checked_div(self.count()).unwrap_or(0))
    }

    /// A quantile, from the middle of its bucket; 0 when there are none.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let Some(buckets) = self.buckets.get() else { return Duration::ZERO };
        let counts: Vec<u64> = buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let rank = (counts.iter().sum::<u64>() as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        let found = counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        Duration::from_nanos(found.map_or(0, middle))
    }
}

fn bucket(nanos: u64) -> usize {
    let power = nanos.max(STEPS as u64).ilog2() as usize;
    let step = (nanos >> (power - STEPS.ilog2() as usize)) as usize & (STEPS - 1);
    if nanos < STEPS as u64 { nanos as usize } else { power * STEPS + step }
}

fn middle(bucket: usize) -> u64 {
    let (power, step) = (bucket / STEPS, (bucket % STEPS) as u64);
    if power < STEPS.ilog2() as usize {
        return bucket as u64;
    }
    let width = 1_u64 << (power - STEPS.ilog2() as usize);
    (STEPS as u64 + step).saturating_mul(width).saturating_add(width / 2)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Histogram, bucket, middle};

    #[test]
    fn a_bucket_tells_what_fell_into_it_within_a_sixteenth() {
        for nanos in [0, 1, 7, 8, 9, 100, 12_345, 1_000_000, 5_000_001, 3_600_000_000_000, u64::MAX] {
            let told = middle(bucket(nanos)) as f64;
            assert!((told - nanos as f64).abs() <= nanos as f64 / 16.0 + 0.5, "{nanos} is told as {told}");
        }
    }

    #[test]
    fn the_mean_is_exact_and_the_quantiles_are_near() {
        let histogram = Histogram::default();
        assert_eq!((histogram.mean(), histogram.quantile(0.5)), (Duration::ZERO, Duration::ZERO));
        (1..=1000).for_each(|micros| histogram.add(Duration::from_micros(micros)));
        assert_eq!(histogram.mean(), Duration::from_nanos(500_500));
        let [p50, p99] = [0.5, 0.99].map(|share| histogram.quantile(share).as_micros());
        assert!((470..=530).contains(&p50) && (930..=1050).contains(&p99), "{p50} {p99}");
    }
}

//! Work that costs CPU time, so that pressure on the CPU is felt.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Spends so much CPU time of this thread: less CPU makes it take longer, as with real work.
pub(super) async fn spend(work: Duration) {
    if work > Duration::ZERO {
        // The task neither panics nor is it aborted, so there is no error to lose.
        let _ = tokio::task::spawn_blocking(move || burn(work)).await;
    }
}

fn burn(work: Duration) {
    let end = cpu_time() + work;
    let mut state = 1_u64;
    while cpu_time() < end {
        for _ in 0..1000 {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{burn, cpu_time};

    #[test]
    fn the_work_costs_the_cpu_time_it_is_asked_to() {
        let before = cpu_time();
        burn(Duration::from_millis(5));
        assert!(cpu_time() - before >= Duration::from_millis(5));
    }
}

//! What a thread of a worker asks of its machine: the time, its own CPU time, a precise sleep, a core.

use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::{CpuSet, clock_nanosleep_absolute, sched_setaffinity, set_current_timer_slack};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now, on the monotonic clock.
pub fn now() -> Duration {
    duration(clock_gettime(ClockId::Monotonic))
}

/// CPU time that the calling thread has used.
pub fn cpu_time() -> Duration {
    duration(clock_gettime(ClockId::ThreadCPUTime))
}

/// Sleeps until a moment on the clock of [`now`].
pub fn sleep_until(moment: Duration) {
    let moment =
        Timespec { tv_sec: moment.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: moment.subsec_nanos().into() };
    while clock_nanosleep_absolute(ClockId::Monotonic, &moment) == Err(Errno::INTR) {}
}

/// Binds the calling thread to one core.
pub fn pin(core: usize) -> io::Result<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Makes the sleeps of the calling thread end as exactly as the kernel can: its timer slack is 50 us otherwise.
pub fn wake_exactly() {
    let _ = set_current_timer_slack(NonZeroU64::new(1));
}

/// How late sleeps end here, on the median of a few, once they end as exactly as the kernel can.
pub fn lateness() -> Duration {
    wake_exactly();
    let mut late: [Duration; 9] = std::array::from_fn(|_| {
        let moment = now() + Duration::from_millis(1);
        sleep_until(moment);
        now() - moment
    });
    late.sort_unstable();
    late[late.len() / 2]
}

pub(super) fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

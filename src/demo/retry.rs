//! How long to wait before which call.

use std::time::Duration;

use super::settings::Retry;

/// The longest pause between two calls, however often they fail.
const LONGEST: Duration = Duration::from_secs(10);

/// The pauses between the calls: one fewer than there may be calls. Without chance, so that a run can be repeated.
pub(super) fn pauses(retry: Retry) -> impl Iterator<Item = Duration> {
    (1..retry.attempts).map(move |call| {
        let factor = 2_u32.checked_pow(call - 1).unwrap_or(u32::MAX);
        retry.backoff.checked_mul(factor).unwrap_or(LONGEST).min(LONGEST)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, Retry, pauses};

    #[test]
    fn the_pauses_double_and_are_one_fewer_than_the_calls() {
        let retry = Retry { attempts: 4, backoff: Duration::from_millis(10) };
        assert_eq!(pauses(retry).map(|pause| pause.as_millis()).collect::<Vec<_>>(), [10, 20, 40]);
        assert_eq!(pauses(Retry::NONE).count(), 0);
        assert_eq!(pauses(Retry { attempts: 0, ..retry }).count(), 0);
    }

    #[test]
    fn the_pauses_end_growing() {
        let retry = Retry { attempts: 100, backoff: Duration::from_secs(1) };
        assert!(pauses(retry).all(|pause| pause <= LONGEST));
    }
}

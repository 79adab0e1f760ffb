//! A circuit breaker as a pure state machine: closed -> open after failures in a row -> half-open after a cool-down,
//! when one call may try -> closed if that succeeds, open again if not.

use tokio::time::Instant;

use super::settings;

/// What a breaker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Calls pass.
    Closed,
    /// One call tries whether the upstream is back; others are refused.
    HalfOpen,
    /// Calls are refused.
    Open,
}

/// A call that was let through. Its outcome is to be told with it; that of a call from before the last change of state
/// says nothing about the present and is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a call that was let through must tell how it ended"]
pub(super) struct Pass {
    change: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With an answer.
    Success,
    /// Without a usable one.
    Failure,
    /// Nobody knows: it was given up by the caller.
    Abandoned,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: settings::Breaker,
    inner: Inner,
    /// How many times the state has changed.
    changes: u64,
}

#[derive(Debug, Clone, Copy)]
enum Inner {
    Closed { failures: u32 },
    Open { since: Instant },
    HalfOpen,
}

impl Breaker {
    /// Closed.
    pub(super) fn new(settings: settings::Breaker) -> Self {
        Self { settings, inner: Inner::Closed { failures: 0 }, changes: 0 }
    }

    /// What it is doing; open, though the cool-down may be over, until a call asks.
    pub(super) fn state(&self) -> State {
        match self.inner {
            Inner::Closed { .. } => State::Closed,
            Inner::Open { .. } => State::Open,
            Inner::HalfOpen => State::HalfOpen,
        }
    }

    /// Whether a call may pass now.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Pass> {
        match self.inner {
            Inner::Closed { .. } => {}
            Inner::Open { since }
                if !self.settings.stuck && now.saturating_duration_since(since) >= self.settings.cooldown =>
            {
                self.turn(Inner::HalfOpen);
            }
            Inner::Open { .. } | Inner::HalfOpen => return None,
        }
        Some(Pass { change: self.changes })
    }

    /// A call that had passed has ended.
    pub(super) fn tell(&mut self, pass: Pass, outcome: Outcome, now: Instant) {
        if pass.change != self.changes {
            return;
        }
        match (self.inner, outcome) {
            (Inner::Closed { .. }, Outcome::Success) => self.inner = Inner::Closed { failures: 0 },
            (Inner::Closed { failures }, Outcome::Failure) if failures + 1 < self.settings.failures => {
                self.inner = Inner::Closed { failures: failures + 1 };
            }
            (Inner::Closed { .. } | Inner::HalfOpen, Outcome::Failure) => self.turn(Inner::Open { since: now }),
            (Inner::HalfOpen, Outcome::Success) => self.turn(Inner::Closed { failures: 0 }),
            // The cool-down is over all the same: the next call may try at once.
            (Inner::HalfOpen, Outcome::Abandoned) => self.turn(Inner::Open { since: now - self.settings.cooldown }),
            (Inner::Closed { .. }, Outcome::Abandoned) | (Inner::Open { .. }, _) => {}
        }
    }

    fn turn(&mut self, inner: Inner) {
        self.inner = inner;
        self.changes += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Breaker, Outcome, State};
    use crate::demo::settings;
    use crate::host::clock::Clock;

    const COOLDOWN: Duration = Duration::from_secs(5);

    fn breaker() -> (Breaker, Instant) {
        (Breaker::new(settings::Breaker { failures: 3, cooldown: COOLDOWN, stuck: false }), Clock::Tokio.now())
    }

    fn call(breaker: &mut Breaker, outcome: Outcome, now: Instant) -> bool {
        breaker.ask(now).inspect(|pass| breaker.tell(*pass, outcome, now)).is_some()
    }

    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = breaker();
        (0..3).for_each(|_| assert!(call(&mut breaker, Outcome::Failure, now)));
        assert_eq!(breaker.state(), State::Open);
        (breaker, now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not_count_as_one() {
        let (mut breaker, now) = breaker();
        for outcome in [Outcome::Failure, Outcome::Failure, Outcome::Success, Outcome::Failure, Outcome::Failure] {
            assert!(call(&mut breaker, outcome, now));
        }
        assert_eq!(breaker.state(), State::Closed);
        assert!(call(&mut breaker, Outcome::Failure, now));
        assert!(!call(&mut breaker, Outcome::Success, now), "it is open");
    }

    #[test]
    fn after_the_cool_down_exactly_one_call_may_try() {
        let (mut breaker, now) = opened();
        assert_eq!(breaker.ask(now + COOLDOWN - Duration::from_nanos(1)), None);
        assert!(breaker.ask(now + COOLDOWN).is_some());
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.ask(now + COOLDOWN * 9), None, "one is trying");
    }

    #[test]
    fn a_stuck_one_never_lets_a_call_try() {
        let settings = settings::Breaker { failures: 1, cooldown: COOLDOWN, stuck: true };
        let (mut breaker, now) = (Breaker::new(settings), Clock::Tokio.now());
        assert!(call(&mut breaker, Outcome::Failure, now));
        assert_eq!(breaker.ask(now + COOLDOWN * 1000), None);
    }

    #[test]
    fn a_try_that_succeeds_closes_it_and_one_that_fails_begins_a_new_cool_down() {
        let (mut breaker, now) = opened();
        assert!(call(&mut breaker, Outcome::Failure, now + COOLDOWN));
        assert_eq!(breaker.ask(now + COOLDOWN * 2 - Duration::from_nanos(1)), None);
        assert!(call(&mut breaker, Outcome::Success, now + COOLDOWN * 2));
        assert_eq!(breaker.state(), State::Closed);
        assert!(call(&mut breaker, Outcome::Failure, now + COOLDOWN * 2), "one failure does not open it again");
    }

    #[test]
    fn a_try_that_was_given_up_lets_the_next_one_try() {
        let (mut breaker, now) = opened();
        assert!(call(&mut breaker, Outcome::Abandoned, now + COOLDOWN));
        assert!(call(&mut breaker, Outcome::Success, now + COOLDOWN));
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn the_outcome_of_a_call_from_before_it_opened_changes_nothing() {
        let (mut breaker, now) = breaker();
        let old = breaker.ask(now).expect("closed");
        (0..3).for_each(|_| assert!(call(&mut breaker, Outcome::Failure, now)));
        let _trying = breaker.ask(now + COOLDOWN).expect("half-open");
        breaker.tell(old, Outcome::Success, now + COOLDOWN);
        assert_eq!(breaker.state(), State::HalfOpen);
    }
}

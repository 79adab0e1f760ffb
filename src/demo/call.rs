//! The gateway's calls of one upstream: retried as the settings say, through a circuit breaker where there is one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use super::breaker::{Breaker, Outcome, Pass, State};
use super::client::{CallError, Client};
use super::retry;
use super::settings::Retry;
use crate::host::clock::Clock;

/// One upstream of the gateway.
pub(super) struct Upstream {
    client: Client,
    retry: Retry,
    breaker: Option<Mutex<Breaker>>,
    clock: Clock,
    counters: Counters,
}

/// How the calls ended, and how many of them were retries.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) success: AtomicU64,
    pub(super) timeout: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) retries: AtomicU64,
}

impl Upstream {
    /// An upstream with its client and rules.
    pub(super) fn new(client: Client, retry: Retry, breaker: Option<Breaker>, clock: Clock) -> Self {
        Self { client, retry, breaker: breaker.map(Mutex::new), clock, counters: Counters::default() }
    }

    /// Asks until there is an answer, no retry is left or the breaker refuses; tells of the last error.
    pub(super) async fn get<T: DeserializeOwned>(&self, path_and_query: &str) -> Result<T, CallError> {
        let mut pauses = retry::pauses(self.retry);
        loop {
            let error = match self.attempt(path_and_query).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match pauses.next() {
                Some(pause) if error != CallError::Open => self.clock.sleep(pause).await,
                _ => return Err(error),
            }
            self.counters.retries.fetch_add(1, Relaxed);
        }
    }

    /// Asks once, beside breaker and counters: for a look whether it is there.
    pub(super) async fn once<T: DeserializeOwned>(&self, path_and_query: &str) -> Result<T, CallError> {
        self.client.get(path_and_query).await
    }

    /// The counters.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the breaker is doing; none when there is none.
    pub(super) fn breaker_state(&self) -> Option<State> {
        self.breaker.as_ref().map(|breaker| lock(breaker).state())
    }

    async fn attempt<T: DeserializeOwned>(&self, path_and_query: &str) -> Result<T, CallError> {
        let answer = match self.admit() {
            Some(admitted) => {
                let answer = self.client.get(path_and_query).await;
                admitted.ended(if answer.is_ok() { Outcome::Success } else { Outcome::Failure });
                answer
            }
            None => Err(CallError::Open),
        };
        let counter = match &answer {
            Ok(_) => &self.counters.success,
            Err(CallError::Timeout(_)) => &self.counters.timeout,
            Err(CallError::Open) => &self.counters.refused,
            Err(CallError::Broken(_) | CallError::Status(_)) => &self.counters.failed,
        };
        counter.fetch_add(1, Relaxed);
        answer
    }

    fn admit(&self) -> Option<Admitted<'_>> {
        let breaker = match &self.breaker {
            Some(breaker) => Some((breaker, lock(breaker).ask(self.clock.now())?)),
            None => None,
        };
        Some(Admitted { breaker, outcome: Outcome::Abandoned, clock: self.clock })
    }
}

/// A call under way. When nobody waits for it any more and it is dropped, the breaker learns that as well: otherwise
/// it would wait for the outcome of its one try for ever.
#[must_use = "a call that was let through tells how it ended"]
struct Admitted<'a> {
    breaker: Option<(&'a Mutex<Breaker>, Pass)>,
    outcome: Outcome,
    clock: Clock,
}

impl Admitted<'_> {
    fn ended(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some((breaker, pass)) = self.breaker {
            lock(breaker).tell(pass, self.outcome, self.clock.now());
        }
    }
}

fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

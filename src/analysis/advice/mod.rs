//! Patterns in the evidence, and what to do about them. Every rule is a small function that fires on evidence only and
//! prints the numbers it used.
//!
//! | id | pattern |
//! |---|---|
//! | R00 | the whole injected delay reaches the caller of a probe that deviated: nothing cuts it off |
//! | R01 | the delay reaches the caller 1.8 times or more: calls in sequence |
//! | R03 | latencies pile up at one value: somebody's timeout |
//! | R04 | requests that never end: no timeout in the path |
//! | R05 | fails slowly on a fast failure |
//! | R06 | errors long after the undo |
//! | R07 | it came back later than the fault lasted, or answers and does not get back to what it was |
//! | R10 | many more errors than traffic touched |
//! | R11 | exactly as many errors as traffic touched, all the time |
//! | R14, R15 | restarts, and many of them |
//! | R16 | the health check and the users disagree |
//! | R22 | more CPU for fewer answers |
//! | R23 | tolerance confirmed |
//! | R24 | the fault was not effective |
//! | R25 | the measurement is limited |
//!
//! With several faults, R00, R01, R05, R10 and R11 look at each while it is the only one. R00 is a rule of this house beside the numbered ones: the plain case of R01 with one call.

mod errors;
mod latency;
mod measurement;
mod recovery;
mod resources;
mod target;

use super::analyse::Seen;
use super::findings::{Advice, Analysis};
use super::injected::Injected;
use super::run::Run;
use crate::model::units::Timespan;

/// All that a rule may look at.
pub(super) struct Case<'a> {
    pub(super) run: &'a Run,
    pub(super) seen: &'a [Seen<'a>],
    /// The effective faults that were the only one for a while.
    pub(super) injected: Vec<Injected<'a>>,
    /// Everything but the advice.
    pub(super) analysis: &'a Analysis,
}

type Rule = fn(&Case<'_>) -> Option<Advice>;

/// Rules about the system: they need a fault that was really injected.
const ABOUT_THE_SYSTEM: [Rule; 15] = [
    latency::r01_calls_in_sequence,
    latency::r00_the_delay_passes_through,
    latency::r03_piles_up_at_a_timeout,
    latency::r04_no_timeout,
    errors::r05_fails_slowly,
    errors::r10_shared_pool,
    errors::r11_no_failover,
    recovery::r06_errors_long_after,
    recovery::r07_backlog,
    target::r15_crash_loop,
    target::r14_crashes,
    target::r16_shallow_health_check,
    target::r16_deep_health_check,
    resources::r22_busy_for_nothing,
    measurement::r23_tolerance_confirmed,
];

/// Rules about the measurement itself.
const ABOUT_THE_MEASUREMENT: [Rule; 2] = [measurement::r24_not_effective, measurement::r25_limited];

/// What to do next, the causes before the measurement. At most one advice of a rule.
pub(super) fn all(case: &Case<'_>) -> Vec<Advice> {
    let tested = !case.run.observes_only()
        && case.run.first_applied().is_some()
        && case.run.baseline_problems.as_ref().is_some_and(Vec::is_empty);
    let system = ABOUT_THE_SYSTEM.iter().filter(|_| tested);
    system.chain(&ABOUT_THE_MEASUREMENT).filter_map(|rule| rule(case)).collect()
}

impl Case<'_> {
    /// Whose numbers these are, where there are several faults: ` (while only slow generator was active)`.
    fn while_alone(&self, injected: &Injected<'_>) -> String {
        match self.run.faults.len() {
            1 => String::new(),
            _ => format!(" (while only {} was active)", injected.fault.name),
        }
    }
}

fn advice(rule: &str, title: &str, evidence: String, what_to_do: &str) -> Option<Advice> {
    Some(Advice { rule: rule.to_owned(), title: title.to_owned(), evidence, what_to_do: what_to_do.to_owned() })
}

/// Seconds for people.
fn time(seconds: f64) -> Timespan {
    Timespan(std::time::Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
}

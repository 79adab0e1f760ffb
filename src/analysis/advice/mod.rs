//! Patterns in the evidence, and what to do about them. Every rule is a small function that fires on evidence only and
//! prints the numbers it used; [`catalogue`] lists them all, and says what feeds each.
//!
//! With several faults, rules that blame a number on a fault look at each while it is the only one. R00 is a rule of this
//! house beside the numbered ones: the plain case of R01 with one call.

mod alert;
pub mod catalogue;
mod errors;
mod isolation;
mod latency;
mod leak;
mod measurement;
mod proxies;
mod recovery;
mod resources;
mod target;

use super::analyse::Seen;
use super::findings::{Advice, Analysis};
use super::injected::Injected;
use super::run::Run;
use crate::model::units::Timespan;
use catalogue::{About, RULES, Rule};

/// All that a rule may look at.
pub(super) struct Case<'a> {
    pub(super) run: &'a Run,
    pub(super) seen: &'a [Seen<'a>],
    /// The effective faults that were the only one for a while.
    pub(super) injected: Vec<Injected<'a>>,
    /// Everything but the advice.
    pub(super) analysis: &'a Analysis,
}

/// What a rule found, without its id.
struct Found {
    title: String,
    evidence: String,
    what_to_do: String,
}

type Finder = fn(&Case<'_>) -> Option<Found>;

/// What to do next, the causes before the measurement. At most one advice of a rule.
pub(super) fn all(case: &Case<'_>) -> Vec<Advice> {
    let tested = !case.run.observes_only()
        && case.run.first_applied().is_some()
        && case.run.baseline_problems.as_ref().is_some_and(Vec::is_empty);
    let apply = RULES.iter().filter(|rule| tested || rule.about == About::Measurement);
    apply.filter_map(|rule| rule.on(case)).collect()
}

impl Rule {
    fn on(&self, case: &Case<'_>) -> Option<Advice> {
        let Found { title, evidence, what_to_do } = self.finders.iter().find_map(|finder| finder(case))?;
        Some(Advice { rule: self.id.to_owned(), title, evidence, what_to_do })
    }
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

fn advice(title: &str, evidence: String, what_to_do: &str) -> Option<Found> {
    Some(Found { title: title.to_owned(), evidence, what_to_do: what_to_do.to_owned() })
}

/// Seconds for people.
fn time(seconds: f64) -> Timespan {
    Timespan(std::time::Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
}

//! The rule about what does not use the broken dependency.

use super::super::analyse::Seen;
use super::super::findings::{DoseStatus, ExpectationFindings, Level};
use super::{Case, Found, advice};
use crate::model::fault::{FaultSpec, Target};
use crate::model::units::Share;

/// R12: a probe of something that does not use what was broken, as the file says, got worse for sure.
pub(super) fn r12_not_isolated(case: &Case<'_>) -> Option<Found> {
    let faults: Vec<&FaultSpec> = broken(case).collect();
    let bitten = case.analysis.doses.iter().any(|dose| dose.status == DoseStatus::Effective);
    if faults.is_empty() || !bitten {
        return None;
    }
    let apart = case.seen.iter().filter(|seen| faults.iter().all(|fault| is_apart(seen, fault)));
    let (seen, row) = apart.into_iter().find_map(|seen| Some((seen, worse(case, seen)?)))?;
    let compared = row.compared.as_ref()?;
    let share = |number: f64| Share((number * 1e3).round() / 1e3);
    let broken: Vec<String> = faults.iter().map(|fault| fault.target.describe()).collect();
    advice(
        "What does not use the broken dependency suffers with it",
        format!(
            "{} does not use {}, yet {} went from {} to {} ({} worse, at least {} with 95% confidence)",
            seen.probe.name,
            broken.join(" and "),
            row.expected,
            row.baseline.shown,
            row.fault.shown,
            share(compared.degradation),
            share(compared.low.unwrap_or_default())
        ),
        "Something is shared: threads, a connection pool, a queue, a lock. Give each dependency its own share of it \
         (bulkheads), so that calls that hang can take no more than that.",
    )
}

/// The faults that were applied.
fn broken<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a FaultSpec> {
    let faults = case.run.experiment().faults.iter().zip(&case.run.faults);
    faults.filter(|(_, record)| record.applied.is_some()).map(|(fault, _)| fault)
}

fn is_apart(seen: &Seen<'_>, fault: &FaultSpec) -> bool {
    let apart_from = |name: &str| seen.probe.independent_of.iter().any(|other| other == name);
    match &fault.target {
        Target::Proxy(name) => apart_from(name),
        Target::Process(target) => target.by.service().is_some_and(apart_from),
        // Everybody uses the machine.
        Target::Host => false,
    }
}

/// The expectation that got worse most, by a tenth or more and confirmed.
fn worse<'a>(case: &'a Case<'_>, seen: &Seen<'_>) -> Option<&'a ExpectationFindings> {
    let rows = &case.analysis.probes.get(seen.place)?.expectations;
    let confirmed = |row: &&ExpectationFindings| row.compared.as_ref().is_some_and(|compared| compared.confirmed);
    rows.iter().filter(confirmed).filter(|row| row.level >= Level::Medium).max_by_key(|row| row.level)
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised, expecting, http_at};
    use crate::model::sample::Outcome;

    /// A probe of documents, which need no generator if the file says so, and how many of a hundred of them failed.
    fn documents(independent_of: &[&str], failed: usize) -> Story {
        let mut probe =
            expecting(http_at("documents", "http://127.0.0.1:8080/documents?q=x"), &["success_rate >= 99%"]);
        probe.independent_of = independent_of.iter().map(|name| (*name).to_owned()).collect();
        let outcome = move |i: usize| if i % 100 < failed { Outcome::Wrong } else { Outcome::Ok };
        Story::slow_generator().also_answering(probe, move |i| (2.0, outcome(i)))
    }

    #[test]
    fn what_is_declared_independent_and_suffers_is_told() {
        let run = documents(&["generator"], 60).tell();
        assert_eq!(advised(&run), ["R12"]);
        let evidence = advice_of(&run, "R12").evidence;
        assert!(evidence.starts_with("documents does not use proxy generator, yet success_rate >= 99%"), "{evidence}");
    }

    #[test]
    fn what_may_use_it_is_expected_to_suffer_and_a_little_is_not_enough() {
        assert!(!advised(&documents(&[], 60).tell()).contains(&"R12".to_owned()));
        assert!(!advised(&documents(&["retriever"], 60).tell()).contains(&"R12".to_owned()));
        assert!(!advised(&documents(&["generator"], 0).tell()).contains(&"R12".to_owned()));
        assert!(!advised(&documents(&["generator"], 3).tell()).contains(&"R12".to_owned()));
    }
}

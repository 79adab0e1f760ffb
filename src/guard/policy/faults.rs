//! Which faults may be used, and for how long.

use super::consent::irreversible;
use super::{Bench, only};
use crate::model::policy::matches;

pub(super) fn judge(bench: &mut Bench<'_, '_>) {
    kinds(bench);
    durations(bench);
    if let Some(rule) = bench.policy.forbid_irreversible.as_ref().filter(|rule| rule.value) {
        for (place, steps) in bench.request.steps.iter().enumerate() {
            if steps.iter().any(irreversible) {
                let at = ("forbid_irreversible", rule.line);
                bench.refuse(at, format!("faults[{place}].fault"), "a fault that cannot be undone is not allowed");
            }
        }
    }
}

fn kinds(bench: &mut Bench<'_, '_>) {
    for (place, fault) in bench.request.experiment.faults.iter().enumerate() {
        let word = fault.kind.word();
        let of = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, word));
        if let Some(rule) = bench.policy.deny_faults.as_ref().filter(|rule| of(&rule.value)) {
            bench.refuse(("deny_faults", rule.line), format!("faults[{place}].fault"), format!("`{word}` is denied"));
        }
        if let Some(rule) = bench.policy.allow_faults.as_ref().filter(|rule| !of(&rule.value)) {
            let message = format!("`{word}` is not allowed, {}", only(&rule.value));
            bench.refuse(("allow_faults", rule.line), format!("faults[{place}].fault"), message);
        }
    }
}

fn durations(bench: &mut Bench<'_, '_>) {
    let experiment = bench.request.experiment;
    if let Some(rule) = &bench.policy.max_fault_duration {
        for (place, fault) in experiment.faults.iter().enumerate().filter(|(_, fault)| fault.duration > rule.value) {
            let message = format!("a fault of {} is longer than {}", fault.duration, rule.value);
            bench.refuse(("max_fault_duration", rule.line), format!("faults[{place}].duration"), message);
        }
    }
    let longest = experiment.blast_radius.duration;
    if let Some(rule) = bench.policy.max_duration.as_ref().filter(|rule| longest > rule.value)
        && !experiment.faults.is_empty()
    {
        let message = format!("a blast radius of {longest} is longer than {}", rule.value);
        bench.refuse(("max_duration", rule.line), "blast_radius.duration", message);
    }
}

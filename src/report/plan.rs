//! A plan -> text, JSON: every step with its undo and its read-back, before anything is touched.

use std::fmt::Write;

use serde::Serialize;
use serde_json::json;

use crate::model::experiment::{Experiment, Scope};
use crate::model::step::Step;

/// What a run of an experiment would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Proxies and services, in the order in which they come up.
    pub set_up: Vec<Step>,
    /// The faults, in the order of the file.
    pub faults: Vec<PlannedFault>,
}

/// What one fault would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedFault {
    /// Its steps, or why it cannot be done on this machine.
    pub steps: Result<Vec<Step>, String>,
    /// What this user must be allowed to do.
    pub needs: String,
}

/// The plan for people.
pub fn text(experiment: &Experiment, plan: &Plan) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut out, experiment, plan);
    out
}

fn write_all(out: &mut String, experiment: &Experiment, plan: &Plan) -> std::fmt::Result {
    writeln!(out, "PLAN  {}", clean(&experiment.name))?;
    writeln!(out, "      nothing was contacted, nothing was touched\n")?;
    if !plan.set_up.is_empty() {
        writeln!(out, "Set-up, undone at the very end")?;
        write_steps(out, &plan.set_up)?;
    }
    writeln!(out, "Baseline for {}", experiment.baseline)?;
    for probe in &experiment.steady_state {
        let expects: Vec<&str> = probe.expect.iter().map(|expectation| expectation.text.as_str()).collect();
        let line = format!("{} ({}, every {}): {}", probe.name, probe.kind.word(), probe.interval, expects.join(", "));
        writeln!(out, "  - {}", clean(&line))?;
    }
    for (fault, planned) in experiment.faults.iter().zip(&plan.faults) {
        writeln!(out, "\nFault {}: {} on {}", clean(&fault.name), fault.kind.word(), clean(&fault.target.describe()))?;
        writeln!(out, "  from {} to {} of the observe phase", fault.start, fault.end())?;
        match &planned.steps {
            Ok(steps) => {
                write_steps(out, steps)?;
                writeln!(out, "  needs  {}", planned.needs)?;
            }
            Err(why) => writeln!(out, "  CANNOT be done on this machine: {}", clean(why))?,
        }
    }
    write_limits(out, experiment)
}

fn write_steps(out: &mut String, steps: &[Step]) -> std::fmt::Result {
    for (place, step) in steps.iter().enumerate() {
        writeln!(out, "  {}. do     {}", place + 1, clean(&step.apply.to_string()))?;
        writeln!(out, "     undo   {}", clean(&step.undo.to_string()))?;
        writeln!(out, "     check  {}", clean(&step.verify.to_string()))?;
    }
    Ok(())
}

fn write_limits(out: &mut String, experiment: &Experiment) -> std::fmt::Result {
    let radius = &experiment.blast_radius;
    let scope = match radius.scope {
        Scope::SingleInstance => "a single instance".to_owned(),
        Scope::Count(count) => format!("at most {count} instances"),
        Scope::Percentage(share) => format!("at most {share} of the instances"),
    };
    writeln!(out, "\nBlast radius: {scope}, {} of the traffic, at most {}", radius.traffic, radius.duration)?;
    if let Some(users) = radius.max_affected_users {
        writeln!(out, "  at most {users} affected users")?;
    }
    for condition in &experiment.stop_conditions {
        writeln!(out, "  stops at {}", clean(&condition.text))?;
    }
    writeln!(out, "Recovery is awaited for at most {}", experiment.recovery.within)
}

/// Text from a file cannot steer a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The plan for machines.
pub fn json(experiment: &Experiment, plan: &Plan) -> String {
    let document = json!({ "format": 1, "experiment": experiment, "plan": plan });
    format!("{document:#}\n")
}

//! `chaos plan`: what would be done, and how each step is undone. Contacts nothing.

use super::arguments::{Output, PlanArguments};
use super::{REFUSED, experiment_file};
use crate::fault;
use crate::host::{Facts, output, system};
use crate::model::experiment::Experiment;
use crate::report::plan::{Plan, PlannedFault};
use crate::{report, runner};

pub(super) fn plan(arguments: &PlanArguments) -> anyhow::Result<u8> {
    let file = &arguments.experiment;
    let Some(experiment) = experiment_file::read(&file.file, &file.variables, false)? else { return Ok(REFUSED) };
    let facts =
        Facts { cores: system::cores(), memory_available: system::memory().map_or(0, |memory| memory.available) };
    let plan = planned(&experiment, &facts);
    output::stdout(&match arguments.output {
        Output::Text => report::plan::text(&experiment, &plan),
        Output::Json => report::plan::json(&experiment, &plan),
    });
    let possible = plan.faults.iter().all(|fault| fault.steps.is_ok());
    Ok(if possible { 0 } else { REFUSED })
}

fn planned(experiment: &Experiment, facts: &Facts) -> Plan {
    let faults = experiment.faults.iter().map(|spec| match fault::plan(spec, experiment, facts) {
        Ok(plan) => PlannedFault { steps: Ok(plan.steps), needs: plan.needs.to_owned() },
        Err(why) => PlannedFault { steps: Err(why), needs: String::new() },
    });
    Plan { set_up: runner::set_up_steps(experiment), faults: faults.collect() }
}

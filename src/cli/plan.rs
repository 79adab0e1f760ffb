//! `chaos plan`: what would be done, how each step is undone, and what the run could show. Contacts nothing.

use super::arguments::{PlanArguments, PlanOutput};
use super::policy::Gate;
use super::{REFUSED, colour, earlier, experiment_file};
use crate::analysis::foresight::foresee;
use crate::fault;
use crate::guard::policy::Purpose;
use crate::host::{Facts, output};
use crate::model::experiment::Experiment;
use crate::report::plan::{Plan, PlannedFault};
use crate::spec::Secrets;
use crate::{report, runner};

pub(super) fn plan(arguments: &PlanArguments) -> anyhow::Result<u8> {
    let file = &arguments.experiment;
    let Some(gate) = Gate::open(&arguments.policy)? else { return Ok(REFUSED) };
    let read = experiment_file::read(&file.file, &file.variables, Secrets::Hidden, false)?;
    let Some(loaded) = read else { return Ok(REFUSED) };
    let Some(admitted) = gate.admit(loaded, Purpose::Look)? else { return Ok(REFUSED) };
    let experiment = admitted.experiment;
    let plan = planned(&experiment, &Facts::here(), admitted.digest);
    output::stdout(&match arguments.output {
        PlanOutput::Text => report::plan::text(&experiment, &plan, colour::style()),
        PlanOutput::Json => report::plan::json(&experiment, &plan)?,
        PlanOutput::Yaml => report::plan::yaml(&experiment, &plan)?,
    });
    let possible = plan.faults.iter().all(|fault| fault.impossible.is_none());
    Ok(if possible { 0 } else { REFUSED })
}

fn planned(experiment: &Experiment, facts: &Facts, digest: String) -> Plan {
    let faults = experiment.faults.iter().map(|spec| match fault::plan(spec, experiment, facts) {
        Ok(plan) => PlannedFault {
            steps: plan.steps,
            needs: [Some(plan.needs.to_owned()), fault::instead(spec, facts)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; "),
            impossible: None,
        },
        Err(why) => PlannedFault { steps: Vec::new(), needs: "more than there is".to_owned(), impossible: Some(why) },
    });
    let earlier = earlier::run(experiment);
    Plan {
        digest,
        set_up: runner::set_up_steps(experiment),
        faults: faults.collect(),
        can_show: foresee(experiment, earlier.as_ref().map(|(_, analysis)| analysis)),
        earlier_run: earlier.map(|(run, _)| run),
    }
}

//! What an experiment must have: stop conditions, a baseline, an approved plan, and limits of traffic and users.

use super::{Bench, Purpose, Refusal};
use crate::model::fault::Target;

pub(super) fn judge(bench: &mut Bench<'_, '_>) {
    approval(bench);
    if bench.request.experiment.faults.is_empty() {
        return;
    }
    stop_and_baseline(bench);
    if bench.request.experiment.faults.iter().any(|fault| matches!(fault.target, Target::Proxy(_))) {
        traffic(bench);
    }
}

fn stop_and_baseline(bench: &mut Bench<'_, '_>) {
    let experiment = bench.request.experiment;
    if let Some(rule) = bench.policy.require_stop_conditions.as_ref().filter(|rule| rule.value)
        && experiment.stop_conditions.is_empty()
    {
        let help = Some("add `stop_conditions`, such as `ask.error_rate > 50%`".to_owned());
        let message = "no stop condition ends these faults early".to_owned();
        let refusal = Refusal { message, place: "faults".to_owned(), rule: String::new(), help };
        bench.refuse_with("require_stop_conditions", rule.line, refusal);
    }
    if let Some(rule) = bench.policy.min_baseline.as_ref().filter(|rule| experiment.baseline < rule.value) {
        let message = format!("a baseline of {} is shorter than {}", experiment.baseline, rule.value);
        bench.refuse(("min_baseline", rule.line), "baseline", message);
    }
}

fn traffic(bench: &mut Bench<'_, '_>) {
    let radius = &bench.request.experiment.blast_radius;
    if let Some(rule) = bench.policy.max_traffic.as_ref().filter(|rule| radius.traffic > rule.value) {
        let message = format!("{} of the traffic is more than {}", radius.traffic, rule.value);
        bench.refuse(("max_traffic", rule.line), "blast_radius.traffic", message);
    }
    let Some(rule) = &bench.policy.max_affected_users else { return };
    let message = match radius.max_affected_users {
        None => format!("at most {} users may be affected, and this experiment says no number", rule.value),
        Some(users) if users > rule.value => format!("{users} affected users are more than {}", rule.value),
        Some(_) => return,
    };
    bench.refuse(("max_affected_users", rule.line), "blast_radius.max_affected_users", message);
}

fn approval(bench: &mut Bench<'_, '_>) {
    let digest = bench.request.digest;
    if let Some(rule) = &bench.policy.approved_plans
        && !rule.value.iter().any(|approved| approved == digest)
    {
        bench.refuse(("approved_plans", rule.line), "", format!("this plan is not approved: its digest is {digest}"));
    }
    if let Some(rule) = bench.policy.require_approval.as_ref().filter(|rule| rule.value)
        && bench.request.purpose == (Purpose::Run { approved: None })
    {
        let help = Some(format!("look at `chaos plan`, and run it with `--approve {digest}`"));
        let message = "a plan must be approved before it is run".to_owned();
        let refusal = Refusal { message, place: String::new(), rule: String::new(), help };
        bench.refuse_with("require_approval", rule.line, refusal);
    }
}

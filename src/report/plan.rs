//! A plan -> text, JSON, YAML: every step with its undo and its read-back, before anything is touched.

use serde::Serialize;

use super::layout::{Page, Style};
use crate::analysis::amount;
use crate::analysis::foresight::{Foresight, SIGMA};
use crate::model::experiment::{BlastRadius, Experiment, Scope};
use crate::model::fault::FaultSpec;
use crate::model::step::Step;

/// What a run of an experiment would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What stands for the plan when somebody approves of it; the same on every machine.
    #[serde(skip)]
    pub digest: String,
    /// Proxies and services, in the order in which they come up.
    pub set_up: Vec<Step>,
    /// The faults, in the order of the file.
    pub faults: Vec<PlannedFault>,
    /// What the run will be able to show of every expectation.
    pub can_show: Vec<Foresight>,
    /// The run that this is known from; absent where it is assumed.
    pub earlier_run: Option<String>,
}

/// What one fault would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedFault {
    /// Its steps; empty when it cannot be done.
    pub steps: Vec<Step>,
    /// What this user must be allowed to do.
    pub needs: String,
    /// Why it cannot be done on this machine; absent when it can.
    pub impossible: Option<String>,
}

/// Plan and experiment together, for machines. Version 1.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    digest: &'a str,
    experiment: &'a Experiment,
    plan: &'a Plan,
}

/// The plan for people.
pub fn text(experiment: &Experiment, plan: &Plan, style: Style) -> String {
    let mut page = Page::new(style);
    page.paragraph(&format!("PLAN: {}", experiment.name), 0, None);
    page.paragraph("nothing was contacted, nothing was touched", 2, None);
    page.command(&format!("digest: {}", plan.digest), 2);
    if !plan.set_up.is_empty() {
        page.heading("SET-UP (undone at the very end, the newest first)");
        steps(&mut page, &plan.set_up);
    }
    page.heading(&format!("BASELINE for {}", experiment.baseline));
    for probe in &experiment.steady_state {
        let expects: Vec<&str> = probe.expect.iter().map(|expectation| expectation.text.as_str()).collect();
        let every = format!("{} ({}, every {}): {}", probe.name, probe.kind.word(), probe.interval, expects.join(", "));
        page.paragraph(&every, 2, None);
    }
    for (spec, planned) in experiment.faults.iter().zip(&plan.faults) {
        fault(&mut page, spec, planned);
    }
    can_show(&mut page, plan);
    limits(&mut page, experiment);
    page.finish()
}

fn fault(page: &mut Page, spec: &FaultSpec, planned: &PlannedFault) {
    page.heading(&format!("FAULT {}: {} on {}", spec.name, spec.kind.word(), spec.target.describe()));
    match &planned.impossible {
        Some(why) => page.paragraph(&format!("cannot be done on this machine: {why}"), 2, None),
        None => steps(page, &planned.steps),
    }
    page.pairs(&[
        ("when".to_owned(), format!("from {} to {} of the observe phase", spec.start, spec.end())),
        ("needs".to_owned(), planned.needs.clone()),
    ]);
}

fn steps(page: &mut Page, steps: &[Step]) {
    for (place, step) in steps.iter().enumerate() {
        page.pairs(&[
            (format!("{}. do", place + 1), step.apply.to_string()),
            ("   undo".to_owned(), step.undo.to_string()),
            ("   check".to_owned(), step.verify.to_string()),
        ]);
    }
}

/// What the samples will be enough for.
fn can_show(page: &mut Page, plan: &Plan) {
    page.heading("WHAT THIS RUN CAN SHOW");
    let rows: Vec<Vec<String>> = plan.can_show.iter().map(foresight_row).collect();
    page.table(&["probe", "expected", "samples", "can say that it held", "would show"], &rows, &[]);
    let source = match &plan.earlier_run {
        Some(run) => format!("Known from run {run} of this experiment; where that did not compare, assumed."),
        None => format!(
            "Assumed: requests do not fail, do not depend on each other, and their latencies scatter by a factor of {:.2} \
             (log-normal, sigma {SIGMA}). A system that scatters more shows less; the report of the run says what it did \
             show.",
            SIGMA.exp()
        ),
    };
    page.paragraph(&source, 2, None);
}

fn foresight_row(foresight: &Foresight) -> Vec<String> {
    let held = match foresight.needed {
        _ if foresight.can_hold() => "yes".to_owned(),
        Some(needed) => format!("no, needs {needed}"),
        None => "no".to_owned(),
    };
    let shows = match (foresight.smallest_visible, foresight.longer_baseline) {
        (_, Some(longer)) => format!("needs a baseline of {longer}"),
        (Some(visible), _) => format!("{} worse", amount(visible)),
        (None, None) => "that depends on its values".to_owned(),
    };
    let samples = format!("{}/{}", foresight.before, foresight.during);
    vec![foresight.probe.clone(), foresight.expected.clone(), samples, held, shows]
}

fn limits(page: &mut Page, experiment: &Experiment) {
    page.heading("LIMITS");
    let mut pairs = vec![("blast radius".to_owned(), blast_radius(&experiment.blast_radius))];
    pairs.extend(experiment.stop_conditions.iter().map(|condition| ("stops at".to_owned(), condition.text.clone())));
    let watch = experiment.recovery.watch.map(|watch| format!(", then watched for {watch}")).unwrap_or_default();
    pairs.push(("recovery".to_owned(), format!("awaited for at most {}{watch}", experiment.recovery.within)));
    page.pairs(&pairs);
}

fn blast_radius(radius: &BlastRadius) -> String {
    let scope = match radius.scope {
        Scope::SingleInstance => "a single instance".to_owned(),
        Scope::Count(count) => format!("at most {count} instances"),
        Scope::Percentage(share) => format!("at most {share} of the instances"),
    };
    let users = radius.max_affected_users.map(|users| format!(", at most {users} users")).unwrap_or_default();
    format!("{scope}, {} of the traffic, at most {}{users}", radius.traffic, radius.duration)
}

/// The plan for machines, as JSON.
pub fn json(experiment: &Experiment, plan: &Plan) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Document { format: 1, digest: &plan.digest, experiment, plan })
        .map(|text| text + "\n")
}

/// The plan for people who want every detail, and for machines, as YAML: the same as the JSON, without YAML's tags.
pub fn yaml(experiment: &Experiment, plan: &Plan) -> anyhow::Result<String> {
    let document = serde_json::to_value(Document { format: 1, digest: &plan.digest, experiment, plan })?;
    Ok(serde_yaml::to_string(&document)?)
}

#[cfg(test)]
mod tests {
    use super::{Plan, PlannedFault, Style, json, text, yaml};
    use crate::analysis::foresight::foresee;
    use crate::model::experiment::Experiment;
    use crate::model::fault::{FaultKind, FaultSpec, ProcessPause, Target};
    use crate::model::step::{Act, Check, Step, Undo};
    use crate::model::testing::{self, whom};
    use crate::model::units::Timespan;

    fn paused() -> (Experiment, Plan) {
        let fault = FaultSpec {
            name: "hang\u{1b}[2J".into(),
            kind: FaultKind::ProcessPause(ProcessPause {}),
            target: Target::service("demo"),
            start: Timespan::ZERO,
            duration: Timespan::seconds(5),
        };
        let step = Step {
            apply: Act::Pause { whom: whom("demo") },
            undo: Undo::Resume { whom: whom("demo") },
            verify: Check::Running { whom: whom("demo") },
        };
        let planned = PlannedFault { steps: vec![step], needs: "nothing".into(), impossible: None };
        let experiment = Experiment { faults: vec![fault], ..testing::experiment() };
        let can_show = foresee(&experiment, None);
        let digest = "sha256:00".into();
        (experiment, Plan { digest, set_up: Vec::new(), faults: vec![planned], can_show, earlier_run: None })
    }

    #[test]
    fn every_step_is_told_with_its_undo_and_its_check() {
        let (experiment, plan) = paused();
        let text = text(&experiment, &plan, Style { color: false, width: 80 });
        for told in ["pause service demo", "resume service demo", "is not stopped", "from 0s to 5s"] {
            assert!(text.contains(told), "{told} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "a hostile name steers the terminal");
    }

    #[test]
    fn what_the_run_can_show_is_told_with_what_is_assumed() {
        let (experiment, plan) = paused();
        let told = |plan: &Plan| text(&experiment, plan, Style { color: false, width: 100 });
        assert!(
            told(&plan).contains("WHAT THIS RUN CAN SHOW") && told(&plan).contains("Assumed: requests do not fail")
        );
        let known = Plan { earlier_run: Some("0197-run".into()), ..plan };
        assert!(told(&known).contains("Known from run 0197-run of this experiment"));
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let (experiment, plan) = paused();
        let from_json: serde_json::Value =
            serde_json::from_str(&json(&experiment, &plan).expect("writes")).expect("reads");
        let from_yaml: serde_json::Value =
            serde_yaml::from_str(&yaml(&experiment, &plan).expect("writes")).expect("reads");
        assert_eq!(from_json, from_yaml);
        assert_eq!(
            from_json["plan"]["faults"][0]["steps"][0]["undo"]["resume"]["whom"]["target"]["by"]["service"],
            "demo"
        );
    }
}

//! The report for machines: one JSON object, versioned. `docs/report-format.md` documents every field.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::analysis::{Analysis, ResidueRecord, Run, StepRecord};
use crate::model::event::StopCause;
use crate::model::verdict::Mode;

/// Grows when a field changes its meaning or goes away; new fields do not count.
const FORMAT: u32 = 2;

/// The report as a value, to be a part of another one.
pub(super) fn value(run: &Run, analysis: &Analysis) -> serde_json::Value {
    serde_json::to_value(Report::of(run, analysis))
        .unwrap_or_else(|error| serde_json::json!({ "format": FORMAT, "bug": error.to_string() }))
}

/// The whole report as JSON, ending in a line end.
pub fn json(run: &Run, analysis: &Analysis) -> String {
    let report = Report::of(run, analysis);
    // Plain data with text keys always serialises; an error would be a bug of ours, and is told as such.
    let text = serde_json::to_string_pretty(&report)
        .unwrap_or_else(|error| serde_json::json!({ "format": FORMAT, "bug": error.to_string() }).to_string());
    text + "\n"
}

#[derive(Serialize)]
struct Report<'a> {
    format: u32,
    run: Header<'a>,
    exit_code: u8,
    #[serde(flatten)]
    analysis: &'a Analysis,
    baseline_problems: Option<&'a [String]>,
    stop: Option<Stop<'a>>,
    interrupted: Option<&'a str>,
    set_up_failure: Option<&'a str>,
    residue: Vec<Residue<'a>>,
    steps: Vec<Step<'a>>,
    affected_users: Option<u64>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Header<'a> {
    id: &'a str,
    experiment: &'a str,
    file: &'a str,
    mode: Mode,
    seed: u64,
    tool: &'a str,
    started: DateTime<Utc>,
    folder: Option<&'a Path>,
    variables: &'a [String],
    complete: bool,
}

#[derive(Serialize)]
struct Stop<'a> {
    cause: StopCause,
    condition: &'a str,
    measured: &'a str,
    first_bad_s: f64,
    fired_at_s: f64,
}

#[derive(Serialize)]
struct Residue<'a> {
    step: u64,
    what: &'a str,
    why: &'a str,
    command: Option<&'a str>,
    help: &'a str,
}

#[derive(Serialize)]
struct Step<'a> {
    number: u64,
    act: &'a str,
    applied_s: f64,
    undo: Option<&'a str>,
    undone_s: Option<f64>,
}

impl<'a> Report<'a> {
    fn of(run: &'a Run, analysis: &'a Analysis) -> Self {
        Self {
            format: FORMAT,
            run: Header::of(run),
            exit_code: analysis.verdict.exit_code(),
            analysis,
            baseline_problems: run.baseline_problems.as_deref(),
            stop: run.stop.as_ref().map(|stop| Stop {
                cause: stop.cause,
                condition: &stop.condition,
                measured: &stop.measured,
                first_bad_s: stop.first_bad.as_secs_f64(),
                fired_at_s: stop.fired_at.as_secs_f64(),
            }),
            interrupted: run.interrupted.as_deref(),
            set_up_failure: run.set_up_failure.as_deref(),
            residue: run.residue.iter().map(Residue::of).collect(),
            steps: run.steps.iter().map(Step::of).collect(),
            affected_users: run.affected_users,
            notes: &run.notes,
        }
    }
}

impl<'a> Header<'a> {
    fn of(run: &'a Run) -> Self {
        let header = &run.header;
        Self {
            id: &header.run,
            experiment: &header.experiment.name,
            file: &header.file,
            mode: header.mode,
            seed: header.seed,
            tool: &header.tool,
            started: header.started,
            folder: header.folder.as_deref(),
            variables: &header.variables,
            complete: run.ended,
        }
    }
}

impl<'a> Residue<'a> {
    fn of(left: &'a ResidueRecord) -> Self {
        Self { step: left.step, what: &left.what, why: &left.why, command: left.command.as_deref(), help: &left.help }
    }
}

impl<'a> Step<'a> {
    fn of(step: &'a StepRecord) -> Self {
        Self {
            number: step.number,
            act: &step.act,
            applied_s: step.applied.as_secs_f64(),
            undo: step.undo.as_deref(),
            undone_s: step.undone.map(|at| at.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::json;
    use crate::analysis::testing::Story;
    use crate::analysis::{Analysis, analyse};
    use crate::model::sample::Outcome;

    const DOCUMENT: &str = include_str!("../../docs/report-format.md");

    fn report(story: &Story) -> Value {
        let run = story.tell();
        serde_json::from_str(&json(&run, &analyse(&run))).expect("it is JSON")
    }

    fn outage() -> Story {
        let story = Story::failing_generator(1.0).fault(|_| (2.0, Outcome::Wrong));
        story.stopped_by("ask.error_rate > 20%", 14.0).leaving_residue()
    }

    #[test]
    fn a_report_reads_back_as_the_same_analysis() {
        let run = Story::slow_generator().fault(|_| (412.0, Outcome::Ok)).tell();
        let analysis = analyse(&run);
        let back: Analysis = serde_json::from_str(&json(&run, &analysis)).expect("it reads back");
        assert_eq!(back, analysis);
    }

    #[test]
    fn the_top_level_says_what_a_machine_wants_to_know() {
        let report = report(&Story::slow_generator().fault(|_| (412.0, Outcome::Ok)));
        assert_eq!(report["format"], 2);
        assert_eq!(report["verdict"], "deviated");
        assert_eq!(report["exit_code"], 1);
        assert_eq!(report["run"]["seed"], 42);
        assert_eq!(report["run"]["folder"], "/var/lib/chaos/runs/0197-run");
        assert_eq!(report["impact"]["level"], "inconclusive", "450 samples");
        assert_eq!(report["impact_point"]["level"], "high");
        assert_eq!(report["probes"][0]["expectations"][1]["fault"]["number"], 0.412);
        assert_eq!(report["recovery"]["status"], "recovered");
        assert_eq!(report["baseline_problems"], serde_json::json!([]));
    }

    #[test]
    fn residue_and_stop_are_told_with_their_numbers() {
        let report = report(&outage());
        assert_eq!(report["verdict"], "residue");
        assert_eq!(report["residue"][0]["command"], "kill -CONT 7");
        assert_eq!(report["residue"][0]["help"], "it ends with the tool's process");
        assert_eq!(report["stop"]["fired_at_s"], 14.0);
        assert_eq!(report["breach_to_rollback_s"], Value::Null, "never verified undone");
    }

    /// The fields of the first table of the document are the fields of the report, no more and no less.
    #[test]
    fn the_top_level_fields_are_those_of_the_document() {
        let section = DOCUMENT.split("\n## ").nth(1).expect("a first section");
        let documented: BTreeSet<&str> =
            section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let report = report(&outage());
        let written: BTreeSet<&str> = report.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(documented, written);
    }

    #[test]
    fn every_field_at_any_depth_is_documented() {
        let mut undocumented = BTreeSet::new();
        let stories = [outage(), Story::slow_generator().fault(|_| (412.0, Outcome::Ok))];
        stories.iter().for_each(|story| collect(&report(story), &mut undocumented));
        undocumented.retain(|field| !DOCUMENT.contains(&format!("| `{field}` |")));
        assert_eq!(undocumented, BTreeSet::new());
    }

    fn collect(value: &Value, fields: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => object.iter().for_each(|(field, value)| {
                fields.insert(field.clone());
                collect(value, fields);
            }),
            Value::Array(values) => values.iter().for_each(|value| collect(value, fields)),
            _ => {}
        }
    }
}

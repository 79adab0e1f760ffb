//! A suite for machines: one object. `docs/report-format.md` documents every field.

use serde::Serialize;
use serde_json::Value;

use super::{Attempt, Entry, Suite};
use crate::report::json as single;

/// Grows when a field changes its meaning or goes away; new fields do not count.
const FORMAT: u32 = 1;

/// All of it, ending in a line end.
pub fn json(suite: &Suite) -> String {
    let document = Document {
        suite_format: FORMAT,
        exit_code: suite.exit_code(),
        started: suite.started,
        duration_s: suite.took.as_secs_f64(),
        experiments: suite.entries.iter().map(Experiment::of).collect(),
    };
    let text = serde_json::to_string_pretty(&document)
        .unwrap_or_else(|error| serde_json::json!({ "suite_format": FORMAT, "bug": error.to_string() }).to_string());
    text + "\n"
}

#[derive(Serialize)]
struct Document<'a> {
    suite_format: u32,
    exit_code: u8,
    started: chrono::DateTime<chrono::Utc>,
    duration_s: f64,
    experiments: Vec<Experiment<'a>>,
}

#[derive(Serialize)]
struct Experiment<'a> {
    name: &'a str,
    file: &'a str,
    exit_code: Option<u8>,
    verdict: Option<crate::model::verdict::Verdict>,
    reasons: Vec<String>,
    left_out: Option<&'a str>,
    pool: Option<&'a crate::analysis::pool::Pool>,
    runs: Vec<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    id: &'a str,
    exit_code: u8,
    trouble: Option<&'a str>,
    report: Option<Value>,
}

impl<'a> Experiment<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            name: &entry.name,
            file: &entry.file,
            exit_code: entry.code(),
            verdict: entry.verdict(),
            reasons: entry.reasons(),
            left_out: entry.left_out.as_deref(),
            pool: entry.pool.as_ref(),
            runs: entry.attempts.iter().map(Run::of).collect(),
        }
    }
}

impl<'a> Run<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            id: &attempt.id,
            exit_code: attempt.code,
            trouble: attempt.told.as_ref().err().map(String::as_str),
            report: attempt.told.as_ref().ok().map(|told| single::value(&told.run, &told.analysis)),
        }
    }
}

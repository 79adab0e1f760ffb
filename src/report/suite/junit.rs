//! A suite for CI servers: a `testsuite` for each experiment. A run that told nothing is an error, and an experiment that
//! was left out is skipped.

use std::time::Duration;

use super::{Entry, Suite};
use crate::report::junit::xml::{self, Case, Outcome, TestSuite};
use crate::report::junit::{self as single, END};

/// All of it.
pub fn junit(suite: &Suite) -> String {
    let suites: Vec<TestSuite> = suite.entries.iter().map(|entry| test_suite(suite, entry)).collect();
    xml::document(&suites)
}

fn test_suite(suite: &Suite, entry: &Entry) -> TestSuite {
    match entry.attempts.as_slice() {
        [attempt] if let Ok(told) = &attempt.told => single::suite(&told.run, &told.analysis),
        _ => bare(suite, entry),
    }
}

/// There is nothing but how it ended.
fn bare(suite: &Suite, entry: &Entry) -> TestSuite {
    let why = entry.reasons().join("\n");
    let outcome = match entry.code() {
        None => Outcome::Skipped(why),
        Some(_) => Outcome::Unknown { kind: "no_report", why },
    };
    TestSuite {
        name: entry.name.clone(),
        started: suite.started,
        took: Duration::ZERO,
        properties: vec![("file", entry.file.clone())],
        cases: vec![Case { name: END.to_owned(), outcome }],
        output: String::new(),
    }
}

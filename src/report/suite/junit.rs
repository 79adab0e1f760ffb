//! A suite for CI servers: a `testsuite` for each experiment. A run that told nothing is an error, and an experiment that
//! was left out is skipped. Of repeated runs each case has the worst outcome of all, and each expectation what all runs say
//! together.

use std::time::Duration;

use super::{Entry, Suite, pool};
use crate::analysis::findings::Standing;
use crate::analysis::pool::Pool;
use crate::report::junit::xml::{self, Case, Outcome, TestSuite};
use crate::report::junit::{self as single, END};
use crate::report::layout::{Page, Style};

/// All of it.
pub fn junit(suite: &Suite) -> String {
    let suites: Vec<TestSuite> = suite.entries.iter().map(|entry| test_suite(suite, entry)).collect();
    xml::document(&suites)
}

fn test_suite(suite: &Suite, entry: &Entry) -> TestSuite {
    match (&entry.pool, entry.attempts.as_slice()) {
        (Some(pool), _) => pooled(suite, entry, pool),
        (None, [attempt]) if let Ok(told) = &attempt.told => single::suite(&told.run, &told.analysis),
        _ => bare(suite, entry),
    }
}

fn pooled(suite: &Suite, entry: &Entry, pool: &Pool) -> TestSuite {
    let mut cases: Vec<Case> = Vec::new();
    for (number, told) in entry.told() {
        for case in single::cases(&told.run, &told.analysis) {
            worst(&mut cases, case, &format!("run {number} of {}: ", entry.attempts.len()));
        }
    }
    for probe in &pool.probes {
        for row in &probe.expectations {
            let name = single::expectation_name(&probe.name, &row.all.expected);
            cases
                .iter_mut()
                .filter(|case| case.name == name)
                .for_each(|case| case.outcome = outcome(pool::outcome(row)));
        }
    }
    let mut page = Page::new(Style { color: false, width: 100 });
    pool::say(&mut page, entry, pool);
    TestSuite {
        cases,
        took: entry.told().map(|(_, told)| told.run.last).sum(),
        properties: vec![
            ("file", entry.file.clone()),
            ("runs", pool.of.to_string()),
            ("verdict", pool.verdict.headline().to_owned()),
            ("exit code", entry.code().unwrap_or_default().to_string()),
            ("impact", pool.impact.level.word().to_owned()),
        ],
        output: page.finish(),
        ..bare(suite, entry)
    }
}

fn outcome(found: Result<(), (Standing, String)>) -> Outcome {
    match found {
        Ok(()) => Outcome::Passed,
        Err((Standing::Deviated, why)) => Outcome::Failed { kind: "deviated", why },
        Err((_, why)) => Outcome::Unknown { kind: "inconclusive", why },
    }
}

/// Puts a case of one more run beside those of the runs before it.
fn worst(cases: &mut Vec<Case>, case: Case, of: &str) {
    let told = match case.outcome {
        Outcome::Passed => Outcome::Passed,
        Outcome::Failed { kind, why } => Outcome::Failed { kind, why: format!("{of}{why}") },
        Outcome::Unknown { kind, why } => Outcome::Unknown { kind, why: format!("{of}{why}") },
        Outcome::Skipped(why) => Outcome::Skipped(format!("{of}{why}")),
    };
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Failed { .. } => 3,
        Outcome::Unknown { .. } => 2,
        Outcome::Skipped(_) => 1,
        Outcome::Passed => 0,
    };
    match cases.iter_mut().find(|known| known.name == case.name) {
        Some(known) if rank(&told) > rank(&known.outcome) => known.outcome = told,
        Some(_) => {}
        None => cases.push(Case { name: case.name, outcome: told }),
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

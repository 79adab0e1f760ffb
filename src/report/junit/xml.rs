//! JUnit XML as text: what a test suite and a test case look like, and nothing of what they are about.

use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::diagnostic::clean::clean;

/// One `testsuite`.
pub struct TestSuite {
    /// What it is called, and every case of it.
    pub name: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// How long it took.
    pub took: Duration,
    /// What else is known of it.
    pub properties: Vec<(&'static str, String)>,
    /// Its test cases.
    pub cases: Vec<Case>,
    /// What it printed.
    pub output: String,
}

/// One `testcase`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name, the same for every run.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a test case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As wanted.
    Passed,
    /// What was to hold did not.
    Failed {
        /// A word for machines.
        kind: &'static str,
        /// Why.
        why: String,
    },
    /// It cannot be said whether it does: never a pass.
    Unknown {
        /// A word for machines.
        kind: &'static str,
        /// Why.
        why: String,
    },
    /// There was nothing to say; something else says why.
    Skipped(String),
}

#[derive(Default)]
struct Totals {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    seconds: f64,
}

impl Totals {
    fn of(suite: &TestSuite) -> Self {
        let count = |is: fn(&Outcome) -> bool| suite.cases.iter().filter(|case| is(&case.outcome)).count();
        Self {
            tests: suite.cases.len(),
            failures: count(|outcome| matches!(outcome, Outcome::Failed { .. })),
            errors: count(|outcome| matches!(outcome, Outcome::Unknown { .. })),
            skipped: count(|outcome| matches!(outcome, Outcome::Skipped(_))),
            seconds: suite.took.as_secs_f64(),
        }
    }

    fn attributes(&self) -> String {
        let Self { tests, failures, errors, seconds, .. } = self;
        format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\"")
    }
}

/// A whole file.
pub fn document(suites: &[TestSuite]) -> String {
    let all = suites.iter().map(Totals::of).fold(Totals::default(), |sum, one| Totals {
        tests: sum.tests + one.tests,
        failures: sum.failures + one.failures,
        errors: sum.errors + one.errors,
        skipped: sum.skipped + one.skipped,
        seconds: sum.seconds + one.seconds,
    });
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites name=\"chaos\" {}>", all.attributes());
    suites.iter().for_each(|suite| write_suite(&mut xml, suite));
    xml.push_str("</testsuites>\n");
    xml
}

fn write_suite(xml: &mut String, suite: &TestSuite) {
    let totals = Totals::of(suite);
    let (name, started) = (attribute(&suite.name), suite.started.format("%Y-%m-%dT%H:%M:%S"));
    let (attributes, skipped) = (totals.attributes(), totals.skipped);
    let _ = writeln!(xml, "  <testsuite name=\"{name}\" {attributes} skipped=\"{skipped}\" timestamp=\"{started}\">");
    xml.push_str("    <properties>\n");
    for (name, value) in &suite.properties {
        let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{}\"/>", attribute(value));
    }
    xml.push_str("    </properties>\n");
    suite.cases.iter().for_each(|case| write_case(xml, case, &name));
    let _ = writeln!(xml, "    <system-out>{}</system-out>", escape(&suite.output));
    xml.push_str("  </testsuite>\n");
}

fn write_case(xml: &mut String, case: &Case, suite: &str) {
    let _ = write!(xml, "    <testcase classname=\"{suite}\" name=\"{}\"", attribute(&case.name));
    let element = |element: &str, kind: &str, why: &str| {
        format!("      <{element} type=\"{kind}\" message=\"{}\">{}</{element}>", attribute(why), escape(why))
    };
    let inner = match &case.outcome {
        Outcome::Passed => return xml.push_str("/>\n"),
        Outcome::Failed { kind, why } => element("failure", kind, why),
        Outcome::Unknown { kind, why } => element("error", kind, why),
        Outcome::Skipped(why) => format!("      <skipped message=\"{}\"/>", attribute(why)),
    };
    let _ = writeln!(xml, ">\n{inner}\n    </testcase>");
}

fn attribute(text: &str) -> String {
    escape(&clean(text))
}

/// Text for XML, line ends kept; characters that XML cannot carry are written out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push('\n'),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => escaped.extend(c.escape_unicode()),
            c => escaped.push_str(&clean(c.encode_utf8(&mut [0; 4]))),
        }
    }
    escaped
}

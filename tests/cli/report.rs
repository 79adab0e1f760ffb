//! `chaos report`, `history` and `compare`: what a run says later is what it said at its end.

use std::path::Path;

use crate::experiments::Ports;
use crate::files;
use crate::slots::Company;
use crate::support::{Done, Sandbox, repository, skip};

/// The formats of `report` and the extensions of `run --report`.
const FORMATS: [(&str, &str); 5] =
    [("text", "txt"), ("json", "json"), ("junit", "xml"), ("markdown", "md"), ("html", "html")];

/// Runs an experiment that is not steady, with a report in every format.
fn run(sandbox: &Sandbox, name: &str) -> Done {
    let text = files::unsteady();
    sandbox.write("a.yaml", &text);
    let reports = FORMATS.iter().flat_map(|(_, end)| ["--report".to_owned(), format!("{name}.{end}")]);
    let run = sandbox.chaos(["run", "a.yaml"]).args(Ports::new().variables(&text)).args(reports);
    run.in_company(Company::SideBySide).done().exits(3)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_stored_run_says_byte_for_byte_what_it_said_at_its_end() {
    let sandbox = Sandbox::new();
    let told = run(&sandbox, "out");
    let id = sandbox.run_folder().file_name().expect("a name").to_string_lossy().into_owned();
    for (format, end) in FORMATS {
        for which in ["latest", &id, &id[..20]] {
            let again = sandbox.chaos(["report", which, "--format", format]).done().exits(0).complains_of_nothing();
            assert!(again.stdout == read(&sandbox.path(&format!("out.{end}"))), "{format} differs: {again}");
        }
    }
    assert_eq!(sandbox.chaos(["report", "latest"]).done().stdout, told.stdout);
}

#[test]
fn a_torn_event_log_is_told_on_stderr_and_rendered_as_far_as_it_goes() {
    let sandbox = Sandbox::new();
    run(&sandbox, "out");
    let events = sandbox.run_folder().join("events.jsonl");
    let text = read(&events);
    #[allow(clippy::disallowed_methods, reason = "a test tears the file")]
    std::fs::write(&events, &text[..text.len() - 5]).expect("writes");
    let torn = sandbox.chaos(["report", "latest"]).done().exits(0).complains("is torn");
    torn.says("INCONCLUSIVE").says("the record of this run breaks off");
    sandbox.chaos(["report", "latest", "--format", "json"]).done().says("\"complete\": false");
}

#[test]
fn a_run_that_is_not_there_is_refused() {
    let sandbox = Sandbox::new();
    for (words, why) in [
        (&["report", "latest"][..], "no run is kept in"),
        (&["report", "0197"], "there is no run 0197"),
        (&["compare", "latest", "0197"], "no run is kept in"),
    ] {
        sandbox.chaos(words).done().exits(2).says_nothing().complains(why);
    }
    assert_eq!(sandbox.chaos(["history"]).done().exits(0).stdout, "no runs are kept\n");
    assert!(sandbox.files().is_empty(), "looking writes nothing");
}

#[test]
fn the_history_lists_every_run_and_two_of_them_compare() {
    let sandbox = Sandbox::new();
    run(&sandbox, "first");
    run(&sandbox, "second");
    let history = sandbox.chaos(["history", "--output", "json"]).done().exits(0).complains_of_nothing().json();
    let runs = history["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2, "{history}");
    for entry in runs {
        assert_eq!((&entry["verdict"], &entry["exit_code"]), (&"not_steady".into(), &3.into()), "{entry}");
        assert!(entry["duration_s"].as_f64().is_some_and(|time| time >= 1.0), "{entry}");
    }
    let short: Vec<&str> = runs.iter().map(|entry| entry["short"].as_str().expect("an id")).collect();
    let listed = sandbox.chaos(["history"]).done().exits(0).says("BASELINE NOT");
    assert!(short.iter().all(|id| listed.stdout.contains(id)), "{listed}");
    let compare = ["compare", short[0], short[1], "--fail-on", "regression"];
    sandbox.chaos(compare).done().exits(0).says("NOTHING CHANGED FOR SURE");
    let read = sandbox.chaos(compare).args(["--output", "json"]).done().exits(0).json();
    assert_eq!((&read["format"], &read["regressions"]), (&1.into(), &serde_json::json!([])));
}

#[test]
fn a_regression_fails_only_where_it_is_asked_for() {
    let sandbox = Sandbox::new();
    run(&sandbox, "before");
    run(&sandbox, "after");
    let history = sandbox.chaos(["history", "--output", "json"]).done().json();
    let id = |place: usize| history["runs"][place]["run"].as_str().expect("an id").to_owned();
    let (before, after) = (id(0), id(1));
    // The later run left something behind, its record says.
    let events = sandbox.path("state/chaos/runs").join(&after).join("events.jsonl");
    let residue = r#"{"at_ns":1,"event":"residue","step":1,"what":"a thing","why":"it stays","command":null}"#;
    let text = read(&events);
    let end = text.trim_end().rfind('\n').expect("lines") + 1;
    #[allow(clippy::disallowed_methods, reason = "a test makes up a record")]
    std::fs::write(&events, format!("{}{residue}\n{}", &text[..end], &text[end..])).expect("writes");
    let worse = "verdict: BASELINE NOT STEADY -> RESIDUE";
    sandbox.chaos(["compare", &before, &after]).done().exits(0).says("REGRESSION").says(worse);
    sandbox.chaos(["compare", &before, &after, "--fail-on", "regression"]).done().exits(1).says(worse);
    sandbox.chaos(["compare", &after, &before, "--fail-on", "regression"]).done().exits(0).says("IMPROVEMENT");
}

#[test]
fn the_summary_of_a_job_gets_the_report_appended() {
    let sandbox = Sandbox::new();
    let text = files::unsteady();
    sandbox.write("a.yaml", &text);
    let summary = sandbox.write("summary.md", "# Steps before\n");
    let run = || {
        let run = sandbox.chaos(["run", "a.yaml"]).args(Ports::new().variables(&text)).in_company(Company::SideBySide);
        run.env("GITHUB_STEP_SUMMARY", &summary.display().to_string())
    };
    run().done().exits(3);
    let report = sandbox.chaos(["report", "latest", "--format", "markdown"]).done().stdout;
    assert_eq!(read(&summary), format!("# Steps before\n{report}"));
    let gone = sandbox.path("gone/summary.md").display().to_string();
    run().env("GITHUB_STEP_SUMMARY", &gone).done().exits(3).complains("error: cannot write");
}

#[test]
fn junit_is_what_ci_servers_take() {
    let sandbox = Sandbox::new();
    if sandbox.program("sh", ["-c", "command -v xmllint"]).done().code != Some(0) {
        return skip("junit_is_what_ci_servers_take", "xmllint is not installed (package libxml2-utils)");
    }
    run(&sandbox, "out");
    let schema = repository().join("tests/cli/junit-10.xsd").display().to_string();
    let valid = |file: &str| sandbox.program("xmllint", ["--noout", "--nonet", "--schema", &schema, file]).done();
    valid("out.xml").exits(0);
    let broken = read(&sandbox.path("out.xml")).replace("<testcase ", "<test ").replace("</testcase>", "</test>");
    sandbox.write("broken.xml", broken);
    assert_ne!(valid("broken.xml").code, Some(0), "the schema refuses what is not JUnit");
}

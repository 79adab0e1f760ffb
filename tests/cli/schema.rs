//! Reports are judged by tools that are not ours: JSON by a validator against `docs/report.schema.json`, Markdown by a
//! renderer. `CHAOS_PYTHON` names a Python that has both (`pip install jsonschema markdown-it-py`); `python3` unless set.

use std::path::Path;

use crate::experiments::Ports;
use crate::files;
use crate::slots::Company;
use crate::support::{Sandbox, repository, skip};

fn python() -> String {
    std::env::var("CHAOS_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn has_the_tools(sandbox: &Sandbox) -> bool {
    sandbox.program(&python(), ["-c", "import jsonschema, markdown_it"]).done().code == Some(0)
}

/// Judges reports of these names in the sandbox.
fn judge(sandbox: &Sandbox, reports: &[&str]) -> crate::support::Done {
    let in_repository = |path: &str| repository().join(path).display().to_string();
    let words = [in_repository("tests/cli/formats.py"), in_repository("docs/report.schema.json")];
    sandbox.program(&python(), words.iter().map(String::as_str).chain(reports.iter().copied())).done()
}

/// The report of the latest run in a sandbox is valid JSON and Markdown that renders; true when that could be said.
pub fn latest_is_valid(sandbox: &Sandbox) -> bool {
    if !has_the_tools(sandbox) {
        skip("the report of a run is valid", "this Python has no jsonschema and markdown-it-py");
        return false;
    }
    for (format, name) in [("json", "judged.json"), ("markdown", "judged.md")] {
        let report = sandbox.chaos(["report", "latest", "--format", format]).done().exits(0);
        sandbox.write(name, &report.stdout);
    }
    judge(sandbox, &["judged.json", "judged.md"]).exits(0).says("all well");
    true
}

fn kept(sandbox: &Sandbox) -> String {
    read(&sandbox.run_folder().join("events.jsonl"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[allow(clippy::disallowed_methods, reason = "a test makes up a record")]
fn keep(sandbox: &Sandbox, events: &str) {
    std::fs::write(sandbox.run_folder().join("events.jsonl"), events).expect("writes");
}

/// Endings that no run has in a test of its own are made up, by an event more in the record of a real run.
#[test]
fn reports_of_every_ending_are_valid() {
    let sandbox = Sandbox::new();
    let text = files::unsteady();
    sandbox.write("a.yaml", &text);
    let run = sandbox.chaos(["run", "a.yaml"]).args(Ports::new().variables(&text));
    run.in_company(Company::SideBySide).done().exits(3);
    if !latest_is_valid(&sandbox) {
        return;
    }
    let events = kept(&sandbox);
    let end = events.trim_end().rfind('\n').expect("lines") + 1;
    let evil = r#"a|b\n| ![x](http://evil/x.png) <img src=x> `c` \u001b[2J"#;
    for (verdict, more) in [
        ("residue", format!(r#""event":"residue","step":1,"what":"{evil}","why":"{evil}","command":"{evil}""#)),
        ("interrupted", r#""event":"interrupted","signal":"SIGINT""#.to_owned()),
        (
            // What was not steady before was not stopped by the fault; the stop is told all the same.
            "not_steady",
            format!(
                r#""event":"stop_fired","cause":"no_data","condition":"{evil}","measured":"{evil}","first_bad_ns":1"#
            ),
        ),
        ("not_run", format!(r#""event":"set_up_failed","why":"{evil}""#)),
    ] {
        keep(&sandbox, &format!("{}{{\"at_ns\":1,{more}}}\n{}", &events[..end], &events[end..]));
        assert!(latest_is_valid(&sandbox));
        let report: serde_json::Value = serde_json::from_str(&read(&sandbox.path("judged.json"))).expect("is JSON");
        assert_eq!(report["verdict"], verdict, "{more}");
    }
    keep(&sandbox, &events[..events.len() - 3]);
    assert!(latest_is_valid(&sandbox), "a record that breaks off");
}

#[test]
fn the_judge_refuses_what_is_wrong() {
    let sandbox = Sandbox::new();
    if !has_the_tools(&sandbox) {
        return skip("the_judge_refuses_what_is_wrong", "this Python has no jsonschema and markdown-it-py");
    }
    sandbox.write("bad.json", r#"{"format": 2, "verdict": "fine"}"#);
    judge(&sandbox, &["bad.json"]).exits(1).says("'fine' is not one of").says("'run' is a required property");
    sandbox.write("bad.md", "## held\n\n| a | b |\n| --- | --- |\n| c | d |\n\n| not a table |\n\n[x](http://evil)\n");
    judge(&sandbox, &["bad.md"]).exits(1).says("line 7 is no row of a table").says("a link_open");
}

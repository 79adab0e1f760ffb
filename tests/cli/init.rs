//! `chaos init`: what it writes is valid, whatever is broken, and nothing is ever overwritten. That a newcomer gets from
//! an empty folder to a report is in `tests/real/newcomer.rs`.

use crate::support::{Sandbox, skip};

/// The words behind `--break` and whether a command must be given.
const CASES: [(&str, bool); 11] = [
    ("latency", false),
    ("slow-line", false),
    ("errors", false),
    ("disconnects", false),
    ("outage", false),
    ("hang", false),
    ("cpu", false),
    ("memory", false),
    ("disk", false),
    ("kill", true),
    ("pause", true),
];

#[test]
fn every_case_becomes_an_experiment_that_is_valid_and_can_be_planned() {
    let sandbox = Sandbox::new();
    let list = sandbox.chaos(["init", "--list"]).done().exits(0).complains_of_nothing();
    assert_eq!(list.stdout.lines().count(), CASES.len(), "{list}");
    for (case, command) in CASES {
        assert!(list.stdout.contains(&format!("  {case} ")), "{case} is not listed: {list}");
        let file = format!("{case}.yaml");
        let words = ["init", &file, "--url", "http://127.0.0.1:8080/a?b=${c}", "--break", case];
        let command: &[&str] = if command { &["--", "chaos", "demo", "--fallback"] } else { &[] };
        let done = sandbox.chaos(words).args(command).done().exits(0).says_nothing();
        done.complains(&format!("Written to {file}"));
        sandbox.chaos(["validate", &file]).done().exits(0).complains_of_nothing();
        sandbox.chaos(["plan", &file]).done().exits(0).complains_of_nothing();
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_is_written_that_was_not_asked_for() {
    let sandbox = Sandbox::new();
    let words = ["init", "--port", "8080", "--break", "cpu"];
    sandbox.chaos(words).done().exits(0);
    assert_eq!(sandbox.files(), ["chaos.yaml".to_owned()].into());
    let written = std::fs::read_to_string(sandbox.path("chaos.yaml")).expect("reads");
    sandbox.chaos(["init", "--port", "9090", "--break", "memory"]).done().exits(2).complains("is not overwritten");
    assert_eq!(std::fs::read_to_string(sandbox.path("chaos.yaml")).expect("reads"), written);
    for stdout in ["--stdout", "-"] {
        let done = sandbox.chaos(words).args([stdout]).done().exits(0);
        assert_eq!(done.stdout, written);
    }
    assert_eq!(sandbox.files(), ["chaos.yaml".to_owned()].into());
}

#[test]
fn who_must_be_pointed_at_the_proxy_is_said() {
    let sandbox = Sandbox::new();
    let words = ["init", "--stdout", "--break", "hang", "--listen", "127.0.0.1:15432", "--url"];
    let before =
        sandbox.chaos(words).args(["https://shop.example/", "--dependency", "db.internal:5432"]).done().exits(0);
    let before = before.says("url: https://shop.example/").says("127.0.0.1:15432");
    before.complains("TO DO: point whatever calls db.internal:5432 at 127.0.0.1:15432");
    let named = sandbox.chaos(words).args(["http://shop.example:81/"]).done().exits(0);
    let named = named.says("url: http://127.0.0.1:15432/").says("\"host\": \"shop.example:81\"");
    named.says("upstream: \"shop.example:81\"").complains("the probe goes through it");
    sandbox
        .chaos(words)
        .args(["https://shop.example/"])
        .done()
        .exits(2)
        .says_nothing()
        .complains("--dependency HOST:PORT");
}

#[test]
fn what_is_missing_is_told_where_nobody_can_be_asked() {
    let sandbox = Sandbox::new();
    let refused = |words: &[&str], part: &str| {
        sandbox.chaos(["init"]).args(words).done().exits(2).says_nothing().complains(part);
        assert!(sandbox.files().is_empty(), "{words:?}");
    };
    refused(&[], "--url");
    refused(&["--port", "8080"], "--break latency");
    refused(&["--port", "8080", "--break", "earthquake"], "possible values");
    refused(&["--port", "8080", "--break", "kill"], "-- COMMAND");
    refused(&["--port", "8080", "--break", "cpu", "--", "server"], "a command is only needed");
    refused(&["--url", "ftp://a/", "--break", "cpu"], "is not spoken here");
    refused(&["--url", "http://me:secret@a/", "--break", "cpu"], "is shown in reports");
    refused(&["--from-openapi", "gone.yaml", "--break", "cpu"], "cannot read gone.yaml");
}

#[test]
fn a_terminal_is_asked() {
    let sandbox = Sandbox::new();
    if sandbox.program("sh", ["-c", "command -v script"]).done().code != Some(0) {
        return skip("a_terminal_is_asked", "script is not installed");
    }
    let binary = crate::binary::chaos();
    // URL, an answer that is none, the case, no dependency.
    let answers =
        format!("printf '8081\\nearthquake\\nerrors\\n\\n' | script -qec '{binary} init asked.yaml' /dev/null");
    sandbox.program("sh", ["-c", &answers]).done().exits(0).says("there is no `earthquake`");
    let written = std::fs::read_to_string(sandbox.path("asked.yaml")).expect("written");
    assert!(written.contains("upstream: \"127.0.0.1:8081\"") && written.contains("fault: http.error"), "{written}");
    sandbox.chaos(["validate", "asked.yaml"]).done().exits(0);
}

#[test]
fn probes_are_filled_from_an_openapi_document_and_what_is_skipped_is_told() {
    let sandbox = Sandbox::new();
    let document = r##"{"openapi": "3.0.3", "servers": [{"url": "http://127.0.0.1:8080/v1"}], "paths": {
        "/pets": {"get": {"parameters": [{"name": "limit", "in": "query", "required": true, "schema": {"default": 5}}]}},
        "/pets/{id}": {"get": {"parameters": [{"$ref": "#/components/parameters/id"}]}, "delete": {}},
        "/pets/{id}/{tag}": {"get": {"parameters": [{"$ref": "#/components/parameters/id"}]}}},
        "components": {"parameters": {"id": {"name": "id", "in": "path", "example": "a b"}}}}"##;
    sandbox.write("openapi.json", document);
    let words = ["init", "pets.yaml", "--from-openapi", "openapi.json", "--break", "cpu"];
    sandbox
        .chaos(words)
        .done()
        .exits(0)
        .complains("skipped /pets/{id}/{tag}: a part of its path is no parameter of it");
    let written = std::fs::read_to_string(sandbox.path("pets.yaml")).expect("written");
    for part in
        ["http://127.0.0.1:8080/v1/pets?limit=5", "http://127.0.0.1:8080/v1/pets/a%20b", "# skipped: /pets/{id}/{tag}"]
    {
        assert!(written.contains(part), "no `{part}` in {written}");
    }
    sandbox.chaos(["validate", "pets.yaml"]).done().exits(0).complains_of_nothing();
    sandbox.write("empty.yaml", "openapi: 3.1.0\npaths: {}\n");
    sandbox.chaos(["init", "--from-openapi", "empty.yaml", "--break", "cpu"]).done().exits(2).complains("no GET path");
}

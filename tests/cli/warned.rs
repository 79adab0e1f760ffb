//! One risky file and its exact warnings each: `tests/warned/NAME.yaml` and `NAME.txt`.
//!
//! `UPDATE=1 cargo test --test cli warned` writes the warnings anew; read them as a user would before committing them. A
//! first line `# --var NAME=VALUE` gives variables.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Done, Sandbox, repository};

/// Fewer files mean that some were lost.
const AT_LEAST: usize = 15;
/// More lines do not fit a screen.
const SCREEN: usize = 40;

fn folder() -> PathBuf {
    repository().join("tests/warned")
}

fn names(ending: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).expect("tests/warned").map(|file| file.expect("entry").path());
    let ours = files.filter(|path| path.extension().is_some_and(|extension| extension == ending));
    ours.map(|path| path.file_stem().expect("name").to_string_lossy().into_owned()).collect()
}

fn validate(name: &str, words: &[&str]) -> Done {
    let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).expect("file");
    let first = text.lines().next().unwrap_or_default();
    let given = first.strip_prefix("# ").filter(|words| words.starts_with("--var")).unwrap_or_default();
    let words = words.iter().copied().chain(given.split_whitespace());
    Sandbox::new().chaos(["validate", &format!("{name}.yaml")]).args(words).in_folder(&folder()).done()
}

fn warnings(name: &str) -> String {
    let done = validate(name, &[]).exits(0);
    assert!(done.stdout.starts_with(&format!("{name}.yaml: ok, with ")), "{done}");
    done.stderr
}

#[test]
fn every_risky_file_is_warned_of_word_for_word() {
    let files = names("yaml");
    assert!(files.len() >= AT_LEAST, "only {} files in tests/warned", files.len());
    let told: Vec<(String, String)> = files.iter().map(|name| (name.clone(), warnings(name))).collect();
    if std::env::var_os("UPDATE").is_some() {
        for (name, text) in &told {
            #[expect(clippy::disallowed_methods, reason = "the bless of a test writes into the source tree")]
            std::fs::write(folder().join(format!("{name}.txt")), text).expect("write");
        }
    }
    assert_eq!(files, names("txt"), "each .yaml has its .txt, and each .txt its .yaml");
    for (name, text) in told {
        let expected = std::fs::read_to_string(folder().join(format!("{name}.txt"))).expect("warnings");
        assert_eq!(text, expected, "{name}");
        for one in text.split("\n\n") {
            assert!(one.starts_with("warning: ") && one.contains(&format!("--> {name}.yaml:")), "{one}");
            assert!(one.contains("help: ") && one.lines().count() <= SCREEN, "{one}");
        }
    }
}

#[test]
fn warnings_fail_only_where_that_is_asked_for() {
    for flag in ["--strict", "--deny-warnings"] {
        let done = validate("no_stop_condition", &[flag]).exits(1);
        assert_eq!(done.stdout, "no_stop_condition.yaml: 1 warning\n");
        assert!(done.stderr.starts_with("warning: no stop condition"), "{done}");
    }
}

/// What we ship is what people copy.
#[test]
fn no_shipped_experiment_is_warned_of() {
    let done = Sandbox::new().chaos(["validate", "--strict", "experiments", "docs/examples"]).in_folder(repository());
    done.done().exits(0).complains_of_nothing();
}

#[test]
fn plan_and_run_warn_once_on_standard_error() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("file.yaml", std::fs::read(folder().join("no_stop_condition.yaml")).expect("file"));
    let file = file.to_string_lossy().into_owned();
    let planned = sandbox.chaos(["plan", &file]).done().exits(0);
    // A state folder that is a file: the run is refused before it touches anything.
    let ran = sandbox.chaos(["run", &file, "--state-dir", &file]).done().exits(2);
    for done in [planned, ran] {
        assert_eq!(done.stderr.matches("warning: no stop condition").count(), 1, "{done}");
        assert!(!done.stdout.contains("warning"), "{done}");
    }
}

#[test]
fn machines_get_every_problem_with_its_place_and_its_patch() {
    let sandbox = Sandbox::new();
    let risky = std::fs::read_to_string(folder().join("no_stop_condition.yaml")).expect("file");
    sandbox.write("a.yaml", &risky);
    sandbox.write("b.yaml", risky.replace("delay: 200ms", "delay: 200"));
    sandbox.write("policy.yaml", "max_duration: 1s\n");
    let json = |words: &[&str], code| -> Value {
        let done = sandbox.chaos(["validate", "--output", "json"].iter().chain(words)).done().exits(code);
        serde_json::from_str(&done.complains_of_nothing().stdout).expect("JSON")
    };
    let both = json(&["a.yaml", "b.yaml", "gone.yaml"], 2);
    assert_eq!((&both["format"], &both["state"]), (&Value::from(1), &Value::from("refused")));
    let (warned, refused) = (&both["files"][0], &both["files"][1]);
    assert_eq!((warned["file"].as_str(), warned["state"].as_str()), (Some("a.yaml"), Some("warned")));
    assert_eq!(warned["problems"][0]["level"], "warning");
    let problem = &refused["problems"][0];
    assert_eq!((&problem["level"], &problem["message"]), (&Value::from("error"), &Value::from("`200` has no unit")));
    let start = problem["fix"]["start"].as_u64().expect("a place") as usize;
    assert_eq!((&problem["fix"]["text"], &problem["place"]["start"]), (&Value::from("200ms"), &Value::from(start)));
    let line = risky[..start].matches('\n').count() + 1;
    assert_eq!(problem["place"]["line"], Value::from(line));
    assert!(both["files"][2]["problems"][0]["message"].as_str().expect("text").contains("cannot read gone.yaml"));
    assert_eq!(json(&["a.yaml"], 0)["state"], "warned");
    assert_eq!(json(&["a.yaml", "--strict"], 1)["state"], "warned");
    let forbidden = json(&["a.yaml", "--policy", "policy.yaml"], 2);
    assert!(forbidden["files"][0]["problems"][0]["notes"][0].as_str().expect("a note").contains("policy.yaml"));
}

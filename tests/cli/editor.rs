//! `chaos schema`, read by a validator that is not ours: `jsonschema` and `PyYAML` for Python (`CHAOS_PYTHON`, or
//! `python3`). What `chaos validate` takes must be valid; what it refuses must not be, as far as a schema can know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::documents::blocks;
use crate::support::{Sandbox, committed, repository, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/editor.py");

/// Files of `tests/refused` that have the form of an experiment all the same, and why a schema cannot know better.
const BEYOND_A_SCHEMA: [(&str, &str); 18] = [
    ("blast_too_long", "600s is a limit of lengths of time: a schema sees texts"),
    ("commands_with_one_undo", "times and undos of several faults against each other"),
    ("duplicate_keys", "a key that stands there twice is lost before a schema sees it"),
    ("duplicate_names", "that names are unique across entries"),
    ("fault_share", "a share of 0%, and one against another setting"),
    ("fault_times", "times against the blast radius"),
    ("faults_that_hold_the_same", "times and targets of several faults against each other"),
    ("independence", "that names refer to something"),
    ("names", "what may stand in a name"),
    ("probe_times", "limits of lengths of time"),
    ("reference_without_list", "that a name refers to something"),
    ("too_large", "the bytes of the file"),
    ("too_many_samples", "rates multiplied by times"),
    ("unknown_references", "that names refer to something"),
    ("unknown_variable", "which variables there are"),
    ("variable_bomb", "what variables become"),
    ("variable_cycle", "what variables become"),
    ("variable_in_expression", "what variables become"),
];

/// What the validator says of each file; none without one.
fn validated(
    test: &str,
    sandbox: &Sandbox,
    flags: &[&str],
    files: &[PathBuf],
) -> Option<BTreeMap<String, Option<String>>> {
    let python = std::env::var("CHAOS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if sandbox.program(&python, ["-c", "import jsonschema, yaml"]).done().code != Some(0) {
        skip(test, "no Python with jsonschema and PyYAML");
        return None;
    }
    let schema = sandbox.chaos(["schema"]).args(flags).done().exits(0).complains_of_nothing().stdout;
    let schema = sandbox.write("schema.json", schema);
    let words = [Path::new(SCRIPT), &schema].into_iter().chain(files.iter().map(PathBuf::as_path));
    let done = sandbox.program(&python, words).done().exits(0);
    Some(serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error} in\n{done}")))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join(folder)).expect(folder);
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    assert!(!files.is_empty(), "no files in {folder}");
    files
}

/// The documents that show experiments: README.md and those in `docs/`.
fn documents() -> Vec<String> {
    let docs = std::fs::read_dir(repository().join("docs")).expect("docs");
    let names = docs.map(|entry| format!("docs/{}", entry.expect("an entry").file_name().to_string_lossy()));
    std::iter::once("README.md".to_owned()).chain(names.filter(|name| name.ends_with(".md"))).collect()
}

#[test]
fn every_experiment_of_ours_is_valid() {
    let sandbox = Sandbox::new();
    let mut files = ["experiments", "docs/examples", "tests/accepted"].map(yaml_files).concat();
    for document in documents() {
        for block in blocks(&committed(&document)).0.iter().filter(|block| block.language == "yaml") {
            files.push(sandbox.write(&format!("{document}:{}.yaml", block.line), &block.text));
        }
    }
    for verb in ["faults", "probes"] {
        let all = sandbox.chaos([verb, "--output", "json"]).done().exits(0).json();
        for one in all[verb].as_array().expect(verb) {
            let name = format!("{verb}/{}.yaml", one["word"].as_str().expect("a word"));
            files.push(sandbox.write(&name, one["example"].as_str().expect("an example")));
        }
    }
    let Some(told) = validated("every_experiment_of_ours_is_valid", &sandbox, &[], &files) else { return };
    let wrong: Vec<_> = told.iter().filter_map(|(file, why)| Some(format!("{file}: {}", why.as_ref()?))).collect();
    assert!(wrong.is_empty() && told.len() == files.len(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_that_breaks_the_form_is_not() {
    let files = yaml_files("tests/refused");
    let told = validated("every_file_that_breaks_the_form_is_not", &Sandbox::new(), &[], &files);
    let Some(told) = told else { return };
    let name = |file: &str| Path::new(file).file_stem().expect("a name").to_string_lossy().into_owned();
    let valid: Vec<String> = told.iter().filter(|(_, why)| why.is_none()).map(|(file, _)| name(file)).collect();
    let expected: Vec<&str> = BEYOND_A_SCHEMA.iter().map(|(name, _)| *name).collect();
    assert_eq!(valid, expected, "the list of those that a schema cannot refuse is not exact");
    assert!(told.len() >= 60, "files were lost");
}

#[test]
fn what_an_editor_shows_points_at_the_setting_that_is_wrong() {
    let sandbox = Sandbox::new();
    let experiment = committed("experiments/slow-dependency-with-fallback.yaml");
    let broken = [
        ("delay: 400ms", "delay: 400", "$.faults[0].delay"),
        ("delay: 400ms", "dealy: 400ms", "('dealy' was unexpected)"),
        ("target: { proxy: generator }", "target: { host: local }", "$.faults[0].target"),
        ("probe: http", "probe: htpt", "$.steady_state[0].probe"),
    ];
    let files = broken.map(|(from, to, _)| {
        assert!(experiment.contains(from), "{from}");
        sandbox.write(&format!("{to}.yaml").replace('/', " "), experiment.replace(from, to))
    });
    let test = "what_an_editor_shows_points_at_the_setting_that_is_wrong";
    let Some(told) = validated(test, &sandbox, &[], &files) else { return };
    for (file, (_, to, part)) in files.iter().zip(broken) {
        let why = told[&file.display().to_string()].as_deref().unwrap_or_default();
        assert!(why.contains(part), "{to}: {why}");
    }
}

#[test]
fn policies_have_one_too() {
    let sandbox = Sandbox::new();
    let example = repository().join("docs/policy.example.yaml");
    let broken = sandbox.write("broken.yaml", "max_durations: 1m\n");
    let told = validated("policies_have_one_too", &sandbox, &["--policy"], &[example.clone(), broken.clone()]);
    let Some(told) = told else { return };
    assert_eq!(told[&example.display().to_string()], None);
    let why = told[&broken.display().to_string()].as_deref().unwrap_or_default();
    assert!(why.contains("max_durations"), "{why}");
}

//! `chaos plan`: every step with its undo and its check; contacts and writes nothing.

use serde_json::Value;

use crate::experiments::{Ports, committed_files};
use crate::files;
use crate::ports::{occupy, was_contacted};
use crate::slots::Company;
use crate::support::{Done, Sandbox, committed, repository};

/// Plans a committed experiment while others listen on all of its ports; none of them may hear of it.
fn plan(file: &str, words: &[&str]) -> Done {
    let (sandbox, ports) = (Sandbox::new(), Ports::new());
    let listeners: Vec<_> = ports.all().into_iter().map(occupy).collect();
    let path = repository().join("experiments").join(file).display().to_string();
    let done = sandbox
        .chaos(["plan", &path])
        .args(ports.variables(&committed(&format!("experiments/{file}"))))
        .args(words)
        .done();
    assert!(!listeners.iter().any(was_contacted), "somebody was contacted: {done}");
    assert!(sandbox.files().is_empty(), "{:?} written by {done}", sandbox.files());
    sandbox.assert_nothing_is_left(&[]);
    done
}

#[test]
fn a_plan_of_every_experiment_contacts_and_writes_nothing() {
    for file in committed_files() {
        let done = plan(&file, &[]).exits(0).complains_of_nothing();
        assert!(done.stdout.starts_with("PLAN: "), "{done}");
    }
}

#[test]
fn every_step_is_told_with_its_undo_and_its_check() {
    let done = plan("slow-dependency-with-fallback.yaml", &[]).exits(0);
    let count = |word: &str| done.stdout.lines().filter(|line| line.contains(word)).count();
    assert_eq!((count(". do     "), count("     undo   "), count("     check  ")), (3, 3, 3), "{done}");
    done.says("undo close proxy generator")
        .says("undo stop service demo and its children")
        .says("do proxy generator: toxic slow generator: delay 400ms +- 50ms")
        .says("undo proxy generator: remove toxic slow generator")
        .says("check proxy generator has no toxic slow generator")
        .says("stops at ask.p99 > 1s for 3s")
        .says("recovery awaited for at most 15s");
}

#[test]
fn the_plan_for_machines_has_the_same_steps() {
    for file in committed_files() {
        let text = plan(&file, &[]).exits(0).stdout;
        let json = plan(&file, &["--output", "json"]).exits(0).complains_of_nothing().json();
        assert_eq!(json["format"], 1);
        let faults = json["plan"]["faults"].as_array().expect("faults");
        let of_faults = faults.iter().flat_map(|fault| fault["steps"].as_array().expect("steps"));
        let steps: Vec<&Value> = json["plan"]["set_up"].as_array().expect("steps").iter().chain(of_faults).collect();
        assert_eq!(steps.len(), text.lines().filter(|line| line.contains(". do     ")).count(), "{file}");
        for step in steps {
            assert!(["apply", "undo", "verify"].iter().all(|part| !step[part].is_null()), "{step}");
        }
    }
}

#[test]
fn a_bad_or_missing_file_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.yaml", "name: 1\nnames: 2\n");
    sandbox.chaos(["plan", "bad.yaml"]).done().exits(2).says_nothing().complains("bad.yaml:2:1");
    let done = sandbox.chaos(["plan", "gone.yaml"]).done().exits(2).says_nothing();
    assert_eq!(done.stderr, "error: cannot read gone.yaml: No such file or directory (os error 2)\n");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let path = repository().join("experiments/cpu-pressure.yaml").display().to_string();
    assert_eq!(Sandbox::new().chaos(["plan", &path]).with_closed_stdout(), Some(0));
}

#[test]
fn a_plan_knows_what_an_earlier_run_showed() {
    let (sandbox, text) = (Sandbox::new(), files::bypassed());
    sandbox.write("a.yaml", &text);
    let variables = Ports::new().variables(&text);
    let plan = || sandbox.chaos(["plan", "a.yaml"]).args(variables.clone()).done().exits(0);
    plan().says("Assumed: requests do not fail").says("no, needs 381");
    sandbox.chaos(["run", "a.yaml"]).args(variables.clone()).in_company(Company::SideBySide).done().exits(6);
    let run = sandbox.run_folder();
    let id = run.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    plan().says(&format!("Known from run {id}")).never_says("Assumed: requests do not fail");
}

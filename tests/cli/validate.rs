//! `chaos validate`: all problems of all files, and nothing else.

use crate::support::{Done, Sandbox, repository};

const OK: &str = "\
name: a host that is not busy
steady_state:
  - { name: load, probe: host, measure: load, rate: 10/s, expect: [value <= 100] }
faults:
  - { name: f, fault: cpu.stress, target: { host: local }, load: 10%, duration: 1s }
blast_radius: { duration: 2s }
stop_conditions: [load.value > 200]
baseline: 1s
recovery: { within: 5s }
";

/// Three things are wrong with it.
fn bad() -> String {
    OK.replace("load: 10%", "load: 10").replace("rate: 10/s", "rat: 10/s").replace("cpu.stress", "cpu.stres")
}

/// Validates in a sandbox with these files, in which nothing may change.
fn validate(files: &[(&str, &[u8])], words: &[&str]) -> Done {
    let sandbox = Sandbox::new();
    for (name, content) in files {
        sandbox.write(name, content);
    }
    let before = sandbox.files();
    let done = sandbox.chaos(["validate"].iter().chain(words)).done();
    assert_eq!(sandbox.files(), before, "{done}");
    done
}

#[test]
fn a_good_file_is_ok() {
    let done = validate(&[("a.yaml", OK.as_bytes())], &["a.yaml"]).exits(0).complains_of_nothing();
    assert_eq!(done.stdout, "a.yaml: ok\n");
}

#[test]
fn a_folder_stands_for_every_yaml_file_in_it_in_order() {
    let ok = OK.as_bytes();
    let files = [("f/b.yaml", ok), ("f/a.yml", ok), ("f/sub/c.yaml", ok), ("f/notes.txt", b"no"), ("other.yaml", b"")];
    let done = validate(&files, &["f"]).exits(0);
    assert_eq!(done.stdout, "f/a.yml: ok\nf/b.yaml: ok\nf/sub/c.yaml: ok\n");
}

#[test]
fn every_committed_experiment_is_valid_without_a_warning() {
    let folder = repository().join("experiments").display().to_string();
    let done = validate(&[], &[&folder]).exits(0).complains_of_nothing();
    assert_eq!(done.stdout.lines().count(), crate::experiments::committed_files().len());
}

#[test]
fn all_problems_of_a_bad_file_are_told_at_once_with_their_places() {
    let done = validate(&[("bad.yaml", bad().as_bytes())], &["bad.yaml"]).exits(2).says_nothing();
    let done = done.complains("did you mean `rate`").complains("cpu.stres").complains("1 of 1 files cannot be run");
    for place in ["bad.yaml:3:", "bad.yaml:5:"] {
        assert!(done.stderr.contains(place), "{done}");
    }
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let (ok, bad) = (OK.as_bytes(), bad());
    let files = [("a.yaml", ok), ("b.yaml", bad.as_bytes()), ("c.yaml", ok)];
    let done = validate(&files, &["a.yaml", "b.yaml", "gone.yaml", "c.yaml"]).exits(2);
    assert_eq!(done.stdout, "a.yaml: ok\nc.yaml: ok\n");
    done.complains("b.yaml:3:").complains("cannot read gone.yaml: No such file").complains("2 of 4 files");
}

#[test]
fn what_is_not_text_is_told_with_its_place() {
    validate(&[("a.yaml", b"name: caf\xe9\n")], &["a.yaml"]).exits(2).complains("not UTF-8").complains("a.yaml:1:10");
}

#[test]
fn a_huge_file_is_refused_without_reading_all_of_it() {
    let huge = vec![b' '; 3 << 20];
    validate(&[("a.yaml", &huge)], &["a.yaml"]).exits(2).complains("too large").complains("at most 256 KiB");
    validate(&[], &["/dev/zero"]).exits(2).complains("too large");
}

#[test]
fn an_empty_file_is_no_experiment() {
    validate(&[("a.yaml", b"")], &["a.yaml"]).exits(2).says_nothing().complains("this file is empty");
}

#[test]
fn a_folder_without_experiments_is_a_mistake() {
    validate(&[("f/notes.txt", b"no")], &["f"]).exits(2).complains("no *.yaml or *.yml file");
}

#[test]
fn a_name_that_begins_with_a_dash_goes_after_two_dashes() {
    let files = [("-a.yaml", OK.as_bytes())];
    assert_eq!(validate(&files, &["--", "-a.yaml"]).exits(0).stdout, "-a.yaml: ok\n");
    assert_eq!(validate(&files, &["./-a.yaml"]).exits(0).stdout, "./-a.yaml: ok\n");
    validate(&files, &["-a.yaml"]).exits(2).complains("'-- -a");
    validate(&files, &["-"]).exits(2).complains("cannot read -: No such file");
}

#[test]
fn variables_come_from_the_words_then_the_environment_then_the_file() {
    let sandbox = Sandbox::new();
    let text = format!("vars: {{ BASELINE: 0s }}\n{}", OK.replace("baseline: 1s", "baseline: ${BASELINE}"));
    sandbox.write("a.yaml", text);
    let validate = |words: &[&str]| sandbox.chaos(["validate", "a.yaml"].iter().chain(words));
    validate(&[]).done().exits(2).complains("`baseline` cannot be 0s");
    validate(&[]).env("BASELINE", "2s").done().exits(0);
    validate(&["--var", "BASELINE=2h"]).env("BASELINE", "2s").done().exits(2).complains("`baseline` cannot be 2h");
    validate(&["--var", "BASELINE=3s"]).env("BASELINE", "2h").done().exits(0);
}

//! The flags of `chaos run`, and where it writes. The runs here end at an unsteady baseline, after one second.

use serde_json::Value;

use crate::experiments::Ports;
use crate::files;
use crate::slots::Company;
use crate::support::{Invocation, Sandbox};

/// A run that ends with exit code 3, in a sandbox where `a.yaml` is already.
fn unsteady(sandbox: &Sandbox) -> Invocation {
    let text = files::unsteady();
    sandbox.write("a.yaml", &text);
    sandbox.chaos(["run", "a.yaml"]).args(Ports::new().variables(&text)).in_company(Company::SideBySide)
}

/// What `unsteady` leaves, beside what was asked for.
const WRITTEN: [&str; 3] = ["a.yaml", "state/chaos/runs/events.jsonl", "state/chaos/runs/journal.jsonl"];

/// A run with these words is refused before anything is touched or written, run folder included.
fn refused(words: &[&str], part: &str) {
    let sandbox = Sandbox::new();
    let before = {
        sandbox.write("a.yaml", files::unsteady());
        sandbox.write("folder.json/file", "");
        sandbox.files()
    };
    unsteady(&sandbox).args(words).done().exits(2).says_nothing().complains(part);
    assert_eq!(sandbox.files(), before);
}

#[test]
fn only_the_run_folder_is_written() {
    let sandbox = Sandbox::new();
    unsteady(&sandbox).done().exits(3);
    assert_eq!(sandbox.files(), WRITTEN.map(str::to_owned).into());
}

#[test]
fn the_state_folder_may_be_elsewhere() {
    let sandbox = Sandbox::new();
    unsteady(&sandbox).args(["--state-dir", "kept"]).done().exits(3);
    assert_eq!(sandbox.files(), WRITTEN.map(|file| file.replace("state/chaos/", "kept/")).into());
    let sandbox = Sandbox::new();
    unsteady(&sandbox).without("XDG_STATE_HOME").done().exits(3);
    assert_eq!(sandbox.files(), WRITTEN.map(|file| file.replace("state/", ".local/state/")).into());
}

#[test]
fn without_a_place_for_the_run_nothing_is_touched() {
    let sandbox = Sandbox::new();
    let run = unsteady(&sandbox).without("XDG_STATE_HOME").without("HOME");
    run.done().exits(2).says_nothing().complains("pass --state-dir");
    refused(&["--state-dir", "folder.json/file"], "nothing was touched");
}

#[test]
fn reports_that_cannot_be_written_are_refused_before_anything_runs() {
    refused(&["--report", "out.pdf"], "--report out.pdf: the format is told by the extension: .txt, .json");
    refused(&["--report", "out"], ".md or .html");
    refused(&["--report", "out.json", "--report", "gone/out.json"], "--report gone/out.json: there is no folder gone");
    refused(&["--report", "folder.json"], "--report folder.json: this is a folder");
}

#[test]
fn a_report_that_fails_to_be_written_does_not_hide_the_verdict() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("/dev/full", sandbox.path("full.json")).expect("a link");
    let done = unsteady(&sandbox).args(["--report", "full.json"]).done().exits(3).says("BASELINE NOT STEADY");
    done.complains("error: cannot write full.json: No space left on device");
}

#[test]
fn the_report_for_machines_is_the_same_on_stdout_and_in_a_file() {
    let sandbox = Sandbox::new();
    let words = ["--output", "json", "--report", "out.json", "--report", "out.txt"];
    let done = unsteady(&sandbox).args(words).done().exits(3);
    let report = done.json();
    assert_eq!(
        (&report["format"], &report["exit_code"], &report["verdict"]),
        (&2.into(), &3.into(), &"not_steady".into())
    );
    let read = |name: &str| std::fs::read_to_string(sandbox.path(name)).expect("a report");
    assert_eq!(read("out.json"), done.stdout);
    assert!(read("out.txt").starts_with("BASELINE NOT STEADY: "), "{}", read("out.txt"));
    let folder = sandbox.run_folder();
    assert_eq!(folder.file_name().and_then(|name| name.to_str()), report["run"]["id"].as_str());
}

#[test]
fn quiet_says_nothing_on_stderr_and_everything_on_stdout() {
    let sandbox = Sandbox::new();
    unsteady(&sandbox).args(["--quiet"]).done().exits(3).complains_of_nothing().says("BASELINE NOT STEADY");
}

#[test]
fn the_talk_goes_to_stderr_with_a_time_a_line() {
    let sandbox = Sandbox::new();
    let done = unsteady(&sandbox).done().exits(3).complains("the baseline is not steady, nothing is injected");
    for line in done.stderr.lines() {
        let time = line.split_once(' ').map(|(time, _)| time).unwrap_or_default();
        assert!(time.len() == "2026-11-21T01:46:45.162Z".len() && time.ends_with('Z'), "{line}");
    }
}

#[test]
fn the_seed_is_told_and_kept_and_drawn_anew_when_none_is_given() {
    let run = |words: &[&str]| -> Value {
        let sandbox = Sandbox::new();
        let report = unsteady(&sandbox).args(["--output", "json"]).args(words).done().exits(3).json();
        assert_eq!(sandbox.events()[0]["seed"], report["run"]["seed"], "{}", sandbox.events()[0]);
        report["run"]["seed"].clone()
    };
    let largest = u64::MAX.to_string();
    assert_eq!(run(&["--seed", "42"]), 42);
    assert_eq!(run(&["--seed", &largest]), u64::MAX);
    assert_ne!(run(&[]), run(&[]));
    let sandbox = Sandbox::new();
    unsteady(&sandbox)
        .args(["--seed", "42"])
        .done()
        .says("seed 42")
        .says("chaos run a.yaml --var GATEWAY=... --seed 42");
}

#[test]
fn a_reader_that_goes_away_does_not_change_how_a_run_ends() {
    let sandbox = Sandbox::new();
    assert_eq!(unsteady(&sandbox).with_closed_stdout(), Some(3));
    assert_eq!(sandbox.events().last().expect("events")["event"], "run_ended");
}

#[test]
fn the_events_begin_with_the_header_and_end_with_the_end() {
    let sandbox = Sandbox::new();
    unsteady(&sandbox).args(["--dry-run"]).done().exits(3);
    let events = sandbox.events();
    assert_eq!((&events[0]["event"], &events[0]["mode"]), (&"run_started".into(), &"observe".into()));
    assert_eq!(events.last().expect("events")["event"], "run_ended");
    let times: Vec<u64> = events.iter().map(|event| event["at_ns"].as_u64().expect("a time")).collect();
    assert!(times[0] < *times.last().expect("times"), "{times:?}");
}

#[test]
fn of_finished_runs_only_the_newest_are_kept() {
    let sandbox = Sandbox::new();
    let strange = sandbox.write("state/chaos/runs/mine/journal.jsonl", "");
    let ids = |done: &crate::support::Done| done.json()["run"]["id"].as_str().expect("an id").to_owned();
    let run = || {
        ids(&unsteady(&sandbox)
            .args(["--keep", "2", "--output", "json", "--quiet"])
            .done()
            .exits(3)
            .complains_of_nothing())
    };
    let all = [run(), run(), run()];
    let kept = |id: &String| sandbox.path("state/chaos/runs").join(id).exists();
    assert_eq!(all.each_ref().map(kept), [false, true, true]);
    assert!(strange.exists(), "what is not named like a run is not ours");
}

#[test]
fn a_bad_or_missing_file_is_refused_and_leaves_no_trace() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.yaml", "name: 1\nnames: 2\n");
    sandbox.chaos(["run", "bad.yaml"]).done().exits(2).says_nothing().complains("bad.yaml:2:1");
    sandbox.chaos(["run", "gone.yaml"]).done().exits(2).says_nothing().complains("cannot read gone.yaml");
    assert_eq!(sandbox.files(), ["bad.yaml".to_owned()].into());
}

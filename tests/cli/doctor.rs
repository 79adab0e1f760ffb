//! `chaos doctor`: it looks and changes nothing. How it judges what is left is tested where nothing else runs, in
//! `tests/real/left_behind.rs`: here other tests leave something all the time.

use chaos::model::fault::FaultKind;
use serde_json::Value;

use crate::support::{Done, Sandbox, skip};

/// A run whose journal makes no sense, so that something may be left of it.
const RUN: &str = "01a1fc08-8999-710d-a0a1-cb0d5a1f2584";

fn findings(done: &Done) -> Vec<Value> {
    done.json()["findings"].as_array().expect("findings").clone()
}

/// The finding whose name begins like this.
#[track_caller]
fn finding(all: &[Value], name: &str) -> Value {
    let begins = |finding: &&Value| finding["name"].as_str().is_some_and(|found| found.starts_with(name));
    all.iter().find(begins).unwrap_or_else(|| panic!("nothing about {name} in {all:#?}")).clone()
}

#[test]
fn nothing_is_changed_by_asking() {
    let sandbox = Sandbox::new();
    for words in [&["doctor"][..], &["doctor", "--output", "json"], &["doctor", "--print-unit"]] {
        sandbox.chaos(words).done().complains_of_nothing();
        assert!(sandbox.files().is_empty() && !sandbox.path("state").exists(), "{words:?}: {:?}", sandbox.files());
    }
    sandbox.assert_nothing_is_left(&[]);
}

#[test]
fn what_protects_the_machine_is_tried_and_told() {
    let all = findings(&Sandbox::new().chaos(["doctor", "--output", "json"]).done());
    for name in [
        "guardian leaves the terminal",
        "guardian dies last",
        "guardian stays in memory",
        "children die with the tool",
        "signals through pidfds",
        "user and network name spaces",
        "identity of processes",
        "state folder",
        "policy",
        "clock",
        "open files",
        "processes",
        "capabilities",
        "control groups",
        "rollback at boot",
    ] {
        let finding = finding(&all, name);
        assert_eq!(finding["section"], "safety", "{finding}");
        assert!(finding["state"] == "ok" || finding["fix"].is_string(), "what is not well says what to do: {finding}");
    }
    // As the kernel tells another program.
    let capabilities = std::fs::read_to_string("/proc/self/status").expect("reads");
    let effective = capabilities.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("a line");
    let effective = u64::from_str_radix(effective.trim(), 16).expect("a number");
    let spared = finding(&all, "guardian dies last")["state"] == "ok";
    assert_eq!(spared, effective >> 24 & 1 == 1, "CAP_SYS_RESOURCE permits it, and nothing else");
}

#[test]
fn the_kernel_is_looked_at_and_what_it_lacks_names_the_faults_that_miss_it() {
    let sandbox = Sandbox::new();
    let all = findings(&sandbox.chaos(["doctor", "--output", "json"]).done());
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("reads");
    for name in ["version", "huge pages", "files without a name", "pressure stall information"] {
        let finding = finding(&all, name);
        assert_eq!(finding["section"], "kernel", "{finding}");
        assert!(finding["state"] == "ok" || finding["fix"].is_string(), "what is not well says what to do: {finding}");
    }
    assert!(finding(&all, "version")["why"].as_str().is_some_and(|why| why.contains(release.trim())), "{all:#?}");
    sandbox.chaos(["doctor"]).done().says("KERNEL: WHAT IT HAS THAT FAULTS USE").says(release.trim());
}

#[test]
fn every_fault_is_looked_at() {
    let all = findings(&Sandbox::new().chaos(["doctor", "--output", "json"]).done());
    let faults: Vec<&str> =
        all.iter().filter(|one| one["section"] == "faults").filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(faults, FaultKind::WORDS);
}

#[test]
fn a_state_folder_that_cannot_be_used_is_a_problem() {
    let sandbox = Sandbox::new();
    let state = finding(
        &findings(&sandbox.chaos(["doctor", "--output", "json", "--state-dir", "/proc/chaos"]).done()),
        "state folder",
    );
    assert_eq!(state["state"], "problem", "{state}");
    assert!(state["fix"].as_str().is_some_and(|fix| fix.contains("--state-dir")), "{state}");
    let code = sandbox.chaos(["doctor", "--state-dir", "/proc/chaos"]).done().code;
    assert!(matches!(code, Some(2 | 7)), "another test may have left something: {code:?}");
}

#[test]
fn the_unit_is_one_that_systemd_understands() {
    let sandbox = Sandbox::new();
    let words = ["doctor", "--print-unit", "--state-dir", "a folder/100% $state"];
    let done = sandbox.chaos(words).done().exits(0).complains_of_nothing();
    let binary = crate::binary::chaos();
    let done = done.says(&format!("ExecStart={binary} rollback --all --state-dir \""));
    let done = done.says("Type=oneshot").says("After=local-fs.target").says("Before=multi-user.target");
    sandbox.write("chaos-rollback.service", &done.stdout);
    if sandbox.program("sh", ["-c", "command -v systemd-analyze"]).done().code != Some(0) {
        return skip("the_unit_is_one_that_systemd_understands", "systemd-analyze is not installed");
    }
    let verify = |name: &str| sandbox.program("systemd-analyze", ["verify", &format!("./{name}")]).done();
    verify("chaos-rollback.service").exits(0).complains_of_nothing();
    sandbox.write("broken.service", done.stdout.replace("Type=oneshot", "Type=often"));
    let broken = verify("broken.service");
    assert!(broken.stderr.contains("often"), "systemd-analyze sees nothing wrong with a broken unit: {broken}");
}

#[test]
fn every_other_command_warns_while_something_may_be_left() {
    let sandbox = Sandbox::new();
    sandbox.write(&format!("state/chaos/runs/{RUN}/journal.jsonl"), "scribble\n");
    sandbox.write("a.yaml", crate::files::unsteady());
    let warning = format!("chaos rollback {RUN}");
    let ports = crate::experiments::Ports::new().variables(&crate::files::unsteady());
    for words in [&["plan", "a.yaml"][..], &["validate", "a.yaml"]] {
        sandbox.chaos(words).args(&ports).done().exits(0).complains("warning: ").complains(&warning);
    }
    sandbox.chaos(["completions", "bash"]).done().exits(0).complains(&warning);
    sandbox.chaos(["run", "a.yaml"]).args(&ports).done().exits(2).says_nothing().complains(&warning);
    let doctor = sandbox.chaos(["doctor"]).done().exits(7).complains_of_nothing();
    doctor.says(&format!("run {RUN}")).says(&warning).says("RESIDUE");
    sandbox.chaos(["rollback"]).done().exits(2).says_nothing().complains(&warning);
}

//! `chaos run` with more than one file: order, summary, refusals, and what ends a suite. The experiments measure a port
//! that a test holds open, or one where nobody listens; nothing is broken.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::ports::{free_ports, occupy};
use crate::slots::{self, Company};
use crate::support::{Done, Invocation, Sandbox, repository, skip};

/// An experiment on a port, in observer mode steady if somebody listens.
pub fn on_port(name: &str, port: u16, tags: &str) -> String {
    format!(
        "name: {name}
tags: [{tags}]
steady_state:
  - {{ name: port, probe: tcp, address: \"127.0.0.1:{port}\", rate: 50/s, expect: [success_rate >= 80%, max <= 900ms] }}
faults:
  - {{ name: busy, fault: cpu.stress, target: {{ host: local }}, load: 10%, duration: 1s }}
stop_conditions: [port.error_rate > 90%]
blast_radius: {{ duration: 2s }}
baseline: 1500ms
recovery: {{ within: 30s }}
"
    )
}

/// `good.yaml` holds, `bad.yaml` is not steady.
struct Bench {
    sandbox: Sandbox,
}

/// Takes connections for as long as this process lives.
pub fn answer(port: u16) {
    let listener = occupy(port);
    std::thread::spawn(move || listener.incoming().for_each(drop));
}

impl Bench {
    fn new() -> Self {
        let (sandbox, [good, bad]) = (Sandbox::new(), free_ports());
        sandbox.write("good.yaml", on_port("a port that answers", good, "fast, port"));
        sandbox.write("bad.yaml", on_port("a port where nobody listens", bad, "port"));
        answer(good);
        Self { sandbox }
    }

    fn run(&self, words: &[&str]) -> Invocation {
        self.sandbox.chaos(["run", "--dry-run"].iter().chain(words)).in_company(Company::SideBySide)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.sandbox.path(name)).expect("a report")
    }

    /// How many runs there were.
    fn runs(&self) -> usize {
        std::fs::read_dir(self.sandbox.path("state/chaos/runs")).map_or(0, Iterator::count)
    }
}

/// The verdicts of a suite in JSON, by experiment.
fn verdicts(report: &Value) -> Vec<(&str, &Value)> {
    let experiments = report["experiments"].as_array().expect("experiments");
    experiments.iter().map(|one| (one["file"].as_str().expect("a file"), &one["exit_code"])).collect()
}

#[test]
fn experiments_run_in_the_given_order_and_the_worst_code_wins() {
    let bench = Bench::new();
    let done = bench.run(&["bad.yaml", "good.yaml"]).done().exits(3);
    let places = ["BASELINE NOT STEADY: a port where", "HELD: a port that answers", "SUITE: 1 of 2 experiments held"];
    let places = places.map(|part| done.stdout.find(part).unwrap_or_else(|| panic!("no `{part}` in {done}")));
    assert!(places.is_sorted(), "{done}");
    let done = done.says("exit code 3").complains("experiment 1 of 2: a port where nobody listens (bad.yaml)");
    done.complains("experiment 2 of 2: a port that answers (good.yaml)");
    assert_eq!(bench.runs(), 2);
}

#[test]
fn one_file_of_each_format_tells_of_all_runs() {
    let bench = Bench::new();
    let names = ["out.json", "out.xml", "out.md", "out.html", "out.txt"];
    let reports = names.iter().flat_map(|name| ["--report", name]);
    let words: Vec<&str> =
        ["good.yaml", "bad.yaml", "--output", "json", "--quiet"].into_iter().chain(reports).collect();
    let done = bench.run(&words).done().exits(3).complains_of_nothing();
    let report = done.json();
    assert_eq!(bench.read("out.json"), done.stdout);
    assert_eq!((&report["suite_format"], &report["exit_code"]), (&1.into(), &3.into()));
    assert_eq!(verdicts(&report), [("good.yaml", &0.into()), ("bad.yaml", &3.into())]);
    let run = &report["experiments"][1]["runs"][0];
    assert_eq!((&run["report"]["verdict"], &run["report"]["run"]["id"]), (&"not_steady".into(), &run["id"]));
    for name in &names[1..] {
        let text = bench.read(name);
        assert!(text.contains("a port that answers") && text.contains("a port where nobody listens"), "{name}");
    }
    let html = bench.read("out.html");
    assert_eq!((html.matches("<html").count(), html.matches("<details>").count()), (1, 2));
    assert!(!html.contains("<script") && html.contains("<svg"), "the runs are drawn");
    let xml = bench.read("out.xml");
    assert_eq!((xml.matches("<testsuites ").count(), xml.matches("<testsuite ").count()), (1, 2));
    schema_takes(&bench.sandbox, "out.xml");
}

fn schema_takes(sandbox: &Sandbox, file: &str) {
    if sandbox.program("sh", ["-c", "command -v xmllint"]).done().code != Some(0) {
        return skip("one_file_of_each_format_tells_of_all_runs", "xmllint is not installed (package libxml2-utils)");
    }
    let schema = repository().join("tests/cli/junit-10.xsd").display().to_string();
    sandbox.program("xmllint", ["--noout", "--nonet", "--schema", &schema, file]).done().exits(0);
}

#[test]
fn a_broken_third_file_refuses_the_whole_suite_with_nothing_touched() {
    let bench = Bench::new();
    bench.sandbox.write("more/z.yaml", "name: x\nnames: y\n");
    let before = bench.sandbox.files();
    let done = bench.run(&["good.yaml", "bad.yaml", "more"]).done().exits(2).says_nothing();
    done.complains("more/z.yaml:2:1").complains("1 of 3 files cannot be run: nothing was run");
    assert_eq!(bench.sandbox.files(), before);
    let gone = bench.run(&["good.yaml", "gone.yaml"]).done().exits(2).says_nothing();
    gone.complains("cannot read gone.yaml").complains("1 of 2 files cannot be run");
    bench.sandbox.write("policy.yaml", "max_duration: 500ms\n");
    let forbidden = bench.run(&["good.yaml", "bad.yaml", "--policy", "policy.yaml"]).done().exits(2).says_nothing();
    forbidden.complains("2 of 2 files cannot be run");
    assert_eq!(bench.runs(), 0);
}

#[test]
fn a_folder_is_run_in_the_order_of_its_names() {
    let bench = Bench::new();
    for (from, to) in [("good.yaml", "f/2.yaml"), ("bad.yaml", "f/1/x.yaml"), ("good.yaml", "f/3.yml")] {
        bench.sandbox.write(to, bench.read(from));
    }
    let report = bench.run(&["f", "--output", "json"]).done().exits(3).json();
    assert_eq!(verdicts(&report), [("f/1/x.yaml", &3.into()), ("f/2.yaml", &0.into()), ("f/3.yml", &0.into())]);
}

#[test]
fn the_first_failure_ends_a_suite_where_that_is_asked_for() {
    let bench = Bench::new();
    let words = ["bad.yaml", "good.yaml", "--fail-fast", "--output", "json", "--report", "out.xml"];
    let report = bench.run(&words).done().exits(3).json();
    assert_eq!(verdicts(&report), [("bad.yaml", &3.into()), ("good.yaml", &Value::Null)]);
    let why = report["experiments"][1]["left_out"].as_str().expect("a reason");
    assert!(why.contains("--fail-fast"), "{why}");
    assert!(bench.read("out.xml").contains("<skipped message=\"not run: --fail-fast"), "{}", bench.read("out.xml"));
    assert_eq!(bench.runs(), 1);
}

#[test]
fn tags_choose_and_leave_out() {
    let bench = Bench::new();
    let chosen = |words: &[&str]| {
        let done = bench.run(&["good.yaml", "bad.yaml", "--fail-fast", "--output", "json"]).args(words).done();
        verdicts(&done.json()).into_iter().map(|(file, _)| file.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&["--tag", "fast"]), ["good.yaml"]);
    assert_eq!(chosen(&["--tag", "fast", "--tag", "port", "--skip-tag", "fast"]), ["bad.yaml"]);
    let runs = bench.runs();
    let unknown = bench.run(&["good.yaml", "bad.yaml", "--tag", "slow"]).done().exits(2).says_nothing();
    unknown.complains("--tag slow: no experiment has this tag; the tags are: fast, port");
    let none = bench.run(&["good.yaml", "bad.yaml", "--skip-tag", "port"]).done().exits(2).says_nothing();
    none.complains("the tags leave no experiment");
    assert_eq!(bench.runs(), runs, "nothing was run");
}

#[test]
fn what_was_judged_is_what_is_run() {
    let bench = Bench::new();
    // Its probe changes the next file while it runs.
    let longer = "cat good.yaml | sed 's/1500ms/1400ms/' > new && mv new next.yaml";
    bench.sandbox.write("next.yaml", bench.read("good.yaml"));
    let probe = format!(
        "- {{ name: port, probe: command, command: [sh, -c, \"{longer}\"], interval: 200ms, expect: [success_rate >= 1%] }}"
    );
    let first = on_port("an experiment that changes another", 1, "").replace("tags: []\n", "");
    let first: Vec<&str> =
        first.lines().map(|line| if line.contains("probe: tcp") { probe.as_str() } else { line }).collect();
    bench.sandbox.write("first.yaml", first.join("\n"));
    let done = bench.run(&["first.yaml", "next.yaml"]).done();
    let done = done.complains("this is not the plan that was approved").says("NO REPORT: a port that answers");
    assert!(done.code != Some(0), "{done}");
    assert_eq!(bench.runs(), 1);
}

#[test]
fn variables_reach_the_files_that_mention_them_and_no_others() {
    let bench = Bench::new();
    bench.sandbox.write("with.yaml", bench.read("good.yaml").replace("1500ms", "${LONG}"));
    let words = ["good.yaml", "with.yaml", "--var", "LONG=1s", "--var", "LONGER=1s"];
    bench.run(&words).done().exits(2).says_nothing().complains("--var LONGER: none of the 2 files uses this variable");
    bench.run(&words[..4]).done().exits(0).says("SUITE: 2 of 2 experiments held");
    bench.sandbox.chaos(["validate", "good.yaml", "with.yaml", "--var", "LONG=1s"]).done().exits(0);
}

#[test]
fn one_plan_is_no_approval_of_several() {
    let bench = Bench::new();
    let digest = format!("sha256:{}", "0".repeat(64));
    let done = bench.run(&["good.yaml", "bad.yaml", "--approve", &digest]).done().exits(2).says_nothing();
    done.complains("--approve names one plan, and there are 2 files");
}

/// Starts a suite whose first baseline takes a minute, and waits until that run is under way.
fn under_way(bench: &Bench) -> crate::support::Running {
    bench.sandbox.write("long.yaml", bench.read("good.yaml").replace("baseline: 1500ms", "baseline: 60s"));
    let suite = bench.run(&["long.yaml", "good.yaml", "--report", "out.json"]).start();
    let begun = || {
        let runs = std::fs::read_dir(bench.sandbox.path("state/chaos/runs")).into_iter().flatten();
        let events = runs.filter_map(|run| std::fs::read_to_string(run.ok()?.path().join("events.jsonl")).ok());
        events.into_iter().any(|events| events.contains("\"baseline\""))
    };
    while !begun() {
        slots::pause();
    }
    suite
}

#[test]
fn a_signal_ends_the_run_and_then_the_suite() {
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let bench = Bench::new();
        let mut suite = under_way(&bench);
        kill_process(Pid::from_child(&suite.0), signal).expect("signals");
        assert_eq!(suite.0.wait().expect("ends").code(), Some(8));
        let report: Value = serde_json::from_str(&bench.read("out.json")).expect("JSON");
        assert_eq!(verdicts(&report), [("long.yaml", &8.into()), ("good.yaml", &Value::Null)]);
        let reason = report["experiments"][0]["reasons"][0].as_str().expect("a reason");
        assert!(reason.starts_with(&format!("ended by {name};")), "{reason}");
        assert_eq!(report["experiments"][1]["left_out"], "not run: the suite was interrupted");
        bench.sandbox.assert_nothing_is_left(&[]);
        assert_eq!(bench.runs(), 1);
    }
}

#[test]
fn the_run_of_a_suite_that_is_killed_puts_everything_back_and_ends() {
    let bench = Bench::new();
    drop(under_way(&bench));
    let is_left = || std::panic::catch_unwind(|| bench.sandbox.assert_nothing_is_left(&[])).is_err();
    while is_left() {
        slots::pause();
    }
    let events = bench.sandbox.events();
    let has = |word: &str| events.iter().any(|event| event["event"] == word);
    assert!(has("interrupted") && has("run_ended"), "{:?}", events.last());
}

#[test]
fn the_kill_switch_ends_the_run_and_the_suite() {
    let bench = Bench::new();
    let mut suite = under_way(&bench);
    let stopped: Done = bench.sandbox.chaos(["stop"]).done().exits(0);
    stopped.says("everything is undone and was read back");
    assert_eq!(suite.0.wait().expect("ends").code(), Some(8));
    assert_eq!(bench.runs(), 1);
}

#[test]
fn repeated_runs_are_judged_together_and_each_is_told() {
    let bench = Bench::new();
    let words =
        ["good.yaml", "--repeat", "2", "--seed", "5", "--output", "json", "--report", "out.xml", "--report", "out.txt"];
    let report = bench.run(&words).done().exits(0).json();
    let one = &report["experiments"][0];
    assert_eq!(
        (&one["pool"]["of"], &one["pool"]["pooled"], &one["pool"]["verdict"]),
        (&2.into(), &2.into(), &"held".into())
    );
    let runs = one["runs"].as_array().expect("runs");
    let seeds: Vec<&Value> = runs.iter().map(|run| &run["report"]["run"]["seed"]).collect();
    assert_eq!(seeds, [&Value::from(5), &Value::from(6)]);
    let samples = |place: &Value| place["fault"]["samples"].as_u64().expect("a number");
    let alone = runs.iter().map(|run| samples(&run["report"]["probes"][0]["expectations"][0]));
    assert_eq!(samples(&one["pool"]["probes"][0]["expectations"][0]), alone.sum::<u64>());
    let xml = bench.read("out.xml");
    assert_eq!((xml.matches("<testsuite ").count(), xml.contains("<property name=\"runs\" value=\"2\"/>")), (1, true));
    schema_takes(&bench.sandbox, "out.xml");
    let text = bench.read("out.txt");
    assert!(text.starts_with("HELD IN 2 RUNS: a port that answers") && text.contains("EACH RUN"), "{text}");
    let bad = bench.run(&["bad.yaml", "--repeat", "2"]).done().exits(3);
    bad.says("BASELINE NOT STEADY IN 2 RUNS").says("run 1 of 2: nothing was injected").complains("run 2 of 2");
}

//! Every file in `experiments/` runs as it is and ends as its first lines promise, leaving nothing behind.
//!
//! Twins run side by side in one test: a run takes about 15 s, nearly all of it waiting.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::ports::free_ports;
use crate::schema;
use crate::slots::Company;
use crate::support::{Done, Sandbox, committed, repository, skip};

/// What each file ends with. A new file is added here, and to a test below.
const ENDS: [(&str, i32); 36] = [
    ("command-of-your-own", 0),
    ("cpu-limit", 1),
    ("cpu-pressure", 0),
    ("cut-answers", 1),
    ("disk-nearly-full", 0),
    ("disk-pressure", 0),
    ("error-rate-in-steps", 0),
    ("exhausted-descriptors", 0),
    ("failing-dependency-with-breaker", 0),
    ("failing-dependency-without-breaker", 1),
    ("http-abort", 0),
    ("http-corrupt", 0),
    ("http-duplicate", 0),
    ("http-error", 0),
    ("http-latency", 0),
    ("http-slow-body", 0),
    ("http-timeout", 0),
    ("io-limit", 0),
    ("killed-service", 0),
    ("leaking-pool", 0),
    ("memory-limit", 0),
    ("memory-pressure", 0),
    ("observe-first", 0),
    ("paused-service", 0),
    ("pids-limit", 0),
    ("retry-storm", 0),
    ("rising-pressure", 0),
    ("shared-pool", 1),
    ("slow-dependency-with-fallback", 0),
    ("slow-dependency-without-fallback", 1),
    ("slow-line", 0),
    ("slowed-service", 0),
    ("stop-condition", 4),
    ("stress-in-its-own-group", 0),
    ("stuck-breaker", 5),
    ("three-ways-to-be-gone", 0),
];

/// The reports that every run writes, and their formats.
const REPORTS: [(&str, &str); 5] =
    [("out.json", "json"), ("out.txt", "text"), ("out.xml", "junit"), ("out.md", "markdown"), ("out.html", "html")];

/// The names of the files in `experiments/`.
pub fn committed_files() -> BTreeSet<String> {
    let entries = std::fs::read_dir(repository().join("experiments")).expect("experiments");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

/// Ports for the variables of the experiments.
pub struct Ports {
    gateway: u16,
    retriever: u16,
    generator: u16,
    proxy: u16,
}

impl Ports {
    pub fn new() -> Self {
        let [gateway, retriever, generator, proxy] = free_ports();
        Self { gateway, retriever, generator, proxy }
    }

    pub fn all(&self) -> [u16; 4] {
        [self.gateway, self.retriever, self.generator, self.proxy]
    }

    /// As words of the command line for this file: a variable that it does not use would be refused.
    pub fn variables(&self, text: &str) -> Vec<String> {
        let Self { gateway, retriever, generator, proxy } = self;
        let pairs = [("GATEWAY", gateway), ("RETRIEVER", retriever), ("GENERATOR", generator), ("PROXY", proxy)];
        let used = pairs.iter().filter(|(name, _)| text.contains(&format!("${{{name}}}")));
        used.flat_map(|(name, port)| ["--var".to_owned(), format!("{name}=127.0.0.1:{port}")]).collect()
    }
}

/// A finished run of a committed experiment.
struct Finished {
    done: Done,
    report: Value,
}

fn run(name: &str, words: &[&str], company: Company) -> Finished {
    let (sandbox, ports) = (Sandbox::new(), Ports::new());
    let file = repository().join("experiments").join(format!("{name}.yaml")).display().to_string();
    let variables = ports.variables(&committed(&format!("experiments/{name}.yaml")));
    let reports = REPORTS.iter().flat_map(|(name, _)| ["--report", name]);
    let fixed = ["run", &file].into_iter().chain(reports);
    // The environment gives variables too, and other than `--var` it may give one that the file does not use.
    let run = sandbox.chaos(fixed).args(variables).args(words).env("FOLDER", &sandbox.path("").display().to_string());
    let done = run.in_company(company).done();
    sandbox.assert_nothing_is_left(&ports.all());
    assert_only_the_run_folder_is_written(&sandbox, &done);
    let read =
        |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap_or_else(|error| panic!("{error}: {done}"));
    let report: Value = serde_json::from_str(&read("out.json")).expect("the report is JSON");
    assert_eq!(read("out.txt"), done.stdout, "the report in the file is the one on stdout");
    for (name, format) in REPORTS {
        let again = sandbox.chaos(["report", "latest", "--format", format]).done().exits(0).stdout;
        assert!(again == read(name), "the report of the stored run differs from {name}");
    }
    schema::latest_is_valid(&sandbox);
    Finished { done, report }
}

fn assert_only_the_run_folder_is_written(sandbox: &Sandbox, done: &Done) {
    let asked_for = REPORTS.map(|(name, _)| name);
    let others = sandbox.files().into_iter().filter(|file| !asked_for.contains(&file.as_str()));
    for file in others {
        let of_run = file.strip_prefix("state/chaos/runs/");
        let known =
            of_run.is_some_and(|name| !name.contains('/') && (name.ends_with(".jsonl") || name.ends_with(".log")));
        assert!(known, "{file} was written by {done}");
    }
}

impl Finished {
    /// The exit code, the headline and the report for machines tell the same.
    #[track_caller]
    fn ends(self, headline: &str, verdict: &str, code: i32) -> Self {
        let Self { done, report } = &self;
        assert_eq!(done.code, Some(code), "{done}");
        assert!(done.stdout.starts_with(&format!("{headline}: ")), "{done}");
        assert_eq!(report["exit_code"], code, "{done}");
        assert_eq!(report["verdict"], verdict, "{done}");
        assert_eq!(report["run"]["complete"], true, "{done}");
        assert_eq!(report["residue"], serde_json::json!([]), "{done}");
        let steps = report["steps"].as_array().expect("steps");
        assert!(steps.len() >= 2 && steps.iter().all(|step| step["undone_s"].is_number()), "{steps:?}");
        self
    }

    #[track_caller]
    fn held(self) -> Self {
        self.ends("HELD", "held", 0)
    }

    #[track_caller]
    fn deviated(self) -> Self {
        self.ends("DEVIATED", "deviated", 1)
    }

    #[track_caller]
    fn says(self, part: &str) -> Self {
        Self { done: self.done.says(part), ..self }
    }

    /// Every fault did what it was asked to.
    #[track_caller]
    fn effective(self) -> Self {
        let doses = self.report["doses"].as_array().expect("doses");
        assert!(!doses.is_empty() && doses.iter().all(|dose| dose["status"] == "effective"), "{doses:?}");
        self
    }

    fn rules(&self) -> Vec<&str> {
        let advice = self.report["advice"].as_array().expect("advice").iter();
        advice.map(|advice| advice["rule"].as_str().expect("a rule")).collect()
    }
}

/// Two at the same time.
fn both<A: Send, B: Send>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        let one = one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (one, other)
    })
}

fn side_by_side(name: &str) -> Finished {
    run(name, &[], Company::SideBySide)
}

#[test]
fn a_fallback_keeps_answers_flowing_when_a_dependency_is_slow_and_its_twin_without_deviates() {
    let (with, without) =
        both(|| side_by_side("slow-dependency-with-fallback"), || side_by_side("slow-dependency-without-fallback"));
    with.held().effective();
    let without = without.deviated().effective();
    let row = &without.report["probes"][0]["expectations"][1];
    assert_eq!((&row["expected"], &row["result"]), (&"p95 <= 250ms".into(), &"deviated".into()), "{row}");
    let actual = row["fault"]["number"].as_f64().expect("a number");
    assert!((0.35..1.0).contains(&actual), "400 ms were added, p95 was {actual} s");
    let shown = row["fault"]["shown"].as_str().expect("text").to_owned();
    assert_eq!(without.rules(), ["R00"], "{}", without.done);
    without
        .says(&format!("ask: expected p95 <= 250ms, got {shown} (95% sure: "))
        .says("The whole delay reaches the caller: nothing cuts it off")
        .says("-> Between the caller and the slow dependency no timeout is shorter than this delay");
}

#[test]
fn a_breaker_spares_callers_the_retries_and_its_twin_without_deviates() {
    let (with, without) =
        both(|| side_by_side("failing-dependency-with-breaker"), || side_by_side("failing-dependency-without-breaker"));
    with.held().effective();
    let without = without.deviated().effective();
    assert!(!without.rules().is_empty(), "no advice in {}", without.done);
    without.says("ask: expected p95 <= 100ms, got");
}

#[test]
fn a_killed_and_a_hung_generator_go_unnoticed_behind_a_fallback() {
    let (killed, paused) = both(|| side_by_side("killed-service"), || side_by_side("paused-service"));
    killed.held().effective();
    paused.held().effective();
}

#[test]
fn a_closed_generator_goes_unnoticed_behind_a_fallback_and_is_open_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("closed");
    let closed = run("command-of-your-own", &["--var", &format!("CLOSED={}", file.display())], Company::SideBySide);
    closed.held().effective().says("in place");
    assert!(!file.exists(), "the undo took it away");
}

#[test]
fn a_crawling_generator_and_one_without_descriptors_go_unnoticed_behind_a_fallback() {
    let (crawling, full) = both(|| side_by_side("slowed-service"), || side_by_side("exhausted-descriptors"));
    crawling.held().effective();
    full.held().effective();
}

#[test]
fn a_stop_condition_ends_the_harm_within_seconds_and_steps_go_through() {
    let (stopped, steps) = both(|| side_by_side("stop-condition"), || side_by_side("error-rate-in-steps"));
    let stopped = stopped.ends("STOPPED", "stopped", 4).says("stopped by `ask.error_rate > 20%`");
    let seconds = stopped.report["breach_to_rollback_s"].as_f64().expect("a time");
    assert!((0.0..5.0).contains(&seconds), "30 s were asked for, {seconds} s is early\n{}", stopped.done);
    stopped.says("Breach to rollback").says("from the first bad event to the verified undo");
    let steps = steps.held().effective();
    assert_eq!(steps.report["doses"].as_array().expect("doses").len(), 3);
}

#[test]
fn a_fallback_outlives_every_way_of_being_gone_and_slow() {
    let (gone, slow) = both(|| side_by_side("three-ways-to-be-gone"), || side_by_side("slow-line"));
    let gone = gone.held().effective().says("refused (tried)");
    assert_eq!(gone.report["doses"].as_array().expect("doses").len(), 3);
    let slow = slow.held().effective();
    assert_eq!(slow.report["doses"].as_array().expect("doses").len(), 3);
}

#[test]
fn trying_again_does_not_help_against_answers_that_are_cut_off() {
    run("cut-answers", &[], Company::SideBySide).deviated().effective().says("bytes passed");
}

#[test]
fn looking_first_walks_the_same_phases_and_injects_nothing() {
    let (looked, injected) =
        both(|| run("observe-first", &["--dry-run"], Company::SideBySide), || side_by_side("observe-first"));
    let injected = injected.held().effective();
    assert_eq!(injected.report["run"]["mode"], "inject");
    let looked = looked.held().says("OBSERVER MODE: NOTHING WAS INJECTED").says("nothing was injected");
    assert_eq!(looked.report["run"]["mode"], "observe");
    let acts = |finished: &Finished| -> Vec<String> {
        let steps = finished.report["steps"].as_array().expect("steps").iter();
        steps.map(|step| step["act"].as_str().expect("text").to_owned()).collect()
    };
    assert!(acts(&injected).iter().any(|act| act.contains("toxic")), "{:?}", acts(&injected));
    assert!(!acts(&looked).iter().any(|act| act.contains("toxic")), "{:?}", acts(&looked));
    for phase in ["baseline", "fault", "recovery"] {
        let samples = |finished: &Finished| finished.report["probes"][0][phase]["samples"].as_u64();
        assert!(samples(&looked) > Some(0) && samples(&injected) > Some(0), "{phase}");
    }
}

#[test]
fn answers_survive_a_rate_limit_and_broken_connections() {
    let (error, abort) = both(|| side_by_side("http-error"), || side_by_side("http-abort"));
    error.held().effective();
    abort.held().effective();
}

#[test]
fn a_timeout_bounds_slow_answers_and_slow_bodies() {
    let (latency, slow) = both(|| side_by_side("http-latency"), || side_by_side("http-slow-body"));
    latency.held().effective();
    slow.held().effective();
}

#[test]
fn silence_and_gibberish_go_unnoticed_behind_a_fallback() {
    let (silence, gibberish) = both(|| side_by_side("http-timeout"), || side_by_side("http-corrupt"));
    silence.held().effective();
    gibberish.held().effective();
}

#[test]
fn a_service_that_changes_nothing_may_be_asked_twice() {
    let twice = side_by_side("http-duplicate").held().effective();
    let parts = twice.report["doses"][0]["parts"].as_array().expect("parts");
    let sent_twice = parts.iter().find(|part| part["what"] == "sent twice").expect("is measured");
    assert!(sent_twice["number"].as_f64() > Some(100.0), "50 a second for 6 s: {sent_twice}");
}

#[test]
fn what_users_do_not_notice_is_told_by_advice() {
    let (storm, leak) = both(|| side_by_side("retry-storm"), || side_by_side("leaking-pool"));
    let (storm, leak) = (storm.held().effective(), leak.held().effective());
    assert!(storm.rules().contains(&"R02"), "{}", storm.done);
    assert!(leak.rules().contains(&"R21"), "{}", leak.done);
}

#[test]
fn what_is_shared_and_what_never_tries_again_deviates() {
    let (shared, stuck) = both(|| side_by_side("shared-pool"), || side_by_side("stuck-breaker"));
    let shared = shared.deviated().effective();
    assert!(shared.rules().contains(&"R12") && shared.rules().contains(&"R13"), "{}", shared.done);
    let stuck = stuck.ends("NOT RECOVERED", "not_recovered", 5).effective();
    assert!(stuck.rules().contains(&"R06"), "{}", stuck.done);
}

#[test]
fn answers_stay_in_time_under_pressure_on_memory_and_disk() {
    let (memory, disk) = both(|| side_by_side("memory-pressure"), || side_by_side("disk-pressure"));
    memory.held().effective();
    disk.held().effective();
}

#[test]
fn answers_stay_in_time_while_pressure_rises_and_the_disk_fills() {
    let (rising, full) = both(|| side_by_side("rising-pressure"), || side_by_side("disk-nearly-full"));
    let rising = rising.held().effective().says("reached in a ramp of 6s").says("reached in 4 steps of 2s");
    assert_eq!(rising.report["doses"].as_array().expect("doses").len(), 2);
    let full = full.held().effective().says("room taken");
    let taken = full.report["doses"][0]["parts"][0]["number"].as_f64().expect("a number");
    assert!((taken - f64::from(256 << 20)).abs() < f64::from(1 << 20), "{taken} bytes");
}

#[test]
fn answers_stay_in_time_under_pressure_on_the_cores() {
    run("cpu-pressure", &[], Company::Alone).held().effective();
}

/// Whether no control groups can be made here; the test that is left out is said.
fn without_control_groups(test: &str) -> bool {
    let missing = chaos::host::cgroup::missing();
    let why: Vec<String> = missing.iter().map(|(controller, why)| format!("{controller}: {why}")).collect();
    if !why.is_empty() {
        skip(test, &format!("no control groups can be made: {}", why.join("; ")));
    }
    !why.is_empty()
}

#[test]
fn a_quota_that_is_too_small_makes_answers_wait_and_stress_inside_a_group_is_felt_there() {
    if without_control_groups("cpu-limit and stress-in-its-own-group") {
        return;
    }
    let (limit, stress) = both(|| side_by_side("cpu-limit"), || side_by_side("stress-in-its-own-group"));
    let limit = limit.deviated().effective();
    let used = limit.report["doses"][0]["parts"][0]["number"].as_f64().expect("a number");
    assert!((0.1..0.17).contains(&used), "15 % of a core were allowed, {used} were used");
    let stress = stress.held().effective();
    let acts = stress.report["steps"].as_array().expect("steps").iter();
    let beside = acts.filter(|step| step["act"].as_str().is_some_and(|act| act.contains("in the control group of")));
    assert_eq!(beside.count(), 1, "{}", stress.done);
}

#[test]
fn limits_on_a_neighbours_group_are_not_felt_by_the_service_beside_it() {
    if without_control_groups("memory-limit, pids-limit and io-limit") {
        return;
    }
    let (memory, pids) = both(|| side_by_side("memory-limit"), || side_by_side("pids-limit"));
    memory.held().effective();
    pids.held().effective();
    let folder = Sandbox::new();
    match chaos::host::system::whole_disk_of(&folder.path("")) {
        Ok(_) => drop(side_by_side("io-limit").held().effective()),
        Err(trouble) => skip("io-limit", &trouble.to_string()),
    }
}

#[test]
fn no_experiment_is_forgotten() {
    let ours: BTreeSet<String> = ENDS.iter().map(|(name, _)| format!("{name}.yaml")).collect();
    assert_eq!(committed_files(), ours, "ENDS, and a test here, name every file in experiments/");
    let tests = include_str!("experiments.rs").split("\n#[test]").skip(1).collect::<String>();
    for (name, code) in ENDS {
        assert!(tests.contains(&format!("(\"{name}\"")), "no test runs {name}");
        let text = committed(&format!("experiments/{name}.yaml"));
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let head = head.join(" ").replace("# ", "");
        assert!(head.contains("What it teaches:"), "{name}");
        assert!(head.contains(&format!("chaos run experiments/{name}.yaml")), "{name} says how it is run");
        let promises = head.contains(&format!("exit {code}")) || name == "observe-first";
        assert!(promises, "{name} says that it ends with exit {code}");
    }
}

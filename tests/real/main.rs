//! The real machine: processes, signals, workers. Everything started here is gone at the end of each test.

mod alone;
#[path = "../binary/mod.rs"]
mod binary;
mod breach;
mod busy;
mod commands;
mod crowd;
mod doses;
mod examples;
mod filled;
mod guardian;
mod guardian_alone;
mod left_behind;
mod limits;
mod newcomer;
mod nginx;
mod one_at_a_time;
mod outside;
mod processes;
mod prometheus;
mod redis;
mod redis_processes;
mod run;
mod scarce;
mod services;
mod side_by_side;
mod signals;
mod stalled;
mod stop;
mod strangers;
mod targets;
mod toxiproxy_client;
mod workers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::process::{self, Launch, Output};
use chaos::model::dose::ProcessState;

/// The binary under test.
fn binary() -> PathBuf {
    PathBuf::from(binary::chaos())
}

/// Whether a program is there to be tested with. What is skipped is said loudly; with `CHAOS_SKIP_NOTHING` it fails.
fn installed(program: &str) -> bool {
    // Debian keeps servers where only root looks.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return true;
    }
    skip(&format!("{program} is not installed"));
    false
}

/// Says loudly that a test does not run, and why; with `CHAOS_SKIP_NOTHING` it fails.
fn skip(why: &str) {
    assert!(std::env::var_os("CHAOS_SKIP_NOTHING").is_none(), "{why}, and nothing may be skipped");
    // Past the test harness, which keeps what a passing test prints to itself.
    chaos::host::output::stderr(&format!("\n!!! SKIPPED: {why}, so a test with it did not run\n"));
}

/// Whether no control groups can be made here, which is said.
fn without_control_groups() -> bool {
    let missing = chaos::host::cgroup::missing();
    missing.iter().for_each(|(controller, why)| skip(&format!("no control group for {controller} can be made: {why}")));
    !missing.is_empty()
}

/// Waits until something is so; fails after 10 s.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Clock::Real.now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Clock::Real.now() < deadline, "not within 10 s: {what}");
        Clock::Real.sleep(Duration::from_millis(2)).await;
    }
}

/// A shell script, its output captured.
fn shell(script: &str) -> Launch {
    Launch {
        program: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: BTreeMap::new(),
        bare: false,
        directory: None,
        output: Output::Capture,
    }
}

/// Whether a process of that id lives, zombies aside.
fn lives(pid: i32) -> bool {
    process::identity(pid).is_some_and(|process| process::state(&process) != ProcessState::Gone)
}

/// The process ids in a file, one a line; none while it is not there.
fn pids_in(path: &std::path::Path) -> Vec<i32> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| line.trim().parse().expect("a pid")).collect()
}

//! The real machine: processes, signals, workers. Everything started here is gone at the end of each test.

mod breach;
mod crowd;
mod examples;
mod guardian;
mod guardian_alone;
mod left_behind;
mod nginx;
mod one_at_a_time;
mod outside;
mod processes;
mod prometheus;
mod redis;
mod run;
mod scarce;
mod services;
mod side_by_side;
mod signals;
mod stalled;
mod stop;
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
    PathBuf::from(env!("CARGO_BIN_EXE_chaos"))
}

/// Whether a program is there to be tested with. What is skipped is said loudly; with `CHAOS_SKIP_NOTHING` it fails.
fn installed(program: &str) -> bool {
    // Debian keeps servers where only root looks.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return true;
    }
    assert!(std::env::var_os("CHAOS_SKIP_NOTHING").is_none(), "{program} is not installed, and nothing may be skipped");
    // Past the test harness, which keeps what a passing test prints to itself.
    chaos::host::output::stderr(&format!("\n!!! SKIPPED: {program} is not installed, so a test with it did not run\n"));
    false
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

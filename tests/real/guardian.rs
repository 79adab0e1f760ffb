//! The tool is killed, stopped or left alone: its guardian puts everything back, and where that is dead too, the journal
//! and `chaos rollback` do. Looked at with tools that are not ours.

use std::process::{Command, Output};
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::journal::apart::{Standing, Whole};
use chaos::journal::open_steps;
use chaos::journal::recover::Recovery;
use rustix::process::{Pid, Signal, kill_process};

use crate::outside::{Seen, look, processes};
use crate::run::{Home, Run, free_ports};
use crate::{binary, until};

/// The tool, a shell, its child, its child in a session of its own, a service that is paused, a worker.
pub const AT_WORK: usize = 6;

/// A service with children that do not die with it, another that is paused, and a worker.
pub fn experiment(port: u16, baseline: &str) -> String {
    format!(
        "name: to be killed
services:
  - {{ name: parent, command: [sh, -c, 'sleep 1000 & setsid sleep 1000 & wait'] }}
  - {{ name: paused, command: [sleep, '1000'] }}
steady_state:
  - {{ name: connect, probe: tcp, address: '127.0.0.1:{port}', rate: 20/s, timeout: 1s, expect: [success_rate <= 1%] }}
faults:
  - {{ name: a, fault: cpu.stress, target: {{ host: local }}, load: 5%, cores: 1, duration: 60s }}
  - {{ name: b, fault: process.pause, target: {{ process: {{ service: paused }} }}, duration: 60s }}
blast_radius: {{ duration: 60s }}
baseline: {baseline}
"
    )
}

/// A run with everything on.
pub async fn in_full_swing() -> Run {
    let [port] = free_ports();
    let mut run = Home::new().start(&experiment(port, "1s"));
    run.until("both faults are on", |events| events.iter().filter(|e| e["event"] == "fault_applied").count() == 2)
        .await;
    until("all are there", || processes(&run.home).len() == AT_WORK).await;
    run
}

#[allow(clippy::disallowed_methods, reason = "a tool that is not ours")]
pub fn guardian_of(tool: Pid) -> Pid {
    let tool = tool.as_raw_pid().to_string();
    let children = Command::new("ps").args(["-ww", "-o", "pid=,args=", "--ppid", &tool]).output().expect("ps");
    let children = String::from_utf8_lossy(&children.stdout).into_owned();
    let line = children.lines().find(|line| line.contains("__guardian")).expect("a guardian");
    let pid = line.split_whitespace().next().and_then(|pid| pid.parse().ok());
    pid.and_then(Pid::from_raw).expect("a pid")
}

fn lives(pid: Pid) -> bool {
    crate::lives(pid.as_raw_pid())
}

#[allow(clippy::disallowed_methods, reason = "the binary under test is started as a stranger would")]
fn rollback(home: &Home, words: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("rollback").args(words).arg("--state-dir").arg(home.path("state"));
    command.output().expect("starts")
}

pub fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Both parts of the run's journal.
fn journal(home: &Home) -> Whole {
    let journal = home.run_folders().pop().expect("a run").join("journal.jsonl");
    Recovery::open(&journal).and_then(|journal| journal.contents()).expect("reads")
}

/// How many steps of the run are open by its journal.
pub fn open(home: &Home) -> usize {
    let whole = journal(home);
    assert!(whole.header.is_some() && whole.damaged.is_empty() && whole.volatile != Standing::Missing, "{whole:?}");
    open_steps(&whole.entries).len()
}

async fn until_clean(home: &Home) {
    until("nothing is left", || look(home, &[]) == Seen::default()).await;
    until("the journal says so", || open(home) == 0).await;
}

#[tokio::test]
async fn a_killed_tool_leaves_nothing_and_its_journal_says_so() {
    let run = in_full_swing().await;
    let guardian = guardian_of(run.pid());
    run.signal(Signal::KILL);
    let home = run.ended().await.home;
    until_clean(&home).await;
    until("it is told", || home.told().contains("4 steps were undone and read back")).await;
    until("the guardian ends", || !lives(guardian)).await;
    assert_eq!(said(&rollback(&home, &["--all"])), (Some(0), "nothing to roll back\n".into()));
}

#[tokio::test]
async fn a_tool_that_is_killed_before_anything_is_broken_leaves_nothing_either() {
    let [port] = free_ports();
    let mut run = Home::new().start(&experiment(port, "60s"));
    run.until_phase("baseline").await;
    run.signal(Signal::KILL);
    until_clean(&run.ended().await.home).await;
}

#[tokio::test]
async fn a_tool_that_is_stopped_is_killed_and_everything_put_back() {
    let run = in_full_swing().await;
    run.signal(Signal::STOP);
    let ended = run.ended().await;
    assert_eq!(ended.code, None, "killed");
    assert!(ended.took >= Duration::from_secs(2), "it had its lease, {:?}", ended.took);
    until_clean(&ended.home).await;
    until("it is told", || ended.home.told().contains("no sign of life")).await;
}

#[tokio::test]
async fn requests_to_end_do_not_end_the_guardian() {
    let run = in_full_swing().await;
    let guardian = guardian_of(run.pid());
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::PIPE, Signal::QUIT] {
        kill_process(guardian, signal).expect("sends");
    }
    run.signal(Signal::KILL);
    until_clean(&run.ended().await.home).await;
}

#[tokio::test]
async fn without_its_guardian_a_run_rolls_back_and_says_why() {
    for signal in [Signal::KILL, Signal::STOP] {
        let run = in_full_swing().await;
        let guardian = guardian_of(run.pid());
        kill_process(guardian, signal).expect("sends");
        let ended = run.ended().await;
        assert_eq!((ended.code, &ended.report["stop"]["cause"]), (Some(4), &"guardian_lost".into()));
        assert!(ended.report["breach_to_rollback_s"].is_number(), "{}", ended.report);
        assert_eq!(open(&ended.home), 0);
        assert!(!lives(guardian), "it was reaped");
    }
}

#[tokio::test]
async fn a_run_that_ends_well_sends_its_guardian_home() {
    let [port] = free_ports();
    let mut run = Home::new().start(&experiment(port, "60s"));
    run.until_phase("baseline").await;
    let guardian = guardian_of(run.pid());
    let volatile = journal(&run.home).header.expect("a header").volatile;
    assert!(volatile.as_ref().is_none_or(|part| part.exists()), "{volatile:?}");
    run.signal(Signal::INT);
    let ended = run.ended().await;
    assert_eq!((ended.code, open(&ended.home)), (Some(8), 0));
    assert!(!lives(guardian), "before the tool ends");
    assert!(volatile.is_none_or(|part| !part.exists()), "nothing stays in the runtime folder");
}

/// A run whose tool and guardian were killed together.
pub async fn abandoned() -> Home {
    let run = in_full_swing().await;
    kill_process(guardian_of(run.pid()), Signal::KILL).expect("sends");
    run.signal(Signal::KILL);
    let home = run.ended().await.home;
    until("only what the kernel does not kill is left", || processes(&home).len() == 2).await;
    home
}

#[tokio::test]
async fn what_a_killed_guardian_leaves_is_rolled_back_by_hand_and_no_run_begins_before() {
    let home = abandoned().await;
    let [port] = free_ports();
    let refused = Home::sharing_state_with(&home).start(&experiment(port, "1s")).ended().await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.home.told().contains("chaos rollback "), "{}", refused.home.told());
    let (code, text) = said(&rollback(&home, &["--all"]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("left 4 steps") && text.contains("everything is undone and was read back"), "{text}");
    until_clean(&home).await;
    assert_eq!(said(&rollback(&home, &["--all"])), (Some(0), "nothing to roll back\n".into()));
}

#[tokio::test]
async fn two_rollbacks_at_once_do_no_harm() {
    let home = abandoned().await;
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| said(&rollback(&home, &["--all"])));
        (said(&rollback(&home, &["--all"])), other.join().expect("ends"))
    });
    assert_eq!((one.0, other.0), (Some(0), Some(0)), "{one:?} {other:?}");
    assert_ne!(one.1, other.1, "one of them had nothing to do");
    until_clean(&home).await;
}

#[tokio::test]
async fn a_run_under_way_is_not_rolled_back_from_elsewhere() {
    let run = in_full_swing().await;
    let (code, text) = said(&rollback(&run.home, &["--all"]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&format!("kill {}", run.pid().as_raw_pid())), "{text}");
    assert_eq!(processes(&run.home).len(), AT_WORK, "nothing was touched");
    run.signal(Signal::INT);
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(8));
    assert_eq!(processes(&ended.home), [], "the child that left its session ends with the run, too");
}

/// The time from SIGKILL until nothing of it is seen from outside; `KILLS=25` measures it more often.
#[tokio::test]
async fn from_kill_to_clean_it_takes_no_two_seconds() {
    let kills = std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(4);
    let mut times = Vec::new();
    for _ in 0..kills {
        let run = in_full_swing().await;
        let mark = run.home.mark();
        let began = Clock::Real.now();
        run.signal(Signal::KILL);
        while marked(&mark) > 0 {}
        times.push(began.elapsed());
        until_clean(&run.ended().await.home).await;
    }
    times.sort_unstable();
    let line = format!(
        "kill to clean: p50 {:?}, max {:?} of {}\n",
        times[times.len() / 2],
        times[times.len() - 1],
        times.len()
    );
    chaos::host::output::stderr(&line);
    assert!(times[times.len() - 1] < Duration::from_secs(2), "{line}");
}

/// How many living processes carry a mark: `ps` itself takes too long to measure with.
fn marked(mark: &str) -> usize {
    let all = std::fs::read_dir("/proc").expect("lists").filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let carries = |path: &std::path::PathBuf| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    all.filter(carries).count()
}

//! `chaos stop`: the kill switch from another terminal.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chaos::host::{files, process, system};
use chaos::journal::{FORMAT, Header, read};
use rustix::process::{Signal, kill_process};

use crate::guardian::guardian_of;
use crate::outside::{Seen, look};
use crate::run::{Home, Run, free_ports};
use crate::until;

const ID: &str = "01a1fc08-8999-710d-a0a1-cb0d5a1f2584";

/// A run with a service, its child in a session of its own, and a fault.
async fn under_way(home: Home) -> Run {
    let [port, listen] = free_ports();
    let run = home.start(&format!(
        "name: to be stopped
services:
  - {{ name: parent, command: [sh, -c, 'setsid sleep 1000 & wait'] }}
proxies: [{{ name: p, listen: '127.0.0.1:{listen}', upstream: '127.0.0.1:{port}' }}]
steady_state:
  - {{ name: connect, probe: tcp, address: '127.0.0.1:{port}', rate: 20/s, timeout: 1s, expect: [success_rate <= 1%] }}
faults:
  - {{ name: slow, fault: network.latency, target: {{ proxy: p }}, delay: 20ms, duration: 60s }}
baseline: 1s
"
    ));
    until("the fault is on", || folder(&run).is_some_and(|folder| has(&folder, "fault_applied"))).await;
    run
}

/// The folder of this very run: several may share the place where runs are kept.
fn folder(run: &Run) -> Option<PathBuf> {
    let pid = run.pid().as_raw_pid();
    let owner =
        |folder: &PathBuf| read(&std::fs::read(folder.join("journal.jsonl")).ok()?).header.map(|header| header.owner);
    run.home.run_folders().into_iter().find(|folder| owner(folder).is_some_and(|owner| owner.pid == pid))
}

fn has(folder: &Path, event: &str) -> bool {
    let events = std::fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    events.contains(&format!(r#""event":"{event}""#))
}

fn id(run: &Run) -> String {
    let folder = folder(run).expect("it has begun");
    folder.file_name().expect("a name").to_string_lossy().into_owned()
}

#[tokio::test]
async fn the_only_run_under_way_is_stopped_and_its_report_says_by_what() {
    let run = under_way(Home::new()).await;
    let said = run.home.chaos(&["stop"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("everything is undone and was read back"), "{said:?}");
    let ended = run.ended().await;
    assert_eq!((ended.code, &ended.report["interrupted"]), (Some(8), &"chaos stop".into()));
    assert_eq!(ended.report["reasons"][0], "ended by chaos stop; rolled back, and read back");
    assert_eq!(look(&ended.home, &[]), Seen::default());
    let again = ended.home.chaos(&["stop"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "nothing is under way\n"));
}

#[tokio::test]
async fn of_several_one_is_named_by_the_beginning_of_its_id_or_all_are_stopped() {
    let first = under_way(Home::new()).await;
    let second = under_way(Home::sharing_state_with(&first.home)).await;
    let third = under_way(Home::sharing_state_with(&first.home)).await;
    let said = first.home.chaos(&["stop"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{said:?}");
    for run in [&first, &second, &third] {
        assert!(said.stderr.contains(&format!("chaos stop {} --state-dir", id(run))), "{said:?}");
    }
    let shared = first.home.chaos(&["stop", &id(&first)[..2]]);
    assert!(shared.code == Some(2) && shared.stderr.contains("3 runs are under way"), "{shared:?}");
    let name = id(&second);
    let said = first.home.chaos(&["stop", &name[..name.len() - 1]]);
    assert!(said.code == Some(0) && said.stdout.contains(&name), "{said:?}");
    assert_eq!(second.ended().await.code, Some(8));
    let over = first.home.chaos(&["stop", &name]);
    assert!(over.code == Some(0) && over.stdout.contains("is not under way"), "{over:?}");
    let all = first.home.chaos(&["stop", "--all"]);
    assert!(all.code == Some(0) && all.stdout.lines().count() == 2, "{all:?}");
    assert_eq!((first.ended().await.code, third.ended().await.code), (Some(8), Some(8)));
}

#[tokio::test]
async fn a_tool_that_is_stopped_is_killed_and_its_guardian_does_the_work() {
    let run = under_way(Home::new()).await;
    run.signal(Signal::STOP);
    until("it is stopped", || stopped(&run)).await;
    let said = run.home.chaos(&["stop"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("is stopped: it is killed (SIGKILL)"), "{said:?}");
    assert!(said.stdout.contains("was killed and put back by its guardian"), "{said:?}");
    let ended = run.ended().await;
    assert_eq!(ended.code, None, "killed");
    assert_eq!(look(&ended.home, &[]), Seen::default());
}

#[tokio::test]
async fn where_the_guardian_is_of_no_use_either_the_journal_is_undone_by_the_switch_itself() {
    let run = under_way(Home::new()).await;
    let guardian = guardian_of(run.pid());
    kill_process(guardian, Signal::STOP).expect("sends");
    run.signal(Signal::STOP);
    until("it is stopped", || stopped(&run)).await;
    let said = run.home.chaos(&["stop"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("was put back from its journal"), "{said:?}");
    let home = run.ended().await.home;
    assert_eq!(look(&home, &[]), Seen::default());
    kill_process(guardian, Signal::CONT).expect("sends");
    until("the guardian ends", || !crate::lives(guardian.as_raw_pid())).await;
}

fn stopped(run: &Run) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", run.pid().as_raw_pid())).expect("lives");
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

/// A process that ignores what asks it to end.
struct Deaf(Child);

impl Drop for Deaf {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[allow(clippy::disallowed_methods, reason = "a tool that hangs, played by one that is not ours")]
fn deaf(home: &Home) -> Deaf {
    let ready = home.path("paper").join("ready");
    let script = "trap '' TERM; : > \"$0\"; while :; do read line; done";
    let mut command = Command::new("sh");
    let child = command.args(["-c", script]).arg(&ready).stdin(Stdio::piped()).spawn().expect("starts");
    Deaf(child)
}

#[tokio::test]
async fn a_tool_that_does_not_react_is_killed_after_five_seconds() {
    let home = Home::new();
    let tool = deaf(&home);
    until("it is deaf", || home.path("paper").join("ready").exists()).await;
    let owner = process::identity(tool.0.id().cast_signed()).expect("lives");
    let boot = system::boot().expect("a boot id");
    let header = Header { journal: FORMAT, run: ID.into(), tool: "test".into(), boot, owner, volatile: None };
    let folder = home.path("state").join("runs").join(ID);
    files::create_dir_all(&folder).expect("makes it");
    let line = serde_json::to_string(&header).expect("writes") + "\n";
    files::write_atomic(&folder.join("journal.jsonl"), line.as_bytes()).expect("writes");
    let began = chaos::host::clock::Clock::Real.now();
    let (said, _tool) = tokio::task::spawn_blocking(move || (home.chaos(&["stop", "01a1"]), tool)).await.expect("ends");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("shows no reaction for 5s: it is killed"), "{said:?}");
    assert!((5.0..9.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert!(began.elapsed() >= Duration::from_secs(5));
}

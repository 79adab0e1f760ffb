//! Two runs that would break the same thing: one goes, the other is refused and told by whom, until nothing of the first
//! is left.

use rustix::process::{Pid, Signal, kill_process};

use crate::guardian::guardian_of;
use crate::outside::{Seen, look, processes};
use crate::run::{Ended, Home, Run, free_ports};
use crate::until;

fn experiment(port: u16, duration: &str) -> String {
    format!(
        "name: takes a core
services:
  - {{ name: mine, command: [sleep, '1000'] }}
steady_state:
  - {{ name: connect, probe: tcp, address: '127.0.0.1:{port}', rate: 20/s, timeout: 1s, expect: [success_rate <= 1%] }}
faults:
  - {{ name: busy, fault: cpu.stress, target: {{ host: local }}, load: 5%, cores: 1, duration: {duration} }}
blast_radius: {{ duration: 60s }}
baseline: 1s
recovery: {{ within: 1s }}
"
    )
}

async fn busy(home: Home, duration: &str) -> Run {
    let [port] = free_ports();
    let mut run = home.start(&experiment(port, duration));
    run.until("the fault is on", |events| events.iter().any(|event| event["event"] == "fault_applied")).await;
    run
}

fn refused(ended: &Ended) -> String {
    assert_eq!((ended.code, &ended.report), (Some(2), &serde_json::Value::Null), "{}", ended.home.told());
    let told = ended.home.told();
    assert!(told.contains("nothing was touched"), "{told}");
    told
}

/// The locks that a process has open, by their names.
pub fn locks_of(pid: i32, home: &Home) -> Vec<String> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("lists");
    let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let names =
        targets.filter_map(|target| target.strip_prefix(home.locks()).ok().map(|name| name.display().to_string()));
    names.collect()
}

fn lock_files(home: &Home) -> usize {
    std::fs::read_dir(home.locks()).map_or(0, Iterator::count)
}

#[tokio::test]
async fn of_two_that_race_for_a_core_exactly_one_goes_and_the_other_names_it() {
    let (home, [port, other_port]) = (Home::new(), free_ports());
    let other = Home::sharing_state_with(&home);
    let (run, other) = (home.start(&experiment(port, "1s")), other.start(&experiment(other_port, "1s")));
    let pids = [run.pid(), other.pid()];
    let (one, other) = tokio::join!(run.ended(), other.ended());
    let (winner, loser, pid) = if one.code == Some(2) { (other, one, pids[1]) } else { (one, other, pids[0]) };
    assert_eq!(winner.report["run"]["complete"], true, "{}", winner.home.told());
    let id = winner.report["run"]["id"].as_str().expect("an id");
    let told = refused(&loser);
    for part in [&format!("run {id} (takes a core, pid {})", pid.as_raw_pid()), &format!("chaos stop {id} --state-dir")]
    {
        assert!(told.contains(part), "no `{part}` in {told}");
    }
    assert_eq!(winner.home.run_folders().len(), 1, "the loser has not even a folder");
    assert_eq!(lock_files(&winner.home), 0, "no file is left");
}

#[tokio::test]
async fn the_tool_and_its_guardian_hold_the_lock_and_nobody_else_does() {
    let run = busy(Home::new(), "60s").await;
    let guardian = guardian_of(run.pid()).as_raw_pid();
    assert_eq!(locks_of(run.pid().as_raw_pid(), &run.home).len(), 1);
    assert_eq!(locks_of(guardian, &run.home).len(), 1);
    let others = processes(&run.home).into_iter().filter(|process| process.pid != run.pid().as_raw_pid());
    let others: Vec<_> = others.map(|process| locks_of(process.pid, &run.home)).collect();
    assert!(others.len() >= 2 && others.iter().all(Vec::is_empty), "{others:?}");
    run.signal(Signal::INT);
    assert_eq!(run.ended().await.code, Some(8));
}

#[tokio::test]
async fn a_killed_tools_lock_is_held_until_its_guardian_has_undone_everything() {
    let run = busy(Home::new(), "60s").await;
    let (tool, guardian) = (run.pid(), guardian_of(run.pid()));
    // So that there is time to look.
    kill_process(guardian, Signal::STOP).expect("sends");
    run.signal(Signal::KILL);
    let home = run.ended().await.home;
    until("the tool is gone with its worker and its service", || processes(&home).is_empty()).await;
    let [port, other_port] = free_ports();
    let second = Home::sharing_state_with(&home).start(&experiment(port, "1s")).ended().await;
    let told = refused(&second);
    assert!(told.contains("was killed and whose guardian is putting it back"), "{told}");
    assert_eq!(locks_of(guardian.as_raw_pid(), &home).len(), 1, "of {tool:?}");
    kill_process(guardian, Signal::CONT).expect("sends");
    until("the guardian ends", || !lives(guardian)).await;
    let third = Home::sharing_state_with(&home).start(&experiment(other_port, "1s")).ended().await;
    assert_eq!(
        third.report["run"]["complete"],
        true,
        "the file that is left is in nobody's way: {}",
        third.home.told()
    );
    assert_eq!(look(&home, &[]), Seen::default());
}

#[tokio::test]
async fn whoever_only_observes_takes_nothing_and_is_refused_nothing() {
    let run = busy(Home::new(), "60s").await;
    let observer = Home::sharing_state_with(&run.home);
    let [port] = free_ports();
    let mut command = observer.command(&experiment(port, "1s"));
    let observed = observer.start_as(command.arg("--dry-run")).ended().await;
    assert_eq!(observed.report["run"]["complete"], true, "{}", observed.home.told());
    run.signal(Signal::INT);
    assert_eq!(run.ended().await.code, Some(8));
}

#[tokio::test]
async fn an_address_that_a_run_listens_on_is_refused_to_another_before_anything_is_touched() {
    let (home, [port, upstream]) = (Home::new(), free_ports());
    let text = |name: &str| {
        format!(
            "name: {name}
proxies: [{{ name: p, listen: '127.0.0.1:{port}', upstream: '127.0.0.1:{upstream}' }}]
steady_state:
  - {{ name: c, probe: tcp, address: '127.0.0.1:{port}', rate: 20/s, timeout: 1s, expect: [success_rate >= 99%] }}
baseline: 60s
"
        )
    };
    let mut run = home.start(&text("first"));
    run.until_phase("baseline").await;
    let second = Home::sharing_state_with(&run.home).start(&text("second")).ended().await;
    let told = refused(&second);
    assert!(told.contains(&format!("the address 127.0.0.1:{port} is taken by run")), "{told}");
    run.signal(Signal::INT);
    assert_eq!(run.ended().await.code, Some(8));
}

fn lives(pid: Pid) -> bool {
    crate::lives(pid.as_raw_pid())
}

//! Signals at every moment of a run: it ends soon, says so, and leaves nothing behind.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Signal, kill_process_group};
use tokio::task::JoinSet;

use crate::outside::{Seen, look, processes};
use crate::run::{Ended, Home, Run, free_ports};
use crate::until;

/// From the signal to the end, with services that obey. Measured: some 10 ms.
const SOON: Duration = Duration::from_secs(5);

const SIGNALS: [(Signal, &str); 3] = [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")];

/// When the signal comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// While a service does not get ready.
    SetUp,
    Baseline,
    /// While every kind of fault is active.
    Faults,
    Recovery,
}

#[tokio::test]
async fn a_signal_while_a_service_does_not_get_ready() {
    by_each_signal(Moment::SetUp).await;
}

#[tokio::test]
async fn a_signal_during_the_baseline() {
    by_each_signal(Moment::Baseline).await;
}

#[tokio::test]
async fn a_signal_while_every_kind_of_fault_is_active() {
    by_each_signal(Moment::Faults).await;
}

#[tokio::test]
async fn a_signal_during_the_recovery() {
    by_each_signal(Moment::Recovery).await;
}

async fn by_each_signal(moment: Moment) {
    let _busy = crate::busy::busy();
    let mut runs = JoinSet::new();
    for (signal, name) in SIGNALS {
        runs.spawn(interrupted(moment, signal, name));
    }
    runs.join_all().await;
}

async fn interrupted(moment: Moment, signal: Signal, name: &str) {
    let ports = free_ports();
    let run = run_until(moment, ports).await;
    run.signal(signal);
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(8), "{moment:?} {name}: {}", ended.home.told());
    assert!(ended.took < SOON, "{moment:?} {name}: took {:?}", ended.took);
    assert_eq!(ended.report["interrupted"], name);
    assert_eq!(ended.report["verdict"], "interrupted");
    assert_nothing_left(&ended, &ports);
}

fn assert_nothing_left(ended: &Ended, ports: &[u16]) {
    assert_eq!(look(&ended.home, ports), Seen::default());
    assert_eq!(ended.report["residue"], serde_json::json!([]));
}

/// Starts a run and waits for a moment of it, seen also from outside.
async fn run_until(moment: Moment, ports: [u16; 5]) -> Run {
    let home = Home::new();
    let mut run = match moment {
        Moment::SetUp => home.start(&never_ready(ports[0])),
        Moment::Baseline => home.start(&everything(ports, "60s", "1s")),
        Moment::Faults => home.start(&everything(ports, "1s", "60s")),
        Moment::Recovery => home.start(&everything(ports, "1s", "500ms")),
    };
    match moment {
        Moment::SetUp => until("the service runs", || processes(&run.home).len() == 2).await,
        Moment::Baseline => run.until_phase("baseline").await,
        Moment::Faults => assert_everything_is_on(&mut run, &ports).await,
        Moment::Recovery => run.until_phase("recovery").await,
    }
    run
}

async fn assert_everything_is_on(run: &mut Run, ports: &[u16]) {
    let applied = |events: &[serde_json::Value]| events.iter().filter(|e| e["event"] == "fault_applied").count();
    run.until("all faults are applied", |events| applied(events) == 7).await;
    let seen = look(&run.home, ports);
    let count = |words: &str| seen.processes.iter().filter(|process| process.command.contains(words)).count();
    assert_eq!((count("__worker"), count("demo --serve")), (3, 2), "{seen:?}");
    assert!(seen.processes.iter().any(|process| process.state == 'T'), "one is paused: {seen:?}");
    let mut ports = ports.to_owned();
    ports.sort_unstable();
    assert_eq!(seen.listening, ports);
}

/// Every kind of fault at once.
fn everything([gateway, retriever, generator, slow, failing]: [u16; 5], baseline: &str, lasts: &str) -> String {
    format!(
        "name: everything at once
services:
  - name: dependencies
    command: [chaos, demo, --serve, 'retriever,generator', --retriever-listen, '127.0.0.1:{retriever}',
              --generator-listen, '127.0.0.1:{generator}']
    ready: http://127.0.0.1:{generator}/health
  - name: gateway
    command: [chaos, demo, --serve, gateway, --gateway-listen, '127.0.0.1:{gateway}', --fallback,
              --retriever, '127.0.0.1:{slow}', --generator, '127.0.0.1:{failing}']
    ready: http://127.0.0.1:{gateway}/health
  - {{ name: bystander, command: [sleep, '1000'], restart: true }}
proxies:
  - {{ name: slow, listen: '127.0.0.1:{slow}', upstream: '127.0.0.1:{retriever}' }}
  - {{ name: failing, listen: '127.0.0.1:{failing}', upstream: '127.0.0.1:{generator}' }}
steady_state:
  - name: ask
    probe: http
    url: http://127.0.0.1:{gateway}/ask?q=chaos
    rate: 50/s
    timeout: 5s
    expect: [success_rate >= 10%]
faults:
  - {{ name: a, fault: network.latency, target: {{ proxy: slow }}, delay: 50ms, duration: {lasts} }}
  - {{ name: b, fault: http.error, target: {{ proxy: failing }}, share: 50%, duration: {lasts} }}
  - {{ name: c, fault: cpu.stress, target: {{ host: local }}, load: 20%, cores: 1, duration: {lasts} }}
  - {{ name: d, fault: memory.stress, target: {{ host: local }}, size: 64MiB, duration: {lasts} }}
  - {{ name: e, fault: disk.stress, target: {{ host: local }}, path: ., iops: 50/s, file_size: 4MiB, duration: {lasts} }}
  - {{ name: f, fault: process.kill, target: {{ process: {{ service: bystander }} }}, duration: {lasts} }}
  - {{ name: g, fault: process.pause, target: {{ process: {{ service: dependencies }} }}, duration: {lasts} }}
blast_radius: {{ duration: 60s }}
baseline: {baseline}
recovery: {{ within: 30s }}
"
    )
}

fn never_ready(port: u16) -> String {
    format!(
        "name: a service that does not get ready
services:
  - {{ name: mute, command: [sleep, '1000'], ready: '127.0.0.1:{port}', ready_within: 60s }}
steady_state:
  - {{ name: connect, probe: tcp, address: '127.0.0.1:{port}', rate: 50/s, timeout: 1s, expect: [success_rate >= 99%] }}
"
    )
}

const STUBBORN: [&str; 4] = ["one", "two", "three", "four"];

/// Services that do not end when they are asked to, one after the other; each gets a grace of 2 s.
fn stubborn(port: u16) -> String {
    let script = "trap '' TERM; echo ready; while :; do sleep 0.2; done";
    let services = STUBBORN.map(|name| format!("  - {{ name: {name}, command: [sh, -c, \"{script}\"] }}\n")).concat();
    format!(
        "name: stubborn services
services:
{services}
steady_state:
  - {{ name: connect, probe: tcp, address: '127.0.0.1:{port}', rate: 50/s, timeout: 1s, expect: [success_rate <= 1%] }}
baseline: 60s
"
    )
}

#[tokio::test]
async fn a_second_signal_hurries_the_way_back_and_skips_none_of_it() {
    let [port] = free_ports();
    let mut run = Home::new().start(&stubborn(port));
    run.until_phase("baseline").await;
    until("all ignore it", || STUBBORN.iter().all(|name| run.home.log(name) == "ready\n")).await;
    run.signal(Signal::INT);
    run.until_phase("tear_down").await;
    run.signal(Signal::INT);
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(8), "{}", ended.home.told());
    assert!(ended.took < Duration::from_secs(4), "four graces would take 8 s, not {:?}", ended.took);
    assert_nothing_left(&ended, &[port]);
}

#[tokio::test]
async fn ctrl_c_at_the_terminal_reaches_the_tool_and_none_of_its_children() {
    let [port] = free_ports();
    let experiment = format!(
        "name: told
services:
  - name: ears
    command: [sh, -c, \"trap 'echo INT' INT; trap 'echo TERM; exit' TERM; echo ready; while :; do sleep 0.05; done\"]
steady_state:
  - {{ name: connect, probe: tcp, address: '127.0.0.1:{port}', rate: 50/s, timeout: 1s, expect: [success_rate <= 1%] }}
faults:
  - {{ name: a, fault: cpu.stress, target: {{ host: local }}, load: 5%, cores: 1, duration: 60s }}
baseline: 1s
"
    );
    let home = Home::new();
    let mut command = home.command(&experiment);
    let mut run = home.start_as(command.process_group(0));
    run.until_phase("observe").await;
    let inside: Vec<_> = processes(&run.home);
    assert!(inside.len() >= 3, "the tool, a service and a worker: {inside:?}");
    let us = run.pid();
    let beside: Vec<_> = inside.iter().filter(|process| process.group == us.as_raw_pid()).collect();
    assert_eq!(beside.len(), 1, "only the tool is in its group: {inside:?}");
    until("the service listens", || run.home.log("ears").contains("ready")).await;
    kill_process_group(us, Signal::INT).expect("sends");
    let ended = run.ended().await;
    let heard = ended.home.log("ears");
    assert!(heard.contains("TERM") && !heard.contains("INT"), "{heard}");
    assert_eq!(ended.code, Some(8));
    assert_nothing_left(&ended, &[port]);
}

#[tokio::test]
async fn a_reader_that_went_away_does_not_keep_the_way_back_from_being_walked() {
    let ports = free_ports();
    let home = Home::new();
    let mut command = home.command(&everything(ports, "1s", "60s"));
    let gone = || Stdio::from(std::io::pipe().expect("a pipe").1);
    let mut run = home.start_as(command.stdout(gone()).stderr(gone()));
    assert_everything_is_on(&mut run, &ports).await;
    run.signal(Signal::INT);
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(8));
    assert_eq!(look(&ended.home, &ports), Seen::default());
}

/// `script` holds the other end of the terminal; killed, the kernel hangs up.
#[tokio::test]
async fn a_terminal_that_is_closed_ends_the_run_and_leaves_nothing() {
    let ports = free_ports();
    let home = Home::new();
    let file = home.write("experiment.yaml", &everything(ports, "1s", "60s"));
    let words = format!(
        "exec {} run --state-dir {} {}",
        crate::binary().display(),
        home.path("state").display(),
        file.display()
    );
    let plain = home.command(&everything(ports, "1s", "60s"));
    let mut run = home.start_as(&mut in_a_terminal(&plain, &words));
    assert_everything_is_on(&mut run, &ports).await;
    run.signal(Signal::KILL);
    let home = run.ended().await.home;
    let told = |field: &str, word: &str| home.events().iter().any(|event| event[field] == word);
    until("it ends, hung up", || told("signal", "SIGHUP") && told("event", "run_ended")).await;
    until("nothing is left", || look(&home, &ports) == Seen::default()).await;
}

#[allow(
    clippy::disallowed_methods,
    reason = "a terminal for the binary under test, held by a program that is not ours"
)]
fn in_a_terminal(like: &std::process::Command, words: &str) -> std::process::Command {
    let mut command = std::process::Command::new("script");
    command.args(["--quiet", "--return", "--command", words, "/dev/null"]).stdout(Stdio::null()).stdin(Stdio::null());
    command.current_dir(like.get_current_dir().expect("has one"));
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[tokio::test]
async fn nohup_keeps_a_run_alive_when_its_terminal_is_closed() {
    let ports = free_ports();
    let home = Home::new();
    let mut command = home.command_in_a_shell("trap '' HUP;", &everything(ports, "60s", "1s"));
    let mut run = home.start_as(&mut command);
    run.until_phase("baseline").await;
    run.signal(Signal::HUP);
    run.signal(Signal::INT);
    let ended = run.ended().await;
    assert_eq!((ended.code, &ended.report["interrupted"]), (Some(8), &"SIGINT".into()), "{}", ended.home.told());
    assert_nothing_left(&ended, &ports);
}

#[tokio::test]
async fn whoever_kills_the_tool_takes_all_that_it_started_with_it() {
    let ports = free_ports();
    let run = run_until(Moment::Faults, ports).await;
    run.signal(Signal::KILL);
    let ended = run.ended().await;
    assert_eq!((ended.code, &ended.report), (None, &serde_json::Value::Null));
    until("nothing is left", || look(&ended.home, &ports) == Seen::default()).await;
}

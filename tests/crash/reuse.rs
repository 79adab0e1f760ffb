//! Forced reuse of pids: when the tool is dead, every pid that its journal names is given to somebody else. Recovery
//! signals none of them. In a pid namespace of its own, whose next pid can be chosen.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode};

use crate::experiment::faults_without_stranger;
use crate::home::{Home, signal, until};
use crate::matrix::{Failure, Mode, Struck};
use crate::oracle;
use crate::run::Run;

/// The hidden word that makes this test binary the first process of the namespace.
pub const COMMAND: &str = "__reuse_pids";

pub const MODE: Mode = Mode {
    name: "pid-reuse",
    what: "every pid of the journal belongs to a stranger when recovery comes",
    missing,
    points: |_| ["guardian", "rollback"].map(ToOwned::to_owned).to_vec(),
    strike,
    must_leak: false,
    figure: None,
};

const NEXT: &str = "/proc/sys/kernel/ns_last_pid";

fn missing() -> Option<String> {
    let no_choice = (!Path::new(NEXT).exists()).then(|| format!("this kernel has no {NEXT}"));
    crate::needs::no_namespaces().or(no_choice)
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    let mut command = home.tool("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(std::env::current_exe().expect("has one")).args([COMMAND, point, &home.mark()]);
    // The namespace has no stranger that the test could look at.
    let run = home.run_without_stranger(60_000);
    command.arg(home.path("state")).arg(run.get_program()).args(run.get_args());
    let code = Run::start(&mut command).ended()?;
    if code != Some(0) {
        return Err(Failure::Wrong(format!("{}{code:?}", home.said())));
    }
    home.stays_clean()?;
    Ok(Struck::Clean(None))
}

/// The first process of the namespace: who saves the abandoned run, its mark, its state folder, its command.
pub fn main(words: &[&str]) -> ExitCode {
    let [saviour, mark, state, tool, arguments @ ..] = words else { return ExitCode::FAILURE };
    let state = Path::new(state);
    let mut run = Run::start(Command::new(tool).args(arguments));
    let all_on = || {
        (stored(state, "events.jsonl").matches("\"event\":\"fault_applied\"").count() == faults_without_stranger())
            .then_some(())
            .ok_or(())
    };
    until(all_on).expect("every fault is on");
    let guardian = guardian();
    signal(guardian, libc::SIGSTOP);
    let (persistent, volatile) = (pids(&stored(state, "journal.jsonl")), pids(&volatile()));
    assert!(!persistent.is_empty() && volatile.len() > persistent.len(), "{persistent:?} {volatile:?}");
    let pids: BTreeSet<i32> = persistent.union(&volatile).copied().collect();
    run.signal(libc::SIGKILL);
    run.ended().expect("it was killed");
    if *saviour == "rollback" {
        signal(guardian, libc::SIGKILL);
    }
    let mut strangers: Vec<Child> = pids.iter().map(|pid| stranger(*pid)).collect();
    let states = states(&strangers);
    if *saviour == "rollback" {
        let rollback =
            Command::new(tool).args(["rollback", "--all", "--state-dir"]).arg(state).status().expect("starts");
        assert_eq!(rollback.code(), Some(0));
    } else {
        signal(guardian, libc::SIGCONT);
        until(|| oracle::process(guardian).map_or(Ok(()), Err)).expect("the guardian ends");
    }
    assert_eq!(self::states(&strangers), states, "strangers were signalled");
    assert!(pids.len() >= 7 && states.iter().all(Option::is_some), "{pids:?} {states:?}");
    let nothing = || Some(oracle::marked(mark)).filter(|left| left.iter().all(|pid| *pid == 1)).ok_or(());
    until(nothing).expect("nothing of the run is left");
    for stranger in &mut strangers {
        let _ = stranger.kill();
        let _ = stranger.wait();
    }
    ExitCode::SUCCESS
}

fn stored(state: &Path, name: &str) -> String {
    let runs = fs::read_dir(state.join("runs")).into_iter().flatten().flatten();
    runs.map(|run| fs::read_to_string(run.path().join(name)).unwrap_or_default()).collect()
}

/// The part of the journal that is in the runtime folder.
fn volatile() -> String {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").expect("a home has one");
    let parts = fs::read_dir(Path::new(&folder).join("chaos")).into_iter().flatten().flatten();
    parts.map(|part| fs::read_to_string(part.path()).unwrap_or_default()).collect()
}

fn guardian() -> i32 {
    let all = fs::read_dir("/proc").expect("lists").flatten();
    let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid| oracle::process(*pid).is_some_and(|process| process.is_guardian())).expect("a guardian")
}

/// Every number that the journal calls a pid.
fn pids(journal: &str) -> BTreeSet<i32> {
    let numbers = journal.split("\"pid\":").skip(1);
    numbers.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
}

/// Whether they live, and whether they are stopped.
fn states(strangers: &[Child]) -> Vec<Option<bool>> {
    let state = |one: &Child| oracle::process(one.id().cast_signed()).map(|process| process.is_stopped());
    strangers.iter().map(state).collect()
}

/// Somebody else with this pid. Every second one is stopped, and must stay so; the others must go on.
fn stranger(pid: i32) -> Child {
    let stranger = until(|| {
        // The dead are reaped here, by the first process of the namespace, or they keep their numbers.
        reap_orphans();
        fs::write(NEXT, (pid - 1).to_string()).expect("the next pid can be chosen");
        let mut stranger = Command::new("sleep").arg("1000").env_clear().spawn().expect("starts");
        if stranger.id().cast_signed() == pid {
            return Ok(stranger);
        }
        let _ = stranger.kill();
        Err(stranger.wait())
    });
    let stranger = stranger.expect("the pid becomes free");
    if pid % 2 == 0 {
        signal(pid, libc::SIGSTOP);
        let stopped = || oracle::process(pid).filter(|process| process.is_stopped()).ok_or(());
        until(stopped).expect("it is stopped");
    }
    stranger
}

/// Reaps whoever has no other parent. Zombies that have one are left to it.
fn reap_orphans() {
    let all = fs::read_dir("/proc").expect("lists").flatten();
    for pid in all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        if (words.next(), words.next()) == (Some("Z"), Some("1")) {
            let _ = rustix::process::waitpid(rustix::process::Pid::from_raw(pid), rustix::process::WaitOptions::NOHANG);
        }
    }
}

//! Processes that the run did not start: found, chosen, paused and killed by who they are, and never the wrong ones.

use std::path::Path;
use std::process::{Child, Command};

use chaos::host::dice;
use chaos::host::process::{self, Signal};
use chaos::model::dose::ProcessState;
use chaos::model::fault::KillSignal;
use rustix::process::Signal as Raw;

use crate::run::{Ended, Home};
use crate::until;

/// Processes of the test, not of the tool, that sleep for a time that nobody else sleeps for.
struct Strangers {
    /// What their command lines begin with.
    words: String,
    children: Vec<Child>,
}

impl Strangers {
    fn start(count: usize) -> Self {
        let seconds = 100_000 + dice::random_seed() % 900_000;
        let start = |place| command("sleep").arg(format!("{seconds}.{place}")).spawn().expect("sleep");
        Self { words: format!("sleep {seconds}"), children: (1..=count).map(start).collect() }
    }

    fn states(&self) -> Vec<ProcessState> {
        let identity = |child: &Child| process::identity(child.id().cast_signed());
        self.children
            .iter()
            .map(|child| identity(child).map_or(ProcessState::Gone, |one| process::state(&one)))
            .collect()
    }

    fn count(&self, state: ProcessState) -> usize {
        self.states().iter().filter(|one| **one == state).count()
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "processes that are none of the tool's")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

fn experiment(fault: &str, target: &str, scope: &str) -> String {
    format!(
        "name: strangers
steady_state:
  - {{ name: machine, probe: command, command: ['true'], rate: 20/s, expect: [success_rate >= 90%, p50 <= 1s] }}
faults:
  - {{ name: hit, {fault}, target: {{ process: {{ {target} }} }}, duration: 2s }}
blast_radius: {{ scope: {scope}, duration: 4s }}
baseline: 2s
recovery: {{ within: 10s }}
"
    )
}

async fn ended(experiment: &str) -> Ended {
    Home::new().start(experiment).ended().await
}

fn has(events: &[serde_json::Value], kind: &str) -> bool {
    events.iter().any(|event| event["event"] == kind)
}

#[tokio::test]
async fn as_many_as_the_scope_allows_are_paused_and_go_on_and_the_choice_is_told() {
    let strangers = Strangers::start(3);
    let target = format!("command: '{}.*'", strangers.words);
    let mut run = Home::new().start(&experiment("fault: process.pause", &target, "{ count: 2 }"));
    run.until("the fault is in place", |events| has(events, "fault_applied")).await;
    assert_eq!(strangers.count(ProcessState::Stopped), 2, "{:?}", strangers.states());
    let ended = run.ended().await;
    assert_eq!(strangers.count(ProcessState::Running), 3, "{:?}", strangers.states());
    let events = ended.home.events();
    let note = events.iter().find_map(|event| event["text"].as_str()).expect("a note");
    assert!(note.contains("2 of 3 that match, drawn by the seed"), "{note}");
    assert_eq!(ended.report["doses"][0]["status"], "effective", "{}", ended.home.told());
}

#[tokio::test]
async fn a_stranger_goes_on_when_the_tool_is_killed_and_when_the_guardian_is_too() {
    for both in [false, true] {
        let strangers = Strangers::start(1);
        let target = format!("command: '{}.*'", strangers.words);
        let mut run = Home::new().start(&experiment("fault: process.pause", &target, "single_instance"));
        run.until("the fault is in place", |events| has(events, "fault_applied")).await;
        assert_eq!(strangers.count(ProcessState::Stopped), 1);
        if both {
            let id = run.home.run_folders()[0].file_name().expect("a name").to_string_lossy().into_owned();
            let guardian = chaos::journal::scan::guardian_of(&id).expect("a look").expect("it lives");
            process::send_signal(&guardian, Signal::Kill(KillSignal::Kill)).expect("sends");
        }
        run.signal(Raw::KILL);
        let ended = run.ended().await;
        if both {
            assert_eq!(strangers.count(ProcessState::Stopped), 1, "nobody is left to let it go on");
            let said = ended.home.chaos(&["rollback", "--all"]);
            assert_eq!(said.code, Some(0), "{said:?}");
        }
        until("it goes on", || strangers.count(ProcessState::Running) == 1).await;
    }
}

#[tokio::test]
async fn who_must_not_be_hit_is_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = folder.path().join("sshd");
    // A link, no copy: a file that a process forked meanwhile holds open for writing cannot be started.
    std::os::unix::fs::symlink(find("sleep"), &shell).expect("links");
    let mut sshd = command(&shell).arg("1000").spawn().expect("starts");
    let us = std::process::id();
    let cases = [
        ("name: sshd".to_owned(), "it may be the remote shell"),
        ("pid: 1".to_owned(), "it is the first process"),
        (format!("pid: {us}"), "chaos was started from it"),
        ("command: '*run --output json --state-dir*'".to_owned(), "it is chaos itself"),
    ];
    for (target, why) in cases {
        for fault in ["fault: process.pause", "fault: process.kill"] {
            let experiment = experiment(fault, &target, "{ count: 100 }") + "allow_irreversible: true\n";
            let ended = ended(&experiment).await;
            assert_eq!(ended.code, Some(2), "{target}: {}", ended.home.told());
            let told = ended.home.told();
            assert!(told.contains("must not be hit") && told.contains(why), "{target}: {told}");
            assert!(!has(&ended.home.events(), "step_applied"), "{target}");
        }
    }
    sshd.kill().expect("kills");
    sshd.wait().expect("reaps");
}

fn find(program: &str) -> std::path::PathBuf {
    ["/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
        .expect(program)
}

#[tokio::test]
async fn nobody_is_an_error_that_names_near_misses() {
    let strangers = Strangers::start(1);
    let target = format!("command: '{}.7'", strangers.words);
    let ended = ended(&experiment("fault: process.pause", &target, "single_instance")).await;
    assert_eq!(ended.code, Some(2), "{}", ended.home.told());
    let told = ended.home.told();
    assert!(
        told.contains("there is none") && told.contains(&format!("near misses: `{}.1`", strangers.words)),
        "{told}"
    );
}

#[tokio::test]
async fn a_stranger_is_killed_only_with_consent_and_who_takes_its_place_is_named() {
    let seconds = 100_000 + dice::random_seed() % 900_000;
    let script = format!("while :; do sleep {seconds}.1; done");
    let mut supervisor = command("sh").args(["-c", &script]).spawn().expect("sh");
    let target = format!("command: 'sleep {seconds}.1'");
    let experiment = experiment("fault: process.kill", &target, "single_instance");
    let without = ended(&experiment).await;
    assert_eq!(without.code, Some(2), "{}", without.home.told());
    assert!(without.home.told().contains("allow_irreversible"), "{}", without.home.told());
    let with = ended(&(experiment + "allow_irreversible: true\n")).await;
    supervisor.kill().expect("kills");
    supervisor.wait().expect("reaps");
    for left in process::census()
        .expect("a look")
        .iter()
        .filter(|seen| seen.command.join(" ").ends_with(&format!("sleep {seconds}.1")))
    {
        process::send_signal(&left.process, Signal::Kill(KillSignal::Kill)).expect("sends");
    }
    let dose = &with.report["doses"][0];
    assert_eq!(dose["status"], "effective", "{}", with.home.told());
    let told = dose.to_string();
    assert!(told.contains("gone, replaced by sleep (pid "), "{told}");
}

#[tokio::test]
async fn a_target_that_restarts_in_the_middle_ends_the_run_and_both_are_named() {
    let seconds = 100_000 + dice::random_seed() % 900_000;
    let script = format!("while :; do sleep {seconds}.1; done");
    let mut supervisor = command("sh").args(["-c", &script]).spawn().expect("sh");
    let target = format!("command: 'sleep {seconds}.1'");
    let mut run = Home::new().start(&experiment("fault: process.pause", &target, "single_instance"));
    run.until("the fault is in place", |events| has(events, "fault_applied")).await;
    let sleeper = || {
        let all = process::census().expect("a look");
        all.into_iter().find(|seen| seen.command.join(" ") == format!("sleep {seconds}.1")).map(|seen| seen.process)
    };
    let first = sleeper().expect("it lives");
    process::send_signal(&first, Signal::Kill(KillSignal::Kill)).expect("sends");
    let ended = run.ended().await;
    supervisor.kill().expect("kills");
    supervisor.wait().expect("reaps");
    let second = sleeper().expect("another lives");
    process::send_signal(&second, Signal::Kill(KillSignal::Kill)).expect("sends");
    assert_eq!(ended.code, Some(4), "{}", ended.home.told());
    let told = ended.home.told();
    let named = format!("sleep ({first}) ended; sleep ({second}) is in its place");
    assert!(told.contains(&named), "{told}");
}

#[tokio::test]
async fn a_slowed_stranger_goes_on_when_the_worker_dies_and_when_the_tool_does() {
    for worker_dies in [true, false] {
        let strangers = Strangers::start(1);
        let target = format!("command: '{}.*'", strangers.words);
        let fault = "fault: process.slow, share: 95%, period: 4s";
        let mut run = Home::new().start(&experiment(fault, &target, "single_instance"));
        run.until("the fault is in place", |events| has(events, "fault_applied")).await;
        until("it is stopped", || strangers.count(ProcessState::Stopped) == 1).await;
        if worker_dies {
            let pid = format!("\"pid\":{}", strangers.children[0].id());
            let all = process::census().expect("a look");
            let is_worker = |seen: &&process::Seen| {
                seen.command.iter().any(|word| word == "__worker")
                    && seen.command.iter().any(|word| word.contains(&pid))
            };
            let worker = all.iter().find(is_worker).expect("a worker").process.clone();
            process::send_signal(&worker, Signal::Kill(KillSignal::Kill)).expect("sends");
        } else {
            run.signal(Raw::KILL);
        }
        until("it goes on", || strangers.count(ProcessState::Running) == 1).await;
        run.ended().await;
        assert_eq!(strangers.count(ProcessState::Running), 1);
    }
}

fn soft_limit(process: &Child) -> u64 {
    let process = process::identity(process.id().cast_signed()).expect("it lives");
    process::file_limit(&process).expect("a look").expect("it lives").0
}

#[tokio::test]
async fn the_limit_of_open_files_is_restored_exactly_also_when_the_tool_is_killed() {
    for killed in [false, true] {
        let strangers = Strangers::start(1);
        let before = soft_limit(&strangers.children[0]);
        let target = format!("command: '{}.*'", strangers.words);
        let mut run = Home::new().start(&experiment("fault: fd.exhaust, leave: 2", &target, "single_instance"));
        run.until("the fault is in place", |events| has(events, "fault_applied")).await;
        // Three are open, and whatever the test was started with.
        assert!(soft_limit(&strangers.children[0]) < before);
        if killed {
            run.signal(Raw::KILL);
            run.ended().await;
        } else {
            let ended = run.ended().await;
            let told = ended.report["doses"][0].to_string();
            assert!(told.contains("2 left below "), "{told}\n{}", ended.home.told());
        }
        until("it is restored", || soft_limit(&strangers.children[0]) == before).await;
    }
}

#[tokio::test]
async fn a_limit_that_somebody_else_changed_is_left_alone_and_reported() {
    let strangers = Strangers::start(1);
    let before = soft_limit(&strangers.children[0]);
    let target = format!("command: '{}.*'", strangers.words);
    let mut run = Home::new().start(&experiment("fault: fd.exhaust", &target, "single_instance"));
    run.until("the fault is in place", |events| has(events, "fault_applied")).await;
    let victim = process::identity(strangers.children[0].id().cast_signed()).expect("it lives");
    let ours = soft_limit(&strangers.children[0]);
    assert_eq!(process::set_file_limit(&victim, ours, 77), Ok(process::Limited::Set));
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(7), "{}", ended.home.told());
    let told = ended.home.told();
    let conflict = format!("conflict: the limit of {victim} is 77, where {ours} was set and {before} was before");
    assert!(told.contains(&conflict), "{told}");
    let by_hand = format!("prlimit --pid {} --nofile={before}:", victim.pid);
    assert!(told.contains(&by_hand), "{told}");
    assert_eq!(soft_limit(&strangers.children[0]), 77, "left alone");
    assert_eq!(process::set_file_limit(&victim, 77, before), Ok(process::Limited::Set));
    assert_eq!(ended.home.chaos(&["rollback", "--all"]).code, Some(0));
}

#[tokio::test]
async fn of_two_runs_that_would_keep_the_limit_of_one_process_the_second_is_refused() {
    let strangers = Strangers::start(1);
    let before = soft_limit(&strangers.children[0]);
    let fault = |target: String| experiment("fault: fd.exhaust, leave: 3", &target, "single_instance");
    let mut first = Home::new().start(&fault(format!("command: '{}.*'", strangers.words)));
    first.until("the fault is in place", |events| has(events, "fault_applied")).await;
    let second = Home::sharing_state_with(&first.home);
    // Found in another way, it is the same process all the same.
    let second = second.start(&fault(format!("pid: {}", strangers.children[0].id()))).ended().await;
    assert_eq!(second.code, Some(2), "{}", second.home.told());
    assert!(second.home.told().contains("limit the open files of"), "{}", second.home.told());
    let first = first.ended().await;
    assert!(!first.home.told().contains("RESIDUE"), "{}", first.home.told());
    assert_eq!(soft_limit(&strangers.children[0]), before);
}

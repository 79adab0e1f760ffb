//! Commands of an experiment's own as faults: undone by whoever is left to do it, and never on top of somebody else's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::files;
use chaos::host::process::{self, Signal};
use chaos::model::dose::ProcessState;
use chaos::model::fault::KillSignal;
use rustix::process::Signal as Raw;
use serde_json::Value;

use crate::one_at_a_time::locks_of;
use crate::outside::{Seen, look};
use crate::run::{Ended, Home, Run};
use crate::until;

/// A fault that makes a file and removes it again, in a folder of the test.
struct Flag {
    folder: tempfile::TempDir,
}

impl Flag {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("a flag")
    }

    fn fault(&self, undo: &str) -> String {
        let file = self.file();
        let file = file.display();
        format!("command: [touch, '{file}'], undo: {undo}, check: [test, -e, '{file}']")
    }

    fn usual(&self) -> String {
        self.fault(&format!("[rm, -f, '{}']", self.file().display()))
    }
}

fn experiment(fault: &str) -> String {
    format!(
        "name: a command
steady_state:
  - {{ name: machine, probe: command, command: ['true'], rate: 40/s, timeout: 1s, expect: [success_rate >= 90%, p50 <= 500ms] }}
faults:
  - {{ name: flag, fault: process.exec, target: {{ host: local }}, {fault}, duration: 3s }}
blast_radius: {{ duration: 6s }}
baseline: 3s
recovery: {{ within: 10s }}
"
    )
}

fn applied(events: &[Value]) -> bool {
    events.iter().any(|event| event["event"] == "fault_applied")
}

async fn in_place(fault: &str) -> Run {
    let mut run = Home::new().start(&experiment(fault));
    run.until("the fault is in place", applied).await;
    run
}

async fn left_alone(run: Run) -> Ended {
    let id = run.home.run_folders()[0].file_name().expect("a name").to_string_lossy().into_owned();
    let guardian = chaos::journal::scan::guardian_of(&id).expect("a look").expect("it lives");
    process::send_signal(&guardian, Signal::Kill(KillSignal::Kill)).expect("sends");
    run.signal(Raw::KILL);
    run.ended().await
}

fn is_there(file: &Path) -> bool {
    file.exists()
}

#[tokio::test]
async fn a_command_is_in_place_as_long_as_its_fault_and_its_check_is_the_dose() {
    let flag = Flag::new();
    let run = in_place(&flag.usual()).await;
    assert!(is_there(&flag.file()));
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.home.told());
    assert!(!is_there(&flag.file()));
    assert_eq!(ended.report["doses"][0]["status"], "effective", "{:#}", ended.report["doses"]);
    assert_eq!(look(&ended.home, &[]), Seen::default());
}

#[tokio::test]
async fn a_command_is_undone_by_the_guardian_when_the_tool_is_killed() {
    let flag = Flag::new();
    let run = in_place(&flag.usual()).await;
    run.signal(Raw::KILL);
    // The folder in which the run was started stays: that is where its commands are run.
    let _ended = run.ended().await;
    until("the flag is gone", || !is_there(&flag.file())).await;
}

#[tokio::test]
async fn a_command_is_undone_by_a_rollback_from_another_folder_when_nobody_is_left() {
    let flag = Flag::new();
    let run = in_place("command: [touch, flag], undo: [rm, -f, flag]").await;
    let file = run.home.path("work").join("flag");
    assert!(is_there(&file), "commands are run where the run was started: {}", flag.file().display());
    let ended = left_alone(run).await;
    assert!(is_there(&file), "nobody is left to undo it");
    let said = ended.home.chaos(&["doctor"]);
    assert!(said.stdout.contains("`rm -f flag` is to be run"), "{said:?}");
    let said = ended.home.chaos(&["rollback", "--all"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!is_there(&file), "{said:?}");
    let again = ended.home.chaos(&["rollback", "--all"]);
    assert!(again.code == Some(0) && again.stdout.contains("nothing"), "{again:?}");
}

#[tokio::test]
async fn a_check_that_takes_its_time_is_waited_for() {
    let flag = Flag::new();
    let file = flag.file();
    let file = file.display();
    let slow = format!("check: [sh, -c, 'test -e \"{file}\" || {{ sleep 2.4; exit 1; }}'], within: 8s");
    let fault = format!("command: [touch, '{file}'], undo: [rm, -f, '{file}'], {slow}");
    let ended = Home::new().start(&experiment(&fault)).ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.home.told());
    assert_eq!(ended.report["residue"], serde_json::json!([]), "{:#}", ended.report["residue"]);
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_a_slow_check() {
    let flag = Flag::new();
    let (file, undone) = (flag.file(), flag.folder.path().join("undone"));
    let (file, undone) = (file.display(), undone.display());
    let undo = format!("undo: [sh, -c, 'rm -f \"{file}\"; touch \"{undone}\"']");
    let check = format!("check: [sh, -c, 'test -e \"{undone}\" && sleep 14; test -e \"{file}\"'], within: 15s");
    let run = in_place(&format!("command: [touch, '{file}'], {undo}, {check}")).await;
    run.signal(Raw::INT);
    until("the undo was run", || is_there(&flag.folder.path().join("undone"))).await;
    let began = Clock::Real.now();
    run.signal(Raw::INT);
    let ended = run.ended().await;
    assert!(began.elapsed() < Duration::from_secs(9), "hurried, it took {:?}", began.elapsed());
    assert_eq!(ended.code, Some(7), "what is not verified is not clean: {}", ended.home.told());
    assert!(ended.home.told().contains("rm -f") && !is_there(&flag.file()), "{}", ended.home.told());
}

#[tokio::test]
async fn what_somebody_else_did_already_is_not_undone() {
    let flag = Flag::new();
    files::write_atomic(&flag.file(), b"theirs").expect("written");
    let ended = Home::new().start(&experiment(&flag.usual())).ended().await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.home.told().contains("is in place already"), "{}", ended.home.told());
    assert_eq!(std::fs::read_to_string(flag.file()).expect("it is there"), "theirs");
}

#[tokio::test]
async fn an_undo_that_fails_is_told_with_its_command_until_it_does_not() {
    let flag = Flag::new();
    let allowed = flag.folder.path().join("allowed");
    let script = format!("test -e '{}' && rm -f '{}'", allowed.display(), flag.file().display());
    let run = in_place(&flag.fault(&format!("[sh, -c, \"{script}\"]"))).await;
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(7), "{}", ended.home.told());
    assert!(is_there(&flag.file()));
    assert!(ended.home.told().contains("exit code 1"), "{}", ended.home.told());
    let said = ended.home.chaos(&["rollback", "--all"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    files::write_atomic(&allowed, b"").expect("written");
    let said = ended.home.chaos(&["rollback", "--all"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!is_there(&flag.file()));
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_and_undone() {
    let flag = Flag::new();
    let script = format!("touch '{}'; sleep 300", flag.file().display());
    let fault = format!("command: [sh, -c, \"{script}\"], undo: [rm, -f, '{}'], within: 300ms", flag.file().display());
    let ended = Home::new().start(&experiment(&fault)).ended().await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.home.told().contains("did not end within 300ms"), "{}", ended.home.told());
    assert!(!is_there(&flag.file()));
    assert_eq!(look(&ended.home, &[]), Seen::default());
}

#[tokio::test]
async fn an_undo_that_fails_is_residue_also_where_no_check_tells() {
    let flag = Flag::new();
    let file = flag.file();
    let fault = format!("command: [touch, '{}'], undo: ['false']", file.display());
    let ended = Home::new().start(&experiment(&fault)).ended().await;
    assert_eq!(ended.code, Some(7), "{}", ended.home.told());
    assert!(is_there(&file) && ended.home.told().contains("exit code 1"), "{}", ended.home.told());
}

#[tokio::test]
async fn without_the_program_of_its_undo_no_command_is_run() {
    let flag = Flag::new();
    let ended = Home::new().start(&experiment(&flag.fault("[no-such-program]"))).ended().await;
    assert_ne!(ended.code, Some(0));
    assert!(ended.home.told().contains("find the program `no-such-program`"), "{}", ended.home.told());
    assert!(!is_there(&flag.file()));
}

/// Whoever an undo left running, by what they wrote down.
struct Daemons {
    list: PathBuf,
}

impl Daemons {
    fn pids(&self) -> Vec<i32> {
        let list = std::fs::read_to_string(&self.list).unwrap_or_default();
        list.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for daemon in self.pids().into_iter().filter_map(process::identity) {
            let _ = process::send_signal(&daemon, Signal::Kill(KillSignal::Kill));
        }
    }
}

#[tokio::test]
async fn what_an_undo_of_the_guardian_leaves_running_holds_nothing_of_the_run() {
    let flag = Flag::new();
    let daemons = Daemons { list: flag.folder.path().join("daemons") };
    let script = flag.folder.path().join("undo");
    let text = format!(
        "setsid sh -c 'echo $$ >> {}; exec sleep 120' > /dev/null 2>&1 &\nrm -f '{}'\n",
        daemons.list.display(),
        flag.file().display()
    );
    files::write_atomic(&script, text.as_bytes()).expect("written");
    let fault = flag.fault(&format!("[sh, '{}']", script.display()));
    let run = in_place(&fault).await;
    let id = run.home.run_folders()[0].file_name().expect("a name").to_string_lossy().into_owned();
    let guardian = chaos::journal::scan::guardian_of(&id).expect("a look").expect("it lives");
    assert_ne!(locks_of(guardian.pid, &run.home), Vec::<String>::new(), "it holds what the run took for itself");
    run.signal(Raw::KILL);
    let ended = run.ended().await;
    until("the guardian has done its work", || process::state(&guardian) == ProcessState::Gone).await;
    until("the daemon is there", || daemons.pids().len() == 1).await;
    assert!(!is_there(&flag.file()));
    let daemon = daemons.pids()[0];
    assert!(process::identity(daemon).is_some(), "it goes on, as it left the session of the undo");
    assert_eq!(locks_of(daemon, &ended.home), Vec::<String>::new());
    let open = std::fs::read_dir(format!("/proc/{daemon}/fd")).expect("lists").count();
    assert_eq!(open, 3, "its standard streams and nothing else");
    let mut again = Home::sharing_state_with(&ended.home).start(&experiment(&fault));
    again.until("nobody refuses the next run", applied).await;
    assert_eq!(again.ended().await.code, Some(0));
}

//! Commands, identities and what a process uses.

use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::process::{self, Output, RunError, Signal, run};
use chaos::model::dose::ProcessState;
use chaos::model::fault::KillSignal;

use crate::{lives, pids_in, shell, until};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_command_gives_its_exit_code_and_both_outputs() {
    let done = run(&shell("echo out; echo err >&2; exit 3"), LONG).await.expect("runs");
    assert_eq!((done.code, done.signal), (Some(3), None));
    assert_eq!((done.stdout.as_slice(), done.stderr.as_slice()), (b"out\n".as_slice(), b"err\n".as_slice()));
}

#[tokio::test]
async fn a_command_that_a_signal_ended_has_no_exit_code() {
    let done = run(&shell("kill -TERM $$"), LONG).await.expect("runs");
    assert_eq!((done.code, done.signal), (None, Some(15)));
}

#[tokio::test]
async fn a_command_sees_its_variables_and_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut launch = shell("echo $WORD; pwd -P");
    launch.environment.insert("WORD".into(), "chaos".into());
    launch.directory = Some(folder.path().to_owned());
    let done = run(&launch, LONG).await.expect("runs");
    let here = folder.path().canonicalize().expect("is there");
    assert_eq!(String::from_utf8_lossy(&done.stdout), format!("chaos\n{}\n", here.display()));
}

#[tokio::test]
async fn much_output_never_blocks_the_command_and_is_kept_up_to_its_limit() {
    let done = run(&shell("head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 7"), LONG).await;
    let done = done.expect("runs");
    assert_eq!((done.code, done.stdout.len(), done.stderr.len()), (Some(7), 1 << 20, 1 << 20));
}

#[tokio::test]
async fn a_timeout_kills_the_whole_group() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    let script = format!("trap '' TERM; sleep 1000 & echo $! > {0}; echo $$ >> {0}; wait", pids.display());
    assert_eq!(run(&shell(&script), Duration::from_millis(300)).await, Err(RunError::Timeout));
    let pids = pids_in(&pids);
    assert_eq!(pids.len(), 2, "both had started");
    until("both are gone", || !pids.iter().any(|pid| lives(*pid))).await;
}

#[tokio::test]
async fn a_command_that_nobody_awaits_any_more_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    let launch = shell(&format!("echo $$ > {}; exec sleep 1000", pids.display()));
    tokio::select! {
        done = run(&launch, LONG) => panic!("it ended: {done:?}"),
        () = until("it has started", || !pids_in(&pids).is_empty()) => (),
    }
    until("it is gone", || !lives(pids_in(&pids)[0])).await;
}

#[tokio::test]
async fn one_who_left_the_group_and_holds_the_output_open_is_not_waited_for() {
    let started = Clock::Real.now();
    let done = run(&shell("setsid sleep 5 & echo done"), LONG).await.expect("runs");
    assert_eq!((done.code, done.stdout.as_slice()), (Some(0), b"done\n".as_slice()));
    assert!(started.elapsed() < Duration::from_secs(4), "took {:?}", started.elapsed());
}

#[tokio::test]
async fn a_program_that_is_not_there_comes_with_advice() {
    let mut launch = shell("");
    launch.program = "no-such-program".into();
    let error = run(&launch, LONG).await.expect_err("there is none").to_string();
    assert_eq!(
        error,
        "start `no-such-program`: No such file or directory (os error 2); is it installed, and its folder in PATH?"
    );
    launch.program = "sh".into();
    launch.directory = Some("/no/such/folder".into());
    let error = run(&launch, LONG).await.expect_err("there is none").to_string();
    assert!(error.ends_with("is there a folder /no/such/folder?"), "{error}");
}

#[tokio::test]
async fn a_command_that_ended_is_no_zombie() {
    let done = run(&shell("echo $$"), LONG).await.expect("runs");
    let pid = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    assert!(!std::path::Path::new("/proc").join(pid).exists());
}

#[tokio::test]
async fn an_identity_names_one_process_and_no_other_of_that_pid() {
    let us = process::identity(std::process::id().cast_signed()).expect("we live");
    assert_eq!(process::state(&us), ProcessState::Running);
    for other in [
        chaos::model::step::ProcessIdentity { start_ticks: us.start_ticks + 1, ..us.clone() },
        chaos::model::step::ProcessIdentity { pidfs_inode: us.pidfs_inode + 1, ..us.clone() },
    ] {
        assert_eq!(process::state(&other), ProcessState::Gone);
        assert_eq!(process::usage(&other), None);
        assert_eq!(process::send_signal(&other, Signal::Kill(KillSignal::Kill)), Ok(false), "we still live");
    }
}

#[test]
fn groups_and_nobody_have_no_identity() {
    for pid in [0, -1, -std::process::id().cast_signed(), i32::MIN, i32::MAX] {
        assert_eq!(process::identity(pid), None, "{pid}");
    }
}

#[tokio::test]
async fn output_may_go_to_the_end_of_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let mut launch = shell("echo one; echo two >&2");
    launch.output = Output::Append(log.clone());
    run(&launch, LONG).await.expect("runs");
    run(&launch, LONG).await.expect("runs");
    assert_eq!(std::fs::read_to_string(log).expect("reads"), "one\ntwo\none\ntwo\n");
}

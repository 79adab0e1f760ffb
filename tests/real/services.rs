//! Services: started, killed, paused, started again and always stopped with all that is theirs.

use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::process::{self, Signal};
use chaos::host::service::Services;
use chaos::model::dose::ProcessState;
use chaos::model::experiment::Service;
use chaos::model::fault::KillSignal;
use chaos::model::redaction::Redaction;
use chaos::model::secret::Secret;
use chaos::model::units::Timespan;
use tempfile::TempDir;

use crate::{lives, pids_in, until};

const KILL: Signal = Signal::Kill(KillSignal::Kill);

fn service(script: &str, restart: bool) -> Service {
    Service {
        name: "victim".into(),
        command: vec!["sh".into(), "-c".into(), script.into()],
        ready: None,
        ready_within: Timespan::seconds(10),
        env: [("WORD".to_owned(), Secret::new("hello"))].into(),
        directory: None,
        restart,
    }
}

fn home() -> (TempDir, Services) {
    let folder = tempfile::tempdir().expect("a folder");
    let services = Services::new(Clock::Real, folder.path().join("logs"));
    (folder, services)
}

#[tokio::test]
async fn a_service_runs_until_it_is_stopped_and_stopping_twice_is_no_error() {
    let (_folder, services) = home();
    let identity = services.start(&service("exec sleep 1000", true)).await.expect("starts");
    assert_eq!(services.current("victim"), Some(identity.clone()));
    assert_eq!(services.running(), [("victim".to_owned(), identity.clone())].into());
    assert_eq!((process::state(&identity), services.ended("victim")), (ProcessState::Running, None));
    services.stop("victim").await.expect("stops");
    services.stop("victim").await.expect("is content");
    assert_eq!((services.current("victim"), process::state(&identity)), (None, ProcessState::Gone));
    assert_eq!(services.ended("victim").as_deref(), Some("SIGTERM"));
    assert!(services.group_gone("victim"));
}

#[tokio::test]
async fn what_a_service_uses_is_measured() {
    let (folder, services) = home();
    let ready = folder.path().join("pids");
    let script = format!(
        "exec 7</dev/null 8</dev/null; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo $$ > {}; sleep 1000 & wait",
        ready.display()
    );
    let identity = services.start(&service(&script, false)).await.expect("starts");
    until("it has worked and opened its files", || !pids_in(&ready).is_empty()).await;
    let files = std::fs::read_dir(format!("/proc/{}/fd", identity.pid)).expect("lists").count() as u64;
    let usage = process::usage(&identity).expect("lives");
    services.stop("victim").await.expect("stops");
    assert_eq!(pids_in(&ready), [identity.pid]);
    assert_eq!(usage.open_files, Some(files));
    assert!(files >= 5, "input, output, error and two more, not {files}");
    assert!((Duration::from_millis(20)..Duration::from_secs(8)).contains(&usage.cpu), "{usage:?}");
    assert!((100_000..50_000_000).contains(&usage.resident), "{usage:?}");
    assert_eq!(process::usage(&identity), None, "what is gone uses nothing, and not zero");
}

#[tokio::test]
async fn its_output_and_its_last_words_are_kept() {
    let (_folder, services) = home();
    services.start(&service("echo $WORD; printf 'port in\\033[2J use\\n' >&2; exit 3", false)).await.expect("starts");
    until("it ends", || services.ended("victim").is_some()).await;
    assert_eq!(
        services.ended("victim").as_deref(),
        Some("exit code 3; its last words:\nhello\nport in [2J use"),
        "without what a terminal would obey"
    );
    let log = std::fs::read_to_string(services.log("victim")).expect("reads");
    assert_eq!(log, "hello\nport in\x1b[2J use\n");
}

#[tokio::test]
async fn a_secret_is_in_no_log_and_no_last_word_although_it_comes_in_pieces_and_again_after_a_restart() {
    let (folder, services) = home();
    let services = services.hiding(Redaction::of(["hello"]));
    services.start(&service("echo $WORD >&2; printf hel; sleep 0.1; echo lo; exit 3", true)).await.expect("starts");
    until("it was started again and ended", || services.restarts("victim") > 0 && services.ended("victim").is_some())
        .await;
    assert_eq!(services.ended("victim").as_deref(), Some("exit code 3; its last words:\n***\n***"));
    services.stop("victim").await.expect("stops");
    let log = std::fs::read_to_string(services.log("victim")).expect("reads");
    assert!(log.starts_with("***\n***\n***\n") && !log.contains("hel"), "{log}");
    let files: Vec<_> = std::fs::read_dir(folder.path().join("logs")).expect("lists").flatten().collect();
    assert_eq!(files.len(), 1, "the pipe has no name any more: {files:?}");
}

#[tokio::test]
async fn a_service_that_says_more_than_a_pipe_holds_never_waits_for_its_log() {
    let (folder, services) = home();
    let services = services.hiding(Redaction::of(["hello"]));
    std::fs::create_dir(folder.path().join("logs")).expect("makes it");
    std::os::unix::fs::symlink("/dev/full", services.log("victim")).expect("links");
    services.start(&service("head -c 1000000 /dev/zero; exit 3", false)).await.expect("starts");
    until("it ends", || services.ended("victim").is_some()).await;
    assert!(services.ended("victim").is_some_and(|how| how.starts_with("exit code 3")));
}

#[tokio::test]
async fn a_service_that_ignores_the_request_is_killed_with_its_children() {
    let (folder, services) = home();
    let pids = folder.path().join("pids");
    let script = format!("trap '' TERM; sleep 1000 & echo $! > {}; while :; do wait; done", pids.display());
    services.start(&service(&script, false)).await.expect("starts");
    until("the child runs", || !pids_in(&pids).is_empty()).await;
    let started = Clock::Real.now();
    services.stop("victim").await.expect("stops");
    assert!(started.elapsed() >= Duration::from_secs(2), "it had its grace");
    assert!(services.group_gone("victim") && !lives(pids_in(&pids)[0]));
}

#[tokio::test]
async fn in_a_hurry_there_is_no_grace() {
    let (folder, services) = home();
    let pids = folder.path().join("pids");
    let script = format!("trap '' TERM; echo $$ > {}; while :; do sleep 0.1; done", pids.display());
    services.start(&service(&script, false)).await.expect("starts");
    until("it runs", || !pids_in(&pids).is_empty()).await;
    let started = Clock::Real.now();
    let (stopped, ()) = tokio::join!(services.stop("victim"), async {
        Clock::Real.sleep(Duration::from_millis(50)).await;
        services.hurry();
    });
    stopped.expect("stops");
    assert!(started.elapsed() < Duration::from_millis(1500), "took {:?}", started.elapsed());
    assert_eq!(services.ended("victim").as_deref(), Some("SIGKILL"));
}

#[tokio::test]
async fn a_paused_service_says_so_and_goes_on() {
    let (_folder, services) = home();
    let identity = services.start(&service("exec sleep 1000", false)).await.expect("starts");
    process::send_signal(&identity, Signal::Stop).expect("sends");
    until("it is stopped", || process::state(&identity) == ProcessState::Stopped).await;
    process::send_signal(&identity, Signal::Continue).expect("sends");
    until("it goes on", || process::state(&identity) == ProcessState::Running).await;
    services.stop("victim").await.expect("stops");
}

#[tokio::test]
async fn a_service_that_is_stopped_while_paused_still_ends_in_its_own_way() {
    let (folder, services) = home();
    let pids = folder.path().join("pids");
    let script = format!("trap 'exit 4' TERM; echo $$ > {}; while :; do sleep 0.05; done", pids.display());
    let identity = services.start(&service(&script, false)).await.expect("starts");
    until("it would catch the request", || !pids_in(&pids).is_empty()).await;
    process::send_signal(&identity, Signal::Stop).expect("sends");
    until("it is stopped", || process::state(&identity) == ProcessState::Stopped).await;
    services.stop("victim").await.expect("stops");
    let ended = services.ended("victim").expect("it ended");
    assert!(ended.starts_with("exit code 4"), "{ended}");
}

#[tokio::test]
async fn a_killed_service_that_restarts_is_another_process() {
    let (_folder, services) = home();
    let before = services.start(&service("exec sleep 1000", true)).await.expect("starts");
    assert_eq!(process::send_signal(&before, KILL), Ok(true));
    until("it is back", || services.current("victim").is_some_and(|now| now != before)).await;
    assert_eq!((process::state(&before), services.restarts("victim")), (ProcessState::Gone, 1));
    assert_eq!(process::send_signal(&before, KILL), Ok(false), "and the new one is not meant");
    assert!(services.current("victim").is_some());
    services.stop("victim").await.expect("stops");
}

#[tokio::test]
async fn a_service_that_always_fails_is_started_again_ever_more_slowly() {
    let (_folder, services) = home();
    services.start(&service("exit 1", true)).await.expect("starts");
    let started = Clock::Real.now();
    until("it was started three times more", || services.restarts("victim") == 3).await;
    assert!(started.elapsed() >= Duration::from_millis(700), "100 + 200 + 400 ms, not {:?}", started.elapsed());
    services.stop("victim").await.expect("stops");
}

#[tokio::test]
async fn a_service_stopped_while_it_waits_to_be_started_again_stays_stopped() {
    let (_folder, services) = home();
    services.start(&service("exit 1", true)).await.expect("starts");
    until("it ends", || services.ended("victim").is_some()).await;
    services.stop("victim").await.expect("stops");
    let restarts = services.restarts("victim");
    Clock::Real.sleep(Duration::from_millis(400)).await;
    assert_eq!((services.restarts("victim"), services.current("victim")), (restarts, None));
}

#[tokio::test]
async fn a_killed_service_that_does_not_restart_stays_away_until_it_is_revived() {
    let (_folder, services) = home();
    let before = services.start(&service("exec sleep 1000", false)).await.expect("starts");
    process::send_signal(&before, KILL).expect("sends");
    until("it ends", || services.ended("victim").as_deref() == Some("SIGKILL")).await;
    let after = services.revive("victim").await.expect("starts again");
    assert_eq!(services.revive("victim").await.expect("runs already"), after);
    assert_ne!(before, after);
    assert_eq!((services.restarts("victim"), services.ended("victim")), (1, None));
    services.stop("victim").await.expect("stops");
    services.revive("victim").await.expect_err("it was stopped for good");
}

#[tokio::test]
async fn what_a_dead_service_leaves_in_its_group_is_killed() {
    let (folder, services) = home();
    let pids = folder.path().join("pids");
    let script = format!("sleep 1000 & echo $! > {}; exit 1", pids.display());
    services.start(&service(&script, false)).await.expect("starts");
    until("its group is gone", || services.ended("victim").is_some() && services.group_gone("victim")).await;
    assert!(!lives(pids_in(&pids)[0]));
}

#[tokio::test]
async fn a_second_service_of_that_name_is_refused() {
    let (_folder, services) = home();
    services.start(&service("exec sleep 1000", false)).await.expect("starts");
    let trouble = services.start(&service("exec sleep 1000", false)).await.expect_err("runs already");
    assert_eq!(trouble.to_string(), "start service victim: it runs already");
    services.stop("victim").await.expect("stops");
    services.start(&service("exec sleep 1000", false)).await.expect("starts after it was stopped");
    services.stop("victim").await.expect("stops");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_and_leaves_nothing_to_stop() {
    let (_folder, services) = home();
    let mut service = service("", true);
    service.command = vec!["no-such-program".into()];
    let trouble = services.start(&service).await.expect_err("there is none");
    assert!(trouble.help.is_some(), "{trouble}");
    assert_eq!(services.current("victim"), None);
    services.stop("victim").await.expect("is content");
    assert!(services.group_gone("victim"));
}

#[tokio::test]
async fn services_that_are_dropped_are_killed() {
    let (_folder, services) = home();
    let identity = services.start(&service("trap '' TERM; while :; do sleep 1; done", true)).await.expect("starts");
    drop(services);
    until("it is gone", || process::state(&identity) == ProcessState::Gone).await;
}

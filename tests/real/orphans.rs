//! Whoever kills us with SIGKILL kills our workers and services too.

use std::process::{Child, Stdio};
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::service::Services;
use chaos::host::workers::Workers;
use chaos::model::experiment::Service;
use chaos::model::step::Job;
use chaos::model::units::{Share, Timespan};

use crate::{binary, lives, pids_in, until};

const FOLDER: &str = "CHAOS_TEST_ORPHANS";

#[tokio::test]
async fn workers_and_services_die_with_a_killed_parent() {
    let folder = tempfile::tempdir().expect("a folder");
    let pids = folder.path().join("pids");
    let mut parent = start_parent(folder.path());
    until("the parent has its children", || pids_in(&pids).len() == 2).await;
    let pids = pids_in(&pids);
    assert!(pids.iter().all(|pid| lives(*pid)));
    parent.kill().expect("kills");
    parent.wait().expect("reaps");
    until("the children are gone", || !pids.iter().any(|pid| lives(*pid))).await;
}

#[allow(clippy::disallowed_methods, reason = "the parent must be killed like a stranger")]
fn start_parent(folder: &std::path::Path) -> Child {
    std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "orphans::the_parent", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

#[tokio::test]
#[ignore = "plays the parent in the test above"]
async fn the_parent() {
    let Some(folder) = std::env::var_os(FOLDER).map(std::path::PathBuf::from) else { return };
    let workers = Workers::new(Clock::Real).with_binary(binary());
    let services = Services::new(Clock::Real, folder.clone());
    let service = Service {
        name: "service".into(),
        command: ["sleep", "1000"].map(Into::into).into(),
        ready: None,
        ready_within: Timespan::seconds(1),
        env: [].into(),
        directory: None,
        restart: true,
    };
    let service = services.start(&service).await.expect("starts");
    let worker = workers.start("w", &Job::Cpu { load: Share(0.05), cores: vec![0] }).await.expect("starts");
    let text = format!("{}\n{}\n", service.pid, worker.pid);
    chaos::host::files::write_atomic(&folder.join("pids"), text.as_bytes()).expect("writes");
    Clock::Real.sleep(Duration::from_secs(30)).await;
}

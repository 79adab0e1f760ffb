//! Limits on control groups and stress inside of one, on this machine's own control groups. A run makes groups below the
//! one this test is in, and everything here is looked at in the kernel's files, not through the tool.

use std::path::{Path, PathBuf};

use chaos::host::{dice, workers};
use chaos::model::cgroup::Controller;
use chaos::model::profile::Profile;
use chaos::model::step::Job;
use chaos::model::units::Bytes;
use rustix::process::{Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::guardian::guardian_of;
use crate::run::{Ended, Home, Run};
use crate::{skip, until, without_control_groups};

/// Every control group that is named for a run.
fn groups_of(run: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && entry.file_name().to_string_lossy().contains(run) {
                found.push(entry.path());
            } else if is_folder {
                folders.push(entry.path());
            }
        }
    }
    found
}

fn run_of(home: &Home) -> String {
    let folder = home.run_folders().pop().expect("a run");
    folder.file_name().expect("a name").to_string_lossy().into_owned()
}

/// The file of this name in one of the run's groups.
fn file_in(groups: &[PathBuf], names: &[&str]) -> PathBuf {
    let files = groups.iter().flat_map(|group| names.iter().map(|name| group.join(name)));
    files.into_iter().find(|file| file.exists()).unwrap_or_else(|| panic!("no {names:?} in {groups:?}"))
}

const QUOTA: [&str; 2] = ["cpu.max", "cpu.cfs_quota_us"];

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).expect("reads").trim().to_owned()
}

/// A service that is a shell script, and faults on it. It is looked at as a process, which costs nothing.
fn experiment(script: &str, faults: &str, seconds: u32) -> String {
    // Lowering memory takes its time, too.
    let most = seconds + 3;
    format!(
        "name: limits
services:
  - name: target
    command: [bash, -c, '{script}']
steady_state:
  - {{ name: alive, probe: process, target: {{ service: target }}, measure: alive, rate: 20/s, expect: [success_rate >= 0%] }}
faults:
{faults}
blast_radius: {{ duration: {most}s }}
baseline: 1s
recovery: {{ within: 2s }}
"
    )
}

fn on_target(fault: &str, settings: &str, seconds: u32) -> String {
    format!(
        "  - {{ name: {fault}, fault: {fault}, target: {{ process: {{ service: target }} }}, {settings}, duration: {seconds}s }}\n"
    )
}

async fn applied(home: Home, experiment: &str) -> Run {
    let mut run = home.start(experiment);
    run.until("the fault is on", |events| events.iter().any(|event| event["event"] == "fault_applied")).await;
    run
}

#[track_caller]
fn part<'a>(ended: &'a Ended, fault: usize, what: &str) -> &'a Value {
    let dose = &ended.report["doses"][fault];
    let parts = dose["parts"].as_array().unwrap_or_else(|| panic!("{dose} {}", ended.home.told()));
    parts.iter().find(|part| part["what"] == what).unwrap_or_else(|| panic!("no {what} in {dose}"))
}

/// Put back, and no group is left.
#[track_caller]
fn clean(ended: &Ended) {
    assert_eq!(ended.report["residue"], serde_json::json!([]), "{}", ended.home.told());
    assert_eq!(groups_of(&run_of(&ended.home)), Vec::<PathBuf>::new());
}

#[track_caller]
fn effective(ended: &Ended, fault: usize) {
    let dose = &ended.report["doses"][fault];
    assert_eq!(dose["status"], "effective", "{dose} {}", ended.home.told());
}

#[tokio::test]
async fn a_quota_is_felt_as_it_was_asked_and_taken_off_again() {
    if without_control_groups() {
        return;
    }
    let faults = on_target("cpu.limit", "quota: 20%", 3);
    let run = applied(Home::new(), &experiment("while :; do :; done", &faults, 3)).await;
    let quota = file_in(&groups_of(&run_of(&run.home)), &QUOTA);
    assert!(read(&quota).starts_with("20000"), "20 ms of every 100: {}", read(&quota));
    let ended = run.ended().await;
    effective(&ended, 0);
    let used = part(&ended, 0, "CPU time, in cores")["number"].as_f64().expect("a number");
    assert!((0.1..0.22).contains(&used), "20 % of a core were allowed, {used} were used");
    clean(&ended);
}

#[tokio::test]
async fn a_limit_of_memory_squeezes_the_cache_of_the_target() {
    if without_control_groups() {
        return;
    }
    let script = "head -c 64M /dev/zero > big; sync big; while :; do cat big > /dev/null; sleep 0.05; done";
    let faults = on_target("memory.limit", "size: 24MiB, ramp: 1s", 3);
    let home = Home::new();
    let big = home.path("work").join("big");
    let ended = applied(home, &experiment(script, &faults, 3)).await.ended().await;
    effective(&ended, 0);
    let used = part(&ended, 0, "memory in use")["number"].as_f64().expect("a number");
    assert!(used <= f64::from(24 << 20), "24 MiB were allowed, {used} are in use");
    assert!(ended.home.told().contains("more than the limit of 24MiB"), "{}", ended.home.told());
    assert!(std::fs::metadata(big).is_ok_and(|big| big.len() == 64 << 20));
    clean(&ended);
}

#[tokio::test]
async fn no_more_processes_are_started_than_there_may_be() {
    if without_control_groups() {
        return;
    }
    // bash tries again for a while when it is refused a process.
    let faults = on_target("pids.limit", "max: 1", 2);
    let run = applied(Home::new(), &experiment("while :; do /bin/true; sleep 0.1; done", &faults, 2)).await;
    let max = file_in(&groups_of(&run_of(&run.home)), &["pids.max"]);
    assert_ne!(read(&max), "max");
    let ended = run.ended().await;
    effective(&ended, 0);
    assert!(part(&ended, 0, "refused processes and threads")["number"].as_f64() > Some(0.0));
    clean(&ended);
}

#[tokio::test]
async fn a_disk_is_read_no_faster_than_it_may_be() {
    if without_control_groups() {
        return;
    }
    let home = Home::new();
    let work = home.path("work");
    if let Err(trouble) = chaos::host::system::whole_disk_of(&work) {
        crate::skip(&trouble.to_string());
        return;
    }
    let script = "head -c 32M /dev/zero > big; sync big; while :; do dd if=big of=/dev/null bs=64k iflag=direct; done";
    let settings = format!("path: \"{}\", read_bps: 2MiB/s", work.display());
    let ended = applied(home, &experiment(script, &on_target("io.limit", &settings, 4), 4)).await.ended().await;
    effective(&ended, 0);
    let rate = part(&ended, 0, "bytes read")["number"].as_f64().expect("a number") / f64::from(2 << 20);
    assert!((0.8..1.25).contains(&rate), "{rate} of the rate that was asked");
    clean(&ended);
}

#[tokio::test]
async fn stress_for_a_service_is_in_its_group_and_nowhere_else() {
    if without_control_groups() {
        return;
    }
    let faults = on_target("cpu.stress", "load: 20%, cores: 1", 2);
    let run = applied(Home::new(), &experiment("sleep 100", &faults, 2)).await;
    let seen = crate::outside::processes(&run.home);
    let worker = seen.iter().find(|process| process.command.contains("__worker")).expect("a worker");
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", worker.pid)).expect("lives");
    assert!(groups.contains(&run_of(&run.home)), "{groups}");
    let ended = run.ended().await;
    effective(&ended, 0);
    clean(&ended);
}

#[tokio::test]
async fn a_worker_that_takes_the_memory_of_its_group_dies_before_the_target() {
    if without_control_groups() {
        return;
    }
    let limit = on_target("memory.limit", "size: 48MiB", 3);
    let stress = on_target("memory.stress", "size: 200MiB", 2).replace("duration", "start: 1s, duration");
    let mut run = Home::new().start(&experiment("sleep 100", &(limit + &stress), 3));
    run.until("the stress failed", |events| events.iter().any(|event| event["event"] == "fault_failed")).await;
    let target = crate::outside::processes(&run.home);
    assert!(target.iter().any(|process| process.command.starts_with("sleep 100")), "the target lives: {target:?}");
    let ended = run.ended().await;
    let told = ended.home.told();
    assert!(told.contains("the worker was the first to be killed there, before the target"), "{told}");
    assert_eq!(ended.code, Some(6), "invalid: {told}");
    clean(&ended);
}

#[tokio::test]
async fn a_value_that_somebody_else_set_is_a_conflict_and_is_left_to_them() {
    if without_control_groups() {
        return;
    }
    let faults = on_target("cpu.limit", "quota: 20%", 2);
    let run = applied(Home::new(), &experiment("while :; do :; done", &faults, 2)).await;
    let quota = file_in(&groups_of(&run_of(&run.home)), &QUOTA);
    let theirs = if quota.ends_with("cpu.max") { "70000 100000" } else { "70000" };
    #[allow(clippy::disallowed_methods, reason = "somebody else, who has no undo")]
    std::fs::write(&quota, theirs).expect("sets it");
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(7), "{}", ended.home.told());
    let why = ended.report["residue"][0]["why"].as_str().expect("a reason").to_owned();
    assert!(why.contains("somebody else set") && why.contains(theirs), "{why}");
    assert_eq!(ended.report["doses"][0]["status"], "ineffective", "nobody knows whose limit was felt");
    assert_eq!(groups_of(&run_of(&ended.home)), Vec::<PathBuf>::new(), "the group itself is ours");
    let again = ended.home.chaos(&["rollback", "--all"]);
    assert_eq!(again.code, Some(0), "a conflict is told once: {again:?}");
}

#[tokio::test]
async fn what_tool_and_guardian_leave_when_they_are_killed_is_put_back_by_a_rollback() {
    if without_control_groups() {
        return;
    }
    let faults = on_target("cpu.limit", "quota: 20%", 50);
    let run = applied(Home::new(), &experiment("while :; do :; done", &faults, 50)).await;
    let id = run_of(&run.home);
    let guardian = guardian_of(run.pid());
    kill_process(guardian, Signal::STOP).expect("lives");
    run.signal(Signal::KILL);
    kill_process(guardian, Signal::KILL).expect("lives");
    let ended = run.ended().await;
    let left = groups_of(&id);
    assert!(read(&file_in(&left, &QUOTA)).starts_with("20000"), "a limit outlives us: {left:?}");
    let said = ended.home.chaos(&["rollback", "--all"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("everything is undone and was read back"), "{said:?}");
    assert_eq!(groups_of(&id), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_guardian_takes_off_what_a_killed_tool_limited() {
    if without_control_groups() {
        return;
    }
    let faults = on_target("pids.limit", "max: 50", 50);
    let run = applied(Home::new(), &experiment("sleep 1000", &faults, 50)).await;
    let id = run_of(&run.home);
    assert!(!groups_of(&id).is_empty());
    let guardian = guardian_of(run.pid());
    run.signal(Signal::KILL);
    run.ended().await;
    until("the guardian has removed the groups", || groups_of(&id).is_empty()).await;
    until("the guardian is gone", || test_kill_process(guardian).is_err()).await;
}

/// A process that no run started, alone in a control group that no run made.
struct Stranger {
    process: std::process::Child,
    group: PathBuf,
}

impl Stranger {
    /// None, which is said, where this process may not make such a group.
    #[allow(clippy::disallowed_methods, reason = "somebody else and the group of somebody else")]
    fn start() -> Option<Self> {
        let hierarchies = chaos::host::cgroup::hierarchies().expect("hierarchies");
        let us = std::process::id().cast_signed();
        let place = chaos::host::cgroup::place_of(us, &hierarchies, Controller::Pids).expect("a group");
        let group = place.folder.join(format!("stranger-{us}-{}", dice::random_seed()));
        std::fs::create_dir(&group).expect("makes a group");
        if !group.join("pids.max").exists() {
            std::fs::remove_dir(&group).expect("removes it");
            skip("a group below ours has no pids.max");
            return None;
        }
        let process = std::process::Command::new("sleep").arg("1000").spawn().expect("sleep");
        std::fs::write(group.join("cgroup.procs"), process.id().to_string()).expect("moves it");
        Some(Self { process, group })
    }

    fn most(&self) -> String {
        read(&self.group.join("pids.max"))
    }

    fn limited(&self, seconds: u32) -> String {
        let target = format!("target: {{ process: {{ pid: {} }} }}", self.process.id());
        let fault = format!("  - {{ name: few, fault: pids.limit, {target}, max: 5, duration: {seconds}s }}\n");
        experiment("sleep 1000", &fault, seconds)
    }
}

impl Drop for Stranger {
    #[allow(clippy::disallowed_methods, reason = "the group of somebody else")]
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir(&self.group);
    }
}

#[tokio::test]
async fn a_limit_on_the_group_of_a_stranger_is_the_runs_alone_and_is_restored_by_whoever_is_left() {
    if without_control_groups() {
        return;
    }
    let Some(stranger) = Stranger::start() else { return };
    let run = applied(Home::new(), &stranger.limited(50)).await;
    assert_eq!(stranger.most(), "5");
    let second = Home::sharing_state_with(&run.home).start(&stranger.limited(1)).ended().await;
    assert_eq!(second.code, Some(2), "{}", second.home.told());
    let group = stranger.group.display().to_string();
    assert!(second.home.told().contains(&format!("of the control group {group} is taken by run")));
    let guardian = guardian_of(run.pid());
    run.signal(Signal::KILL);
    let _ended = run.ended().await;
    until("the guardian has restored the limit", || stranger.most() == "max").await;
    until("the guardian is gone", || test_kill_process(guardian).is_err()).await;
    let again = Home::new().start(&stranger.limited(1)).ended().await;
    assert_eq!(again.report["doses"][0]["fault"], "few", "{:#}", again.report["doses"]);
    assert_eq!(stranger.most(), "max");
    assert!(stranger.group.exists(), "it is none of ours to remove");
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a worker without its tool, and the group of somebody else")]
async fn a_worker_that_gets_no_thread_says_why_it_ends() {
    if without_control_groups() {
        return;
    }
    let Some(stranger) = Stranger::start() else { return };
    let (size, leave_free) = (Bytes(64 << 20), Bytes(64 << 20));
    let job = Job::Memory { size, leave_free, profile: Profile::Constant };
    let job = serde_json::to_string(&job).expect("a job");
    // What is in the group already stays, and nothing is added to it.
    let script = "echo $$ > \"$0/cgroup.procs\" && echo 0 > \"$0/pids.max\" && exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).arg(&stranger.group).arg(crate::binary()).args([workers::COMMAND, &job]);
    let ended = command.output().expect("sh");
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(told.contains("failed") && told.contains("start a thread"), "{ended:?}");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
}

#[tokio::test]
async fn groups_are_found_by_their_names_where_the_part_of_the_journal_that_told_of_them_is_lost() {
    if without_control_groups() {
        return;
    }
    let faults = on_target("cpu.limit", "quota: 20%", 50);
    let run = applied(Home::new(), &experiment("sleep 1000", &faults, 50)).await;
    let id = run_of(&run.home);
    let guardian = guardian_of(run.pid());
    kill_process(guardian, Signal::STOP).expect("lives");
    run.signal(Signal::KILL);
    kill_process(guardian, Signal::KILL).expect("lives");
    let ended = run.ended().await;
    let part = ended.home.path("chaos").join(format!("{id}.jsonl"));
    assert!(part.exists() && !groups_of(&id).is_empty(), "{}", part.display());
    #[allow(clippy::disallowed_methods, reason = "somebody who tidies up")]
    std::fs::remove_file(&part).expect("removes it");
    let said = ended.home.chaos(&["rollback", "--all"]);
    assert_eq!(groups_of(&id), Vec::<PathBuf>::new(), "{said:?}");
    assert!(said.stdout.contains("whose name says this run"), "{said:?}");
}

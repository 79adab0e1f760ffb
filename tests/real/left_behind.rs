//! What is left when tool and guardian were killed together: told by `chaos doctor`, put back by `chaos rollback`, with a
//! journal and without.
//!
//! `--scan` and `doctor` look at all processes of the machine, so these tests see a pid namespace of their own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::alone::{Own, alone};
use crate::guardian::{AT_WORK, abandoned, experiment, guardian_of, in_full_swing, open, said};
use crate::outside::processes;
use crate::run::{Home, free_ports};
use crate::{binary, installed, until};

const NOTHING: &str = "nothing of ours is left: no process carries the mark of a dead run\n";
/// A run that never was.
const RUN: &str = "01a1fc08-8999-710d-a0a1-cb0d5a1f2584";

#[allow(clippy::disallowed_methods, reason = "the binary under test is started as a stranger would")]
fn chaos<S: AsRef<OsStr>>(state: &Path, words: impl IntoIterator<Item = S>) -> (Option<i32>, String) {
    said(&Command::new(binary()).args(words).arg("--state-dir").arg(state).output().expect("starts"))
}

/// The exit code of the doctor, and the findings that are not well.
fn doctor(state: &Path) -> (Option<i32>, Vec<Value>) {
    let (code, text) = chaos(state, ["doctor", "--output", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(report["exit_code"].as_i64(), code.map(i64::from));
    let findings = report["findings"].as_array().expect("findings").iter();
    (
        code,
        findings.filter(|finding| finding["section"] == "left_behind" && finding["state"] != "ok").cloned().collect(),
    )
}

fn state(home: &Home) -> PathBuf {
    home.path("state")
}

fn run_of(home: &Home) -> String {
    home.run_folders().pop().expect("a run").file_name().expect("a name").to_string_lossy().into_owned()
}

/// The same as `abandoned`, and somebody threw its folder away, too.
#[allow(clippy::disallowed_methods, reason = "a test throws its own folder away")]
async fn abandoned_without_journal() -> Home {
    let home = abandoned().await;
    std::fs::remove_dir_all(state(&home)).expect("removes");
    home
}

/// A sleeping process with these variables.
#[allow(clippy::disallowed_methods, reason = "a stranger's process")]
fn sleeper(program: &[&str], variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg("1000").envs(variables.iter().copied()).stdin(Stdio::null());
    command.spawn().expect("starts")
}

fn end(mut child: Child) {
    assert_eq!(child.try_wait().expect("looks"), None, "it was not touched");
    child.kill().and_then(|()| child.wait()).expect("ends");
}

fn processes_are(home: &Home, count: usize) -> bool {
    processes(home).len() == count
}

#[tokio::test]
async fn what_was_killed_with_its_guardian_is_listed_cleared_and_then_gone() {
    if !alone(Own::Processes, "left_behind::what_was_killed_with_its_guardian_is_listed_cleared_and_then_gone") {
        return;
    }
    let home = abandoned().await;
    let (code, found) = doctor(&state(&home));
    assert_eq!((code, found.len()), (Some(7), 1), "{found:?}");
    let command = format!("chaos rollback {} --state-dir {}", run_of(&home), state(&home).display());
    assert_eq!((found[0]["state"].as_str(), found[0]["command"].as_str()), (Some("problem"), Some(command.as_str())));
    assert!(found[0]["why"].as_str().is_some_and(|why| why.contains("4 steps are not undone")), "{found:?}");
    assert!(processes_are(&home, 2), "looking changes nothing");
    let (code, text) = chaos(&state(&home), ["rollback", "--all"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!((processes(&home), open(&home)), (Vec::new(), 0));
    assert_eq!(chaos(&state(&home), ["rollback", "--all"]), (Some(0), "nothing to roll back\n".into()));
    assert_eq!(doctor(&state(&home)), (Some(0), Vec::new()));
}

#[tokio::test]
async fn without_a_journal_the_marks_tell_what_is_left_and_a_scan_ends_it() {
    if !alone(Own::Processes, "left_behind::without_a_journal_the_marks_tell_what_is_left_and_a_scan_ends_it") {
        return;
    }
    let home = abandoned_without_journal().await;
    let stopped = processes(&home)[0].pid;
    kill_process(Pid::from_raw(stopped).expect("a pid"), Signal::STOP).expect("sends");
    until("it is stopped", || processes(&home).iter().any(|process| process.state == 'T')).await;
    let (code, found) = doctor(&state(&home));
    assert_eq!((code, found[0]["command"].as_str()), (Some(7), Some("chaos rollback --scan")), "{found:?}");
    assert_eq!(chaos(&state(&home), ["rollback", "--all"]).1, "nothing to roll back\n", "no journal tells of it");
    let (code, text) = chaos(&state(&home), ["rollback", "--scan"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("pid {stopped} (sleep, stopped)")), "{text}");
    assert!(text.contains("no process carries its mark any more"), "{text}");
    assert_eq!(processes(&home), []);
    assert_eq!(chaos(&state(&home), ["rollback", "--scan"]), (Some(0), NOTHING.into()));
    assert_eq!(doctor(&state(&home)), (Some(0), Vec::new()));
}

#[tokio::test]
async fn a_scan_finds_the_journal_that_processes_name_wherever_it_is() {
    if !alone(Own::Processes, "left_behind::a_scan_finds_the_journal_that_processes_name_wherever_it_is") {
        return;
    }
    let home = abandoned().await;
    let elsewhere = Home::new();
    let (code, text) = chaos(&state(&elsewhere), ["rollback", "--scan"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("everything is undone and was read back"), "{text}");
    assert_eq!((processes(&home), open(&home)), (Vec::new(), 0));
}

#[tokio::test]
async fn two_scans_at_once_do_no_harm() {
    if !alone(Own::Processes, "left_behind::two_scans_at_once_do_no_harm") {
        return;
    }
    for home in [abandoned().await, abandoned_without_journal().await] {
        let scan = || chaos(&state(&home), ["rollback", "--scan"]);
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(scan);
            (scan(), other.join().expect("ends"))
        });
        assert_eq!((one.0, other.0), (Some(0), Some(0)), "{one:?} {other:?}");
        assert_eq!(processes(&home), []);
    }
}

#[tokio::test]
async fn a_run_under_way_is_never_harmed_by_a_scan() {
    if !alone(Own::Processes, "left_behind::a_run_under_way_is_never_harmed_by_a_scan") {
        return;
    }
    let run = in_full_swing().await;
    let elsewhere = Home::new();
    for state in [state(&run.home), state(&elsewhere)] {
        let (code, text) = chaos(&state, ["rollback", "--scan"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(&format!("under way (pid {}), left alone", run.pid().as_raw_pid())), "{text}");
        assert_eq!(doctor(&state), (Some(0), Vec::new()));
    }
    assert!(processes_are(&run.home, AT_WORK), "nothing was touched");
    run.signal(Signal::INT);
    assert_eq!(run.ended().await.code, Some(8));
}

#[tokio::test]
async fn what_a_guardian_has_yet_to_put_back_is_left_to_it() {
    if !alone(Own::Processes, "left_behind::what_a_guardian_has_yet_to_put_back_is_left_to_it") {
        return;
    }
    let run = in_full_swing().await;
    let guardian = guardian_of(run.pid());
    kill_process(guardian, Signal::STOP).expect("sends");
    run.signal(Signal::KILL);
    let home = run.ended().await.home;
    until("the kernel has killed what it kills", || processes_are(&home, 2)).await;
    let (code, text) = chaos(&state(&home), ["rollback", "--scan"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&format!("kill -CONT {}", guardian.as_raw_pid())), "{text}");
    assert!(processes_are(&home, 2), "nothing was touched");
    kill_process(guardian, Signal::CONT).expect("sends");
    until("the guardian has done its work", || processes_are(&home, 0)).await;
}

#[tokio::test]
async fn who_only_looks_similar_is_not_touched() {
    if !alone(Own::Processes, "left_behind::who_only_looks_similar_is_not_touched") {
        return;
    }
    let home = Home::new();
    let named = sleeper(&["sleep"], &[("CHAOS_RUN", "nightly"), ("CHAOS_OWNER", "me")]);
    let other = sleeper(&["sleep"], &[("MY_CHAOS_RUN", RUN), ("CHAOS_RUN_ID", RUN)]);
    assert_eq!(chaos(&state(&home), ["rollback", "--scan"]), (Some(0), NOTHING.into()));
    // This one could be ours, and does not say whose: a person must look.
    let silent = sleeper(&["sleep"], &[("CHAOS_RUN", RUN)]);
    let (code, text) = chaos(&state(&home), ["rollback", "--scan"]);
    assert_eq!(code, Some(7), "{text}");
    assert!(text.contains(&format!("kill -KILL {}", silent.id())), "{text}");
    [named, other, silent].into_iter().for_each(end);
}

#[tokio::test]
async fn processes_of_other_users_are_told_and_not_touched() {
    if !alone(Own::Processes, "left_behind::processes_of_other_users_are_told_and_not_touched") {
        return;
    }
    let many = std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !map.trim_end().ends_with(" 1"));
    if !many || !installed("setpriv") {
        assert!(std::env::var_os("CHAOS_SKIP_NOTHING").is_none(), "only root may start a process of another user");
        chaos::host::output::stderr("\n!!! SKIPPED: only root may start a process of another user\n");
        return;
    }
    let home = abandoned_without_journal().await;
    let ours = processes(&home)[0].pid;
    let environment = std::fs::read(format!("/proc/{ours}/environ")).expect("reads");
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let value =
        |name: &str| environment.split('\0').find_map(|variable| variable.strip_prefix(name)).expect("is there");
    let variables = [("CHAOS_RUN", value("CHAOS_RUN=")), ("CHAOS_OWNER", value("CHAOS_OWNER="))];
    let theirs = sleeper(&["setpriv", "--reuid", "65534", "--clear-groups", "sleep"], &variables);
    let status = format!("/proc/{}/status", theirs.id());
    until("it is theirs", || std::fs::read_to_string(&status).is_ok_and(|text| text.contains("Uid:\t65534"))).await;
    let (code, text) = chaos(&state(&home), ["rollback", "--scan"]);
    assert_eq!(code, Some(7), "{text}");
    assert!(text.contains(&format!("sudo -u '#65534' kill -KILL {}", theirs.id())), "{text}");
    assert_eq!(processes(&home), [], "ours are ended all the same");
    end(theirs);
}

#[tokio::test]
async fn a_file_of_ours_that_kept_its_name_is_told_and_removed() {
    if !alone(Own::Processes, "left_behind::a_file_of_ours_that_kept_its_name_is_told_and_removed") {
        return;
    }
    let home = Home::new();
    chaos::host::files::create_dir_all(&state(&home)).expect("makes it");
    let draft = state(&home).join(".chaos-0123456789abcdef");
    let file = chaos::host::files::create_new(&draft).expect("makes it");
    let then = file.metadata().expect("is there").modified().expect("a time") - Duration::from_secs(3600);
    file.set_modified(then).expect("is ours");
    assert_eq!(doctor(&state(&home)), (Some(0), Vec::new()), "whoever made it may have it open still");
    drop(file);
    let (code, found) = doctor(&state(&home));
    assert_eq!((code, found[0]["command"].as_str()), (Some(7), Some("chaos rollback --scan")), "{found:?}");
    let (code, text) = chaos(&state(&home), ["rollback", "--scan"]);
    assert_eq!((code, draft.exists()), (Some(0), false), "{text}");
    assert_eq!(chaos(&state(&home), ["rollback", "--scan"]), (Some(0), NOTHING.into()));
}

/// A run folder with a journal that makes no sense.
fn unreadable(home: &Home) -> PathBuf {
    let folder = state(home).join("runs").join(RUN);
    chaos::host::files::create_dir_all(&folder).expect("makes it");
    chaos::host::files::write_atomic(&folder.join("journal.jsonl"), b"scribble\n").expect("writes");
    folder
}

#[tokio::test]
async fn an_unreadable_journal_of_which_nothing_is_left_is_set_aside_and_runs_begin_again() {
    if !alone(
        Own::Processes,
        "left_behind::an_unreadable_journal_of_which_nothing_is_left_is_set_aside_and_runs_begin_again",
    ) {
        return;
    }
    let home = Home::new();
    let folder = unreadable(&home);
    assert_eq!(doctor(&state(&home)).0, Some(7));
    let [port] = free_ports();
    let refused = Home::sharing_state_with(&home).start(&experiment(port, "60s")).ended().await;
    assert_eq!(refused.code, Some(2), "{}", refused.home.told());
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| chaos(&state(&home), ["rollback", "--all"]));
        (chaos(&state(&home), ["rollback", "--all"]), other.join().expect("ends"))
    });
    assert_eq!((one.0, other.0), (Some(0), Some(0)), "{one:?} {other:?}");
    assert!([&one.1, &other.1].iter().any(|text| text.contains("it is set aside: ")), "{one:?} {other:?}");
    assert_eq!(std::fs::read(folder.join("journal.unreadable")).expect("is kept"), b"scribble\n");
    let (code, found) = doctor(&state(&home));
    assert_eq!((code, found.len(), found[0]["state"].as_str()), (Some(0), 1, Some("warning")), "{found:?}");
    let begins = Home::sharing_state_with(&home).start(&experiment(port, "60s"));
    until("its services run", || processes(&begins.home).len() >= 4).await;
    begins.signal(Signal::INT);
    assert_eq!(begins.ended().await.code, Some(8));
}

#[tokio::test]
async fn an_unreadable_journal_stays_while_a_process_of_its_run_lives() {
    if !alone(Own::Processes, "left_behind::an_unreadable_journal_stays_while_a_process_of_its_run_lives") {
        return;
    }
    let home = abandoned().await;
    let journal = home.run_folders().pop().expect("a run").join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).expect("reads");
    let (_, rest) = text.split_once('\n').expect("a header");
    chaos::host::files::write_atomic(&journal, format!("scribble\n{rest}").as_bytes()).expect("writes");
    let (code, text) = chaos(&state(&home), ["rollback", "--all"]);
    assert_eq!(code, Some(7), "{text}");
    assert!(text.contains("chaos rollback --scan") && journal.exists(), "{text}");
    assert!(processes_are(&home, 2), "nothing was touched");
    let (code, text) = chaos(&state(&home), ["rollback", "--scan"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("it is set aside: ") && !journal.exists(), "{text}");
    assert_eq!((processes(&home), doctor(&state(&home)).0), (Vec::new(), Some(0)));
}

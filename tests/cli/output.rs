//! The output where it goes: terminals narrow and wide, without colour, pipes, streams that are closed or full, a state folder
//! that cannot be written, no home at all. Each is sensible, and none changes how a run ends.

use std::os::unix::fs::PermissionsExt;

use crate::binary::chaos;
use crate::experiments::Ports;
use crate::files;
use crate::slots::Company;
use crate::support::{Done, Invocation, Sandbox, skip};

/// Runs an experiment that ends with exit code 3 on a terminal of so many columns.
fn on_terminal(columns: u16, environment: &[(&str, &str)]) -> Option<String> {
    let sandbox = Sandbox::new();
    if sandbox.program("sh", ["-c", "command -v script"]).done().code != Some(0) {
        skip("on_terminal", "script is not installed (package bsdutils)");
        return None;
    }
    sandbox.write("a.yaml", files::unsteady());
    let words = Ports::new().variables(&files::unsteady()).join(" ");
    let command = format!("stty cols {columns} rows 24 && {} run a.yaml {words}", chaos());
    let run = sandbox.program("script", ["-qec", &command, "/dev/null"]).env("TERM", "xterm-256color");
    let run = environment.iter().fold(run, |run, (name, value)| run.env(name, value));
    Some(run.in_company(Company::SideBySide).done().exits(3).stdout)
}

/// Text as it is seen: without escapes, and of a line that is drawn again the last state.
fn seen(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' && rest.next_if_eq(&'[').is_some() {
            while rest.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
        } else if c != '\u{1b}' {
            plain.push(c);
        }
    }
    let last = |line: &str| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default().to_owned();
    plain.split('\n').map(last).collect()
}

/// The report, from its first word; lines with something to copy are as long as they are.
fn report(lines: &[String]) -> Vec<&str> {
    let start = lines.iter().position(|line| line.starts_with("BASELINE NOT STEADY")).expect("a report");
    let copied = |line: &str| line.contains("/chaos/runs/") || line.contains("chaos run a.yaml");
    lines[start..].iter().map(String::as_str).filter(|line| !copied(line)).collect()
}

#[test]
fn a_report_is_as_wide_as_its_terminal_within_reason() {
    let widest = |columns| {
        let text = on_terminal(columns, &[])?;
        assert!(text.contains("\u{1b}[1;31m"), "a terminal gets colour: {text}");
        let lines = seen(&text);
        report(&lines).iter().map(|line| line.chars().count()).max()
    };
    let (Some(narrow), Some(wide)) = (widest(80), widest(200)) else { return };
    assert!((40..=80).contains(&narrow), "{narrow} columns on a terminal of 80");
    assert!((narrow..=120).contains(&wide), "{wide} columns on a terminal of 200: longer lines are hard to read");
}

#[test]
fn colour_and_bars_go_where_they_are_not_wanted() {
    for environment in [&[("NO_COLOR", "1")][..], &[("CI", "true")], &[("TERM", "dumb")]] {
        let Some(text) = on_terminal(80, environment) else { return };
        let painted = text.contains("\u{1b}[1;31m") || text.contains("\u{1b}[0m");
        assert!(!painted, "{environment:?}: {text}");
        if environment[0].0 != "NO_COLOR" {
            assert!(!text.contains('\u{1b}'), "{environment:?}: no bar either: {text}");
        }
    }
}

/// Every verb that answers and ends, with a run to answer about.
fn answers(sandbox: &Sandbox) -> Vec<Vec<String>> {
    sandbox.write("a.yaml", files::unsteady());
    let variables = Ports::new().variables(&files::unsteady());
    let with = |words: &[&str]| words.iter().map(ToString::to_string).chain(variables.clone()).collect();
    sandbox.chaos(with(&["run", "a.yaml", "--quiet"])).in_company(Company::SideBySide).done().exits(3);
    let plain = [
        &["report", "latest"][..],
        &["report", "latest", "--format", "json"],
        &["history"],
        &["compare", "latest", "latest"],
        &["stop"],
        &["help"],
        &["help", "safety"],
        &["run", "--help"],
        &["man"],
        &["completions", "bash"],
        &["--version"],
    ];
    let plain = plain.iter().map(|words| words.iter().map(ToString::to_string).collect());
    plain.chain([with(&["plan", "a.yaml"]), with(&["validate", "a.yaml"])]).collect()
}

#[test]
fn a_reader_that_is_gone_is_no_trouble_and_a_full_disk_is() {
    let sandbox = Sandbox::new();
    for words in answers(&sandbox) {
        assert_eq!(sandbox.chaos(&words).with_closed_stdout(), Some(0), "{words:?}");
        let script = format!("exec {} \"$@\" > /dev/full", chaos());
        let full = sandbox.program("sh", ["-c", &script, "sh"]).args(&words).done().exits(2);
        full.complains("error: cannot write to standard output: No space left on device");
        let silent =
            sandbox.program("sh", ["-c", &format!("exec {} \"$@\" >&- 2>&-", chaos()), "sh"]).args(&words).done();
        assert!(matches!(silent.code, Some(0 | 2)), "no stream at all, and no panic: {silent}");
    }
}

#[test]
fn a_full_disk_under_the_report_does_not_change_how_a_run_ends() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", files::unsteady());
    let script = format!("exec {} \"$@\" > /dev/full", chaos());
    let words = Ports::new().variables(&files::unsteady());
    let run = sandbox.program("sh", ["-c", &script, "sh", "run", "a.yaml"]).args(words);
    let done = run.in_company(Company::SideBySide).done().exits(3);
    done.complains("cannot write to standard output: No space left").complains("the baseline is not steady");
    sandbox.chaos(["report", "latest"]).done().exits(0).says("BASELINE NOT STEADY");
}

/// The binary where its state folder can be read and nothing can be written there.
fn read_only(sandbox: &Sandbox, words: &[&str]) -> Option<Invocation> {
    let state = sandbox.path("state");
    if !rustix::process::geteuid().is_root() {
        std::fs::set_permissions(state, std::fs::Permissions::from_mode(0o555)).expect("is ours");
        return Some(sandbox.chaos(words));
    }
    // Permissions do not bind root: a mount of its own does.
    let mount = "mount --bind state state && mount -o remount,bind,ro state";
    if sandbox.program("unshare", ["-m", "sh", "-c", mount]).done().code != Some(0) {
        skip("a_state_folder_that_cannot_be_written", "mounts are not allowed here");
        return None;
    }
    let script = format!("{mount} && exec {} \"$@\"", chaos());
    Some(sandbox.program("unshare", ["-m", "sh", "-c", &script, "sh"]).args(words))
}

#[test]
fn a_state_folder_that_cannot_be_written_refuses_runs_and_answers_all_questions() {
    let sandbox = Sandbox::new();
    let _ = answers(&sandbox);
    let before = sandbox.files();
    let done = |words: &[&str]| -> Option<Done> { Some(read_only(&sandbox, words)?.done()) };
    for words in [&["report", "latest"][..], &["history"], &["compare", "latest", "latest"], &["stop"]] {
        let Some(done) = done(words) else { return };
        done.exits(0).complains_of_nothing();
    }
    let variables = Ports::new().variables(&files::unsteady());
    let words: Vec<&str> = ["run", "a.yaml"].into_iter().chain(variables.iter().map(String::as_str)).collect();
    let Some(run) = done(&words) else { return };
    run.exits(2).says_nothing().complains("nothing was touched").complains("--state-dir");
    let twice: Vec<&str> = words.iter().copied().chain(["a.yaml"]).collect();
    let Some(suite) = done(&twice) else { return };
    suite.exits(2).complains("--state-dir");
    let Some(doctor) = done(&["doctor"]) else { return };
    doctor.exits(2).says("state");
    assert_eq!(sandbox.files(), before);
}

#[test]
fn without_a_home_only_what_needs_one_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", files::unsteady());
    let homeless = |words: &[&str]| sandbox.chaos(words).without("HOME").without("XDG_STATE_HOME");
    let variables = Ports::new().variables(&files::unsteady());
    let with = |words: &[&'static str]| -> Vec<&str> {
        words.iter().copied().chain(variables.iter().map(String::as_str)).collect()
    };
    for words in
        [with(&["validate", "a.yaml"]), with(&["plan", "a.yaml"]), vec!["help"], vec!["man"], vec!["--version"]]
    {
        homeless(&words).done().exits(0).complains_of_nothing();
    }
    for words in
        [with(&["run", "a.yaml"]), with(&["run", "a.yaml", "a.yaml"]), vec!["history"], vec!["report", "latest"]]
    {
        homeless(&words)
            .done()
            .exits(2)
            .says_nothing()
            .complains("neither XDG_STATE_HOME nor HOME")
            .complains("--state-dir");
    }
    let kept = homeless(&with(&["run", "a.yaml", "--state-dir", "kept"])).in_company(Company::SideBySide);
    kept.done().exits(3).says("BASELINE NOT STEADY");
}

//! How `chaos` speaks where a CI server reads along: no bars, no colour, and marks, folds and summaries where there are.

use crate::ports::free_ports;
use crate::slots::Company;
use crate::support::{Done, Sandbox};

/// An experiment whose fourth line is its expectation, on a port where nobody listens.
fn bad(port: u16) -> String {
    format!(
        "name: a port, where nobody listens
steady_state:
  - name: port
    probe: tcp
    address: \"127.0.0.1:{port}\"
    rate: 50/s
    expect:
      - p50 >= 0ms
      - success_rate >= 80%
stop_conditions: [port.error_rate > 90%]
baseline: 1s
"
    )
}

fn run(sandbox: &Sandbox, environment: &[(&str, &str)], words: &[&str]) -> Done {
    let [port] = free_ports();
    sandbox.write("bad.yaml", bad(port));
    let run = sandbox.chaos(["run", "bad.yaml"].iter().chain(words)).env("TERM", "xterm-256color");
    let run = environment.iter().fold(run, |run, (name, value)| run.env(name, value));
    run.in_company(Company::SideBySide).done()
}

#[test]
fn github_gets_a_group_marks_on_lines_and_a_summary() {
    let sandbox = Sandbox::new();
    sandbox.write("summary.md", "before\n");
    let path = sandbox.path("summary.md").display().to_string();
    let done = run(&sandbox, &[("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", &path)], &[]).exits(3);
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(lines[0], "::group::chaos: a port, where nobody listens", "{done}");
    let end = lines.iter().position(|line| *line == "::endgroup::").expect("it ends");
    let marks: Vec<&&str> = lines[end + 1..].iter().filter(|line| line.starts_with("::error ")).collect();
    let title = "title=BASELINE NOT STEADY%3A a port%2C where nobody listens";
    assert!(marks[0].starts_with(&format!("::error file=bad.yaml,line=1,{title}::nothing was injected")), "{done}");
    let summary = std::fs::read_to_string(&path).expect("a summary");
    assert!(summary.starts_with("before\n## ❌ BASELINE NOT STEADY: a port, where"), "{summary}");
    assert!(!done.stdout.contains("::"), "standard output has the report only: {done}");
}

#[test]
fn github_gets_a_mark_for_each_problem_of_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", "name: x\nnames: y\n");
    for verb in ["validate", "run", "plan"] {
        let done = sandbox.chaos([verb, "a.yaml"]).env("GITHUB_ACTIONS", "true").done().exits(2);
        let mark = done.stderr.lines().find(|line| line.starts_with("::error file=a.yaml,line=2,title=chaos::"));
        assert!(mark.is_some_and(|mark| mark.contains("names")), "{done}");
    }
    let done = sandbox.chaos(["validate", "a.yaml"]).done().exits(2);
    assert!(!done.stderr.contains("::error"), "{done}");
}

#[test]
fn a_suite_has_a_group_for_each_run_and_one_summary() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("summary.md").display().to_string();
    let environment = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", path.as_str())];
    let done = run(&sandbox, &environment, &["bad.yaml"]).exits(3);
    assert_eq!(
        (done.stderr.matches("::group::").count(), done.stderr.matches("::endgroup::").count()),
        (2, 2),
        "{done}"
    );
    let summary = std::fs::read_to_string(&path).expect("a summary");
    assert!(summary.starts_with("**SUITE: 0 of 2 experiments held**"), "{summary}");
    assert_eq!(summary.matches("<details>\n<summary>").count() + summary.matches("<details><summary>❌").count(), 2);
}

#[test]
fn gitlab_gets_sections_that_fold() {
    let sandbox = Sandbox::new();
    let done = run(&sandbox, &[("GITLAB_CI", "true"), ("CI", "true")], &[]).exits(3);
    let start = done.stderr.find("\u{1b}[0Ksection_start:").expect("a section");
    let end = done.stderr.find("\u{1b}[0Ksection_end:").expect("its end");
    assert!(start < end && done.stderr[start..].contains(":chaos_run\r\u{1b}[0Kchaos: a port"), "{done}");
    assert!(!done.stderr.contains("::error"), "{done}");
}

#[test]
fn an_unknown_server_gets_plain_lines() {
    let sandbox = Sandbox::new();
    for (environment, words) in [(&[("CI", "1")][..], &[][..]), (&[], &["--ci"])] {
        let done = run(&sandbox, environment, words).exits(3);
        assert!(!done.stderr.contains('\u{1b}') && !done.stdout.contains('\u{1b}'), "{done}");
        assert!(done.stderr.lines().all(|line| line.contains("Z ")), "dated lines: {done}");
    }
}

#[test]
fn colour_comes_where_it_is_asked_for_and_nowhere_else() {
    let sandbox = Sandbox::new();
    let colour = |environment: &[(&str, &str)]| run(&sandbox, environment, &[]).exits(3).stdout.contains("\u{1b}[");
    assert!(colour(&[("CI", "true"), ("CLICOLOR_FORCE", "1")]));
    assert!(!colour(&[("CI", "true"), ("CLICOLOR_FORCE", "0")]));
    assert!(!colour(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

//! Version, help and wrong usage: the answer on stdout with code 0, the refusal on stderr with code 2.

use std::collections::BTreeMap;

use chaos::model::verdict::Verdict;

use crate::support::{Done, Sandbox};

pub const VERBS: [&str; 18] = [
    "run",
    "plan",
    "validate",
    "rollback",
    "stop",
    "doctor",
    "report",
    "history",
    "compare",
    "demo",
    "proxy",
    "completions",
    "man",
    "help",
    "init",
    "faults",
    "probes",
    "schema",
];

/// Every verdict; a new one does not compile before it is here too.
fn verdicts() -> Vec<Verdict> {
    use Verdict::{
        Deviated, Held, Inconclusive, Interrupted, Invalid, NotRecovered, NotRun, NotSteady, Residue, Stopped,
    };
    let all = [Held, Deviated, NotRun, NotSteady, Stopped, NotRecovered, Inconclusive, Invalid, Residue, Interrupted];
    all.into_iter()
        .inspect(|verdict| match verdict {
            Held | Deviated | NotRun | NotSteady | Stopped | NotRecovered | Inconclusive | Invalid | Residue
            | Interrupted => {}
        })
        .collect()
}

/// The documented exit codes with their meanings.
pub fn documented_codes(help: &str) -> BTreeMap<u8, String> {
    let lines = help.lines().skip_while(|line| !line.starts_with("Exit codes"));
    lines
        .filter_map(|line| line.trim().split_once(' '))
        .filter_map(|(code, meaning)| Some((code.parse().ok()?, meaning.trim().to_owned())))
        .collect()
}

fn chaos(words: &[&str]) -> Done {
    let sandbox = Sandbox::new();
    let done = sandbox.chaos(words).done();
    assert!(sandbox.files().is_empty(), "{words:?} writes {:?}", sandbox.files());
    done
}

#[test]
fn the_version_is_the_packages() {
    let expected = format!("chaos {}\n", env!("CARGO_PKG_VERSION"));
    for words in ["--version", "-V"] {
        let done = chaos(&[words]).exits(0).complains_of_nothing();
        assert_eq!(done.stdout, expected);
    }
}

#[test]
fn help_is_an_answer_and_names_every_verb() {
    for word in ["--help", "-h"] {
        let done = chaos(&[word]).exits(0).complains_of_nothing();
        for verb in VERBS {
            assert!(done.stdout.lines().any(|line| line.starts_with(&format!("  {verb} "))), "{verb}: {done}");
        }
        assert!(!done.stdout.contains("__"), "no internal command: {done}");
    }
}

#[test]
fn every_verb_has_help_that_fits_100_columns() {
    for verb in VERBS {
        for word in ["--help", "-h"] {
            let done = chaos(&[verb, word]).exits(0).says(&format!("Usage: chaos {verb}")).complains_of_nothing();
            assert!(done.stdout.lines().all(|line| line.chars().count() <= 100), "{done}");
        }
    }
}

#[test]
fn help_documents_every_exit_code_and_no_other() {
    let ours = 70;
    let mut codes: Vec<u8> = verdicts().into_iter().map(Verdict::exit_code).chain([ours]).collect();
    codes.sort_unstable();
    codes.dedup();
    for words in [&["--help"][..], &["run", "--help"], &["run", "-h"]] {
        let documented = documented_codes(&chaos(words).stdout);
        assert_eq!(documented.keys().copied().collect::<Vec<_>>(), codes, "{words:?}");
        assert!(documented.values().all(|meaning| meaning.len() > 5), "{documented:?}");
    }
}

#[test]
fn without_a_verb_the_help_is_a_complaint() {
    chaos(&[]).exits(2).says_nothing().complains("Usage: chaos <COMMAND>").complains("Exit codes");
}

#[test]
fn wrong_usage_is_refused_on_stderr() {
    let cases: [(&[&str], &str); 29] = [
        (&["bogus"], "unrecognized subcommand 'bogus'"),
        (&["validat"], "'validate'"),
        (&["__worker"], "unrecognized subcommand"),
        (&["__guardian"], "unrecognized subcommand"),
        (&["__trial", "x"], "unrecognized subcommand"),
        (&["rollback"], "say what to roll back: the id of a RUN, --all for every run that was killed, or --scan"),
        (&["rollback", "a-run", "--all"], "cannot be used with"),
        (&["rollback", "a-run", "--scan"], "cannot be used with"),
        (&["rollback", "--all", "--scan"], "cannot be used with"),
        (&["doctor", "--print-unit", "--output", "json"], "cannot be used with"),
        (&["run", "a.yaml", "--keep", "0"], "0 is not in 1.."),
        (&["run", "a.yaml", "--keep", "few"], "invalid digit"),
        (&["rollback", "no-such-run"], "there is no run no-such-run"),
        (&["stop", "a-run", "--all"], "cannot be used with"),
        (&["stop", "no-such-run"], "there is no run no-such-run"),
        (&["--bogus"], "unexpected argument '--bogus'"),
        (&["run"], "<FILE>"),
        (&["plan"], "<FILE>"),
        (&["validate"], "<PATHS>"),
        (&["run", "a.yaml", "b.yaml"], "cannot read b.yaml"),
        (&["run", "a.yaml", "--output", "xml"], "[possible values: text, json]"),
        (&["run", "a.yaml", "--seed", "many"], "invalid digit"),
        (&["run", "a.yaml", "--var", "GATEWAY"], "`GATEWAY` is not NAME=VALUE"),
        (&["plan", "a.yaml", "--var", "=x"], "`=x` is not NAME=VALUE"),
        (&["report"], "<RUN>"),
        (&["report", "latest", "--format", "pdf"], "[possible values: text, json, junit, markdown, html]"),
        (&["compare", "latest"], "<B>"),
        (&["compare", "a", "b", "--fail-on", "anything"], "[possible values: regression]"),
        (&["completions", "tcsh"], "possible values"),
    ];
    for (words, part) in cases {
        chaos(words).exits(2).says_nothing().complains(part);
    }
}

#[test]
fn the_kill_switch_is_content_when_there_is_nothing_to_stop() {
    for words in [&["stop"][..], &["stop", "--all"]] {
        assert_eq!(chaos(words).exits(0).complains_of_nothing().stdout, "nothing is under way\n");
    }
}

#[test]
fn no_colour_goes_into_a_pipe() {
    let sandbox = Sandbox::new();
    for words in [&["--help"][..], &["bogus"], &["run", "missing.yaml"]] {
        let done = sandbox.chaos(words).env("TERM", "xterm-256color").done();
        assert!(!done.stdout.contains('\u{1b}') && !done.stderr.contains('\u{1b}'), "{done}");
    }
}

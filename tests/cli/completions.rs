//! `chaos completions`: the committed scripts are those that are printed, and in each shell they offer what there is:
//! verbs, flags, experiments, runs, formats.
//!
//! `UPDATE=1 cargo test --test cli completions` writes `completions/` anew.

use std::os::unix::fs::symlink;

use crate::support::{Invocation, Sandbox, committed, repository, skip};

/// Shell, and the file name under which it looks for completions of `chaos`.
const FILES: [(&str, &str); 3] = [("bash", "chaos.bash"), ("zsh", "_chaos"), ("fish", "chaos.fish")];

/// Says which word is completed, and prints every candidate on a line. The words come as arguments, the last one is the one
/// that is being typed.
const ASK: [(&str, &str); 3] = [
    (
        "bash",
        r#"source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9
_clap_complete_chaos chaos "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; printf '%s\n' "${COMPREPLY[@]}""#,
    ),
    (
        "zsh",
        // Completion functions run within the line editor only: what they hand over is printed here.
        r#"compdef() { :; }; _describe() { print -rl -- "${(@P)3}"; }
source "$0"; words=("$@"); CURRENT=$#; _clap_dynamic_completer_chaos; :"#,
    ),
    ("fish", r#"source "$argv[1]"; complete -C "$(string join ' ' -- $argv[2..])""#),
];

fn generated(shell: &str) -> String {
    Sandbox::new().chaos(["completions", shell]).done().exits(0).complains_of_nothing().stdout
}

/// A folder with `chaos` in its path, two experiments and a run.
struct Place(Sandbox);

impl Place {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("bin/.here", "");
        symlink(crate::binary::chaos(), sandbox.path("bin/chaos")).expect("a link");
        sandbox.write("first.yaml", "");
        sandbox.write("notes.txt", "");
        sandbox.write("more/second.yml", "");
        sandbox.write("state/chaos/runs/01a1fc73-165c/events.jsonl", "");
        Self(sandbox)
    }

    fn program(&self, shell: &str, words: &[&str]) -> Invocation {
        let path = format!("{}:{}", self.0.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        self.0.program(shell, words).env("PATH", &path).env("TERM", "xterm")
    }

    fn has(&self, test: &str, shell: &str) -> bool {
        let there = self.0.program("sh", ["-c", "command -v \"$0\"", shell]).done().code == Some(0);
        if !there {
            skip(test, &format!("{shell} is not installed"));
        }
        there
    }

    /// What a shell offers for the last of these words.
    fn offers(&self, shell: &str, words: &[&str]) -> Vec<String> {
        let file = FILES.iter().find(|(known, _)| *known == shell).expect("a shell").1;
        let file = repository().join("completions").join(file).display().to_string();
        let ask = ASK.iter().find(|(known, _)| *known == shell).expect("a shell").1;
        let all: Vec<&str> = ["-c", ask, &file, "chaos"].iter().chain(words).copied().collect();
        let done = self.program(shell, &all).done().exits(0).complains_of_nothing();
        // zsh and fish say a few words about each, after a colon or a tab.
        let value = |line: &str| line.split(['\t', ':']).next().unwrap_or_default().trim_end_matches('/').to_owned();
        done.stdout.lines().map(value).filter(|word| !word.is_empty()).collect()
    }
}

#[test]
fn the_committed_completions_are_those_that_are_printed() {
    for (shell, file) in FILES {
        let script = generated(shell);
        #[allow(clippy::disallowed_methods, reason = "the bless of a test writes into the source tree")]
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(repository().join("completions")).expect("a folder");
            std::fs::write(repository().join("completions").join(file), &script).expect("writes");
        }
        let refresh = "run `UPDATE=1 cargo test --test cli completions` and commit completions/";
        assert!(committed(&format!("completions/{file}")) == script, "completions/{file} is out of date: {refresh}");
    }
}

#[test]
fn each_shell_offers_verbs_experiments_runs_and_formats() {
    let place = Place::new();
    for (shell, _) in FILES {
        if !place.has("each_shell_offers_verbs_experiments_runs_and_formats", shell) {
            continue;
        }
        let offers = |words: &[&str]| place.offers(shell, words);
        assert_eq!(offers(&["hist"]), ["history"], "{shell}");
        assert_eq!(offers(&["run", "fi"]), ["first.yaml"], "{shell}");
        let all = offers(&["run", ""]);
        let has = |word: &str| all.iter().any(|offered| offered == word);
        assert!(has("first.yaml") && has("more") && !has("notes.txt"), "{shell}: {all:?}");
        assert_eq!(offers(&["validate", "more/"]), ["more/second.yml"], "{shell}");
        assert_eq!(offers(&["report", "01"]), ["01a1fc73-165c"], "{shell}");
        assert_eq!(offers(&["compare", "latest", "la"]), ["latest"], "{shell}");
        assert_eq!(offers(&["report", "latest", "--format", "j"]), ["json", "junit"], "{shell}");
        assert_eq!(offers(&["run", "first.yaml", "--report", "report.h"]), ["report.html"], "{shell}");
        assert_eq!(offers(&["run", "first.yaml", "--fail"]), ["--fail-fast"], "{shell}");
        assert_eq!(offers(&["help", "exit"]), ["exit-codes"], "{shell}");
        assert_eq!(offers(&["faults", "network.lat"]), ["network.latency"], "{shell}");
        assert_eq!(offers(&["probes", "prom"]), ["prometheus"], "{shell}");
        assert_eq!(offers(&["stop", "01"]), [""; 0], "{shell}: nothing is under way");
        assert_eq!(offers(&["__"]), [""; 0], "{shell}: nothing internal");
    }
}

#[test]
fn a_press_of_the_tabulator_touches_nothing() {
    let place = Place::new();
    let before = place.0.files();
    for words in [&["run", "first.yaml", "--dry-run", ""][..], &["rollback", ""], &["stop", ""], &["proxy", ""]] {
        let asked = place.0.chaos(["--", "chaos"].iter().chain(words)).env("CHAOS_COMPLETE", "bash");
        asked.env("_CLAP_COMPLETE_INDEX", &words.len().to_string()).done().exits(0).complains_of_nothing();
    }
    assert_eq!(place.0.files(), before);
    place.0.assert_nothing_is_left(&[]);
    let unknown = place.0.chaos(["--", "chaos", ""]).env("CHAOS_COMPLETE", "tcsh").done().exits(2).says_nothing();
    unknown.complains("unknown shell `tcsh`");
    place.0.chaos(["--version"]).env("CHAOS_COMPLETE", "").done().exits(0).says("chaos ");
}

#[test]
fn a_shell_that_is_missing_is_told_loudly_and_fails_where_nothing_may_be_skipped() {
    let sandbox = Sandbox::new();
    let shells = sandbox.path("shells");
    sandbox.write("shells/.here", "");
    for shell in ["sh", "bash"] {
        symlink(format!("/bin/{shell}"), shells.join(shell)).expect("a link");
    }
    let this_suite = std::env::current_exe().expect("this test").display().to_string();
    let test = "completions::each_shell_offers_verbs_experiments_runs_and_formats";
    let without_fish = || sandbox.program(&this_suite, ["--exact", test]).env("PATH", &shells.display().to_string());
    let told = without_fish().done().exits(0);
    told.complains("SKIPPED each_shell_offers_verbs_experiments_runs_and_formats: fish is not installed");
    let strict = without_fish().env("CHAOS_SKIP_NOTHING", "1").done();
    assert_ne!(strict.code, Some(0), "{strict}");
    strict.says("must not be skipped here: zsh is not installed");
}

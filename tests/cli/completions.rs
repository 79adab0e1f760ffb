//! `chaos completions`: the committed scripts are those of the command line as it is, and their shells take them.
//!
//! `UPDATE=1 cargo test --test cli completions` writes `completions/` anew.

use crate::support::{Sandbox, committed, repository, skip};

/// Shell, and the file name under which it looks for completions of `chaos`.
const FILES: [(&str, &str); 3] = [("bash", "chaos.bash"), ("zsh", "_chaos"), ("fish", "chaos.fish")];

fn generated(shell: &str) -> String {
    Sandbox::new().chaos(["completions", shell]).done().exits(0).complains_of_nothing().stdout
}

#[test]
fn the_committed_completions_are_those_of_the_command_line() {
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
fn each_shell_takes_its_completions() {
    let sandbox = Sandbox::new();
    for (shell, file) in FILES {
        let path = repository().join("completions").join(file).display().to_string();
        if sandbox.program("sh", ["-c", "command -v \"$0\"", shell]).done().code != Some(0) {
            skip("each_shell_takes_its_completions", &format!("{shell} is not installed"));
            continue;
        }
        sandbox.program(shell, ["-n", &path]).done().exits(0).complains_of_nothing();
        let broken = sandbox.write("broken", format!("{}\nif (\n", committed(&format!("completions/{file}"))));
        let broken = sandbox.program(shell, ["-n", &broken.display().to_string()]).done();
        assert_ne!(broken.code, Some(0), "{shell} -n sees nothing wrong with a broken script: {broken}");
    }
}

#[test]
fn a_shell_that_is_missing_is_told_loudly_and_fails_where_nothing_may_be_skipped() {
    let sandbox = Sandbox::new();
    let shells = sandbox.path("shells");
    sandbox.write("shells/.here", "");
    for shell in ["sh", "bash"] {
        std::os::unix::fs::symlink(format!("/bin/{shell}"), shells.join(shell)).expect("a link");
    }
    let this_suite = std::env::current_exe().expect("this test").display().to_string();
    let test = "completions::each_shell_takes_its_completions";
    let without_fish = || sandbox.program(&this_suite, ["--exact", test]).env("PATH", &shells.display().to_string());
    without_fish().done().exits(0).complains("SKIPPED each_shell_takes_its_completions: fish is not installed");
    let strict = without_fish().env("CHAOS_SKIP_NOTHING", "1").done();
    assert_ne!(strict.code, Some(0), "{strict}");
    strict.says("must not be skipped here: zsh is not installed");
}

#[test]
fn the_scripts_offer_every_verb_and_nothing_internal() {
    for (shell, _) in FILES {
        let script = generated(shell);
        for word in ["run", "plan", "validate", "demo", "completions", "dry-run", "report", "state-dir"] {
            assert!(script.contains(word), "{shell} does not offer {word}");
        }
        assert!(
            !["__worker", "__guardian"].iter().any(|word| script.contains(word)),
            "{shell} offers what is internal"
        );
    }
}

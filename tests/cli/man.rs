//! `chaos man` and `chaos help`: pages and topics, made from the command line and the documents.

use crate::support::{Sandbox, committed, skip};
use crate::usage::{VERBS, documented_codes};

#[test]
fn every_verb_has_a_page_that_troff_takes_without_a_word() {
    let sandbox = Sandbox::new();
    sandbox.write("pages/.here", "");
    sandbox.chaos(["man", "--dir", "pages"]).done().exits(0).says_nothing().complains_of_nothing();
    let whole = sandbox.chaos(["man"]).done().exits(0).complains_of_nothing().stdout;
    let read = |name: &str| std::fs::read_to_string(sandbox.path(&format!("pages/{name}.1"))).expect("a page");
    assert_eq!(read("chaos"), whole);
    let troff = sandbox.program("sh", ["-c", "command -v groff"]).done().code == Some(0);
    if !troff {
        skip("every_verb_has_a_page_that_troff_takes_without_a_word", "groff is not installed");
    }
    for name in VERBS.iter().map(|verb| format!("chaos-{verb}")).chain(["chaos".to_owned()]) {
        assert!(read(&name).contains(".SH SYNOPSIS"), "{name}");
        assert!(!read(&name).contains("__"), "nothing internal in {name}");
        if troff {
            let page = format!("pages/{name}.1");
            let shown =
                sandbox.program("groff", ["-man", "-Tutf8", "-ww", &page]).done().exits(0).complains_of_nothing();
            assert!(shown.stdout.starts_with(&format!("{name}(1)")) && shown.stdout.len() > 300, "{name}: {shown}");
        }
    }
    assert!(whole.contains("residue") || whole.contains("RESIDUE"), "the exit codes are there");
}

#[test]
fn pages_are_written_where_they_are_wanted_or_it_is_told() {
    let sandbox = Sandbox::new();
    sandbox.chaos(["man", "--dir", "nowhere"]).done().exits(2).says_nothing().complains("cannot write nowhere/chaos-");
}

#[test]
fn every_verb_shows_examples_that_are_command_lines() {
    let sandbox = Sandbox::new();
    for verb in VERBS {
        let help = sandbox.chaos([verb, "--help"]).done().exits(0).stdout;
        let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  chaos ")).collect();
        assert!(examples.iter().any(|words| words.starts_with(verb)), "{verb} shows no example:\n{help}");
        for example in examples {
            let words: Vec<&str> = example.split(" >").next().expect("words").split_whitespace().collect();
            sandbox.chaos(&words).args(["--help"]).done().exits(0);
            let files = words.iter().filter(|word| word.starts_with("experiments/") && word.ends_with(".yaml"));
            files.for_each(|file| drop(committed(file)));
        }
    }
}

#[test]
fn topics_are_the_words_of_the_documents() {
    let help = |words: &[&str]| Sandbox::new().chaos(["help"].iter().chain(words)).done();
    let codes = help(&["exit-codes"]).exits(0).says("RESIDUE: rollback could not be verified").stdout;
    let readme = committed("README.md");
    let of_readme = readme.lines().filter_map(|line| {
        let (code, meaning) = line.strip_prefix("| ")?.split_once(" | ")?;
        Some((code.parse::<u8>().ok()?, meaning.trim_end_matches(" |")))
    });
    let squeezed = codes.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
    for (code, meaning) in of_readme {
        let row = format!("{code} {meaning}");
        assert!(squeezed.contains(&row), "no `{row}` in {codes}");
    }
    help(&["format"]).exits(0).says("steady_state:").says("unknown keys are errors");
    help(&["safety"]).exits(0).says("Nothing is touched before its way back is on disk").says("chaos rollback --all");
    help(&["ci"]).exits(0).says("An experiment is a test that ends with a code");
    for words in [&["exit-codes"][..], &["format"], &["safety"], &["claims"], &["policies"], &["ci"]] {
        let shown = help(words).exits(0).complains_of_nothing().stdout;
        let wide = shown.lines().filter(|line| !line.starts_with("    ") && line.chars().count() > 80);
        assert_eq!(wide.collect::<Vec<_>>(), [""; 0], "{words:?}");
        assert!(!shown.contains("**") && !shown.contains("```"), "{shown}");
    }
}

#[test]
fn help_is_about_a_verb_a_topic_or_everything() {
    let help = |words: &[&str]| Sandbox::new().chaos(["help"].iter().chain(words)).done();
    assert_eq!(help(&["run"]).exits(0).stdout, Sandbox::new().chaos(["run", "--help"]).done().stdout);
    let all = help(&[]).exits(0).says("exit-codes").says("Usage: chaos <COMMAND>");
    assert_eq!(documented_codes(&all.stdout).len(), 10);
    help(&["nonsense"]).exits(2).says_nothing().complains("there is no help about `nonsense`").complains("exit-codes");
}

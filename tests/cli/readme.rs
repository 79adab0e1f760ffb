//! What README.md shows is true: every experiment in it is valid, every command is one, and its tables are complete.
//!
//! - ```` ```yaml ````: `chaos validate` accepts it.
//! - ```` ```console ````: of the lines `$ chaos ...`, those that touch nothing (`validate`, `plan`, `completions`,
//!   `--version`, `--help`) are run and must end with 0, and the lines shown below them must be in what they print; of
//!   the others (`run`, `demo`) the words must be accepted and the files they name must be valid.
//! - ```` ```sh ````: the shell can read it, and lines that call `chaos` (or `cargo run ... --`) are checked as above.

use std::collections::BTreeMap;

use chaos::model::fault::FaultKind;

use crate::support::{Sandbox, committed, repository};
use crate::usage::documented_codes;

/// What is between two fences.
#[derive(Debug, Default, PartialEq, Eq)]
struct Block {
    language: String,
    /// The line of the first fence, counted from 1.
    line: usize,
    text: String,
}

/// A command, and what is shown below it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    words: Vec<String>,
    output: Vec<String>,
}

/// Everything in a document that is not so.
fn problems(document: &str) -> Vec<String> {
    let (blocks, open) = blocks(document);
    let unclosed = open.map(|block| format!("line {}: this block is never closed", block.line));
    let wrong = blocks.iter().flat_map(|block| {
        let found = match block.language.as_str() {
            "yaml" => problems_of_experiment(&block.text),
            "console" => commands(&block.text).iter().flat_map(problems_of_command).collect(),
            "sh" => problems_of_script(&block.text),
            _ => Vec::new(),
        };
        found.into_iter().map(|what| format!("line {}: {what}", block.line))
    });
    wrong.chain(unclosed).collect()
}

/// The fenced blocks, and one that was begun and not ended.
fn blocks(document: &str) -> (Vec<Block>, Option<Block>) {
    let (mut blocks, mut open) = (Vec::new(), None::<Block>);
    for (place, line) in document.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { language: language.trim().to_owned(), line: place + 1, text: String::new() });
            }
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    (blocks, open)
}

fn problems_of_experiment(text: &str) -> Vec<String> {
    let sandbox = Sandbox::new();
    sandbox.write("README.yaml", text);
    let done = sandbox.chaos(["validate", "README.yaml"]).done();
    if done.code == Some(0) && done.stderr.is_empty() { Vec::new() } else { vec![done.stderr] }
}

/// The `$` lines of a session with what is shown below each.
fn commands(session: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    for line in session.replace("\\\n", " ").lines() {
        match (line.strip_prefix("$ "), shown.last_mut()) {
            (Some(command), _) => shown.push(Shown { words: words(command), output: Vec::new() }),
            (None, Some(last)) if !line.trim().is_empty() => last.output.push(line.trim().to_owned()),
            (None, _) => {}
        }
    }
    shown
}

/// The words up to a comment, pipe or redirection; quotes keep what is in them together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | '>' | '<' | '&' | ';') => break,
            (None, '#') if word.is_none() => break,
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The words after `chaos`, or after the `--` of `cargo run`; none where it is another program's command.
fn words_of_chaos(words: &[String]) -> Option<&[String]> {
    match words {
        [program, rest @ ..] if program == "chaos" => Some(rest),
        [cargo, run, rest @ ..] if cargo == "cargo" && run == "run" => {
            let dashes = rest.iter().position(|word| word == "--")?;
            Some(&rest[dashes + 1..])
        }
        _ => None,
    }
}

fn problems_of_command(shown: &Shown) -> Vec<String> {
    let Some(words) = words_of_chaos(&shown.words) else { return Vec::new() };
    let first = words.first().map(String::as_str).unwrap_or_default();
    let asks_only = words.iter().any(|word| word == "--help" || word == "-h");
    match first {
        // A rollback would put back what other tests left for a moment, and the doctor would tell of it. There is no run that
        // a report could be of.
        "run" | "demo" | "proxy" | "rollback" | "doctor" | "report" | "compare" if !asks_only => {
            problems_of_words(words)
        }
        _ => problems_of_answer(words, &shown.output),
    }
}

/// Runs it; it must end well and print what is shown.
fn problems_of_answer(words: &[String], output: &[String]) -> Vec<String> {
    let sandbox = Sandbox::new();
    let done = sandbox.chaos(words).in_folder(repository()).done();
    if done.code != Some(0) {
        return vec![done.to_string()];
    }
    let printed: Vec<&str> = done.stdout.lines().chain(done.stderr.lines()).map(str::trim).collect();
    let elided = ["...", "…"];
    let missing = output.iter().filter(|line| !elided.contains(&line.as_str()) && !printed.contains(&line.as_str()));
    missing.map(|line| format!("`chaos {}` does not print `{line}`", words.join(" "))).collect()
}

/// Does not run it, but its flags must exist and the experiments it names must be valid.
fn problems_of_words(words: &[String]) -> Vec<String> {
    let sandbox = Sandbox::new();
    // Help comes last: the words before it are read first, and refused where they are wrong.
    let read = sandbox.chaos(words).args(["--help"]).in_folder(repository()).done();
    let is_experiment = |word: &&String| word.ends_with(".yaml") || word.ends_with(".yml");
    let experiments: Vec<&String> = words.iter().filter(is_experiment).collect();
    let mut problems = if read.code == Some(0) { Vec::new() } else { vec![read.stderr] };
    if words[0] == "run" && experiments.is_empty() {
        problems.push(format!("`chaos {}` names no experiment", words.join(" ")));
    }
    for file in experiments {
        let done = sandbox.chaos(["validate", file]).in_folder(repository()).done();
        if done.code != Some(0) {
            problems.push(done.stderr);
        }
    }
    problems
}

fn problems_of_script(text: &str) -> Vec<String> {
    let sandbox = Sandbox::new();
    let script = sandbox.write("script", text);
    let read = sandbox.program("sh", ["-n".as_ref(), script.as_os_str()]).done();
    let unreadable = (read.code != Some(0)).then(|| read.stderr.clone());
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(|line| Shown { words: words(line), output: Vec::new() });
    unreadable.into_iter().chain(lines.flat_map(|line| problems_of_command(&line))).collect()
}

/// The rows `| code | meaning |`.
fn code_table(document: &str) -> BTreeMap<u8, String> {
    let rows = document.lines().filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|')?.split_once('|'));
    rows.filter_map(|(code, meaning)| Some((code.trim().trim_matches('`').parse().ok()?, meaning.trim().to_owned())))
        .collect()
}

#[test]
fn every_block_of_the_readme_is_true() {
    let readme = committed("README.md");
    let count = |language: &str| blocks(&readme).0.iter().filter(|block| block.language == language).count();
    assert!(count("yaml") >= 1 && count("console") >= 1, "an experiment and a command are shown");
    let problems = problems(&readme);
    assert!(problems.is_empty(), "README.md is wrong:\n{}", problems.join("\n"));
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_help() {
    let help = Sandbox::new().chaos(["run", "--help"]).done().exits(0).stdout;
    assert_eq!(code_table(&committed("README.md")), documented_codes(&help));
}

#[test]
fn the_readme_names_every_fault() {
    let readme = committed("README.md");
    for word in FaultKind::WORDS {
        assert!(readme.contains(&format!("| `{word}` |")), "{word}");
    }
}

#[test]
fn every_link_of_the_readme_leads_somewhere() {
    let readme = committed("README.md");
    let targets = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let local: Vec<&str> = targets.filter(|target| !target.contains("://") && !target.starts_with('#')).collect();
    assert!(!local.is_empty());
    for target in local {
        let file = target.split('#').next().unwrap_or_default();
        assert!(repository().join(file).exists(), "README.md links to {file}, which is not there");
    }
}

mod the_harness {
    use super::{Shown, blocks, code_table, commands, problems, words};

    fn block(language: &str, text: &str) -> String {
        format!("# A title\n\nText.\n\n```{language}\n{text}\n```\n")
    }

    fn accepts(language: &str, text: &str) {
        assert_eq!(problems(&block(language, text)), Vec::<String>::new(), "{text}");
    }

    fn refuses(language: &str, text: &str, part: &str) {
        let found = problems(&block(language, text));
        assert!(found.iter().any(|what| what.starts_with("line 5: ") && what.contains(part)), "{text}: {found:?}");
    }

    const EXPERIMENT: &str = include_str!("../../experiments/cpu-pressure.yaml");

    #[test]
    fn experiments_must_be_valid() {
        accepts("yaml", EXPERIMENT);
        refuses("yaml", &EXPERIMENT.replace("duration: 8s", "duration: 8"), "README.yaml:");
        refuses("yaml", "name: only a piece", "error");
    }

    #[test]
    fn commands_that_touch_nothing_are_run() {
        let version = format!("$ chaos --version\nchaos {}", env!("CARGO_PKG_VERSION"));
        accepts("console", &version);
        accepts("console", "$ chaos validate experiments\n...\nexperiments/cpu-pressure.yaml: ok");
        accepts("console", "$ chaos plan experiments/stop-condition.yaml | less   # every step");
        accepts("console", "$ chaos completions bash > /etc/bash_completion.d/chaos");
        refuses("console", "$ chaos --version\nchaos 99.0.0", "does not print `chaos 99.0.0`");
        refuses("console", "$ chaos validate experiments/gone.yaml", "cannot read experiments/gone.yaml");
        refuses("console", "$ chaos frobnicate", "unrecognized subcommand");
        refuses("console", "$ chaos plan \\\n    --bogus experiments/stop-condition.yaml", "--bogus");
    }

    #[test]
    fn commands_that_touch_something_must_be_possible() {
        accepts("console", "$ chaos run --dry-run experiments/observe-first.yaml\nwhatever it prints");
        accepts("console", "$ chaos demo --fallback");
        accepts("console", "$ chaos run experiments/stop-condition.yaml --report a.json && upload a.json");
        accepts("console", "$ chaos run --help");
        refuses("console", "$ chaos run experiments/gone.yaml", "cannot read experiments/gone.yaml");
        refuses("console", "$ chaos run --wet-run experiments/observe-first.yaml", "--wet-run");
        refuses("console", "$ chaos run --output pdf experiments/observe-first.yaml", "possible values");
        refuses("console", "$ chaos run", "names no experiment");
        refuses("console", "$ chaos demo --attempts many", "many");
    }

    #[test]
    fn scripts_must_be_readable_and_their_calls_possible() {
        accepts("sh", "cargo run --release -- run experiments/stop-condition.yaml\ncargo test");
        refuses("sh", "cargo run --release -- run experiments/gone.yaml", "cannot read experiments/gone.yaml");
        refuses("sh", "chaos run --bogus experiments/stop-condition.yaml", "--bogus");
        refuses("sh", "if true; then", "script");
    }

    #[test]
    fn other_blocks_are_left_alone_and_an_open_one_is_told() {
        accepts("text", "$ chaos frobnicate");
        accepts("console", "$ rm -r target");
        assert_eq!(problems("```text\nno end"), ["line 1: this block is never closed"]);
        let (found, open) = blocks("```a\n1\n```\n\n```b\n2\n```");
        assert_eq!((found.len(), open), (2, None));
        assert_eq!((found[1].language.as_str(), found[1].line, found[1].text.as_str()), ("b", 5, "2\n"));
    }

    #[test]
    fn words_are_split_as_a_shell_would() {
        assert_eq!(words("a 'b c' \"d\"e ''  f#g # h"), ["a", "b c", "de", "", "f#g"]);
        assert_eq!(words("a | b"), ["a"]);
        let shown = commands("$ a b\n  out\n\n$ c");
        let second = Shown { words: vec!["c".into()], output: Vec::new() };
        assert_eq!((shown[0].output.as_slice(), &shown[1]), (&["out".to_owned()][..], &second));
    }

    #[test]
    fn the_table_of_codes_is_read_row_by_row() {
        let table = code_table("| code | meaning |\n|---|---|\n| 0 | well |\n| `70` | bug |\n| `x` | 3 |\n");
        assert_eq!(table, [(0, "well".to_owned()), (70, "bug".to_owned())].into());
    }
}

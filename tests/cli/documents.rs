//! What README.md and docs/ show is true: every experiment in them is valid, every command is one, and the tables are
//! complete. The word after a fence says who executes the block; a block that nobody executes is an error.
//!
//! - `yaml`: an experiment, which `chaos validate --strict` accepts. In the tutorial ` file=NAME` may follow.
//! - `yaml faults`, `yaml probes`: entries of such a list, put into an experiment that has the rest ([`fragments`]).
//! - `yaml policy`: a policy, which can be read.
//! - `yaml ci`, `yaml fragment`, `json`: can be read as such; lines of `yaml ci` that call `chaos` are checked as in `sh`.
//! - `console`: of the lines `$ chaos ...`, those that touch nothing (`validate`, `plan`, `completions`, `--version`,
//!   `--help`) are run and must end with 0, and the lines shown below them must be in what they print; of the others
//!   (`run`, `demo`) the words must be accepted and the files they name must be valid.
//! - `console run`: a part of docs/TUTORIAL.md, all of which `tutorial.rs` executes in order.
//! - `sh`: the shell can read it, and lines that call `chaos` (or `cargo run ... --`) are checked as above.
//! - `text`: what is shown only.

use std::collections::BTreeMap;

use chaos::model::fault::FaultKind;

use crate::fragments;
use crate::support::{Sandbox, committed, repository};
use crate::usage::documented_codes;

/// What is between two fences.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub language: String,
    /// The line of the first fence, counted from 1.
    pub line: usize,
    pub text: String,
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
        let who = block.language.split_once(" file=").map_or(block.language.as_str(), |(who, _)| who);
        let found = match who {
            "yaml" => fragments::problems_of_experiment(&block.text),
            "yaml fragment" => fragments::problems_of_yaml(&block.text),
            "yaml faults" => fragments::problems_of_faults(&block.text),
            "yaml probes" => fragments::problems_of_probes(&block.text),
            "yaml policy" => fragments::problems_of_policy(&block.text),
            "yaml ci" => {
                fragments::problems_of_yaml(&block.text).into_iter().chain(problems_of_calls(&block.text)).collect()
            }
            "json" => serde_json::from_str::<serde_json::Value>(&block.text)
                .err()
                .map(|it| it.to_string())
                .into_iter()
                .collect(),
            "console" => commands(&block.text).iter().flat_map(problems_of_command).collect(),
            "sh" => problems_of_script(&block.text),
            "text" | "console run" => Vec::new(),
            other => vec![format!("nobody executes blocks of `{other}`: see tests/cli/documents.rs")],
        };
        found.into_iter().map(|what| format!("line {}: {what}", block.line))
    });
    wrong.chain(unclosed).collect()
}

/// The fenced blocks, and one that was begun and not ended.
pub fn blocks(document: &str) -> (Vec<Block>, Option<Block>) {
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
        "run" | "init" | "demo" | "proxy" | "rollback" | "doctor" | "report" | "compare" if !asks_only => {
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
    // Help comes last: the words before it are read first, and refused where they are wrong. Behind `--` it is none.
    let own = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let read = sandbox.chaos(&words[..own]).args(["--help"]).in_folder(repository()).done();
    let is_folder = |word: &str| !word.starts_with('-') && repository().join(word).is_dir();
    let is_experiment = |word: &&String| word.ends_with(".yaml") || word.ends_with(".yml") || is_folder(word);
    let experiments: Vec<&String> = words[1..].iter().filter(is_experiment).collect();
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
    unreadable.into_iter().chain(problems_of_calls(text)).collect()
}

/// Of every line that calls us.
fn problems_of_calls(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let call = |line: &str| line.trim_start().trim_start_matches("- ").trim_start_matches("run: ").to_owned();
    let lines = joined.lines().map(|line| Shown { words: words(&call(line)), output: Vec::new() });
    lines.flat_map(|line| problems_of_command(&line)).collect()
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

/// The documents, by their paths from the root.
fn documents() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(repository().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true => folders.push(path),
                false if path.ends_with(".md") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_block_of_the_docs_is_true() {
    let documents = documents();
    assert!(documents.len() > 10, "{documents:?}");
    let wrong = documents
        .iter()
        .filter(|name| *name != "README.md")
        .flat_map(|name| problems(&committed(name)).into_iter().map(move |problem| format!("{name}, {problem}")));
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_index_leads_to_every_document() {
    let index = committed("docs/README.md");
    for name in documents().iter().filter_map(|name| name.strip_prefix("docs/")).filter(|name| *name != "README.md") {
        assert!(index.contains(&format!("({name})")), "docs/README.md does not lead to {name}");
    }
}

/// The guides, one a family.
const GUIDES: [&str; 5] = ["network", "http", "resources", "processes", "commands"];

#[test]
fn every_fault_has_an_example_in_a_guide() {
    let guides: Vec<String> = GUIDES.iter().map(|name| committed(&format!("docs/faults/{name}.md"))).collect();
    let examples: Vec<Block> = guides.iter().flat_map(|guide| blocks(guide).0).collect();
    let yaml = examples.iter().filter(|block| block.language.starts_with("yaml"));
    let text: Vec<&str> = yaml.map(|block| block.text.as_str()).collect();
    for word in FaultKind::WORDS {
        let shown = |text: &&&str| text.lines().any(|line| line.contains(&format!("fault: {word}")));
        assert!(text.iter().any(|text| shown(&text)), "no guide shows `fault: {word}`");
    }
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
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for name in documents() {
        let text = committed(&name);
        let folder = std::path::Path::new(&name).parent().expect("a folder");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        let local =
            targets.filter(|target| !target.contains("://") && !target.starts_with('#') && !target.contains(' '));
        for target in local {
            let file = target.split('#').next().unwrap_or_default();
            if !repository().join(folder).join(file).exists() {
                wrong.push(format!("{name} links to {file}, which is not there"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
        refuses("yaml", &EXPERIMENT.replace("duration: 8s", "duration: 8"), "block.yaml:");
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
    fn blocks_that_nobody_executes_and_open_ones_are_told() {
        accepts("text", "$ chaos frobnicate");
        refuses("", "$ chaos frobnicate", "nobody executes");
        refuses("python", "import chaos", "nobody executes");
        refuses("json", "{", "EOF");
        accepts("console", "$ rm -r target");
        assert_eq!(problems("```text\nno end"), ["line 1: this block is never closed"]);
        let (found, open) = blocks("```a\n1\n```\n\n```b\n2\n```");
        assert_eq!((found.len(), open), (2, None));
        assert_eq!((found[1].language.as_str(), found[1].line, found[1].text.as_str()), ("b", 5, "2\n"));
    }

    #[test]
    fn parts_of_experiments_must_fit_into_one() {
        accepts("yaml faults", "- { fault: network.down, target: { proxy: db }, duration: 5s }");
        refuses("yaml faults", "- { fault: network.don, target: { proxy: db }, duration: 5s }", "network.down");
        accepts("yaml probes", "- { name: x, probe: tcp, address: \"127.0.0.1:1\", expect: [success_rate >= 90%] }");
        refuses("yaml probes", "- { name: x, probe: tcp, expect: [success_rate >= 90%] }", "address");
        accepts("yaml policy", "max_duration: 1m");
        refuses("yaml policy", "max_duration: 1", "has no unit");
        accepts("yaml ci", "script:\n  - chaos run experiments/stop-condition.yaml --report out.xml");
        refuses("yaml ci", "script:\n  - chaos run experiments/stop-condition.yaml --repot out.xml", "--repot");
        refuses("yaml ci", "a: [", "YAML");
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

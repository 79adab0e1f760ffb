//! One bad file and its exact message each: `tests/refused/NAME.yaml` and `NAME.txt`.
//!
//! `UPDATE=1 cargo test --test refused` writes the messages anew; read them as a user would before committing them.
//! A first line `# --var NAME=VALUE` gives variables.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chaos::spec::{Variables, read_bytes};

/// Fewer files mean that some were lost.
const AT_LEAST: usize = 60;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused")
}

/// The names of the files with that ending, without it.
fn names(ending: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).expect("tests/refused");
    let paths = files.map(|file| file.expect("entry").path());
    let ours = paths.filter(|path| path.extension().is_some_and(|extension| extension == ending));
    ours.map(|path| path.file_stem().expect("name").to_string_lossy().into_owned()).collect()
}

fn variables(text: &str) -> Variables {
    let first = text.lines().next().unwrap_or_default();
    let words: Vec<&str> = first.trim_start_matches("# ").split_whitespace().collect();
    let pairs = words.chunks(2).filter(|pair| pair.len() == 2 && pair[0] == "--var");
    let given = pairs.filter_map(|pair| pair[1].split_once('='));
    Variables { given: given.map(|(name, value)| (name.into(), value.into())).collect(), ..Variables::default() }
}

fn message(name: &str) -> String {
    let bytes = std::fs::read(folder().join(format!("{name}.yaml"))).expect("file");
    match read_bytes(&format!("{name}.yaml"), &bytes, &variables(&String::from_utf8_lossy(&bytes))) {
        Ok(_) => panic!("{name}.yaml is accepted"),
        Err(told) => {
            assert!(told.errors() > 0, "{name}.yaml is refused without an error");
            told.render(false)
        }
    }
}

#[test]
fn every_bad_file_is_told_what_is_wrong_word_for_word() {
    let files = names("yaml");
    assert!(files.len() >= AT_LEAST, "only {} files in tests/refused", files.len());
    if std::env::var_os("UPDATE").is_some() {
        for name in &files {
            #[expect(clippy::disallowed_methods, reason = "the bless of a test writes into the source tree")]
            std::fs::write(folder().join(format!("{name}.txt")), message(name)).expect("write");
        }
    }
    assert_eq!(files, names("txt"), "each .yaml has its .txt, and each .txt its .yaml");
    let read = |name: &String| std::fs::read_to_string(folder().join(format!("{name}.txt"))).expect("message");
    let wrong: Vec<String> = files
        .iter()
        .map(|name| (name, read(name), message(name)))
        .filter(|(_, expected, told)| expected != told)
        .map(|(name, expected, told)| format!("--- {name}.txt\n{expected}\n--- but it says\n{told}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_message_fits_a_screen_and_names_its_place() {
    for name in names("yaml") {
        let told = message(&name);
        for one in told.split("\n\n").flat_map(|part| part.split("\nerror")) {
            assert!(one.lines().count() <= 24, "{name}: {one}");
        }
        assert!(told.lines().all(|line| line.chars().count() <= 500), "{name}: {told}");
    }
}

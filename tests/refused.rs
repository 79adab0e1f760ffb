//! One bad file and its exact message each: `tests/refused/NAME.yaml` and `NAME.txt`.
//!
//! `UPDATE=1 cargo test --test refused` writes the messages anew; read them as a user would before committing them.
//! A first line `# --var NAME=VALUE` gives variables.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chaos::diagnostic::Diagnostics;
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

/// What is wrong with a file.
fn told(name: &str, bytes: &[u8]) -> Result<(), Diagnostics> {
    let variables = variables(&String::from_utf8_lossy(bytes));
    read_bytes(&format!("{name}.yaml"), bytes, &variables).map(drop)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.yaml"))).expect("file")
}

fn problems(name: &str) -> Diagnostics {
    let told = told(name, &bytes(name)).expect_err(name);
    assert!(told.errors() > 0, "{name}.yaml is refused without an error");
    told
}

fn message(name: &str) -> String {
    problems(name).render(false)
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

/// More lines do not fit a screen.
const SCREEN: usize = 40;

#[test]
fn every_message_names_the_place_the_reason_and_the_fix_and_fits_a_screen() {
    let mut without = Vec::new();
    for name in names("yaml") {
        let problems = problems(&name);
        for one in problems.iter() {
            let mut alone = Diagnostics::new(format!("{name}.yaml"), String::from_utf8_lossy(&bytes(&name)));
            alone.push(one.clone());
            let text = alone.render(false);
            assert!(text.lines().count() <= SCREEN, "{name}: {text}");
            assert!(text.lines().all(|line| line.chars().count() <= 500), "{name}: {text}");
            let reason = one.message.split_whitespace().count() >= 2;
            // Of a file as a whole, and of the command line, no place in the file is to blame.
            let place = one.span.is_some() || one.message.contains("this file") || one.message.contains("`--var");
            if !(reason && place && one.help.as_ref().is_some_and(|help| help.len() > 5)) {
                without.push(text);
            }
        }
    }
    assert!(without.is_empty(), "without a place, a reason or a fix:\n{}", without.join("\n"));
}

/// A patch that is shown must be right: with it the very same problem is gone, and the file is still YAML.
#[test]
fn a_patch_mends_what_it_is_shown_for() {
    let mut patches = 0;
    for name in names("yaml") {
        let Ok(text) = String::from_utf8(bytes(&name)) else { continue };
        for problem in problems(&name).iter() {
            let Some(fix) = &problem.fix else { continue };
            patches += 1;
            let mended = format!("{}{}{}", &text[..fix.span.start], fix.text, &text[fix.span.end..]);
            let still = told(&name, mended.as_bytes()).err();
            let still = still.iter().flat_map(Diagnostics::iter);
            let same = still.filter(|other| other.span.as_ref().map(|span| span.start) == Some(fix.span.start));
            let same: Vec<_> = same.filter(|other| other.message == problem.message).collect();
            assert!(same.is_empty(), "{name}: {same:?} after {fix:?}");
        }
    }
    assert!(patches >= 30, "only {patches} patches are shown");
}

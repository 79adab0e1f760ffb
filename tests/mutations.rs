//! 100,000 random mutations of the valid files: reading and drawing them neither panics nor hangs.
//!
//! The seed is fixed; `SEED=5 MUTATIONS=1000000` tries others and more.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use chaos::spec::{Variables, read_bytes};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One file in a debug build, however hostile; a hundred times what the slowest takes.
const LONGEST: Duration = Duration::from_secs(20);

/// What YAML and our own grammar are made of.
const PIECES: [&str; 48] = [
    ": ",
    "- ",
    "\n",
    "  ",
    "\t",
    "#",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!x",
    "|",
    ">-",
    "\"",
    "'",
    "? ",
    "---\n",
    "...\n",
    "%",
    "@",
    "`",
    "${",
    "}",
    "$$",
    "${A:-",
    "\\",
    "\0",
    "\u{feff}",
    "\u{85}",
    "ä",
    "𝄞",
    "\r\n",
    ".inf",
    "-1",
    "99999999999999999999",
    "1e999",
    "250",
    "ms",
    " >= ",
    " within ",
    "name: ",
    "&a [*a]",
    "~",
];

fn files(folders: &[&str]) -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders: Vec<_> = folders.iter().map(|folder| here.join(folder)).collect();
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read(path).expect("file"));
    // Large ones are mutated in unit tests of the limits: here they would only take time.
    texts.filter(|text| text.len() < 8 * 1024).collect()
}

fn place(dice: &mut impl Rng, text: &[u8]) -> usize {
    dice.random_range(0..=text.len())
}

fn mutate(dice: &mut impl Rng, text: &mut Vec<u8>, other: &[u8]) {
    let at = place(dice, text);
    match dice.random_range(0..8) {
        0 if at < text.len() => text[at] = dice.random(),
        1 if at < text.len() => text[at] ^= 1 << dice.random_range(0..8),
        2 => drop(text.drain(at..(at + dice.random_range(0..40)).min(text.len()))),
        3 => drop(text.splice(at..at, PIECES[dice.random_range(0..PIECES.len())].bytes())),
        4 => {
            let (from, length) = (place(dice, other), dice.random_range(0..200));
            let part = other[from..(from + length).min(other.len())].to_vec();
            drop(text.splice(at..at, part));
        }
        5 => text.truncate(at),
        _ => mutate_lines(dice, text),
    }
}

/// Drops, doubles, swaps or indents a line.
fn mutate_lines(dice: &mut impl Rng, text: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, two) = (dice.random_range(0..lines.len()), dice.random_range(0..lines.len()));
    match dice.random_range(0..4) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(two, lines[one].clone()),
        2 => lines.swap(one, two),
        _ => drop(lines[one].splice(0..0, *b"  ")),
    }
    *text = lines.join(&b'\n');
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The valid files, and those that parts are taken from.
type Files = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// Reads mutations and tells each before it is read, so that the one that hangs is known.
fn torture(seed: u64, count: u64, (valid, others): &Files, about: &mpsc::Sender<Vec<u8>>) -> u64 {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut accepted = 0;
    for _ in 0..count {
        let mut text = valid[dice.random_range(0..valid.len())].clone();
        for _ in 0..dice.random_range(1..=4) {
            let other = dice.random_range(0..others.len());
            mutate(&mut dice, &mut text, &others[other]);
        }
        about.send(text.clone()).expect("the watcher lives");
        match read_bytes("mutation.yaml", &text, &Variables::default()) {
            Ok(read) => {
                accepted += 1;
                drop(read.warnings.render(false));
            }
            Err(told) => {
                assert!(told.errors() > 0 && !told.render(false).is_empty(), "{}", String::from_utf8_lossy(&text))
            }
        }
    }
    accepted
}

#[test]
fn no_mutation_of_a_valid_file_makes_the_reading_panic_or_hang() {
    let valid = files(&["tests/accepted", "experiments"]);
    let files = (valid, files(&["tests/accepted", "tests/refused"]));
    assert!(files.0.len() >= 4, "the valid files were lost");
    let (seed, count) = (setting("SEED", 1), setting("MUTATIONS", 100_000));
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let (about, watched) = mpsc::channel();
            let files = files.clone();
            let torture = std::thread::spawn(move || torture(seed * 2 + worker, count / 2, &files, &about));
            (torture, watched)
        })
        .collect();
    let mut accepted = 0;
    for (torture, watched) in workers {
        let mut last = Vec::new();
        loop {
            match watched.recv_timeout(LONGEST) {
                Ok(text) => last = text,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("this hangs:\n{}", String::from_utf8_lossy(&last)),
            }
        }
        match torture.join() {
            Ok(count) => accepted += count,
            Err(_) => panic!("this panics (seed {seed}):\n{}", String::from_utf8_lossy(&last)),
        }
    }
    // Some mutations only touch a comment or a name: were none accepted, the mutations would be too wild to test much.
    assert!(accepted > count / 100, "only {accepted} of {count} mutations were accepted");
}

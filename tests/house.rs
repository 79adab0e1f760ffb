//! The house inspects itself: a room uses only rooms on lower floors, never one above, never one beside.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms by floor, as in docs/ARCHITECTURE.md.
const FLOORS: [&[&str]; 6] = [
    &["model"],
    &["host", "diagnostic"],
    &["proxy", "worker"],
    &["spec", "fault", "probe", "journal", "guard", "analysis", "demo"],
    &["runner", "console", "report"],
    &["cli"],
];

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The rooms of `src`, and their files.
fn rooms() -> BTreeMap<String, Vec<PathBuf>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms = BTreeMap::new();
    for entry in fs::read_dir(&source).expect("src") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if ["lib", "main"].contains(&name.as_str()) {
            continue;
        }
        let mut files = Vec::new();
        if path.is_dir() {
            rust_files(&path, &mut files)
        } else {
            files.push(path)
        }
        rooms.insert(name, files);
    }
    rooms
}

/// Every room that a text names by `crate::room`, with the line it does so on. Groups (`crate::{a, b}`) count too.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let names = match rest.strip_prefix('{') {
                Some(group) => {
                    group.split(',').map(|part| part.trim().trim_end_matches([';', '}']).to_owned()).collect()
                }
                None => vec![rest.to_owned()],
            };
            for name in names {
                let room: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.push((number + 1, room));
            }
        }
    }
    found
}

/// Why an import is not allowed, if it is not.
fn offence(room: &str, used: &str) -> Option<String> {
    let own = floor_of(room)?;
    match floor_of(used) {
        _ if used == room => None,
        Some(floor) if floor < own => None,
        Some(floor) if floor == own => Some(format!("`{used}` stands beside `{room}` on floor {own}")),
        Some(floor) => Some(format!("`{used}` stands above `{room}`: floor {floor} over {own}")),
        None => None,
    }
}

#[test]
fn every_room_has_a_floor_and_every_floor_its_rooms() {
    let there: Vec<String> = rooms().into_keys().collect();
    let mut planned: Vec<String> = FLOORS.concat().iter().map(ToString::to_string).collect();
    planned.sort();
    assert_eq!(there, planned);
}

#[test]
fn a_room_uses_only_rooms_on_lower_floors() {
    let mut offences = Vec::new();
    for (room, files) in rooms() {
        for file in files {
            let text = fs::read_to_string(&file).expect("reads");
            for (line, used) in imports(&text) {
                if let Some(why) = offence(&room, &used) {
                    offences.push(format!("{}:{line}: use of crate::{used}: {why}", file.display()));
                }
            }
        }
    }
    assert!(offences.is_empty(), "the house is crooked:\n{}", offences.join("\n"));
}

#[test]
fn the_inspection_sees_what_is_crooked() {
    assert_eq!(imports("use crate::{cli, model};"), [(1, "cli".to_owned()), (1, "model".to_owned())]);
    assert_eq!(imports("// use crate::cli;\nlet x = crate::spec::read;"), [(2, "spec".to_owned())]);
    assert!(offence("model", "host").is_some_and(|why| why.contains("above")));
    assert!(offence("spec", "fault").is_some_and(|why| why.contains("beside")));
    assert_eq!(offence("runner", "fault"), None);
}

#[test]
fn only_the_host_writes_unsafe_code_and_starts_processes() {
    for (room, files) in rooms() {
        // What stands in a folder of tests is no part of the library.
        for file in files.into_iter().filter(|file| !file.components().any(|part| part.as_os_str() == "tests")) {
            let text = fs::read_to_string(&file).expect("reads");
            let library = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in ["allow(unsafe_code", "Command::new("] {
                let allowed = room == "host" || !library.contains(word);
                assert!(allowed, "{}: `{word}` belongs to the host", file.display());
            }
        }
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for folder in ["cli", "crash", "real"] {
        let main = fs::read_to_string(tests.join(folder).join("main.rs")).expect("a suite has a main.rs");
        for entry in fs::read_dir(tests.join(folder)).expect("a folder") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else { continue };
            assert!(main.contains(&format!("mod {module};")), "tests/{folder}/{name} is not in main.rs");
        }
    }
}

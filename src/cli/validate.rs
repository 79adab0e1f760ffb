//! `chaos validate FILE...`: all problems of all files, and nothing else.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::arguments::{Output, ValidateArguments};
use super::experiment_file::{self, Loaded};
use super::policy::Gate;
use super::{REFUSED, colour};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::output::{self, Stream};
use crate::report::validation::{self, FileReport, FileState};
use crate::spec::Secrets;

/// With `--strict`: every file can be run, but something in one is risky.
const WARNED: u8 = 1;

pub(super) fn validate(arguments: &ValidateArguments) -> anyhow::Result<u8> {
    let mut files = Vec::new();
    for path in &arguments.paths {
        collect(path, &mut files)?;
    }
    anyhow::ensure!(!files.is_empty(), "no *.yaml or *.yml file in the given folders");
    let Some(gate) = Gate::open(&arguments.policy)? else { return Ok(REFUSED) };
    let checked = files.iter().map(|file| (file.as_path(), check(file, arguments, &gate)));
    let states: Vec<FileState> = match arguments.output {
        Output::Text => checked.map(|(file, problems)| tell(file, &problems, arguments.strict)).collect(),
        Output::Json => {
            let reports: Vec<FileReport> = checked.map(|(file, problems)| report(file, &problems)).collect();
            output::stdout(&validation::json(&reports)?);
            reports.iter().map(|report| report.state).collect()
        }
    };
    let count = |state| states.iter().filter(|other| **other == state).count();
    let (refused, warned) = (count(FileState::Refused), count(FileState::Warned));
    if refused > 0 && arguments.output == Output::Text {
        output::stderr(&format!("{refused} of {} files cannot be run\n", files.len()));
    }
    Ok(match (refused, warned) {
        (0, 0) => 0,
        (0, _) => u8::from(arguments.strict) * WARNED,
        _ => REFUSED,
    })
}

/// What is wrong with a file; where nothing is, what is risky.
fn check(file: &Path, arguments: &ValidateArguments, gate: &Gate) -> Diagnostics {
    let approve = |loaded: Loaded| {
        let forbidden = gate.forbids(&loaded)?;
        Ok(if forbidden.is_empty() { loaded.warnings } else { forbidden })
    };
    let loaded = experiment_file::load(file, &arguments.variables, Secrets::Hidden);
    let problems = loaded.and_then(|loaded| loaded.map_or_else(Ok, approve));
    problems.unwrap_or_else(|error| {
        let mut problems = Diagnostics::default();
        problems.push(Diagnostic::error(format!("{error:#}")));
        problems
    })
}

fn state(problems: &Diagnostics) -> FileState {
    match (problems.errors(), problems.warnings()) {
        (0, 0) => FileState::Ok,
        (0, _) => FileState::Warned,
        _ => FileState::Refused,
    }
}

fn tell(file: &Path, problems: &Diagnostics, strict: bool) -> FileState {
    let (state, file) = (state(problems), file.display());
    output::stderr(&problems.render(colour::wanted(Stream::Stderr)));
    let warnings = match problems.warnings() {
        1 => "1 warning".to_owned(),
        many => format!("{many} warnings"),
    };
    let line = match state {
        FileState::Ok => format!("{file}: ok\n"),
        FileState::Warned if strict => format!("{file}: {warnings}\n"),
        FileState::Warned => format!("{file}: ok, with {warnings}\n"),
        FileState::Refused => String::new(),
    };
    output::stdout(&line);
    state
}

fn report(file: &Path, problems: &Diagnostics) -> FileReport {
    FileReport { file: file.display().to_string(), state: state(problems), problems: problems.located() }
}

/// A file as it is; of a folder all YAML files, those of its folders too, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.with_context(|| format!("cannot read the folder {}", path.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            collect(&path, files)?;
        } else if is_yaml {
            files.push(path);
        }
    }
    Ok(())
}

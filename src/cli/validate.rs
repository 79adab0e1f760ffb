//! `chaos validate FILE...`: all problems of all files, and nothing else.

use std::path::Path;

use super::arguments::{Output, ValidateArguments};
use super::experiment_file::{self, Given, Loaded};
use super::policy::Gate;
use super::{REFUSED, ci};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::output;
use crate::report::validation::{self, FileReport, FileState};
use crate::spec::Secrets;

/// With `--strict`: every file can be run, but something in one is risky.
const WARNED: u8 = 1;

pub(super) fn validate(arguments: &ValidateArguments) -> anyhow::Result<u8> {
    if arguments.ci {
        ci::force();
    }
    let files = experiment_file::collect(&arguments.paths)?;
    let Some(gate) = Gate::open(&arguments.policy)? else { return Ok(REFUSED) };
    let variables = experiment_file::shared(&arguments.variables, &files)?;
    let checked = files.iter().zip(variables).map(|(file, given)| (file.as_path(), check(file, &given, &gate)));
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
fn check(file: &Path, given: &[Given], gate: &Gate) -> Diagnostics {
    let approve = |loaded: Loaded| {
        let forbidden = gate.forbids(&loaded)?;
        Ok(if forbidden.is_empty() { loaded.warnings } else { forbidden })
    };
    let loaded = experiment_file::load(file, given, Secrets::Hidden);
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
    ci::tell(problems);
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

//! What is told of runs when they are over: on standard output, in files, and to CI servers.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::super::arguments::Output;
use super::super::experiment_file::Lines;
use super::super::{ci, colour};
use crate::analysis::findings::{DoseStatus, Standing};
use crate::analysis::{Analysis, Run};
use crate::host::{files, output};
use crate::model::verdict::Verdict;
use crate::report::{self, Format};

/// Names the file that a job of GitHub Actions shows as its summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The files that reports are written to.
pub(super) struct Reports(Vec<(PathBuf, Format)>);

impl Reports {
    /// How each is written, by its extension; refused before the run when it could not be written after it.
    pub fn open(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let reports = paths.iter().map(|path| Ok((path.clone(), format(path)?)));
        reports.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Whether one of them has this format.
    pub fn want(&self, wanted: Format) -> bool {
        self.0.iter().any(|(_, format)| *format == wanted)
    }

    /// A report that cannot be written is told and no more: the exit code belongs to the verdict.
    pub fn write(&self, render: impl Fn(Format) -> String) {
        for (path, format) in &self.0 {
            tell_trouble(path, files::write_atomic(path, render(*format).as_bytes()));
        }
    }
}

fn format(path: &Path) -> anyhow::Result<Format> {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    anyhow::ensure!(folder.is_dir(), "--report {shown}: there is no folder {}", folder.display());
    anyhow::ensure!(!path.is_dir(), "--report {shown}: this is a folder");
    let known = Format::EXTENSIONS;
    Format::of(path).with_context(|| format!("--report {shown}: the format is told by the extension: {known}"))
}

/// The report of one run.
pub(super) fn on_stdout(how: Output, run: &Run, analysis: &Analysis) {
    output::stdout(&match how {
        Output::Text => report::text(run, analysis, colour::style()),
        Output::Json => report::json(run, analysis),
    });
}

/// The summary of a job of GitHub Actions.
pub(super) fn summarise(markdown: impl FnOnce() -> String) {
    if let Some(path) = std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from) {
        let written = files::append(&path).and_then(|mut file| file.write_all(markdown().as_bytes()));
        tell_trouble(&path, written);
    }
}

fn tell_trouble(path: &Path, written: std::io::Result<()>) {
    if let Err(error) = written {
        output::stderr(&format!("error: cannot write {}: {error}\n", path.display()));
    }
}

/// Marks the lines of the file that did not hold, where a CI server shows such marks.
pub(super) fn annotate(file: &str, lines: Option<&Lines>, run: &Run, analysis: &Analysis) {
    if analysis.verdict == Verdict::Held {
        return;
    }
    let title = format!("{}: {}", analysis.verdict.headline(), run.experiment().name);
    let at = |place: &str| lines.and_then(|lines| lines.at(place));
    let mark = |place: &str, message: &str| {
        ci::annotate("error", ci::Mark { file, line: at(place) }, &title, message);
    };
    mark("name", &analysis.reasons.join("\n"));
    for (probe, findings) in analysis.probes.iter().enumerate() {
        for (row, found) in findings.expectations.iter().enumerate().filter(|(_, row)| row.result == Standing::Deviated)
        {
            let (before, during) = (&found.baseline.shown, &found.fault.shown);
            let message =
                format!("{}: expected {}, got {during}; before the fault {before}", findings.name, found.expected);
            mark(&format!("steady_state[{probe}].expect[{row}]"), &message);
        }
    }
    for (fault, dose) in analysis.doses.iter().enumerate() {
        if let (DoseStatus::Ineffective | DoseStatus::Failed, Some(why)) = (dose.status, &dose.why) {
            mark(&format!("faults[{fault}]"), &format!("{}: {why}", dose.fault));
        }
    }
}

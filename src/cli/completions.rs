//! Completion in shells: `chaos completions SHELL` prints a script that asks this binary for candidates, so that runs,
//! experiments and names are offered as they are, and a script never goes out of date.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use super::arguments::Arguments;
use super::run_folder::{self, RunFolder};
use super::{help, residue, stop};
use crate::host::{files, output};
use crate::model::event::{Event, EventKind};
use crate::model::fault::FaultKind;
use crate::model::probe::ProbeKind;

/// Set by the scripts, to the name of the shell: candidates are asked for, and nothing else is done.
const VARIABLE: &str = "CHAOS_COMPLETE";
/// So many runs are offered, the latest first.
const RUNS: usize = 50;
/// The header of a run is no longer than this.
const HEADER: u64 = 1 << 20;

pub(super) fn completions(shell: Shell) -> anyhow::Result<u8> {
    let (shells, mut script) = (Shells::builtins(), Vec::new());
    let shell = shells.completer(&shell.to_string()).context("this shell is not known")?;
    shell.write_registration(VARIABLE, "chaos", "chaos", "chaos", &mut script)?;
    output::stdout(String::from_utf8_lossy(&script).trim_start());
    Ok(0)
}

/// Answers a shell that asks for candidates; None where none does. The first thing that is done at all: nothing may be
/// touched by a press of the tabulator.
pub(super) fn answer(words: &[OsString]) -> Option<u8> {
    let asks = std::env::var_os(VARIABLE).is_some_and(|shell| !shell.is_empty() && shell != "0");
    if !asks {
        return None;
    }
    let folder = std::env::current_dir().ok();
    let asked = CompleteEnv::with_factory(Arguments::command).var(VARIABLE).completer("chaos");
    Some(match asked.try_complete(words.to_vec(), folder.as_deref()) {
        Ok(_) => 0,
        Err(error) => {
            output::stderr(&error.to_string());
            super::REFUSED
        }
    })
}

/// Experiments, and folders on the way to them.
pub(super) fn experiments(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_yaml = |path: &Path| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    PathCompleter::any().filter(move |path| path.is_dir() || is_yaml(path)).complete(current)
}

/// Files to write a report to: a name for each format, and what is there.
pub(super) fn reports(current: &OsStr) -> Vec<CompletionCandidate> {
    let start = current.to_string_lossy();
    let names = ["report.html", "report.md", "report.xml", "report.json", "report.txt"];
    let fitting = names.iter().filter(|name| name.starts_with(&*start)).map(CompletionCandidate::new);
    fitting.chain(PathCompleter::any().complete(current)).collect()
}

/// The runs that are kept, the latest first, and `latest`.
pub(super) fn runs() -> Vec<CompletionCandidate> {
    let folders = kept(RunFolder::with_events);
    let latest = (!folders.is_empty()).then(|| CompletionCandidate::new("latest").help(Some("the newest run".into())));
    folders.iter().rev().take(RUNS).map(candidate).chain(latest).collect()
}

/// The runs that a command may be needed for: those that were killed and left something.
pub(super) fn left_runs() -> Vec<CompletionCandidate> {
    kept(residue::left).iter().map(candidate).collect()
}

/// The runs that are under way.
pub(super) fn live_runs() -> Vec<CompletionCandidate> {
    kept(stop::folders_under_way).iter().map(candidate).collect()
}

/// Faults and probes.
pub(super) fn kinds() -> Vec<CompletionCandidate> {
    FaultKind::WORDS.iter().chain(&ProbeKind::WORDS).map(CompletionCandidate::new).collect()
}

/// What there is help about.
pub(super) fn subjects() -> Vec<CompletionCandidate> {
    let verbs = Arguments::command();
    let verbs = verbs.get_subcommands().map(|verb| CompletionCandidate::new(verb.get_name()));
    let about = |(name, about): (&'static str, &'static str)| CompletionCandidate::new(name).help(Some(about.into()));
    help::topics().map(about).chain(verbs).collect()
}

/// Nothing is offered where nothing can be read: a completion has nobody to complain to.
fn kept(find: impl Fn(&Path) -> anyhow::Result<Vec<RunFolder>>) -> Vec<RunFolder> {
    run_folder::state(None).and_then(|state| find(&state)).unwrap_or_default()
}

/// A run by its id, with what and when it was.
fn candidate(folder: &RunFolder) -> CompletionCandidate {
    let start = files::read_start(&folder.events(), HEADER).unwrap_or_default();
    let header = start.split(|byte| *byte == b'\n').next().and_then(|line| serde_json::from_slice::<Event>(line).ok());
    let help = header.and_then(|event| match event.kind {
        EventKind::RunStarted(header) => {
            Some(format!("{} {}", header.started.format("%Y-%m-%d %H:%M"), header.experiment.name))
        }
        _ => None,
    });
    let help = help.map(|help| crate::diagnostic::clean::clean(&help).into());
    CompletionCandidate::new(folder.run()).help(help)
}

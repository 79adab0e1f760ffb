//! The folder of one run: events, journal and the services' output. Nothing is written elsewhere unasked.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::diagnostic::clean::shell_word;
use crate::host::files;

const RUNS: &str = "runs";
/// In the folder of a run that `chaos stop` asked to end.
pub(super) const STOP_REQUEST: &str = "stop-request";

/// Where a run keeps what it must remember.
#[derive(Debug, Clone)]
pub(super) struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a run below the state folder.
    pub fn create(state: &Path, run: &str) -> anyhow::Result<Self> {
        let path = state.join(RUNS).join(run);
        files::create_dir_all(&path).with_context(|| {
            format!("cannot make {}: nothing was touched; pass --state-dir to keep runs elsewhere", path.display())
        })?;
        Ok(Self { path })
    }

    /// The folders of all runs that came so far as to have a journal, the oldest first.
    pub fn all(state: &Path) -> anyhow::Result<Vec<Self>> {
        let runs = state.join(RUNS);
        let mut folders = Vec::new();
        for path in files::list(&runs).with_context(|| format!("cannot list {}", runs.display()))? {
            folders.extend(Some(Self { path }).filter(|folder| folder.journal().exists()));
        }
        folders.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(folders)
    }

    /// The folders of all runs that told something, the oldest first.
    pub fn with_events(state: &Path) -> anyhow::Result<Vec<Self>> {
        let runs = state.join(RUNS);
        let paths = files::list(&runs).with_context(|| format!("cannot list {}", runs.display()))?;
        let mut folders: Vec<Self> = paths.into_iter().map(|path| Self { path }).collect();
        folders.retain(|folder| folder.events().is_file());
        folders.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(folders)
    }

    /// Where this run is kept, whether it is there or not.
    pub fn named(state: &Path, run: &str) -> Self {
        Self { path: state.join(RUNS).join(run) }
    }

    /// The folder of this run, if it came so far as to have a journal.
    pub fn find(state: &Path, run: &str) -> Option<Self> {
        Some(Self::named(state, run)).filter(|folder| folder.journal().exists())
    }

    /// What is where runs are kept and has no journal: of runs that never began, or not ours at all; the oldest first.
    pub fn without_journal(state: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let runs = state.join(RUNS);
        let mut paths = files::list(&runs).with_context(|| format!("cannot list {}", runs.display()))?;
        paths.retain(|path| !Self { path: path.clone() }.journal().exists());
        paths.sort();
        Ok(paths)
    }

    /// The run's id.
    pub fn run(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The folder itself, where the services' output goes too.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state folder that it is below.
    pub fn state(&self) -> &Path {
        self.path.parent().and_then(Path::parent).unwrap_or(Path::new(""))
    }

    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// Is there once `chaos stop` asked the run to end, so that its report need not call that a mere signal.
    pub fn stop_request(&self) -> PathBuf {
        self.path.join(STOP_REQUEST)
    }
}

/// A new run's id: it begins with the time, so that ids are in the order of their runs.
pub(super) fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The folder below which all runs are kept.
pub(super) fn state(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = given.map(ToOwned::to_owned).or_else(default_state);
    folder.context("neither XDG_STATE_HOME nor HOME says where runs are kept: pass --state-dir")
}

/// What a command line must say beside a run's id to find runs kept in this folder: nothing for the usual one.
pub(super) fn state_words(folder: &Path) -> String {
    let usual = state(None).is_ok_and(|usual| usual == folder);
    if usual { String::new() } else { format!(" --state-dir {}", shell_word(&folder.to_string_lossy())) }
}

/// By the XDG Base Directory Specification.
fn default_state() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    state.or_else(|| set("HOME").map(|home| home.join(".local/state"))).map(|state| state.join("chaos"))
}

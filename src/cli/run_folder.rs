//! The folder of one run: events, journal and the services' output. Nothing is written elsewhere unasked.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::host::files;

/// Where a run keeps what it must remember.
#[derive(Debug, Clone)]
pub(super) struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a run below the state folder.
    pub fn create(state: Option<&Path>, run: &str) -> anyhow::Result<Self> {
        let state = match state {
            Some(folder) => folder.to_owned(),
            None => {
                default_state().context("neither XDG_STATE_HOME nor HOME says where runs are kept: pass --state-dir")?
            }
        };
        let path = state.join("runs").join(run);
        files::create_dir_all(&path).with_context(|| {
            format!("cannot make {}: nothing was touched; pass --state-dir to keep runs elsewhere", path.display())
        })?;
        Ok(Self { path })
    }

    /// The folder itself, where the services' output goes too.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }
}

/// By the XDG Base Directory Specification.
fn default_state() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").filter(|path| path.is_absolute());
    state.or_else(|| set("HOME").map(|home| home.join(".local/state"))).map(|state| state.join("chaos"))
}

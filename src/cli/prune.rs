//! Run folders do not pile up: after a run the oldest finished ones go.

use std::ffi::OsStr;
use std::path::Path;

use super::run_folder::{RunFolder, STOP_REQUEST};
use crate::diagnostic::clean::clean;
use crate::host::{files, output};
use crate::journal::recover::Recovery;
use crate::journal::survey::Standing;

/// Removes finished runs that are older than the newest `keep` ones. What fails is a warning: the run is over, and its
/// outcome is told.
pub(super) fn prune(state: &Path, keep: u32) {
    if let Err(error) = remove(state, keep as usize) {
        output::stderr(&clean(&format!("warning: old runs are not all removed: {error:#}")));
        output::stderr("\n");
    }
}

fn remove(state: &Path, keep: usize) -> anyhow::Result<()> {
    let mut runs = RunFolder::all(state)?;
    runs.retain(is_named_like_a_run);
    // Ids begin with the time: the oldest are first.
    let old = runs.len().saturating_sub(keep);
    let mut trouble = Ok(());
    for run in runs[..old].iter().filter(|run| has_our_shape(run.path()) && is_finished(run)) {
        let journal = run.journal().file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Err(error) = files::remove_flat_folder(run.path(), &journal) {
            trouble = Err(anyhow::Error::new(error).context(run.path().display().to_string()));
        }
    }
    trouble
}

fn is_named_like_a_run(folder: &RunFolder) -> bool {
    let name = folder.run();
    uuid::Uuid::parse_str(&name).is_ok_and(|id| id.get_version_num() == 7 && id.to_string() == name)
}

/// Whether it is a folder, no link to one, with nothing in it that a run does not put there.
fn has_our_shape(folder: &Path) -> bool {
    let is_ours = |path: &std::path::PathBuf| {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        matches!(extension, "jsonl" | "log" | "unreadable") || path.file_name() == Some(OsStr::new(STOP_REQUEST))
    };
    !folder.is_symlink() && files::list(folder).is_ok_and(|files| files.iter().all(is_ours))
}

fn is_finished(run: &RunFolder) -> bool {
    let standing = Recovery::open(&run.journal()).and_then(|recovery| recovery.survey());
    matches!(standing, Ok(Standing::Finished))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::remove;
    use crate::host::files;

    /// The folder of a run that came to its end, as far as its journal says.
    fn finished(state: &Path, number: u32) -> PathBuf {
        let folder = state.join(format!("runs/01a1fc08-8999-710d-a0a1-{number:012x}"));
        files::create_dir_all(&folder).expect("makes it");
        for name in ["journal.jsonl", "events.jsonl", "demo.log", "stop-request"] {
            files::create_new(&folder.join(name)).expect("makes it");
        }
        folder
    }

    #[test]
    fn the_newest_are_kept_and_the_older_go() {
        let home = tempfile::tempdir().expect("a folder");
        let runs: Vec<PathBuf> = (0..5).map(|number| finished(home.path(), number)).collect();
        remove(home.path(), 2).expect("removes");
        assert_eq!(runs.map_exists(), [false, false, false, true, true]);
        remove(home.path(), 2).expect("has nothing to do");
        assert_eq!(runs.map_exists(), [false, false, false, true, true]);
    }

    #[test]
    fn what_is_not_finished_or_not_ours_in_shape_is_never_removed() {
        let home = tempfile::tempdir().expect("a folder");
        let runs: Vec<PathBuf> = (0..6).map(|number| finished(home.path(), number)).collect();
        files::write_atomic(&runs[0].join("journal.jsonl"), b"cannot be read\n").expect("writes");
        files::create_new(&runs[1].join("notes.txt")).expect("makes it");
        files::create_dir_all(&runs[2].join("sub.log")).expect("makes it");
        let elsewhere = home.path().join("elsewhere");
        std::fs::rename(&runs[3], &elsewhere).expect("moves");
        std::os::unix::fs::symlink(&elsewhere, &runs[3]).expect("links");
        let other = home.path().join("runs/a-folder-of-mine");
        std::fs::rename(&runs[4], &other).expect("moves");
        remove(home.path(), 1).expect("has nothing to do");
        assert_eq!(runs.map_exists(), [true, true, true, true, false, true]);
        assert!(other.join("demo.log").exists() && elsewhere.join("demo.log").exists());
    }

    trait Exist {
        fn map_exists(&self) -> Vec<bool>;
    }

    impl Exist for Vec<PathBuf> {
        fn map_exists(&self) -> Vec<bool> {
            self.iter().map(|path| path.exists()).collect()
        }
    }
}

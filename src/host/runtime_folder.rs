//! The folder for what need not outlive this boot of the machine: in memory where the machine is set up as usual, so that
//! a disk that is full or stalled by an experiment does not hold it up.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::files;

const OURS: &str = "chaos";

/// `$XDG_RUNTIME_DIR/chaos`, or `/run/chaos` for the superuser: made (0700) if it is missing. None where neither can be
/// used: it must be our user's, and nobody else may write there.
pub fn find() -> Option<PathBuf> {
    bases().find_map(|base| usable(&base).ok())
}

/// The file of this name in any folder that [`find`] might name, where there is one. Makes nothing.
pub fn files_named(name: &str) -> Vec<PathBuf> {
    bases().map(|base| base.join(OURS).join(name)).filter(|file| file.is_file()).collect()
}

fn bases() -> impl Iterator<Item = PathBuf> {
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = rustix::process::geteuid().is_root().then(|| PathBuf::from("/run"));
    given.into_iter().chain(usual)
}

/// Takes the folder away if nothing is left in it, so that a run that ended leaves nothing at all.
pub fn leave(file: &Path) {
    if let Some(folder) = file.parent().filter(|folder| folder.ends_with(OURS)) {
        let _ = std::fs::remove_dir(folder);
    }
}

fn usable(base: &Path) -> io::Result<PathBuf> {
    ours_alone(base)?;
    let folder = base.join(OURS);
    files::create_dir_all(&folder)?;
    ours_alone(&folder)?;
    rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(folder)
}

fn ours_alone(folder: &Path) -> io::Result<()> {
    let there = std::fs::symlink_metadata(folder)?;
    let ours = there.is_dir() && there.uid() == rustix::process::geteuid().as_raw() && there.mode() & 0o022 == 0;
    if ours { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{leave, usable};

    #[test]
    fn a_folder_of_ours_is_used_and_left_empty_again() {
        let base = tempfile::tempdir().expect("a folder");
        let folder = usable(base.path()).expect("is ours");
        assert_eq!(folder, base.path().join("chaos"));
        leave(&folder.join("a-run.jsonl"));
        assert!(!folder.exists());
        leave(&base.path().join("a-run.jsonl"));
        assert!(base.path().exists(), "only ours is taken away");
    }

    #[test]
    fn a_folder_where_others_may_write_or_that_is_elsewhere_is_not_used() {
        let base = tempfile::tempdir().expect("a folder");
        set_permissions(base.path(), Permissions::from_mode(0o777)).expect("sets");
        usable(base.path()).expect_err("anybody may write there");
        set_permissions(base.path(), Permissions::from_mode(0o700)).expect("sets");
        symlink("/tmp", base.path().join("chaos")).expect("links");
        usable(base.path()).expect_err("it leads elsewhere");
        usable(&base.path().join("none")).expect_err("there is none");
    }
}

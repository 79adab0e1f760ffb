//! Who has a file open.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::process::all_processes;

use crate::host::Trouble;

/// The pids of the processes that have this very file open, this one aside; those of other users cannot be seen.
pub fn holders(file: &Path) -> Result<Vec<i32>, Trouble> {
    let trouble = |error: &dyn std::fmt::Display| Trouble::new(format!("look who has {} open", file.display()), error);
    let wanted = std::fs::metadata(file).map_err(|error| trouble(&error))?;
    let us = std::process::id().cast_signed();
    let mut found = Vec::new();
    for process in all_processes().map_err(|error| trouble(&error))?.flatten().filter(|process| process.pid != us) {
        if has_open(process.pid, &wanted).map_err(|error| trouble(&error))? {
            found.push(process.pid);
        }
    }
    Ok(found)
}

fn has_open(pid: i32, wanted: &std::fs::Metadata) -> io::Result<bool> {
    let entries = match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(entries) => entries,
        // It ended meanwhile, or it is another user's.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let is_it = |there: std::fs::Metadata| (there.dev(), there.ino()) == (wanted.dev(), wanted.ino());
    Ok(entries.flatten().any(|entry| std::fs::metadata(entry.path()).is_ok_and(is_it)))
}

#[cfg(test)]
mod tests {
    use super::holders;
    use crate::host::files;

    #[test]
    fn a_file_that_only_we_have_open_has_no_other_holder_and_one_that_is_missing_is_told() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("file");
        let _open = files::create_new(&path).expect("makes it");
        assert_eq!(holders(&path), Ok(Vec::new()));
        assert!(holders(&home.path().join("none")).is_err());
    }
}

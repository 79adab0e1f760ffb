//! Whether a folder is fit to keep what must last. Nothing with a name is made by asking.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use procfs::process::Process;

use super::{room, system, thread};

/// What a folder is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The folder that was looked at: the one that was asked for, or the nearest one above it that is there.
    pub folder: PathBuf,
    /// Whether that is the one that was asked for.
    pub exists: bool,
    /// The type of its file system: `ext4`, `tmpfs`.
    pub kind: Option<String>,
    /// The time it took to get a block onto the disk, or why files cannot be made or do not last.
    pub durable: Result<Duration, String>,
    /// Whether reads and writes can go past the page cache; why not.
    pub direct: Result<(), String>,
    /// The room that is left for us, in bytes.
    pub room: Option<u64>,
}

impl Storage {
    /// Looks at a folder, and writes into a file without a name in it.
    pub fn look(folder: &Path) -> Self {
        let asked = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let nearest = asked.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
        let direct = held(nearest).and_then(|folder| room::nameless(&folder, true)).map(drop);
        Self {
            folder: nearest.to_owned(),
            exists: nearest == asked,
            kind: kind(nearest),
            durable: write_durably(nearest).map_err(|error| error.to_string()),
            direct: direct.map_err(|error| error.to_string()),
            room: system::disk(nearest).ok().map(|disk| disk.available),
        }
    }

    /// Whether what is kept there is lost when the machine starts anew.
    pub fn is_volatile(&self) -> bool {
        matches!(self.kind.as_deref(), Some("tmpfs" | "ramfs"))
    }
}

/// A state folder may well be reached through links.
fn held(folder: &Path) -> std::io::Result<OwnedFd> {
    room::hold_folder(&folder.canonicalize()?)
}

fn write_durably(folder: &Path) -> std::io::Result<Duration> {
    let mut file = room::nameless(&held(folder)?, false)?;
    let began = thread::now();
    file.write_all(&[0; 4096])?;
    file.sync_data()?;
    Ok(thread::now() - began)
}

/// The file system of the mount that is nearest above the folder, the newest one where several are at one place.
fn kind(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = Process::myself().and_then(|us| us.mountinfo()).ok()?.0;
    let above = mounts.into_iter().filter(|mount| folder.starts_with(&mount.mount_point));
    above.max_by_key(|mount| mount.mount_point.components().count()).map(|mount| mount.fs_type)
}

/// Where files of ours may be that should have no name any more: in these folders, where temporary files are, and at the
/// root of every file system of this machine. Those of other machines are left out: to look there may take for ever.
pub fn places_of_drafts(states: impl IntoIterator<Item = PathBuf>) -> BTreeSet<PathBuf> {
    const LOCAL: [&str; 11] =
        ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "exfat", "tmpfs", "ramfs", "overlay"];
    let mounts = Process::myself().and_then(|us| us.mountinfo()).map(|mounts| mounts.0).unwrap_or_default();
    let local = mounts.into_iter().filter(|mount| LOCAL.contains(&mount.fs_type.as_str()));
    let usual = [std::env::temp_dir(), PathBuf::from("/var/tmp")];
    states.into_iter().chain(usual).chain(local.map(|mount| mount.mount_point)).collect()
}

/// Who owns a file or folder, and whether others than its owner may write to it; none when it is not there.
pub fn ownership(path: &Path) -> std::io::Result<Option<(u32, bool)>> {
    match std::fs::metadata(path) {
        Ok(there) => Ok(Some((there.uid(), there.mode() & 0o022 != 0))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Storage, ownership};

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above_it_and_not_made() {
        let home = tempfile::tempdir().expect("a folder");
        let storage = Storage::look(&home.path().join("state/chaos"));
        assert_eq!((storage.folder.as_path(), storage.exists), (home.path(), false));
        assert!(storage.durable.is_ok() && storage.room > Some(0) && storage.kind.is_some(), "{storage:?}");
        assert_eq!(std::fs::read_dir(home.path()).expect("lists").count(), 0, "nothing was made");
    }

    #[test]
    fn what_is_no_disk_is_not_durable() {
        let storage = Storage::look(Path::new("/proc"));
        assert_eq!((storage.exists, storage.kind.as_deref()), (true, Some("proc")));
        assert!(storage.durable.is_err(), "{storage:?}");
    }

    #[test]
    fn the_owner_of_what_is_not_there_is_nobody() {
        let home = tempfile::tempdir().expect("a folder");
        assert_eq!(ownership(&home.path().join("none")).expect("looks"), None);
        let (owner, others) = ownership(home.path()).expect("looks").expect("is there");
        assert_eq!((owner, others), (crate::host::process::user(), false));
    }
}

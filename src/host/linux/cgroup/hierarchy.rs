//! The hierarchies of control groups on this machine, and whether we might make groups in them. Looks only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use procfs::process::Process;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::host::Trouble;

/// A mounted hierarchy of control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// 1 or 2.
    pub version: u8,
    /// Where it is mounted.
    pub place: PathBuf,
    /// The group that is mounted there: `/` unless we see a part of the hierarchy only.
    pub root: PathBuf,
    /// What it controls: `cpu`, `memory`; v2 may have none.
    pub controllers: Vec<String>,
    /// Why no group can be made there, by the kernel's word; none when one can.
    pub refused: Option<String>,
}

/// Every hierarchy that is mounted.
pub fn hierarchies() -> Result<Vec<Hierarchy>, Trouble> {
    let mounts = Process::myself().and_then(|us| us.mountinfo());
    let mounts = mounts.map_err(|error| Trouble::new("read what is mounted", error))?;
    let hierarchies = mounts.0.into_iter().filter_map(|mount| {
        let (version, controllers) = match mount.fs_type.as_str() {
            "cgroup" => (1, controllers(mount.super_options)),
            "cgroup2" => (2, listed(&mount.mount_point)),
            _ => return None,
        };
        let refused = may_write(&mount.mount_point).err();
        Some(Hierarchy { version, place: mount.mount_point, root: mount.root.into(), controllers, refused })
    });
    Ok(hierarchies.collect())
}

/// What stands among the options of the mount without a value, the usual ones aside.
fn controllers(options: HashMap<String, Option<String>>) -> Vec<String> {
    let usual = ["rw", "ro", "xattr", "clone_children", "noprefix"];
    let bare = options.into_iter().filter_map(|(name, value)| value.is_none().then_some(name));
    let mut controllers: Vec<String> = bare.filter(|name| !usual.contains(&name.as_str())).collect();
    controllers.sort();
    controllers
}

fn listed(place: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(place.join("cgroup.controllers")).unwrap_or_default();
    text.split_whitespace().map(ToOwned::to_owned).collect()
}

/// Asks the kernel whether we may make something in a folder, without making it.
pub(super) fn may_write(folder: &Path) -> Result<(), String> {
    accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(|error| error.to_string())
}

/// Asks the kernel whether we may write into a file, without writing.
pub(super) fn may_change(file: &Path) -> Result<(), String> {
    accessat(CWD, file, Access::WRITE_OK, AtFlags::EACCESS).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{controllers, may_write};

    #[test]
    fn options_of_the_mount_are_no_controllers() {
        let options = [("rw", None), ("cpuacct", None), ("cpu", None), ("name", Some("systemd".to_owned()))];
        let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(controllers(options), ["cpu", "cpuacct"]);
    }

    #[test]
    fn the_kernel_says_where_nothing_can_be_made() {
        let home = tempfile::tempdir().expect("a folder");
        assert_eq!(may_write(home.path()), Ok(()));
        assert!(may_write(&home.path().join("none")).is_err());
        assert!(may_write(std::path::Path::new("/proc/version")).is_err(), "in a file");
    }
}

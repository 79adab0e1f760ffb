//! Whose a run is, as its processes carry it: so that what a run left can be told from a run under way even where no
//! journal is found.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::identity::identity;
use crate::model::step::ProcessIdentity;

/// The process that makes a run, and where it keeps what it must remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The pid namespace in which the identity means something, by the kernel's number.
    pub namespace: u64,
    /// The tool's process.
    pub process: ProcessIdentity,
    /// The state folder, absolute.
    pub state: PathBuf,
}

impl Owner {
    /// This process, and this state folder.
    pub(super) fn this(state: &Path) -> Option<Self> {
        let process = identity(std::process::id().cast_signed())?;
        let state = std::path::absolute(state).ok()?;
        Some(Self { namespace: pid_namespace()?, process, state })
    }

    /// As the value of a variable: four numbers and the folder, with colons between them.
    pub(super) fn written(&self) -> OsString {
        let ProcessIdentity { pid, pidfs_inode, start_ticks } = self.process;
        let mut text = OsString::from(format!("{}:{pid}:{pidfs_inode}:{start_ticks}:", self.namespace));
        text.push(&self.state);
        text
    }

    /// Reads such a value; none when it is not one of ours.
    pub(in crate::host) fn read(value: &[u8]) -> Option<Self> {
        let mut parts = value.splitn(5, |byte| *byte == b':');
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
        let namespace = number()?;
        let pid = i32::try_from(number()?).ok().filter(|pid| *pid > 0)?;
        let process = ProcessIdentity { pid, pidfs_inode: number()?, start_ticks: number()? };
        let state = PathBuf::from(OsString::from_vec(OsStr::from_bytes(parts.next()?).as_bytes().to_vec()));
        state.is_absolute().then_some(Self { namespace, process, state })
    }
}

/// The pid namespace of this process.
pub fn pid_namespace() -> Option<u64> {
    std::fs::metadata("/proc/self/ns/pid").ok().map(|there| there.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::Owner;

    #[test]
    fn what_is_written_reads_back_whatever_the_folder_is_called() {
        for state in ["/var/lib/chaos", "/a:b c\u{e9}"] {
            let owner = Owner::this(Path::new(state)).expect("we live");
            assert_eq!(Owner::read(owner.written().as_bytes()), Some(owner));
        }
    }

    #[test]
    fn what_is_not_ours_is_nobody() {
        for value in ["", "me", "1:2:3:4:relative", "1:-2:3:4:/a", "1:0:3:4:/a", "1:2:3:/a", "1:2:3:x:/a"] {
            assert_eq!(Owner::read(value.as_bytes()), None, "{value}");
        }
    }
}

//! Locks on names, for processes of one user on one machine. A lock belongs to an open file: it lasts until every
//! process that has the file open is dead, so a guardian that inherits it keeps it beyond the end of the tool. What is
//! left of a dead process is a file without a lock, which is in nobody's way.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::{Trouble, files};

/// What is read of a note.
const LONGEST_NOTE: u64 = 16 << 10;

/// Locks that this process holds. Dropping them lets go of them and takes their files away, unless they are shared: then
/// they last until the other process ends.
#[must_use = "the locks are let go when this is dropped"]
#[derive(Debug, Default)]
pub struct Locks {
    held: Vec<(PathBuf, File)>,
    shared: Cell<bool>,
}

/// Why a lock was not taken; then none was.
#[derive(Debug)]
pub enum NotTaken {
    /// Somebody holds it.
    Held {
        /// Which.
        name: String,
        /// What its holder wrote into it; may be empty or old while the holder is about to write.
        note: Vec<u8>,
    },
    /// It could not be tried.
    Trouble(Trouble),
}

impl Locks {
    /// Takes all of these, or none, and writes a note into each. Never waits, so nobody waits in a circle; and as all
    /// take them in one order, of those who want the same ones exactly one has them. Names become file names.
    pub fn take(folder: &Path, names: &BTreeSet<String>, note: &[u8]) -> Result<Self, NotTaken> {
        let trouble = |error| NotTaken::Trouble(Trouble::new(format!("use locks in {}", folder.display()), error));
        private_folder(folder).map_err(trouble)?;
        let mut locks = Self::default();
        for name in names {
            let path = folder.join(name);
            match lock(&path).map_err(trouble)? {
                Attempt::Taken(file) => locks.held.push((path, file)),
                Attempt::Held(note) => return Err(NotTaken::Held { name: name.clone(), note }),
            }
        }
        for (_, file) in &mut locks.held {
            write_note(file, note).map_err(trouble)?;
        }
        Ok(locks)
    }

    /// The open files, for a process that shall hold the locks too.
    pub fn share(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.shared.set(true);
        self.held.iter().map(|(_, file)| file.as_fd())
    }

    /// The other process has ended: the locks are ours alone, and end here.
    pub fn release(self) {
        self.shared.set(false);
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        // A file whose lock somebody holds must keep its name, or nobody would find it locked.
        if self.shared.get() {
            return;
        }
        for (path, _) in &self.held {
            // What cannot be removed is a file without a lock.
            let _ = files::remove_file(path);
        }
    }
}

enum Attempt {
    Taken(File),
    Held(Vec<u8>),
}

fn lock(path: &Path) -> io::Result<Attempt> {
    loop {
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_at(&file, path)? => return Ok(Attempt::Taken(file)),
            // It was released and taken away between our two steps: what we locked has no name any more.
            Ok(()) | Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut note = Vec::new();
                file.rewind()?;
                file.take(LONGEST_NOTE).read_to_end(&mut note)?;
                return Ok(Attempt::Held(note));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_note(file: &mut File, note: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(note)
}

/// Nobody else may put files there in our name.
fn private_folder(folder: &Path) -> io::Result<()> {
    files::create_dir_all(folder)?;
    let there = std::fs::symlink_metadata(folder)?;
    let ours = there.uid() == rustix::process::geteuid().as_raw();
    if there.is_dir() && ours && there.mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = "it must be a folder of ours that nobody else may write to";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt;

    use super::{Locks, NotTaken};

    fn names(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|&name| name.to_owned()).collect()
    }

    fn refused(taken: Result<Locks, NotTaken>) -> (String, String) {
        match taken {
            Err(NotTaken::Held { name, note }) => (name, String::from_utf8(note).expect("text")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_held_is_refused_with_the_note_of_its_holder_and_nothing_else_is_kept() {
        let home = tempfile::tempdir().expect("a folder");
        let _first = Locks::take(home.path(), &names(&["b"]), b"the first").expect("free");
        let second = Locks::take(home.path(), &names(&["a", "b"]), b"the second");
        assert_eq!(refused(second), ("b".into(), "the first".into()));
        let _third = Locks::take(home.path(), &names(&["a", "c"]), b"the third").expect("`a` was given back");
    }

    #[test]
    fn a_lock_lasts_until_the_last_who_has_the_file_open_is_gone() {
        let home = tempfile::tempdir().expect("a folder");
        let tool = Locks::take(home.path(), &names(&["a"]), b"tool").expect("free");
        let guardian: Vec<_> = tool.share().map(|file| file.try_clone_to_owned().expect("a descriptor")).collect();
        drop(tool);
        assert_eq!(refused(Locks::take(home.path(), &names(&["a"]), b"next")), ("a".into(), "tool".into()));
        drop(guardian);
        let _next = Locks::take(home.path(), &names(&["a"]), b"next").expect("free again, whatever the file says");
    }

    #[test]
    fn what_is_not_shared_any_more_leaves_no_file() {
        let home = tempfile::tempdir().expect("a folder");
        drop(Locks::take(home.path(), &names(&["a", "b"]), b"").expect("free"));
        let shared = Locks::take(home.path(), &names(&["a", "b"]), b"").expect("free");
        assert_eq!(shared.share().count(), 2);
        shared.release();
        assert_eq!(std::fs::read_dir(home.path()).expect("lists").count(), 0);
    }

    #[test]
    fn of_many_who_want_the_same_exactly_one_gets_it_however_often_it_is_released() {
        let home = tempfile::tempdir().expect("a folder");
        let inside = std::sync::atomic::AtomicI32::new(0);
        let once = || {
            if let Ok(locks) = Locks::take(home.path(), &names(&["a", "b"]), b"x") {
                let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                assert_eq!(others, 0, "two have it");
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                drop(locks);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| once()));
            }
        });
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o777)).expect("sets");
        let taken = Locks::take(home.path(), &names(&["a"]), b"");
        assert!(matches!(&taken, Err(NotTaken::Trouble(trouble)) if trouble.why.contains("of ours")), "{taken:?}");
    }
}

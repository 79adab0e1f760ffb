//! A log that only grows, and whose every record is on the disk when `append` returns.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;

use super::scene::Paper;
use super::{files, runtime_folder};

/// A log on disk. Room is taken ahead, so that a disk that is full later does not keep records out.
#[derive(Debug)]
pub struct DurableLog {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Where the file was whole for the last time, if the record behind that could not be finished.
    torn_at: Option<u64>,
}

impl DurableLog {
    /// Makes the file, which must not be there yet (0600), takes room for so many bytes, and makes its entry in the
    /// folder last. After an error it is not there, unless somebody else made it.
    pub fn create(path: &Path, room: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)?;
        let durable = take_room(&file, room).and_then(|()| file.sync_all()).and_then(|()| files::sync_folder_of(path));
        if let Err(error) = durable {
            let _ = files::remove_file(path);
            return Err(error);
        }
        Ok(Self::over(path, file))
    }

    /// Opens one that is there, to read it and to add to it; on a file system that cannot be written, to read it: adding to
    /// it says so then.
    pub fn open(path: &Path) -> io::Result<Self> {
        let opened = match OpenOptions::new().read(true).append(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(path),
            opened => opened,
        };
        Ok(Self::over(path, opened?))
    }

    fn over(path: &Path, file: File) -> Self {
        Self { path: path.to_owned(), inner: Mutex::new(Inner { file, torn_at: None }) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Paper for DurableLog {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut inner = self.inner();
        inner.file.rewind()?;
        inner.file.read_to_end(&mut content)?;
        Ok(content)
    }

    /// What a failed write left behind would run into the next record and spoil that, too.
    fn append(&self, record: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.mend()?;
        let whole = inner.file.metadata()?.len();
        let written = inner.file.write_all(record).and_then(|()| inner.file.sync_data());
        written.inspect_err(|_| {
            inner.torn_at = Some(whole);
            // If that fails, too, it is tried again before the next record.
            let _ = inner.mend();
        })
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        let inner = self.inner();
        if inner.file.metadata()?.len() > length {
            inner.file.set_len(length)?;
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<bool> {
        match flock(&self.inner().file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn remove(&self) -> io::Result<()> {
        files::remove_file(&self.path)?;
        runtime_folder::leave(&self.path);
        Ok(())
    }
}

impl Inner {
    /// Cuts off the rest of a record that could not be finished.
    fn mend(&mut self) -> io::Result<()> {
        if let Some(whole) = self.torn_at {
            self.file.set_len(whole)?;
            self.torn_at = None;
        }
        Ok(())
    }
}

/// The room lies behind the end of the file, so that a reader does not see it. File systems that cannot do that take it
/// when it is needed, as ever.
fn take_room(file: &File, room: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, room) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::{DurableLog, Paper};
    use crate::host::files;

    #[test]
    fn a_file_that_is_there_is_never_made_anew() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("journal");
        DurableLog::create(&path, 0x1000).expect("makes it");
        let error = DurableLog::create(&path, 0x1000).expect_err("is there");
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn records_are_kept_in_order_whoever_adds_them() {
        let home = tempfile::tempdir().expect("a folder");
        let log = DurableLog::create(&home.path().join("log"), 0x1000).expect("makes it");
        log.append(b"one\n").expect("writes");
        let again = DurableLog::open(log.path()).expect("opens");
        assert_eq!(again.read().expect("reads"), b"one\n");
        again.append(b"two\n").expect("writes");
        assert_eq!(files::read(log.path()).expect("reads"), b"one\ntwo\n");
    }

    #[test]
    fn room_is_taken_ahead_and_is_not_seen() {
        let home = tempfile::tempdir().expect("a folder");
        let log = DurableLog::create(&home.path().join("log"), 0x10_0000).expect("makes it");
        let there = std::fs::metadata(log.path()).expect("is there");
        assert_eq!(there.len(), 0);
        assert!(there.blocks() * 512 >= 0x10_0000, "{} blocks", there.blocks());
    }

    #[test]
    fn more_room_than_there_is_is_refused_before_anything_is_written() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("log");
        DurableLog::create(&path, 1 << 60).expect_err("no disk is so large");
        assert!(!path.exists(), "and nothing stays of it");
    }

    #[test]
    fn an_unfinished_record_is_cut_off_and_a_finished_one_is_not() {
        let home = tempfile::tempdir().expect("a folder");
        let log = DurableLog::create(&home.path().join("log"), 0x1000).expect("makes it");
        log.append(b"one\ntw").expect("writes");
        let again = DurableLog::open(log.path()).expect("opens");
        again.cut(4).expect("cuts");
        again.cut(100).expect("never makes it longer");
        again.append(b"two\n").expect("writes");
        assert_eq!(again.read().expect("reads"), b"one\ntwo\n");
    }

    #[test]
    fn only_one_has_the_lock_and_its_end_gives_it_free() {
        let home = tempfile::tempdir().expect("a folder");
        let first = DurableLog::create(&home.path().join("log"), 0x1000).expect("makes it");
        let second = DurableLog::open(first.path()).expect("opens");
        assert!(first.lock().expect("locks"));
        assert!(!second.lock().expect("asks"));
        drop(first);
        assert!(second.lock().expect("locks"));
    }

    #[test]
    fn a_record_that_could_not_be_finished_does_not_spoil_the_next() {
        let home = tempfile::tempdir().expect("a folder");
        let log = DurableLog::create(&home.path().join("log"), 0x1000).expect("makes it");
        log.append(b"one\n").expect("writes");
        log.append(b"tw").expect("writes");
        log.inner().torn_at = Some(4);
        log.append(b"three\n").expect("writes");
        assert_eq!(log.read().expect("reads"), b"one\nthree\n");
    }

    #[test]
    fn a_file_that_is_taken_away_stays_readable_and_is_taken_away_once() {
        let home = tempfile::tempdir().expect("a folder");
        let log = DurableLog::create(&home.path().join("log"), 0x1000).expect("makes it");
        log.append(b"one\n").expect("writes");
        log.remove().expect("takes it away");
        log.remove().expect("is content");
        assert!(!log.path().exists());
        assert_eq!(log.read().expect("reads"), b"one\n");
    }
}

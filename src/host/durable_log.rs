//! A log that only grows, and whose every record is on the disk when `append` returns.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;

use super::files;

/// A log on disk. Room is taken ahead, so that a disk that is full later does not keep records out.
#[derive(Debug)]
pub struct DurableLog {
    path: PathBuf,
    file: Mutex<File>,
}

impl DurableLog {
    /// Makes the file, which must not be there yet (0600), takes room for so many bytes, and makes its entry in the
    /// folder last.
    pub fn create(path: &Path, room: u64) -> io::Result<Self> {
        let file = files::create_new(path)?;
        take_room(&file, room)?;
        file.sync_all()?;
        files::sync_folder_of(path)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Opens one that is there, to read it and to add to it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Keeps out others that ask for the lock, until this is dropped or its process ends; false when another has it.
    pub fn lock(&self) -> io::Result<bool> {
        match flock(&*self.file(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// All of it, from the beginning.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut file = self.file();
        file.rewind()?;
        file.read_to_end(&mut content)?;
        Ok(content)
    }

    /// Cuts off what is behind so many bytes: the rest of a record that was never finished.
    pub fn cut(&self, length: u64) -> io::Result<()> {
        let file = self.file();
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        Ok(())
    }

    /// Adds a record and waits until it is on the disk. After an error the record may be there in part.
    pub fn append(&self, record: &[u8]) -> io::Result<()> {
        let mut file = self.file();
        file.write_all(record)?;
        file.sync_data()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
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

    use super::DurableLog;
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
        DurableLog::create(&home.path().join("log"), 1 << 60).expect_err("no disk is so large");
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
}

//! Files of the fake machine. Their writer may die in the middle of a record, and a write may fail before it, in the
//! middle of it, or after it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rand::RngExt;

use super::life::Life;
use super::{Shared, lock};
use crate::host::scene::Paper;

#[derive(Debug, Default)]
pub(super) struct File {
    pub bytes: Vec<u8>,
    /// Who holds the lock: a handle, by its number, and the process that has it.
    locked: Option<(u64, Life)>,
}

#[derive(Debug)]
pub(super) struct FakePaper {
    pub world: Shared,
    pub life: Life,
    pub path: PathBuf,
    pub file: Arc<Mutex<File>>,
    pub handle: u64,
    pub torn_at: Mutex<Option<usize>>,
}

impl FakePaper {
    fn file(&self) -> std::sync::MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fails(&self) -> bool {
        let mut world = lock(&self.world);
        let fails = world.trials.paper_fails;
        world.chance(fails)
    }

    /// How much of a record gets there before the misfortune.
    fn part_of(&self, record: &[u8]) -> usize {
        lock(&self.world).dice.random_range(0..=record.len())
    }

    fn mend(&self) -> io::Result<()> {
        let mut torn_at = self.torn_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(whole) = *torn_at {
            if self.fails() {
                return Err(io::Error::other("EIO"));
            }
            self.file().bytes.truncate(whole);
            *torn_at = None;
        }
        Ok(())
    }
}

impl Paper for FakePaper {
    fn read(&self) -> io::Result<Vec<u8>> {
        self.life.step()?;
        Ok(self.file().bytes.clone())
    }

    fn append(&self, record: &[u8]) -> io::Result<()> {
        self.life.step()?;
        self.mend()?;
        let whole = self.file().bytes.len();
        let part = self.part_of(record);
        if let Err(dead) = self.life.may_die() {
            self.file().bytes.extend_from_slice(&record[..part]);
            return Err(self.life.end(dead));
        }
        if self.fails() {
            self.file().bytes.extend_from_slice(&record[..part]);
            *self.torn_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(whole);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file().bytes.extend_from_slice(record);
        self.life.step()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.life.step()?;
        if self.fails() {
            return Err(io::Error::other("EIO"));
        }
        self.file().bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        self.life.step()
    }

    fn lock(&self) -> io::Result<bool> {
        self.life.step()?;
        let mut file = self.file();
        let free = file.locked.as_ref().is_none_or(|(handle, life)| *handle == self.handle || !life.lasts());
        if free {
            file.locked = Some((self.handle, self.life.clone()));
        }
        Ok(free)
    }

    fn remove(&self) -> io::Result<()> {
        self.life.step()?;
        let mut world = lock(&self.world);
        if world.files.get(&self.path).is_some_and(|file| Arc::ptr_eq(file, &self.file)) {
            world.files.remove(&self.path);
        }
        drop(world);
        self.life.step()
    }
}

impl Drop for FakePaper {
    fn drop(&mut self) {
        let mut file = self.file();
        if file.locked.as_ref().is_some_and(|(handle, _)| *handle == self.handle) {
            file.locked = None;
        }
    }
}

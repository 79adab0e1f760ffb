//! The journal's file.

use std::io;
use std::path::Path;

use crate::host::files::DurableLog;
use crate::journal::Store;

/// A journal on disk; every line is durable before the act it announces.
#[derive(Debug)]
pub struct FileStore(DurableLog);

impl FileStore {
    /// Makes the file, which must not be there yet.
    pub fn create(path: &Path) -> io::Result<Self> {
        DurableLog::create(path).map(Self)
    }
}

impl Store for FileStore {
    fn append(&mut self, line: &str) -> io::Result<()> {
        self.0.append(line.as_bytes())
    }
}

//! Where records go.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::host::scene::Paper;

/// Where records go: a file that survives us, or a test's memory.
pub trait Store: Send {
    /// Appends a line and returns once it is durable.
    fn append(&mut self, line: &str) -> io::Result<()>;

    /// Takes all of it away, as nobody needs it any more.
    fn discard(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Store for Arc<dyn Paper> {
    fn append(&mut self, line: &str) -> io::Result<()> {
        Paper::append(&**self, line.as_bytes())
    }

    fn discard(&mut self) -> io::Result<()> {
        self.remove()
    }
}

/// A journal in memory, for tests and for looking at.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    /// The lines so far.
    pub lines: Arc<Mutex<Vec<String>>>,
}

impl MemoryStore {
    /// All of it, as a file would have it.
    pub fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).concat()
    }
}

impl Store for MemoryStore {
    fn append(&mut self, line: &str) -> io::Result<()> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        Ok(())
    }
}

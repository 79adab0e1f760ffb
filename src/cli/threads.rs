//! The threads that asynchronous commands run on.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// A runtime whose threads live as long as the process: workers die with the thread that made them.
pub(super) fn runtime(threads: usize) -> anyhow::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().context("cannot start threads")
}

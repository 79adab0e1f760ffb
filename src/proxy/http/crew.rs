//! Tasks that belong to one connection and end with it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::rt::Executor;
use tokio::task::JoinSet;

/// The tasks; copies share them.
#[derive(Clone, Default)]
pub(super) struct Crew(Arc<Mutex<JoinSet<()>>>);

/// Ends the tasks of a crew when it is dropped: they hold on to the crew, which would keep both alive for ever.
#[must_use = "the tasks end when this is dropped"]
pub(super) struct Dismissal(Crew);

impl Crew {
    /// Starts a task, and forgets those that have ended.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Returns when none is left.
    pub(super) async fn done(&self) {
        while poll_fn(|context| self.lock().poll_join_next(context)).await.is_some() {}
    }

    /// Ends all of them when the answer is dropped.
    pub(super) fn dismissed_at_the_end(&self) -> Dismissal {
        Dismissal(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Crew {
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}

impl Drop for Dismissal {
    fn drop(&mut self) {
        // Taken out first: a task that ends may ask for the lock.
        let tasks = std::mem::take(&mut *self.0.lock());
        drop(tasks);
    }
}

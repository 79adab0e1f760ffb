//! A known mistake: questions that failed are put aside without bound, and asked again all at once, before whoever asks
//! anew, as soon as one of them succeeds. What was a short outage becomes a long jam.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::call::Upstream;
use super::generator::Generated;
use super::pool::Pool;
use crate::host::clock::Clock;

/// How long after a failure it is tried whether the upstream is back.
const PAUSE: Duration = Duration::from_millis(100);

/// The questions put aside, and the task that asks them again; it ends when this is dropped.
pub(super) struct Redo {
    put_aside: UnboundedSender<String>,
    _worker: JoinSet<()>,
}

impl Redo {
    /// Nothing is put aside yet.
    pub(super) fn new(upstream: Arc<Upstream>, pool: Arc<Pool>, clock: Clock) -> Self {
        let (put_aside, mut targets) = unbounded_channel::<String>();
        let mut worker = JoinSet::new();
        worker.spawn(async move {
            while let Some(target) = targets.recv().await {
                while upstream.get::<Generated>(&target).await.is_err() {
                    clock.sleep(PAUSE).await;
                }
                let mut herd = JoinSet::new();
                while let Ok(target) = targets.try_recv() {
                    let (upstream, pool) = (Arc::clone(&upstream), Arc::clone(&pool));
                    herd.spawn(async move {
                        let _place = pool.push_in().await;
                        // Each is asked once more; nobody waits for the answer.
                        let _ = upstream.get::<Generated>(&target).await;
                    });
                }
                while herd.join_next().await.is_some() {}
            }
        });
        Self { put_aside, _worker: worker }
    }

    /// Asks this again later.
    pub(super) fn put_aside(&self, target: String) {
        // The worker lives as long as this does.
        let _ = self.put_aside.send(target);
    }
}

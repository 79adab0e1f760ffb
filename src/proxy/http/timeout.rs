//! Requests that are held.

use std::sync::Arc;

use tokio::sync::watch;

use crate::host::clock::Clock;
use crate::model::units::Timespan;
use crate::proxy::toxics::{LiveToxic, Touch, Toxics};

/// How holding a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// The toxic was taken off: the request goes on.
    Released,
    /// Its time is over.
    Expired,
}

/// Holds a request until the toxic is taken off, or for so long.
pub(super) async fn hold(touch: &Touch, after: Option<Timespan>, toxics: &Toxics, clock: Clock) -> Held {
    let deadline = after.map(|time| clock.now() + time.0);
    let patience = Patience::new([&touch.toxic]);
    let mut changes = toxics.subscribe();
    let over = async {
        match deadline {
            Some(deadline) => clock.sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let held = tokio::select! {
        () = lifted(&touch.toxic, &mut changes) => Held::Released,
        () = over => Held::Expired,
    };
    patience.rewarded();
    held
}

/// Returns when a toxic was taken off. Cancel-safe.
pub(super) async fn lifted(toxic: &LiveToxic, changes: &mut watch::Receiver<Vec<Arc<LiveToxic>>>) {
    while !toxic.is_removed() {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The patience of a client whose request is held: dropped before it is rewarded, the client gave up.
#[must_use = "dropping it at once says that the client gave up"]
pub(super) struct Patience {
    toxics: Vec<Arc<LiveToxic>>,
}

impl Patience {
    /// Of a request that these toxics hold.
    pub(super) fn new<'a>(toxics: impl IntoIterator<Item = &'a Arc<LiveToxic>>) -> Self {
        Self { toxics: toxics.into_iter().cloned().collect() }
    }

    /// It was held as long as was meant.
    pub(super) fn rewarded(mut self) {
        self.toxics.clear();
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        for toxic in &self.toxics {
            toxic.counters.given_up();
        }
    }
}

//! The places that the gateway's questions share: whoever finds none waits in line, or is refused.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::settings;

/// The places; without limit where the settings say nothing.
pub(super) struct Pool(Option<Places>);

struct Places {
    free: Arc<Semaphore>,
    /// Places and waiting room together: whoever finds no room is refused.
    room: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[must_use = "the place is free again when this is dropped"]
pub(super) struct Place(#[allow(dead_code, reason = "held until it is dropped")] [Option<OwnedSemaphorePermit>; 2]);

impl Pool {
    /// As the settings say.
    pub(super) fn new(settings: Option<settings::Pool>) -> Self {
        let semaphore = |places: u32| Arc::new(Semaphore::new(places as usize));
        Self(settings.map(|settings| Places {
            free: semaphore(settings.places),
            room: semaphore(settings.places.saturating_add(settings.queue)),
        }))
    }

    /// Waits in line for a place; none when the waiting room is full.
    pub(super) async fn enter(&self) -> Option<Place> {
        let Some(places) = &self.0 else { return Some(Place([None, None])) };
        let room = Arc::clone(&places.room).try_acquire_owned().ok()?;
        let free = Arc::clone(&places.free).acquire_owned().await.ok()?;
        Some(Place([Some(room), Some(free)]))
    }

    /// The same for work of our own, which nobody refuses.
    pub(super) async fn push_in(&self) -> Place {
        match &self.0 {
            Some(places) => Place([Arc::clone(&places.free).acquire_owned().await.ok(), None]),
            None => Place([None, None]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pool, settings};
    use crate::host::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_waits_and_who_finds_no_room_is_refused() {
        let pool = Pool::new(Some(settings::Pool { places: 1, queue: 1 }));
        let first = pool.enter().await.expect("free");
        let later = async {
            Clock::Tokio.sleep(Duration::from_secs(1)).await;
            assert!(pool.enter().await.is_none(), "one has the place, one waits");
            drop(first);
        };
        let (second, ()) = tokio::join!(pool.enter(), later);
        assert!(second.is_some());
    }

    #[tokio::test]
    async fn without_settings_there_is_always_a_place() {
        let pool = Pool::new(None);
        let (_first, second) = (pool.enter().await, pool.enter().await);
        assert!(second.is_some());
    }
}

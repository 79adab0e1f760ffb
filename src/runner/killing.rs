//! Kills that come again and again: each time those are found anew who match then, judged, drawn and signalled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

use super::targets::Targets;
use crate::host::clock::Clock;
use crate::host::process::Signal;
use crate::model::fault::KillSignal;
use crate::model::target::{ProcessTarget, Victims};
use crate::model::units::Timespan;

/// Every repeated kill of a run. It ends with the tool's process at the latest.
#[derive(Debug)]
pub(super) struct Killing {
    clock: Clock,
    targets: Arc<Targets>,
    tasks: Mutex<BTreeMap<ProcessTarget, JoinHandle<()>>>,
}

impl Killing {
    pub fn new(clock: Clock, targets: Arc<Targets>) -> Self {
        Self { clock, targets, tasks: Mutex::default() }
    }

    /// Kills whoever matches, as many as were chosen at first, at every further multiple of this time.
    pub fn start(&self, whom: &Victims, signal: KillSignal, every: Timespan) {
        let (clock, targets, whom) = (self.clock, Arc::clone(&self.targets), whom.clone());
        let target = whom.target.clone();
        let task = tokio::spawn(async move {
            let mut next = clock.now();
            loop {
                next += every.0;
                clock.sleep_until(next).await;
                // Nobody is there to be killed while the last one is being replaced: the next time will tell.
                if let Ok(again) = targets.draw_again(&whom) {
                    let _ = targets.signal(&again, Signal::Kill(signal));
                }
            }
        });
        if let Some(before) = self.tasks().insert(target, task) {
            before.abort();
        }
    }

    /// Kills them no more; returns when that is sure.
    pub async fn stop(&self, target: &ProcessTarget) {
        let task = self.tasks().remove(target);
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    /// Whether they are still being killed.
    pub fn goes_on(&self, target: &ProcessTarget) -> bool {
        self.tasks().contains_key(target)
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<ProcessTarget, JoinHandle<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

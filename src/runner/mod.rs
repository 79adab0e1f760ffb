//! Runs one experiment as a state machine that emits events. Whatever happens, everything is put back.
//!
//! [`run`] walks the phases in the order of [`transition`]; each phase is one file. What is touched is touched through
//! [`hands`], which writes the way back into the journal first, and which undoes the newest first at the end, also when
//! a phase failed, was stopped, was cancelled, or panicked.

mod active;
mod baseline;
mod catch;
mod commands;
mod contention;
mod ears;
mod emitter;
mod groups;
mod hands;
mod killing;
mod limits;
mod linux;
mod longest;
mod matching;
mod observe;
mod put_back;
mod readiness;
mod recovery;
mod set_up;
mod targets;
mod transition;
mod walk;

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

pub use linux::LinuxMachine;
pub use longest::longest;
pub use set_up::steps as set_up_steps;
pub use targets::strangers_of;

use crate::host::Machine;
use crate::host::signals::Cancel;
use crate::journal::Journal;
use crate::model::event::{Event, RunHeader};
use walk::Walk;

/// A run that was brought to its end, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The events tell the rest.
    Complete,
    /// Our own bug: a panic, whose text this is. Everything was undone all the same.
    Panicked(String),
}

/// Runs the experiment of the header on a machine, and sends what happens as events, the last being `RunEnded`.
///
/// Cancelling asks for the way back, it never skips it. Needs a tokio runtime with time enabled.
pub async fn run<M: Machine>(
    header: RunHeader,
    machine: Arc<M>,
    journal: Journal,
    cancel: Cancel,
    events: UnboundedSender<Event>,
) -> Ending {
    let mut walk = Walk::new(header, machine, journal, cancel, events);
    let outcome = catch::panics(walk.through_all_phases()).await;
    let ending = match outcome {
        Ok(()) => Ending::Complete,
        Err(panic) => {
            walk.put_everything_back().await;
            Ending::Panicked(panic)
        }
    };
    walk.end();
    ending
}

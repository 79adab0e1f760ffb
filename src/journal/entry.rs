//! A step in the journal: its states, and the legal transitions between them.

use serde::{Deserialize, Serialize};

use crate::model::step::{Persistence, Receipt, Step};

/// The state of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is about to be done; nothing, half or all of it may have happened.
    Intent,
    /// It is done.
    Active,
    /// It is being undone.
    Undoing,
    /// It is undone, and that was read back.
    Done,
    /// It could not be undone for sure.
    Conflict,
}

impl State {
    /// The legal transitions, all of them.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Intent, Self::Active | Self::Undoing)
                | (Self::Active, Self::Undoing)
                | (Self::Undoing, Self::Done | Self::Conflict)
                | (Self::Conflict, Self::Undoing)
        )
    }
}

/// To whom a step belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The services and proxies of the experiment.
    SetUp,
    /// A fault, by its place in the experiment.
    Fault(usize),
}

/// A step in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, rising from 1 in the order of the acts.
    pub number: u64,
    /// To whom it belongs.
    pub owner: Owner,
    /// Where it stands.
    pub state: State,
    /// Whether it outlives a restart of the machine.
    pub persistence: Persistence,
    /// What is done and how it is undone.
    pub step: Step,
    /// What the act left behind; empty until it is done.
    pub receipt: Receipt,
}

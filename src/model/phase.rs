//! The phases of a run, in their order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a run is. The order of the variants is the order of a run that goes well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Services and proxies are started and awaited.
    SetUp,
    /// The steady state is measured with nothing broken.
    Baseline,
    /// The faults that start at once are applied.
    Inject,
    /// Faults are active (or about to start) and the system is watched.
    Observe,
    /// Faults are undone and the undo is read back.
    Rollback,
    /// The system is watched until it is steady again.
    Recovery,
    /// Proxies and services are stopped.
    TearDown,
    /// Nothing is left to do.
    Done,
}

impl Phase {
    /// The word people read, such as `baseline` or `set-up`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SetUp => "set-up",
            Self::Baseline => "baseline",
            Self::Inject => "inject",
            Self::Observe => "observe",
            Self::Rollback => "rollback",
            Self::Recovery => "recovery",
            Self::TearDown => "tear-down",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

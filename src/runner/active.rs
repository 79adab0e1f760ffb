//! Which faults are in place.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::host::Facts;
use crate::model::dose::Meter;

/// The faults that were begun and are not undone.
#[derive(Debug, Default)]
pub(super) struct Active {
    /// By their places in the experiment.
    pub(super) begun: BTreeMap<usize, Begun>,
    /// When the first act of the first fault began: the blast radius' duration counts from here.
    pub(super) first: Option<Instant>,
}

/// A fault that was applied.
#[derive(Debug)]
pub(super) struct Begun {
    /// When it was applied completely.
    pub(super) at: Instant,
    /// Where its dose is read.
    pub(super) meter: Meter,
    /// What was known when it was planned.
    pub(super) facts: Facts,
}

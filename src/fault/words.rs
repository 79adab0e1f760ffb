//! How doses are told, in one place so that every fault tells them alike.

use crate::model::dose::{Dose, DosePart};

/// One part of a dose.
pub(super) fn part(what: &str, asked: impl ToString, measured: impl ToString, number: f64) -> DosePart {
    DosePart { what: what.to_owned(), asked: asked.to_string(), measured: measured.to_string(), number }
}

/// A dose that could not be read: never taken for one that bit.
pub(super) fn unmeasured(why: &str) -> Dose {
    Dose { parts: Vec::new(), ineffective: Some(why.to_owned()) }
}

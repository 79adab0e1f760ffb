//! How doses are told, in one place so that every fault tells them alike.

use crate::model::dose::{Dose, DosePart, Strayed, WorkerReading};

/// One part of a dose.
pub(super) fn part(what: &str, asked: impl ToString, measured: impl ToString, number: f64) -> DosePart {
    DosePart { what: what.to_owned(), asked: asked.to_string(), measured: measured.to_string(), number }
}

/// When a worker strayed furthest from what was asked, in the words of its unit.
pub(super) fn worst_part(what: &str, worker: &WorkerReading, unit: impl Fn(f64) -> String) -> Option<DosePart> {
    let Strayed { at, asked, measured } = worker.worst?;
    let what = format!("{what}, at {:.0}s", at.as_secs_f64());
    Some(part(&what, unit(asked), unit(measured), measured))
}

/// A dose that could not be read: never taken for one that bit.
pub(super) fn unmeasured(why: &str) -> Dose {
    Dose { parts: Vec::new(), ineffective: Some(why.to_owned()) }
}

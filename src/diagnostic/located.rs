//! A diagnostic with its place as people count, for machines.

use std::ops::Range;

use serde::Serialize;

use super::lines::line_of;
use super::{Diagnostic, Fix, Level};

/// One piece of trouble, as it is told to machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// How bad it is.
    pub level: Level,
    /// What is wrong.
    pub message: String,
    /// Where it is; none when no place is to blame.
    pub place: Option<Place>,
    /// Why it matters.
    pub notes: Vec<String>,
    /// What to try.
    pub help: Option<String>,
    /// The help as a change of the file.
    pub fix: Option<Change>,
}

/// A part of one line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The first byte, from 0.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// What comes in the place of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The first byte that goes, from 0.
    pub start: usize,
    /// The byte after the last that goes.
    pub end: usize,
    /// What comes.
    pub text: String,
}

impl Located {
    pub(super) fn of(text: &str, diagnostic: &Diagnostic) -> Self {
        let change = |fix: &Fix| Change { start: fix.span.start, end: fix.span.end, text: fix.text.clone() };
        Self {
            level: diagnostic.level,
            message: diagnostic.message.clone(),
            place: diagnostic.span.as_ref().map(|span| Place::of(text, span)),
            notes: diagnostic.notes.clone(),
            help: diagnostic.help.clone(),
            fix: diagnostic.fix.as_ref().map(change),
        }
    }
}

impl Place {
    fn of(text: &str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self { line: line_of(text, span.start), column: line.chars().count() + 1, start: span.start, end: span.end }
    }
}

#[cfg(test)]
mod tests {
    use super::{Located, Place};
    use crate::diagnostic::Diagnostic;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let text = "a: ö\nb: ö 5\n";
        let start = text.find('5').expect("there");
        let told = Located::of(text, &Diagnostic::error("x").at(start..start + 1));
        assert_eq!(told.place, Some(Place { line: 2, column: 6, start, end: start + 1 }));
    }
}

//! Where trouble stands, for those who mark lines of files.

use super::Diagnostics;

impl Diagnostics {
    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The line of each of [`Self::iter`], counted from 1; none of what has no place.
    pub fn lines(&self) -> impl Iterator<Item = Option<usize>> {
        self.list.iter().map(|diagnostic| Some(line_of(&self.text, diagnostic.span.as_ref()?.start)))
    }
}

/// The line of a byte of a text, counted from 1; the last one of what is beyond its end.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Diagnostic, Diagnostics};

    #[test]
    fn lines_are_counted_from_one() {
        let mut told = Diagnostics::new("a.yaml", "name: x\nfaults: []\n");
        told.push(Diagnostic::error("first").at(0..4));
        told.push(Diagnostic::error("second").at(8..9));
        told.push(Diagnostic::error("nowhere"));
        assert_eq!(told.lines().collect::<Vec<_>>(), [Some(1), Some(2), None]);
    }
}

//! Lines on standard error, and where lines can be drawn again a frame below them.
//!
//! The cursor is never hidden and stands below the frame at the start of a line, so that a terminal is in order whenever
//! we end, also by a kill. Lines and frame are written at once. A terminal that got narrower has broken the lines of the
//! last frame: how many rows they take is counted anew before they are erased.

use unicode_width::UnicodeWidthStr;

use crate::host::output::{self, Stream};

/// Writes to a terminal of any size.
#[derive(Debug, Default)]
pub(super) struct Pen {
    /// The widths of the lines of the frame that is there, in columns.
    frame: Vec<usize>,
}

/// A terminal that does not tell its size has this many columns and rows.
const USUAL: (usize, usize) = (80, 24);

/// Columns and rows of the terminal, now.
pub(super) fn size() -> (usize, usize) {
    output::size(Stream::Stderr).unwrap_or(USUAL)
}

impl Pen {
    /// Writes lines above the frame, and then the frame.
    pub(super) fn write(&mut self, above: &str, frame: &[String]) {
        let mut text = erase(&self.frame, size().0);
        text.push_str(above);
        frame.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        self.frame = frame.iter().map(|line| visible(line)).collect();
        if !text.is_empty() {
            output::stderr(&text);
        }
    }
}

/// What removes lines of these widths that stand above the cursor.
fn erase(lines: &[usize], columns: usize) -> String {
    let rows: usize = lines.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
    if rows == 0 { String::new() } else { format!("\r\u{1b}[{rows}A\u{1b}[J") }
}

/// The columns of a line without the escapes for its colours.
fn visible(line: &str) -> usize {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default();
    first.width() + parts.filter_map(|part| part.split_once('m')).map(|(_, text)| text.width()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::{erase, visible};

    #[test]
    fn colours_take_no_room() {
        assert_eq!(visible("\u{1b}[1mab\u{1b}[0m c \u{1b}[32m▇▇\u{1b}[0m"), 7);
    }

    #[test]
    fn a_frame_is_erased_with_the_rows_it_takes_now() {
        assert_eq!(erase(&[], 80), "");
        assert_eq!(erase(&[80, 12, 0], 80), "\r\u{1b}[3A\u{1b}[J");
        assert_eq!(erase(&[80, 12, 0], 40), "\r\u{1b}[4A\u{1b}[J", "the first line was broken in two");
    }
}

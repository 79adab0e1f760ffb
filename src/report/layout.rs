//! Lines of text within a width: headings, paragraphs and tables.

use comfy_table::presets::{ASCII_NO_BORDERS, NOTHING};
use comfy_table::{ContentArrangement, Table};

use crate::diagnostic::clean::clean;

/// How a text report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colours and bold letters, as ANSI escapes.
    pub color: bool,
    /// The widest line, in columns; at least 40. Only commands and paths to copy may be wider.
    pub width: usize,
}

/// What a word means, and so its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As wanted.
    Good,
    /// Undecided.
    Doubtful,
    /// Not as wanted.
    Bad,
    /// A heading.
    Strong,
}

/// A page that is being written. Everything from outside goes through [`clean`] here, once.
pub struct Page {
    style: Style,
    text: String,
}

impl Page {
    /// An empty page.
    pub fn new(style: Style) -> Self {
        Self { style: Style { width: style.width.max(40), ..style }, text: String::new() }
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }

    /// A heading, after an empty line where something stands above it.
    pub fn heading(&mut self, title: &str) {
        self.gap();
        self.paragraph(title, 0, Some(Tone::Strong));
    }

    /// An empty line, unless the page is empty.
    pub fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// A paragraph, wrapped and indented.
    pub fn paragraph(&mut self, text: &str, indent: usize, tone: Option<Tone>) {
        let mut table = borderless(self.style.width);
        table.add_row([clean(text)]);
        pad(&mut table, 0, indent, 0);
        for line in table.lines() {
            let line = line.trim_end();
            self.line(&tone.map_or_else(|| line.to_owned(), |tone| self.paint(line, tone)));
        }
    }

    /// A command or a path to copy: a line of its own, however long.
    pub fn command(&mut self, command: &str, indent: usize) {
        self.line(&format!("{:indent$}{}", "", self.paint(&clean(command), Tone::Strong)));
    }

    /// Pairs of a label and a text, the texts in one column.
    pub fn pairs(&mut self, pairs: &[(String, String)]) {
        let mut table = borderless(self.style.width);
        for (label, text) in pairs {
            table.add_row([clean(label).replace(' ', "\u{a0}"), clean(text)]);
        }
        pad(&mut table, 0, 2, 0);
        pad(&mut table, 1, 2, 0);
        for line in table.lines() {
            self.line(line.replace('\u{a0}', " ").trim_end());
        }
    }

    /// A table. A last column that ends in a word of this list is painted.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>], tones: &[(&str, Tone)]) {
        let mut table = Table::new();
        table.load_style(ASCII_NO_BORDERS).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width_of(self.style.width));
        table.style_mut().row_separator = comfy_table::LineStyle::none();
        table.set_header(header.iter().map(|title| clean(title)));
        for row in rows {
            table.add_row(row.iter().map(|cell| clean(cell)));
        }
        let lines: Vec<String> = table.lines().collect();
        for line in lines {
            let line = line.trim_end();
            let tone = tones.iter().find(|(word, _)| line.ends_with(word));
            let painted = tone.and_then(|(word, tone)| Some((line.strip_suffix(word)?, self.paint(word, *tone))));
            self.line(&painted.map_or_else(|| line.to_owned(), |(before, word)| format!("{before}{word}")));
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn paint(&self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Good => "1;32",
            Tone::Doubtful => "1;33",
            Tone::Bad => "1;31",
            Tone::Strong => "1",
        };
        if self.style.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn borderless(width: usize) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width_of(width));
    table
}

fn pad(table: &mut Table, column: usize, left: usize, right: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_padding((width_of(left), width_of(right)));
    }
}

fn width_of(columns: usize) -> u16 {
    u16::try_from(columns).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Page, Style, Tone};

    const PLAIN: Style = Style { color: false, width: 40 };

    #[test]
    fn a_paragraph_is_wrapped_at_words_and_indented() {
        let mut page = Page::new(PLAIN);
        page.paragraph("one two three four five six seven eight nine ten", 4, None);
        assert_eq!(page.finish(), "    one two three four five six seven\n    eight nine ten\n");
    }

    #[test]
    fn a_word_without_end_is_broken_at_the_width() {
        let mut page = Page::new(PLAIN);
        page.paragraph(&"x".repeat(100), 2, None);
        assert!(page.finish().lines().all(|line| line.len() <= 40));
    }

    #[test]
    fn pairs_stand_in_two_columns() {
        let mut page = Page::new(PLAIN);
        page.pairs(&[("Impact".into(), "low".into()), ("Time to recover".into(), "1.2s".into())]);
        assert_eq!(page.finish(), "  Impact           low\n  Time to recover  1.2s\n");
    }

    #[test]
    fn colour_is_only_used_when_asked_for() {
        let write = |color| {
            let mut page = Page::new(Style { color, width: 40 });
            page.heading("ADVICE");
            page.table(&["probe", "result"], &[vec!["ask".into(), "held".into()]], &[("held", Tone::Good)]);
            page.finish()
        };
        assert!(write(true).contains("\u{1b}[1;32mheld\u{1b}[0m"));
        assert!(!write(false).contains('\u{1b}'));
    }

    #[test]
    fn a_table_never_gets_wider_than_the_page() {
        let mut page = Page::new(PLAIN);
        let row = vec!["a very long name of a probe".to_owned(), "success_rate >= 99.95%".into(), "99.9%".into()];
        page.table(&["probe", "expected", "before"], &[row], &[]);
        assert!(page.finish().lines().all(|line| line.chars().count() <= 40));
    }
}

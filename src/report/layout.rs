//! Lines of text within a width: headings, paragraphs and tables.

use comfy_table::presets::{ASCII_NO_BORDERS, NOTHING};
use comfy_table::{ColumnConstraint, ContentArrangement, Table};

use crate::diagnostic::clean::clean;

/// A first cell up to here is never broken into lines, in characters.
const SHORT_NAME: usize = 16;

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

/// A piece of a page, as it was said: formats decide how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// An empty line, unless the page is empty.
    Gap,
    /// A title.
    Heading(String),
    /// Text, so many columns from the left.
    Paragraph {
        /// What it says.
        text: String,
        /// The columns.
        indent: usize,
        /// What it means.
        tone: Option<Tone>,
    },
    /// A command or a path to copy.
    Command {
        /// What to copy.
        text: String,
        /// So many columns from the left.
        indent: usize,
    },
    /// Labels with their texts.
    Pairs(Vec<(String, String)>),
    /// A table.
    Table {
        /// The titles of its columns.
        header: Vec<String>,
        /// Its rows.
        rows: Vec<Vec<String>>,
        /// What the words at the end of a row mean.
        tones: Vec<(String, Tone)>,
    },
}

/// A page that is being written: said once, shown as text, Markdown or HTML.
pub struct Page {
    style: Style,
    blocks: Vec<Block>,
}

impl Page {
    /// An empty page.
    pub fn new(style: Style) -> Self {
        Self { style, blocks: Vec::new() }
    }

    /// An empty page for a format that has its own looks.
    pub fn unstyled() -> Self {
        Self::new(Style { color: false, width: 80 })
    }

    /// What was said.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// As text.
    pub fn finish(self) -> String {
        let mut text = TextPage { style: Style { width: self.style.width.max(40), ..self.style }, text: String::new() };
        self.blocks.iter().for_each(|block| text.add(block));
        text.text
    }

    /// A heading, after an empty line where something stands above it.
    pub fn heading(&mut self, title: &str) {
        self.blocks.push(Block::Heading(title.to_owned()));
    }

    /// An empty line, unless the page is empty.
    pub fn gap(&mut self) {
        self.blocks.push(Block::Gap);
    }

    /// A paragraph, wrapped and indented.
    pub fn paragraph(&mut self, text: &str, indent: usize, tone: Option<Tone>) {
        self.blocks.push(Block::Paragraph { text: text.to_owned(), indent, tone });
    }

    /// A command or a path to copy: a line of its own, however long.
    pub fn command(&mut self, command: &str, indent: usize) {
        self.blocks.push(Block::Command { text: command.to_owned(), indent });
    }

    /// Pairs of a label and a text, the texts in one column.
    pub fn pairs(&mut self, pairs: &[(String, String)]) {
        self.blocks.push(Block::Pairs(pairs.to_vec()));
    }

    /// A table. A last column that ends in a word of this list is painted.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>], tones: &[(&str, Tone)]) {
        self.blocks.push(Block::Table {
            header: header.iter().map(ToString::to_string).collect(),
            rows: rows.to_vec(),
            tones: tones.iter().map(|(word, tone)| ((*word).to_owned(), *tone)).collect(),
        });
    }
}

/// A page as text. Everything from outside goes through [`clean`] here, once.
struct TextPage {
    style: Style,
    text: String,
}

impl TextPage {
    fn add(&mut self, block: &Block) {
        match block {
            Block::Gap => self.gap(),
            Block::Heading(title) => {
                self.gap();
                self.paragraph(title, 0, Some(Tone::Strong));
            }
            Block::Paragraph { text, indent, tone } => self.paragraph(text, *indent, *tone),
            Block::Command { text, indent } => {
                self.line(&format!("{:indent$}{}", "", self.paint(&clean(text), Tone::Strong)));
            }
            Block::Pairs(pairs) => self.pairs(pairs),
            Block::Table { header, rows, tones } => self.table(header, rows, tones),
        }
    }

    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    fn paragraph(&mut self, text: &str, indent: usize, tone: Option<Tone>) {
        let mut table = borderless(self.style.width);
        table.add_row([clean(text)]);
        pad(&mut table, 0, indent, 0);
        for line in table.lines() {
            let line = line.trim_end();
            self.line(&tone.map_or_else(|| line.to_owned(), |tone| self.paint(line, tone)));
        }
    }

    fn pairs(&mut self, pairs: &[(String, String)]) {
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

    fn table(&mut self, header: &[String], rows: &[Vec<String>], tones: &[(String, Tone)]) {
        let mut table = Table::new();
        table.load_style(ASCII_NO_BORDERS).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width_of(self.style.width));
        table.style_mut().row_separator = comfy_table::LineStyle::none();
        table.set_header(header.iter().map(|title| clean(title)));
        for row in rows {
            table.add_row(row.iter().map(|cell| clean(cell)));
        }
        // A short name is not broken: an id is there to be copied.
        if let Some(first) = table.column_mut(0).filter(|_| rows.iter().all(|row| is_short(row))) {
            first.set_constraint(ColumnConstraint::ContentWidth);
        }
        let lines: Vec<String> = table.lines().collect();
        for line in lines {
            let line = line.trim_end();
            let tone = tones.iter().find(|(word, _)| line.ends_with(word.as_str()));
            let painted =
                tone.and_then(|(word, tone)| Some((line.strip_suffix(word.as_str())?, self.paint(word, *tone))));
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

fn is_short(row: &[String]) -> bool {
    row.first().is_none_or(|cell| cell.chars().count() <= SHORT_NAME)
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

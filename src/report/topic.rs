//! A part of our own documents, which are Markdown, as text for a terminal.

use super::layout::{Page, Style};

/// The section of a document with this title, title included; empty when there is none.
pub fn section<'a>(document: &'a str, title: &str) -> &'a str {
    let (mut start, mut at, mut fenced) = (None, 0, false);
    for line in document.split_inclusive('\n') {
        fenced ^= line.starts_with("```");
        if let Some(found) = line.strip_prefix("## ").filter(|_| !fenced) {
            if let Some(start) = start {
                return &document[start..at];
            }
            start = (found.trim_end() == title).then_some(at);
        }
        at += line.len();
    }
    start.map_or("", |start| &document[start..])
}

/// The text of it: what shouts, lists, tables and code keep their shapes.
pub fn text(markdown: &str, style: Style) -> String {
    let mut writer = Writer { page: Page::new(style), open: Open::Nothing };
    markdown.lines().for_each(|line| writer.line(line));
    writer.close();
    writer.page.finish()
}

/// What the next line may belong to.
enum Open {
    Nothing,
    Paragraph { text: String, indent: usize },
    Table(Vec<Vec<String>>),
    Code,
}

struct Writer {
    page: Page,
    open: Open,
}

impl Writer {
    fn line(&mut self, line: &str) {
        let trimmed = line.trim();
        if matches!(self.open, Open::Code) {
            match trimmed.starts_with("```") {
                true => self.open = Open::Nothing,
                false => self.page.command(line, 4),
            }
        } else if trimmed.starts_with("```") {
            self.close();
            self.page.gap();
            self.open = Open::Code;
        } else if trimmed.is_empty() {
            self.close();
        } else if let Some(title) = trimmed.strip_prefix('#') {
            self.close();
            self.page.heading(&plain(title.trim_start_matches('#').trim()).to_uppercase());
        } else if let Some(cells) = trimmed.strip_prefix('|') {
            self.row(cells);
        } else {
            self.words(line, trimmed);
        }
    }

    fn row(&mut self, cells: &str) {
        let cells: Vec<String> = cells.trim_end_matches('|').split('|').map(|cell| plain(cell.trim())).collect();
        let rule = cells.iter().all(|cell| cell.chars().all(|c| "-:".contains(c)));
        match &mut self.open {
            Open::Table(rows) if !rule => rows.push(cells),
            Open::Table(_) => {}
            _ => {
                self.close();
                self.open = Open::Table(vec![cells]);
            }
        }
    }

    fn words(&mut self, line: &str, trimmed: &str) {
        let continues = matches!(self.open, Open::Paragraph { indent, .. } if indent == 0 || line.starts_with(' '));
        if continues && !is_item(trimmed) {
            if let Open::Paragraph { text, .. } = &mut self.open {
                text.push(' ');
                text.push_str(trimmed);
            }
            return;
        }
        let follows_item = matches!(self.open, Open::Paragraph { indent: 2, .. });
        self.close();
        if !(follows_item && is_item(trimmed)) {
            self.page.gap();
        }
        self.open = Open::Paragraph { text: trimmed.to_owned(), indent: if is_item(trimmed) { 2 } else { 0 } };
    }

    fn close(&mut self) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing | Open::Code => {}
            Open::Paragraph { text, indent } => self.page.paragraph(&plain(&text), indent, None),
            Open::Table(mut rows) => {
                let header = rows.remove(0);
                self.page.gap();
                self.page.table(&header.iter().map(String::as_str).collect::<Vec<_>>(), &rows, &[]);
            }
        }
    }
}

/// `- `, `* ` or `1. `.
fn is_item(line: &str) -> bool {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with("- ") || line.starts_with("* ") || (number.len() < line.len() && number.starts_with(". "))
}

/// Without marks for bold and code, and of a link its words and where it leads to.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        out.push_str(before);
        let Some(((words, target), after)) =
            link.split_once(')').and_then(|(link, after)| Some((link.split_once("](")?, after)))
        else {
            out.push('[');
            rest = link;
            continue;
        };
        out.push_str(words);
        if words != target {
            out.push_str(&format!(" ({target})"));
        }
        rest = after;
    }
    out.push_str(rest);
    out.replace("**", "").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::{section, text};
    use crate::report::Style;

    const DOCUMENT: &str = "# All\n\n## One\n\nA **bold** `word` with\na [link](docs/x.md).\n\n- first\n  goes on\n- second\n\n\
                            ```sh\n## no title\n```\n\n| code | meaning |\n|---|---|\n| 0 | held |\n\n## Two\n\nx\n";

    #[test]
    fn a_section_ends_at_the_next_title_and_not_in_code() {
        assert!(section(DOCUMENT, "One").ends_with("| 0 | held |\n\n"));
        assert_eq!((section(DOCUMENT, "Two"), section(DOCUMENT, "Three")), ("## Two\n\nx\n", ""));
    }

    #[test]
    fn marks_go_and_shapes_stay() {
        let shown = text(section(DOCUMENT, "One"), Style { color: false, width: 80 });
        let expected = "ONE\n\nA bold word with a link (docs/x.md).\n\n  - first goes on\n  - second\n\n    ## no title\n\n \
                        code | meaning\n================\n 0    | held\n";
        assert_eq!(shown, expected);
    }
}

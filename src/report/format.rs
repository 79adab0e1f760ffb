//! The formats of a report, and their names: on the command line and as the extension of a file.

use std::path::Path;

use super::layout::Style;
use super::{html, json, junit, markdown, text};
use crate::analysis::{Analysis, Run};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, on a terminal
    Text,
    /// For machines; every field is documented
    Json,
    /// For CI: one test case for each expectation, fault and the rollback
    Junit,
    /// For a pull request or a job's summary
    Markdown,
    /// For people, with time lines: one file that needs no network
    Html,
}

impl Format {
    /// The extensions that [`Format::of`] knows, for people.
    pub const EXTENSIONS: &str = ".txt, .json, .xml (JUnit), .md or .html";

    /// By the extension of a file.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "txt" => Some(Self::Text),
            "json" => Some(Self::Json),
            "xml" => Some(Self::Junit),
            "md" => Some(Self::Markdown),
            "html" => Some(Self::Html),
            _ => None,
        }
    }

    /// The whole report. The style is that of text; the other formats have their own.
    pub fn render(self, run: &Run, analysis: &Analysis, style: Style) -> String {
        match self {
            Self::Text => text(run, analysis, style),
            Self::Json => json(run, analysis),
            Self::Junit => junit::junit(run, analysis),
            Self::Markdown => markdown(run, analysis),
            Self::Html => html::html(run, analysis),
        }
    }

    /// As it is in a file: text without colour at 80 columns.
    pub fn render_file(self, run: &Run, analysis: &Analysis) -> String {
        self.render(run, analysis, Style { color: false, width: 80 })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::ValueEnum;

    use super::Format;

    #[test]
    fn every_format_has_an_extension_that_is_told() {
        let known = ["txt", "json", "xml", "md", "html"];
        let found: Vec<Format> = known.iter().filter_map(|end| Format::of(Path::new(&format!("r.{end}")))).collect();
        assert_eq!(found, Format::value_variants());
        assert!(known.iter().all(|end| Format::EXTENSIONS.contains(&format!(".{end}"))));
        assert_eq!(Format::of(Path::new("r.pdf")), None);
        assert_eq!(Format::of(Path::new("html")), None);
    }
}

//! A suite as one HTML file: the summary, and every run folded away.

use std::fmt::Write;

use super::{Entry, Suite};
use crate::report::html::{class, document, escape, section};
use crate::report::text::tone;

/// All of it.
pub fn html(suite: &Suite) -> String {
    let mut out = String::new();
    section(&mut out, "key", |page| super::text::say(page, suite));
    for (number, told) in suite.entries.iter().flat_map(Entry::told) {
        let verdict = told.analysis.verdict;
        let again = if number > 1 { format!(" (run {number})") } else { String::new() };
        let title = format!("{}: {}{again}", verdict.headline(), told.run.experiment().name);
        let _ = write!(
            out,
            "<details>\n<summary class=\"{}\">{}</summary>\n{}</details>\n",
            class(tone(verdict)),
            escape(&title),
            told.html
        );
    }
    document(&suite.headline(), &out)
}

//! A suite for pull requests and job summaries: the summary, and every run folded away.

use super::{Entry, Suite};
use crate::report::markdown::{escape, markdown as report, sign, write_blocks};
use crate::report::text::tone;

/// All of it, as far as it fits; the summary always does.
pub fn markdown(suite: &Suite, most: usize) -> String {
    let mut out = String::new();
    write_blocks(&mut out, |page| super::text::say(page, suite));
    for (number, told) in suite.entries.iter().flat_map(Entry::told) {
        let verdict = told.analysis.verdict;
        let again = if number > 1 { format!(" (run {number})") } else { String::new() };
        let title =
            format!("{} {}: {}{again}", sign(tone(verdict)), verdict.headline(), escape(&told.run.experiment().name));
        let run =
            format!("<details><summary>{title}</summary>\n\n{}\n</details>\n\n", report(&told.run, &told.analysis));
        if run.len() > most.saturating_sub(out.len()) {
            out.push_str(&format!("{title}: `chaos report {}`\n\n", told.run.header.run));
        } else {
            out.push_str(&run);
        }
    }
    out
}

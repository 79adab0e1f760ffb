//! The report as Markdown for pull requests and job summaries: the verdict first, the long lists folded away.

use std::fmt::Write;

use super::layout::{Block, Page, Tone};
use super::{sections, text};
use crate::analysis::{Analysis, Run};
use crate::diagnostic::clean::clean;

/// The whole report as Markdown (GitHub's dialect).
pub fn markdown(run: &Run, analysis: &Analysis) -> String {
    let mut out = String::new();
    write_blocks(&mut out, |page| sections::residue(page, run));
    let verdict = analysis.verdict;
    let sign = sign(text::tone(verdict));
    let _ = writeln!(out, "## {sign} {}: {}\n", verdict.headline(), escape(&run.experiment().name));
    if run.observes_only() {
        out.push_str("**Observer mode: nothing was injected.**\n\n");
    }
    analysis.reasons.iter().for_each(|reason| out.push_str(&format!("- {}\n", escape(reason))));
    out.push('\n');
    write_blocks(&mut out, |page| text::key_numbers(page, run, analysis));
    write_blocks(&mut out, |page| sections::steady_state(page, run, analysis));
    write_blocks(&mut out, |page| sections::advice(page, run, analysis));
    folded(&mut out, "What was done, and how to repeat it", |page| {
        sections::doses(page, run, analysis);
        sections::machine(page, run);
        sections::notes(page, run);
        sections::footer(page, run, analysis);
    });
    out
}

pub(super) const fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✅",
        Tone::Doubtful | Tone::Strong => "⚠️",
        Tone::Bad => "❌",
    }
}

pub(super) fn write_blocks(out: &mut String, say: impl FnOnce(&mut Page)) {
    let mut page = Page::unstyled();
    say(&mut page);
    page.blocks().iter().for_each(|block| write_block(out, block));
}

fn folded(out: &mut String, title: &str, say: impl FnOnce(&mut Page)) {
    let _ = write!(out, "<details><summary>{title}</summary>\n\n");
    write_blocks(out, say);
    out.push_str("</details>\n");
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Gap => {}
        Block::Heading(title) => {
            let _ = write!(out, "### {}\n\n", escape(&sentence(title)));
        }
        Block::Paragraph { text, tone, .. } => {
            let text = escape(text);
            let _ = match tone {
                Some(_) => write!(out, "**{text}**\n\n"),
                None => write!(out, "{text}\n\n"),
            };
        }
        Block::Command { text, .. } => {
            let _ = write!(out, "{}\n\n", fenced(text));
        }
        Block::Pairs(pairs) => {
            let rows: Vec<Vec<String>> = pairs.iter().map(|(label, text)| vec![label.clone(), text.clone()]).collect();
            table(out, &[String::new(), String::new()], &rows, &[]);
        }
        Block::Table { header, rows, tones } => table(out, header, rows, tones),
    }
}

fn table(out: &mut String, header: &[String], rows: &[Vec<String>], tones: &[(String, Tone)]) {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    out.push_str(&line(header.iter().map(|cell| escape(cell)).collect()));
    out.push_str(&line(header.iter().map(|_| "---".to_owned()).collect()));
    for row in rows {
        let last = row.len().saturating_sub(1);
        let cell = |(place, cell): (usize, &String)| {
            let tone = tones.iter().find(|(word, _)| place == last && cell == word).map(|(_, tone)| *tone);
            match tone {
                Some(Tone::Bad) => format!("**{}**", escape(cell)),
                _ => escape(cell),
            }
        };
        out.push_str(&line(row.iter().enumerate().map(cell).collect()));
    }
    out.push('\n');
}

/// Headings shout in text, where there is no larger type.
pub(super) fn sentence(title: &str) -> String {
    let (shouted, rest) = title.split_once(" (").map_or((title, ""), |(shouted, rest)| (shouted, rest));
    let mut letters = shouted.chars();
    let first: String = letters.next().into_iter().collect();
    let rest = if rest.is_empty() { String::new() } else { format!(" ({rest}") };
    format!("{first}{}{rest}", letters.as_str().to_lowercase())
}

/// A block of code whose fence is longer than any row of backticks in it.
fn fenced(text: &str) -> String {
    let text = clean(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{text}\n{fence}")
}

/// Text that means nothing to Markdown or HTML: no link, image, markup or table cell of its own, and nobody is called.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A space without width keeps names, issues and addresses from becoming links.
            '@' | '#' => escaped.extend([c, '\u{200b}']),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::{escape, fenced, markdown, sentence};
    use crate::analysis::analyse;
    use crate::analysis::testing::{Story, http_at};
    use crate::model::sample::Outcome;

    fn report(story: &Story) -> String {
        let run = story.tell();
        markdown(&run, &analyse(&run))
    }

    fn slow(_: usize) -> (f64, Outcome) {
        (412.0, Outcome::Ok)
    }

    #[test]
    fn the_verdict_is_the_title_and_the_reason_follows() {
        let report = report(&Story::slow_generator().fault(slow));
        let mut lines = report.lines();
        assert_eq!(lines.next(), Some("## ❌ DEVIATED: answers keep flowing when the generator is slow"));
        assert_eq!(lines.nth(1), Some("- ask: expected p95 &lt;= 250ms, got 412ms during the fault"));
        assert!(report.contains("|  | p95 &lt;= 250ms | 2ms | 412ms | 2ms | **DEVIATED** |"), "{report}");
        assert!(report.contains("```sh\nchaos run experiments/slow.yaml --seed 42\n```"), "{report}");
    }

    #[test]
    fn residue_stands_above_the_verdict() {
        let report = report(&Story::slow_generator().leaving_residue());
        assert!(report.starts_with("**RUN THIS BY HAND:**\n\n```sh\nkill -CONT 7\n```"), "{report}");
    }

    #[test]
    fn every_row_of_a_table_has_the_cells_of_its_head() {
        let evil = "a | b\n| c | `d`";
        let story = Story::slow_generator().fault(slow).also_answering(http_at(evil, evil), slow);
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let report = report(&story);
        let lines: Vec<&str> = report.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
            assert_eq!(cells(pair[0]), cells(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn names_can_neither_mark_up_nor_link_nor_call_anybody() {
        let evil = "<script>alert(1)</script> ![x](http://evil/x.png) @all #1 www.evil.example `a` **b**";
        let escaped = escape(evil);
        let bare = ["\\[", "\\]", "\\*"].iter().fold(escaped.clone(), |text, mark| text.replace(mark, ""));
        for part in ["<script", "![x](", "](", "http://", "@all", "#1", "www.", " **b"] {
            assert!(!bare.contains(part), "{part} in {escaped}");
        }
        let story = Story::slow_generator().fault(slow).with(|experiment| experiment.name = evil.to_owned());
        assert!(!report(&story).contains("<script"));
    }

    #[test]
    fn a_command_can_not_leave_its_fence() {
        assert_eq!(fenced("a ``` b"), "````sh\na ``` b\n````");
        assert_eq!(fenced("a\n```\nb"), "````sh\na ``` b\n````");
    }

    #[test]
    fn headings_do_not_shout() {
        assert_eq!(sentence("DONE TO THIS MACHINE (steps: 3 done)"), "Done to this machine (steps: 3 done)");
        assert_eq!(sentence("ADVICE"), "Advice");
    }
}

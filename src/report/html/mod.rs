//! The report as one HTML file: no script, nothing from elsewhere, for screens wide and narrow, light and dark, and paper.

mod plot;

use std::fmt::Write;

use super::layout::{Block, Page, Tone};
use super::markdown::sentence;
use super::{sections, text};
use crate::analysis::timeline::timeline;
use crate::analysis::{Analysis, Run};
use crate::diagnostic::clean::clean;

const STYLE: &str = include_str!("style.css");

/// No script runs and nothing is fetched, whatever a name or an answer holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The whole report as HTML.
pub fn html(run: &Run, analysis: &Analysis) -> String {
    let title = format!("{}: {}", analysis.verdict.headline(), run.experiment().name);
    document(&title, &sections_of(run, analysis))
}

/// A whole file around what it shows.
pub(super) fn document(title: &str, main: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{main}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// What is told of one run.
pub(super) fn sections_of(run: &Run, analysis: &Analysis) -> String {
    let mut out = String::new();
    section(&mut out, "residue", |page| sections::residue(page, run));
    hero(&mut out, run, analysis);
    section(&mut out, "key", |page| text::key_numbers(page, run, analysis));
    plots(&mut out, run);
    section(&mut out, "", |page| sections::steady_state(page, run, analysis));
    section(&mut out, "", |page| sections::doses(page, run, analysis));
    section(&mut out, "advice", |page| sections::advice(page, run, analysis));
    section(&mut out, "", |page| sections::machine(page, run));
    rollback_log(&mut out, run);
    section(&mut out, "", |page| sections::notes(page, run));
    section(&mut out, "footer", |page| sections::footer(page, run, analysis));
    out
}

fn hero(out: &mut String, run: &Run, analysis: &Analysis) {
    let tone = class(text::tone(analysis.verdict));
    let (headline, name) = (analysis.verdict.headline(), escape(&run.experiment().name));
    let _ = writeln!(out, "<header class=\"{tone}\">\n<p class=\"verdict\">{headline}</p>\n<h1>{name}</h1>");
    if let Some(description) = &run.experiment().description {
        let _ = writeln!(out, "<p class=\"description\">{}</p>", escape(description));
    }
    if run.observes_only() {
        out.push_str("<p><strong>Observer mode: nothing was injected.</strong></p>\n");
    }
    out.push_str("<ul>\n");
    analysis.reasons.iter().for_each(|reason| out.push_str(&format!("<li>{}</li>\n", escape(reason))));
    out.push_str("</ul>\n</header>\n");
}

fn plots(out: &mut String, run: &Run) {
    let series = timeline(run);
    if series.iter().all(|series| series.stretches.is_empty()) {
        return;
    }
    out.push_str("<section>\n<h2>Over time</h2>\n");
    out.push_str(plot::LEGEND);
    series.iter().filter(|series| !series.stretches.is_empty()).for_each(|series| plot::plot(out, run, series));
    out.push_str("</section>\n");
}

/// When each step was done and undone, in the order it happened.
fn rollback_log(out: &mut String, run: &Run) {
    if run.steps.is_empty() {
        return;
    }
    let done = run.steps.iter().map(|step| (step.applied, step.number, "done", step.act.as_str()));
    let undone = run.steps.iter().filter_map(|step| {
        Some((step.undone?, step.number, "undone and read back", step.undo.as_deref().unwrap_or_default()))
    });
    let mut log: Vec<_> = done.chain(undone).collect();
    log.sort_by_key(|(at, ..)| *at);
    let rows: Vec<Vec<String>> = log
        .into_iter()
        .map(|(at, number, what, how)| {
            vec![format!("{:.3}s", at.as_secs_f64()), number.to_string(), what.to_owned(), how.to_owned()]
        })
        .collect();
    section(out, "", |page| {
        page.heading("ROLLBACK LOG");
        page.table(&["at", "step", "what", "how"], &rows, &[]);
    });
}

/// A section with what is said on a page; nothing when nothing is.
pub(super) fn section(out: &mut String, class: &str, say: impl FnOnce(&mut Page)) {
    let mut page = Page::unstyled();
    say(&mut page);
    if page.blocks().is_empty() {
        return;
    }
    let _ = writeln!(out, "<section class=\"{class}\">");
    page.blocks().iter().for_each(|block| write_block(out, block));
    out.push_str("</section>\n");
}

fn write_block(out: &mut String, block: &Block) {
    let _ = match block {
        Block::Gap => Ok(()),
        Block::Heading(title) => writeln!(out, "<h2>{}</h2>", escape(&sentence(title))),
        Block::Paragraph { text, indent, tone } => {
            let tone = tone.map_or("", class);
            let deep = if *indent > 4 { " deep" } else { "" };
            writeln!(out, "<p class=\"{tone}{deep}\">{}</p>", escape(text))
        }
        Block::Command { text, .. } => writeln!(out, "<pre><code>{}</code></pre>", escape(text)),
        Block::Pairs(pairs) => {
            let rows =
                pairs.iter().map(|(label, text)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(label), escape(text)));
            writeln!(out, "<dl>\n{}</dl>", rows.collect::<String>())
        }
        Block::Table { header, rows, tones } => writeln!(out, "{}", table(header, rows, tones)),
    };
}

fn table(header: &[String], rows: &[Vec<String>], tones: &[(String, Tone)]) -> String {
    let head: String = header.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escape(cell))).collect();
    let row = |row: &Vec<String>| {
        let last = row.len().saturating_sub(1);
        let cells = row.iter().enumerate().map(|(place, cell)| {
            let tone =
                tones.iter().find(|(word, _)| place == last && cell == word).map_or("", |(_, tone)| class(*tone));
            format!("<td class=\"{tone}\">{}</td>", escape(cell))
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let body: String = rows.iter().map(row).collect();
    format!("<div class=\"scroll\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>")
}

pub(super) const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Doubtful => "doubtful",
        Tone::Bad => "bad",
        Tone::Strong => "strong",
    }
}

/// Text for HTML, inside elements and attributes; controls and characters that turn the writing are written out.
pub(super) fn escape(text: &str) -> String {
    let clean = clean(text);
    clean.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::html;
    use crate::analysis::analyse;
    use crate::analysis::testing::{Story, expecting, http_at, prometheus};
    use crate::model::event::EventKind;
    use crate::model::sample::{Measurement, Outcome};

    fn slow(_: usize) -> (f64, Outcome) {
        (412.0, Outcome::Ok)
    }

    fn report(story: &Story) -> String {
        let run = story.tell();
        html(&run, &analyse(&run))
    }

    /// The names of all elements, and of their attributes.
    fn markup(html: &str) -> Vec<String> {
        let body = html.split("</style>").nth(1).expect("a body");
        let tags = body.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag);
        tags.flat_map(|tag| {
            let outside: String = tag.split('"').step_by(2).collect();
            outside.split_whitespace().map(|word| word.trim_end_matches('=').to_owned()).collect::<Vec<_>>()
        })
        .collect()
    }

    #[test]
    fn the_verdict_comes_first_and_what_is_left_behind_before_it() {
        let held = report(&Story::slow_generator());
        let body = held.split("<main>").nth(1).expect("a body");
        assert!(body.trim_start().starts_with("<header class=\"good\">\n<p class=\"verdict\">HELD</p>"), "{body}");
        let residue = report(&Story::slow_generator().leaving_residue());
        let command = residue.find("kill -CONT 7").expect("the command");
        assert!(command < residue.find("<header").expect("the verdict"));
    }

    #[test]
    fn every_probe_has_its_time_line_with_fault_stop_and_limit() {
        let story = Story::slow_generator().fault(slow).also(expecting(prometheus("depth"), &["value <= 10"]), |_| 7.0);
        let report = report(&story.stopped_by("ask.p95 > 300ms", 14.0));
        assert_eq!(report.matches("<svg ").count(), 2);
        for part in [
            "class=\"fault\"",
            "class=\"stop\"",
            "stopped: ask.p95 &gt; 300ms",
            ">p95 &lt;= 250ms</text>",
            "class=\"l95\"",
        ] {
            assert!(report.contains(part), "no {part}");
        }
    }

    #[test]
    fn it_needs_nothing_from_elsewhere_and_runs_no_script() {
        let report = report(&Story::slow_generator().fault(slow));
        for part in ["src=", "href=", "url(", "@import", "<script", "<link", "<iframe"] {
            assert!(!report.contains(part), "{part}");
        }
        assert!(report.contains("default-src 'none'"));
    }

    #[test]
    fn hostile_texts_are_shown_and_add_no_markup_wherever_they_stand() {
        let tame = markup(&report_of("tame"));
        for evil in [
            "<script>alert(1)</script>",
            "\" onload=\"alert(1)",
            "'><img src=x onerror=alert(1)>",
            "--></style><b>",
            "]]>&#60;b>",
        ] {
            let report = report_of(evil);
            assert_eq!(markup(&report), tame, "{evil}");
            assert!(!report.contains(evil), "{evil}");
        }
        let steering = report_of("\u{1b}[2J\u{202e}\u{0}");
        assert!(!steering.contains(['\u{1b}', '\u{202e}', '\u{0}']));
    }

    /// A report in which every text that comes from outside is this one.
    fn report_of(text: &str) -> String {
        let story = Story::slow_generator().fault(slow).also_answering(http_at("other", text), slow);
        let story = story.stopped_by(text, 14.0).leaving_residue().with(|experiment| {
            experiment.name = text.to_owned();
            experiment.description = Some(text.to_owned());
            experiment.faults[0].name = text.to_owned();
            for probe in &mut experiment.steady_state {
                probe.name = text.to_owned();
                probe.expect.iter_mut().for_each(|expectation| expectation.text = text.to_owned());
            }
        });
        let mut events = story.events();
        for (place, event) in events.iter_mut().enumerate() {
            match &mut event.kind {
                EventKind::RunStarted(header) => {
                    header.file = text.to_owned();
                    header.run = text.to_owned();
                    header.tool = text.to_owned();
                    header.folder = Some(text.into());
                    header.variables = vec![text.to_owned()];
                }
                EventKind::Sample(sample) if place % 7 == 0 => {
                    *sample = sample.but(Measurement::failed(Outcome::Wrong, text));
                }
                EventKind::StepApplied { act, .. } => *act = text.to_owned(),
                EventKind::StepUndone { undo, .. } => *undo = text.to_owned(),
                EventKind::StopFired { measured, .. } => *measured = text.to_owned(),
                EventKind::Residue { what, why, command, help, .. } => {
                    [what, why, help].into_iter().for_each(|field| *field = text.to_owned());
                    *command = Some(text.to_owned());
                }
                EventKind::DoseRead { dose, .. } => {
                    for part in &mut dose.parts {
                        [&mut part.what, &mut part.asked, &mut part.measured]
                            .into_iter()
                            .for_each(|field| *field = text.to_owned());
                    }
                }
                EventKind::RunEnded => event.kind = EventKind::Note { text: text.to_owned() },
                _ => {}
            }
        }
        let run = crate::analysis::Run::fold(&events).expect("a run");
        html(&run, &analyse(&run))
    }
}

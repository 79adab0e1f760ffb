//! A suite for people.

use super::{Entry, Suite};
use crate::model::units::Timespan;
use crate::report::layout::{Page, Style, Tone};
use crate::report::text as report;

/// All of it, the summary first.
pub fn text(suite: &Suite, style: Style) -> String {
    let mut out = summary(suite, style);
    for (_, told) in suite.entries.iter().flat_map(Entry::told) {
        out.push_str(&format!("\n{}\n\n{}", "=".repeat(style.width.min(80)), report(&told.run, &told.analysis, style)));
    }
    out
}

/// The summary alone, as it stands below the reports of the runs on a terminal.
pub fn summary(suite: &Suite, style: Style) -> String {
    let mut page = Page::new(style);
    say(&mut page, suite);
    page.finish()
}

/// The summary, in any format.
pub(super) fn say(page: &mut Page, suite: &Suite) {
    for entry in &suite.entries {
        if let Some(pool) = &entry.pool {
            super::pool::say(page, entry, pool);
            page.gap();
        }
    }
    let (held, all) = suite.held();
    page.paragraph(&suite.headline(), 0, Some(if held == all { Tone::Good } else { Tone::Bad }));
    let code = suite.exit_code();
    page.paragraph(&format!("in {}, exit code {code}", Timespan(super::whole_seconds(suite.took))), 2, None);
    page.gap();
    let rows: Vec<Vec<String>> = suite.entries.iter().map(row).collect();
    let tones = [("HELD", Tone::Good), ("DEVIATED", Tone::Bad), ("NOT RECOVERED", Tone::Bad), ("RESIDUE", Tone::Bad)];
    page.table(&["experiment", "impact", "recovered in", "exit", "verdict"], &rows, &tones);
    for entry in &suite.entries {
        let reasons = entry.reasons();
        if reasons.is_empty() {
            continue;
        }
        page.heading(&format!("{}: {}", entry.headline(), entry.name));
        reasons.iter().for_each(|reason| page.paragraph(reason, 2, None));
        page.paragraph(&entry.file, 2, None);
        let kept = entry.attempts.iter().filter(|attempt| attempt.told.is_ok());
        kept.for_each(|attempt| page.command(&format!("chaos report {}", attempt.id), 2));
    }
}

fn row(entry: &Entry) -> Vec<String> {
    let pooled = entry.pool.as_ref();
    let told = entry.decisive().and_then(|attempt| attempt.told.as_ref().ok());
    // Of repeated runs the slowest.
    let slowest = entry.told().filter_map(|(_, told)| told.analysis.recovery.time_to_recover).max();
    let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        entry.name.clone(),
        cell(
            pooled
                .map(|pool| &pool.impact)
                .or(told.map(|told| &told.analysis.impact))
                .map(|it| it.level.word().to_owned()),
        ),
        cell(slowest.map(|time| Timespan(time).to_string())),
        cell(entry.code().map(|code| code.to_string())),
        entry.headline().to_owned(),
    ]
}

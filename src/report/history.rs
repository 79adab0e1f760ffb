//! The runs that are kept -> text, JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::layout::{Page, Style, Tone};
use crate::analysis::findings::Level;
use crate::model::units::Timespan;
use crate::model::verdict::Verdict;

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its id.
    pub run: String,
    /// The beginning of its id that no other run has.
    pub short: String,
    /// What it was; absent where its events cannot be read.
    #[serde(flatten)]
    pub told: Option<Past>,
    /// It is under way.
    pub under_way: bool,
    /// Why its events cannot be read.
    pub trouble: Option<String>,
}

/// What a run was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Past {
    /// When it started.
    pub started: DateTime<Utc>,
    /// The experiment's name.
    pub experiment: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Its exit code.
    pub exit_code: u8,
    /// How hard it hit.
    pub impact: Level,
    /// From its start to its last event, in seconds.
    pub duration_s: f64,
}

/// For machines, the oldest first.
pub fn json(entries: &[Entry]) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&serde_json::json!({ "format": 1, "runs": entries }))? + "\n")
}

/// For people, the oldest first: the newest stands where one looks.
pub fn text(entries: &[Entry], style: Style) -> String {
    let mut page = Page::new(style);
    if entries.is_empty() {
        page.paragraph("no runs are kept", 0, None);
        return page.finish();
    }
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    let words = [Verdict::Held.headline(), Verdict::Residue.headline()];
    let tones = [(words[0], Tone::Good), (words[1], Tone::Bad)];
    page.table(&["run", "started (UTC)", "experiment", "impact", "took", "verdict"], &rows, &tones);
    page.finish()
}

fn row(entry: &Entry) -> Vec<String> {
    let Some(past) = &entry.told else {
        let why = entry.trouble.clone().unwrap_or_default();
        return vec![
            entry.short.clone(),
            String::new(),
            why,
            String::new(),
            String::new(),
            "cannot be read".to_owned(),
        ];
    };
    let took = std::time::Duration::try_from_secs_f64(past.duration_s).unwrap_or_default();
    let verdict = if entry.under_way { "under way" } else { past.verdict.headline() };
    vec![
        entry.short.clone(),
        past.started.format("%Y-%m-%d %H:%M").to_string(),
        past.experiment.clone(),
        if entry.under_way { "-" } else { past.impact.word() }.to_owned(),
        Timespan(took).to_string(),
        verdict.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{Entry, Past, json, text};
    use crate::analysis::findings::Level;
    use crate::model::verdict::Verdict;
    use crate::report::Style;

    fn entries() -> Vec<Entry> {
        let past = Past {
            started: DateTime::UNIX_EPOCH,
            experiment: "slow \u{1b}[2J".to_owned(),
            verdict: Verdict::Held,
            exit_code: 0,
            impact: Level::Low,
            duration_s: 16.2,
        };
        let entry = |run: &str, told, under_way, trouble: Option<&str>| Entry {
            run: format!("{run}-long"),
            short: run.to_owned(),
            told,
            under_way,
            trouble: trouble.map(str::to_owned),
        };
        vec![
            entry("a1", Some(past.clone()), false, None),
            entry("a2", None, false, Some("no events")),
            entry("a3", Some(past), true, None),
        ]
    }

    #[test]
    fn a_line_a_run_and_nothing_of_it_steers_the_terminal() {
        let text = text(&entries(), Style { color: false, width: 120 });
        let squeezed: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(squeezed[2], r"a1 | 1970-01-01 00:00 | slow \u{1b}[2J | low | 16.2s | HELD");
        assert_eq!(squeezed[3], "a2 | | no events | | | cannot be read");
        assert!(squeezed[4].ends_with("| under way"), "{text}");
    }

    #[test]
    fn machines_read_the_same_and_an_empty_history_is_an_answer() {
        let read: serde_json::Value = serde_json::from_str(&json(&entries()).expect("writes")).expect("reads");
        assert_eq!((&read["runs"][0]["verdict"], &read["runs"][0]["run"]), (&"held".into(), &"a1-long".into()));
        assert_eq!((&read["runs"][1]["trouble"], &read["runs"][2]["under_way"]), (&"no events".into(), &true.into()));
        assert_eq!(text(&[], Style { color: false, width: 80 }), "no runs are kept\n");
    }
}

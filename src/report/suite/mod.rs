//! A finished suite -> text, JSON, JUnit, Markdown, HTML: a summary, and then what each run told.

mod html;
mod json;
mod junit;
mod markdown;
mod pool;
mod text;

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Format, Style};
use crate::analysis::pool::Pool;
use crate::analysis::{Analysis, Run};
use crate::model::verdict::{Verdict, worst_code};

pub use text::summary;

/// Experiments that were run one after the other.
pub struct Suite {
    /// When the first began.
    pub started: DateTime<Utc>,
    /// How long all took.
    pub took: Duration,
    /// The experiments, in their order; never empty.
    pub entries: Vec<Entry>,
}

/// One experiment of a suite.
pub struct Entry {
    /// Its file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Its runs, in their order: more than one where it was repeated.
    pub attempts: Vec<Attempt>,
    /// What its runs say together, where it was repeated.
    pub pool: Option<Pool>,
    /// Why it was not run, or not as often as was asked for.
    pub left_out: Option<String>,
}

/// One run of an experiment.
pub struct Attempt {
    /// The run's id.
    pub id: String,
    /// Its exit code.
    pub code: u8,
    /// What it told; else why there is nothing.
    pub told: Result<Box<Told>, String>,
}

/// What a run told.
pub struct Told {
    /// What happened; its samples may be forgotten.
    pub run: Run,
    /// What was found.
    pub analysis: Analysis,
    /// Its part of an HTML report, which needs the samples; empty where none is wanted.
    pub html: String,
}

impl Told {
    /// Keeps what a suite needs of a run. Its samples are forgotten.
    pub fn new(mut run: Run, analysis: Analysis, with_html: bool) -> Self {
        let html = if with_html { super::html::sections_of(&run, &analysis) } else { String::new() };
        run.forget_samples();
        Self { run, analysis, html }
    }
}

impl Entry {
    /// Its exit code; none where it was not run at all.
    pub fn code(&self) -> Option<u8> {
        if self.attempts.is_empty() {
            return None;
        }
        let Some(pool) = &self.pool else { return Some(worst_code(self.attempts.iter().map(|attempt| attempt.code))) };
        // What was found together stands for what was told; a run that told nothing, or broke, has its code only.
        let as_told =
            |attempt: &Attempt| matches!(&attempt.told, Ok(told) if told.analysis.verdict.exit_code() == attempt.code);
        let others = self.attempts.iter().filter(|attempt| !as_told(attempt)).map(|attempt| attempt.code);
        Some(worst_code(others.chain([pool.verdict.exit_code()])))
    }

    /// What its runs say together, where that is how it ended.
    fn pooled(&self) -> Option<&Pool> {
        self.pool.as_ref().filter(|pool| self.code() == Some(pool.verdict.exit_code()))
    }

    /// Every run that told something, by its number from 1.
    fn told(&self) -> impl Iterator<Item = (usize, &Told)> {
        self.attempts.iter().zip(1..).filter_map(|(attempt, number)| Some((number, &**attempt.told.as_ref().ok()?)))
    }

    /// The run that decides its exit code.
    fn decisive(&self) -> Option<&Attempt> {
        let code = self.code()?;
        self.attempts.iter().find(|attempt| attempt.code == code)
    }

    fn verdict(&self) -> Option<Verdict> {
        if let Some(pool) = self.pooled() {
            return Some(pool.verdict);
        }
        Some(self.decisive()?.told.as_ref().ok()?.analysis.verdict)
    }

    /// The word for how it ended.
    fn headline(&self) -> &'static str {
        match (self.verdict(), self.attempts.is_empty()) {
            (Some(verdict), _) => verdict.headline(),
            (None, true) => "LEFT OUT",
            (None, false) => "NO REPORT",
        }
    }

    /// Why it did not hold, the decisive reason first; empty when it did.
    fn reasons(&self) -> Vec<String> {
        if let Some(pool) = self.pooled() {
            return if pool.verdict == Verdict::Held { Vec::new() } else { pool.reasons.clone() };
        }
        match self.decisive().map(|attempt| &attempt.told) {
            Some(Ok(told)) if told.analysis.verdict == Verdict::Held => Vec::new(),
            Some(Ok(told)) => told.analysis.reasons.clone(),
            Some(Err(why)) => vec![why.clone()],
            None => self.left_out.iter().cloned().collect(),
        }
    }
}

impl Suite {
    /// The worst of all, in the documented order.
    pub fn exit_code(&self) -> u8 {
        worst_code(self.entries.iter().filter_map(Entry::code))
    }

    /// All of it. The style is that of text; the other formats have their own.
    pub fn render(&self, format: Format, style: Style) -> String {
        match format {
            Format::Text => text::text(self, style),
            Format::Json => json::json(self),
            Format::Junit => junit::junit(self),
            Format::Markdown => markdown::markdown(self, usize::MAX),
            Format::Html => html::html(self),
        }
    }

    /// As it is in a file: text without colour at 80 columns.
    pub fn render_file(&self, format: Format) -> String {
        self.render(format, Style { color: false, width: 80 })
    }

    /// For the summary of a job, which has room for so many bytes: the runs that do not fit are left to their reports.
    pub fn markdown_within(&self, most: usize) -> String {
        markdown::markdown(self, most)
    }

    /// How many of the experiments held, and how many there are.
    fn held(&self) -> (usize, usize) {
        (self.entries.iter().filter(|entry| entry.code() == Some(0)).count(), self.entries.len())
    }

    fn headline(&self) -> String {
        let (held, all) = self.held();
        let experiments = if all == 1 { "experiment" } else { "experiments" };
        format!("SUITE: {held} of {all} {experiments} held")
    }
}

/// A length that nobody compares needs no fractions.
fn whole_seconds(time: Duration) -> Duration {
    if time < Duration::from_secs(10) {
        Duration::from_millis(time.as_millis() as u64 / 100 * 100)
    } else {
        Duration::from_secs(time.as_secs())
    }
}

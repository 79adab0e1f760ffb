//! What an analysis finds, as plain data. Times are seconds in JSON; `docs/report-format.md` documents every field.

mod impact;
mod probes;
mod seconds;
mod times;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use impact::{Compared, Doubt, Impact, ImpactPoint, Level};
pub use probes::{Actual, ExpectationFindings, LatencyFindings, OutcomeCount, PhaseFindings, ProbeFindings, Standing};
pub use times::{Detection, RecoveryFindings, RecoveryStatus};

use crate::model::dose::DosePart;
use crate::model::verdict::Verdict;

/// Everything a finished run says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// How it ended.
    pub verdict: Verdict,
    /// Why, a line each; never empty.
    pub reasons: Vec<String>,
    /// How hard it hit, as far as the samples confirm it.
    pub impact: Impact,
    /// How hard it hit by the numbers alone, whatever chance had to do with them.
    pub impact_point: ImpactPoint,
    /// Every probe, in the order of the file.
    pub probes: Vec<ProbeFindings>,
    /// When it was noticed; absent when it was not.
    pub detection: Option<Detection>,
    /// Whether and when the steady state came back.
    pub recovery: RecoveryFindings,
    /// Time without good answers from the first fault to the end of recovery: each failed sample stands for one
    /// interval of its probe; the worst probe counts.
    #[serde(rename = "downtime_s", with = "seconds")]
    pub downtime: Duration,
    /// Samples that failed in that time, all probes together.
    pub lost_requests: usize,
    /// From the first bad event that led to the stop until everything was verified undone.
    #[serde(rename = "breach_to_rollback_s", with = "seconds::or_null")]
    pub breach_to_rollback: Option<Duration>,
    /// The dose of every fault, in the order of the file.
    pub doses: Vec<DoseFindings>,
    /// What to do next.
    pub advice: Vec<Advice>,
}

/// What one fault was asked to do and what it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoseFindings {
    /// The fault's name.
    pub fault: String,
    /// The word in `fault:`.
    pub kind: String,
    /// What it acted on.
    pub target: String,
    /// What came of it.
    pub status: DoseStatus,
    /// Why it was not effective.
    pub why: Option<String>,
    /// What was measured against what was asked.
    pub parts: Vec<DosePart>,
}

/// What came of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoseStatus {
    /// Its dose was measured, and it did bite.
    Effective,
    /// Its dose was measured, and it did not bite.
    Ineffective,
    /// It could not be applied.
    Failed,
    /// It was applied, and its dose was not measured.
    NotMeasured,
    /// The run was over before it began.
    NotApplied,
    /// Observer mode: it was left out on purpose.
    Skipped,
}

/// One thing to do next, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The rule's id, such as `R04`.
    pub rule: String,
    /// What was found, in a line.
    pub title: String,
    /// The numbers it is based on.
    pub evidence: String,
    /// What to do about it.
    pub what_to_do: String,
}

//! What an analysis finds, as plain data. Times are seconds in JSON; `docs/report-format.md` documents every field.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::dose::DosePart;
use crate::model::sample::Outcome;
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
    #[serde(rename = "breach_to_rollback_s", with = "seconds_or_null")]
    pub breach_to_rollback: Option<Duration>,
    /// The dose of every fault, in the order of the file.
    pub doses: Vec<DoseFindings>,
    /// What to do next.
    pub advice: Vec<Advice>,
}

/// How hard it hit: the maximum over the metrics of the hypothesis, never a mean. Only what the intervals confirm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Impact {
    /// The level.
    pub level: Level,
    /// Why this level.
    pub why: String,
    /// The degradation that gave the level, as a share of the baseline; positive is worse.
    pub degradation: Option<f64>,
    /// The lower end of its 95 % interval; absent where there is none.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The smallest degradation that this run could have shown, of the metric that shows least; absent where some metric
    /// could not be compared at all.
    pub smallest_visible: Option<f64>,
}

/// How hard it hit by the numbers alone: below 10 % worse is low, below 30 % medium, else high. A healthy system looks
/// worse by chance often enough; [`Impact`] is what a run may claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImpactPoint {
    /// The level.
    pub level: Level,
    /// Why this level.
    pub why: String,
    /// The worst degradation, as a share of the baseline; positive is worse.
    pub degradation: Option<f64>,
}

/// One metric before and during the fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// How much worse it got, as a share of the baseline; positive is worse. By batches, and so a little off the ratio of
    /// the two numbers.
    pub degradation: f64,
    /// The lower end of its 95 % interval; absent where nothing bounds it.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// How likely a difference like this would be without any.
    pub p: f64,
    /// It got worse for sure: the interval is above zero, also when all metrics are taken together (Holm).
    pub confirmed: bool,
    /// The smallest degradation that would have been confirmed.
    pub smallest_visible: Option<f64>,
    /// How much worse the second half of the baseline was than the first.
    pub baseline_shift: Option<f64>,
    /// That shift is no accident (less likely than one in a hundred by chance), and 10 % or more.
    pub baseline_moved: bool,
    /// What limits this comparison.
    pub doubt: Option<Doubt>,
}

/// What limits a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Doubt {
    /// The baseline has too few samples: nothing can be claimed.
    FewSamples {
        /// There were.
        of: usize,
        /// Needed.
        least: usize,
    },
    /// The errors came in too few episodes to speak of a rate: no degradation can be claimed.
    FewEpisodes {
        /// There were.
        of: usize,
        /// Needed.
        least: usize,
    },
    /// The load was not the same before and during: nothing can be claimed.
    RateDrifted,
    /// The baseline moved by itself, or seems to: the interval is wider by as much.
    BaselineMoved,
}

/// Levels of impact, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// There is no valid baseline to compare with.
    Unknown,
    /// Too few samples.
    Inconclusive,
    /// Nothing got worse.
    None,
    /// Less than 10 % worse.
    Low,
    /// Less than 30 % worse.
    Medium,
    /// 30 % worse or more.
    High,
    /// Unavailable, not recovered, crash-looping, or not put back.
    Critical,
}

impl Level {
    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Inconclusive => "inconclusive",
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeFindings {
    /// Its name.
    pub name: String,
    /// The word in `probe:`.
    pub kind: String,
    /// One row for each expectation.
    pub expectations: Vec<ExpectationFindings>,
    /// Before the faults.
    pub baseline: PhaseFindings,
    /// While they were active.
    pub fault: PhaseFindings,
    /// After recovery; from the verified undo on where the system did not recover.
    pub recovery: PhaseFindings,
}

/// One expectation, before, during and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectationFindings {
    /// As written in the file.
    pub expected: String,
    /// Before the faults.
    pub baseline: Actual,
    /// While they were active.
    pub fault: Actual,
    /// After recovery.
    pub recovery: Actual,
    /// The result of the hypothesis: that of the fault phase.
    pub result: Standing,
    /// How much worse it was during the fault by the two numbers, as a share of the baseline; positive is worse. A lower
    /// bound where the fault's number is one.
    pub degradation: Option<f64>,
    /// The same with its interval; absent where there was nothing to compare.
    pub compared: Option<Compared>,
    /// How hard this metric was hit.
    pub level: Level,
    /// Why that is inconclusive; absent when it is not.
    pub level_why: Option<String>,
}

/// What was measured for one expectation in one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Actual {
    /// Seconds, share 0-1, bytes or the value's own unit; absent when there was nothing to measure.
    pub number: Option<f64>,
    /// The truth is this or more: it lies beyond the probe's timeout.
    pub at_least: bool,
    /// For people.
    pub shown: String,
    /// The lower end of its 95 % interval; absent where nothing bounds it.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The interval for people; absent where it has no width.
    pub shown_interval: Option<String>,
    /// Samples it was made from.
    pub samples: usize,
    /// Whether it is as expected: it is when the whole interval is, and is not when the whole interval is not.
    pub result: Standing,
    /// Whether it seems as expected, by the number alone.
    pub seems: Standing,
    /// Why it is neither held nor deviated by its number.
    pub why: Option<String>,
}

impl Actual {
    /// There is no number.
    pub fn missing(result: Standing, why: &str) -> Self {
        Self {
            number: None,
            at_least: false,
            shown: "-".to_owned(),
            low: None,
            high: None,
            shown_interval: None,
            samples: 0,
            result,
            seems: result,
            why: Some(why.to_owned()),
        }
    }
}

/// Whether an expectation held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It did.
    Held,
    /// It did not.
    Deviated,
    /// The samples do not say.
    Inconclusive,
    /// There are no samples.
    NotMeasured,
}

impl Standing {
    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Deviated => "DEVIATED",
            Self::Inconclusive => "inconclusive",
            Self::NotMeasured => "not measured",
        }
    }
}

/// The samples of one phase, whatever was expected. Latencies are of answered requests and timeouts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseFindings {
    /// All samples.
    pub samples: usize,
    /// Errors by kind.
    pub errors: Vec<OutcomeCount>,
    /// Samples without evidence by kind.
    pub blind: Vec<OutcomeCount>,
    /// Median latency.
    pub p50: Option<LatencyFindings>,
    /// 95 % were no slower.
    pub p95: Option<LatencyFindings>,
    /// 99 % were no slower.
    pub p99: Option<LatencyFindings>,
}

/// A latency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyFindings {
    /// In seconds.
    pub seconds: f64,
    /// The truth is this or more.
    pub at_least: bool,
}

/// How often an outcome was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCount {
    /// Which.
    pub outcome: Outcome,
    /// How often.
    pub count: usize,
    /// What most of them said, in the words of the probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

impl OutcomeCount {
    /// Counts one more of this outcome.
    pub fn add(counts: &mut Vec<Self>, outcome: Outcome) {
        match counts.iter_mut().find(|counted| counted.outcome == outcome) {
            Some(counted) => counted.count += 1,
            None => counts.push(Self { outcome, count: 1, example: None }),
        }
    }
}

/// When the probes noticed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The probe that noticed first.
    pub probe: String,
    /// The first bad event of the series that raised the alarm, since the start of the run.
    #[serde(rename = "onset_s", with = "seconds")]
    pub onset: Duration,
    /// When enough was seen to be sure, since the start of the run.
    #[serde(rename = "alarm_s", with = "seconds")]
    pub alarm: Duration,
    /// From the first fault to the alarm.
    #[serde(rename = "time_to_detect_s", with = "seconds")]
    pub time_to_detect: Duration,
}

/// Whether and when the steady state came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryFindings {
    /// Whether it is back.
    pub status: RecoveryStatus,
    /// What was asked for, from the verified undo.
    #[serde(rename = "objective_s", with = "seconds")]
    pub objective: Duration,
    /// When the last fault was verified undone, since the start of the run.
    #[serde(rename = "verified_undo_s", with = "seconds_or_null")]
    pub verified_undo: Option<Duration>,
    /// When the steady state was back, since the start of the run; absent when it was not within the objective.
    #[serde(rename = "recovered_at_s", with = "seconds_or_null")]
    pub recovered_at: Option<Duration>,
    /// From the verified undo; zero when the system healed itself before. Absent, never the objective, when it did
    /// not recover in time or the undo is not verified.
    #[serde(rename = "time_to_recover_s", with = "seconds_or_null")]
    pub time_to_recover: Option<Duration>,
    /// From the first bad event to the recovery.
    #[serde(rename = "rto_s", with = "seconds_or_null")]
    pub rto: Option<Duration>,
    /// It did not recover in time: the time to recover is longer than this, from the verified undo.
    #[serde(rename = "time_to_recover_longer_than_s", with = "seconds_or_null")]
    pub time_to_recover_longer_than: Option<Duration>,
    /// The same from the first bad event.
    #[serde(rename = "rto_longer_than_s", with = "seconds_or_null")]
    pub rto_longer_than: Option<Duration>,
    /// It was bad, and good again while the fault was still active.
    pub self_healed: bool,
    /// How often it seemed recovered and was not.
    pub relapses: u32,
}

/// Whether the steady state is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryStatus {
    /// It was not watched.
    NotMeasured,
    /// It is, within the objective.
    Recovered,
    /// It is not, or too late.
    NotRecovered,
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

/// Times as seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Times as seconds, or null.
mod seconds_or_null {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds.map(|seconds| Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)).transpose()
    }
}

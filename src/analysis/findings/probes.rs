//! What the probes saw in each phase, and whether it was as expected.

use serde::{Deserialize, Serialize};

use super::impact::{Compared, Level};
use crate::model::sample::Outcome;

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

impl ProbeFindings {
    /// Nothing but its expectations.
    pub(in crate::analysis) fn of_rows(name: &str, expectations: Vec<ExpectationFindings>) -> Self {
        let nothing =
            || PhaseFindings { samples: 0, errors: Vec::new(), blind: Vec::new(), p50: None, p95: None, p99: None };
        let (name, kind) = (name.to_owned(), String::new());
        Self { name, kind, expectations, baseline: nothing(), fault: nothing(), recovery: nothing() }
    }
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

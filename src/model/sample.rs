//! One timed look at how the system feels.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::phase::Phase;

/// One sample of one probe. All times count from the start of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Which probe, as its place in the experiment's `steady_state`.
    pub probe: usize,
    /// The phase at the intended time.
    pub phase: Phase,
    /// When the schedule wanted it sent; latency counts from here.
    #[serde(rename = "intended_ns", with = "nanos")]
    pub intended: Duration,
    /// When it really was sent.
    #[serde(rename = "sent_ns", with = "nanos")]
    pub sent: Duration,
    /// When the answer was complete, or was given up.
    #[serde(rename = "done_ns", with = "nanos")]
    pub done: Duration,
    /// What came back.
    #[serde(flatten)]
    pub measurement: Measurement,
}

impl Sample {
    /// Time from the intended start to the end.
    pub fn latency(&self) -> Duration {
        self.done.saturating_sub(self.intended)
    }
}

/// What one look found: how it went, and the value where the probe reads one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// How it went.
    pub outcome: Outcome,
    /// The value read, for probes that read one (bytes, share 0-1, count, or the query's own unit). Always finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What went wrong, for people; no secrets, at most one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Measurement {
    /// All was well, and there is no value to report.
    pub const fn ok() -> Self {
        Self { outcome: Outcome::Ok, value: None, detail: None }
    }

    /// All was well and this was read. A value that is not finite is no data.
    pub fn value(value: f64) -> Self {
        if value.is_finite() {
            Self { outcome: Outcome::Ok, value: Some(value), detail: None }
        } else {
            Self::failed(Outcome::NoData, format!("the value is {value}"))
        }
    }

    /// Something was wrong: `detail` says what.
    pub fn failed(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { outcome, value: None, detail: Some(detail.into()) }
    }
}

/// How a sample went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As wanted.
    Ok,
    /// No answer within the probe's timeout; its latency is at least the timeout (censored).
    Timeout,
    /// The connection was refused.
    Refused,
    /// The connection broke in the middle: reset, closed early, TLS failure, malformed answer.
    Broken,
    /// An answer came and was wrong: status, body, exit code, process not alive.
    Wrong,
    /// The source could not say: NaN, an empty vector, a stale or failing source. Neither good nor bad.
    NoData,
    /// This tool could not send it in time: too many of its own requests were in flight. No evidence about the target.
    Saturated,
}

impl Outcome {
    /// Whether this speaks against the system under test.
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Timeout | Self::Refused | Self::Broken | Self::Wrong)
    }

    /// Whether this says anything about the system under test.
    pub const fn is_data(self) -> bool {
        !matches!(self, Self::NoData | Self::Saturated)
    }

    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Broken => "broken connection",
            Self::Wrong => "wrong answer",
            Self::NoData => "no data",
            Self::Saturated => "not sent in time",
        }
    }
}

/// A length of time as whole nanoseconds, for the event log.
pub mod nanos {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes nanoseconds.
    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Reads nanoseconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}

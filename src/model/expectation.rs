//! What a probe must show, and what ends a fault at once. Already parsed: these cannot be wrong in form.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::{Bytes, Share, Timespan};

/// One line of `expect:`: `success_rate >= 99%`, `p95 <= 250ms`, `value within 5 of 10`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// As written in the file (after interpolation).
    pub text: String,
    /// What is measured.
    pub metric: Metric,
    /// What it must be.
    pub must: Must,
}

/// One line of `stop_conditions:`: `ask.error_rate > 20%`, `ask.p99 > 2s for 3s`, `affected_users > 100`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StopCondition {
    /// As written in the file (after interpolation).
    pub text: String,
    /// What is watched.
    pub subject: Subject,
    /// When it is breached: the condition that must NOT become true.
    pub breach: Must,
    /// How long it must hold before it stops the run; at once when absent.
    #[serde(default, rename = "for")]
    pub hold: Option<Timespan>,
}

/// What a stop condition watches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A metric of a probe, by the probe's place in `steady_state`.
    Probe {
        /// The probe's place.
        probe: usize,
        /// The metric.
        metric: Metric,
    },
    /// Distinct users whose traffic a fault touched.
    AffectedUsers,
}

/// A number that the samples of a phase yield.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of samples without error.
    SuccessRate,
    /// Share of samples with an error.
    ErrorRate,
    /// A quantile, 0 to 1: of the latency against a time, else of the value.
    Quantile(f64),
    /// The arithmetic mean: of the latency against a time, else of the value.
    Mean,
    /// The smallest: of the latency against a time, else of the value.
    Min,
    /// The largest: of the latency against a time, else of the value.
    Max,
    /// The value of every single sample.
    Value,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SuccessRate => f.write_str("success_rate"),
            Self::ErrorRate => f.write_str("error_rate"),
            Self::Quantile(q) => write!(f, "p{}", (q * 1e5).round() / 1e3),
            Self::Mean => f.write_str("mean"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Value => f.write_str("value"),
        }
    }
}

/// A comparison with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Must {
    /// At most, at least, less or more than the limit.
    Compare {
        /// Which way.
        operator: Operator,
        /// The limit.
        limit: Limit,
    },
    /// No further from the centre than the tolerance.
    Within {
        /// The greatest distance, never negative.
        tolerance: Limit,
        /// The centre.
        centre: Limit,
    },
}

impl Must {
    /// Whether a measured number (seconds, share 0-1, bytes, or a plain number) is as it must be.
    pub fn holds(&self, measured: f64) -> bool {
        match *self {
            Self::Compare { operator, limit } => operator.holds(measured, limit.number()),
            Self::Within { tolerance, centre } => (measured - centre.number()).abs() <= tolerance.number(),
        }
    }

    /// Whether the limit is a time, so that the metric is read from the latency.
    pub fn is_time(&self) -> bool {
        matches!(self, Self::Compare { limit: Limit::Time(_), .. } | Self::Within { centre: Limit::Time(_), .. })
    }

    /// A measured number in the unit of the limit, for people.
    pub fn show(&self, measured: f64) -> String {
        match self {
            Self::Compare { limit, .. } | Self::Within { centre: limit, .. } => limit.with(measured).to_string(),
        }
    }
}

/// The four comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// `<`
    #[serde(rename = "<")]
    Less,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    More,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
}

impl Operator {
    /// Whether `left OP right` is true. False when either is not a number.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// A limit with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// A time.
    Time(Timespan),
    /// A share.
    Share(Share),
    /// A size.
    Bytes(Bytes),
    /// A plain number.
    Number(f64),
}

impl Limit {
    /// As one number: seconds, 0-1, bytes, or itself.
    pub fn number(self) -> f64 {
        match self {
            Self::Time(time) => time.0.as_secs_f64(),
            Self::Share(share) => share.0,
            Self::Bytes(bytes) => bytes.0 as f64,
            Self::Number(number) => number,
        }
    }

    /// Another number in the same unit. Times and sizes below zero become zero.
    pub fn with(self, number: f64) -> Self {
        match self {
            Self::Time(_) => {
                let time = std::time::Duration::try_from_secs_f64(number.max(0.0));
                Self::Time(Timespan(time.unwrap_or(std::time::Duration::MAX)))
            }
            Self::Share(_) => Self::Share(Share(number)),
            Self::Bytes(_) => Self::Bytes(Bytes(number.max(0.0) as u64)),
            Self::Number(_) => Self::Number(number),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Share(share) => share.fmt(f),
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Number(number) => write!(f, "{}", (number * 1e4).round() / 1e4),
        }
    }
}

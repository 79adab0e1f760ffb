//! How hard it hit, and how sure that is.

use serde::{Deserialize, Serialize};

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

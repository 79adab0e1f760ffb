//! Limits with their units, and which unit fits which metric of which probe.

use super::Trouble;
use super::token::Token;
use crate::model::expectation::{Limit, Metric};
use crate::model::probe::{HostMeasure, ProbeKind, ProcessMeasure};
use crate::model::units::{Bytes, Share, Timespan};

/// What the samples of a probe carry beside their latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Nothing.
    None,
    /// Shares.
    Shares,
    /// Shares of one core, which go beyond 100 %.
    CoreShares,
    /// Bytes.
    Bytes,
    /// Plain numbers.
    Numbers,
    /// Numbers of a meaning that only the author knows.
    Any,
}

impl Values {
    /// Those of a kind of probe.
    pub const fn of(kind: &ProbeKind) -> Self {
        match kind {
            ProbeKind::Process(probe) => match probe.measure {
                ProcessMeasure::Alive => Self::None,
                ProcessMeasure::Cpu => Self::CoreShares,
                ProcessMeasure::Memory => Self::Bytes,
                ProcessMeasure::Restarts | ProcessMeasure::OpenFiles | ProcessMeasure::Threads => Self::Numbers,
            },
            ProbeKind::Host(probe) => match probe.measure {
                HostMeasure::Cpu | HostMeasure::Memory | HostMeasure::Disk => Self::Shares,
                HostMeasure::Load => Self::Numbers,
            },
            _ if kind.has_value() => Self::Any,
            _ => Self::None,
        }
    }
}

/// The units that fit, first the one to propose.
#[derive(Debug, Clone, Copy)]
pub struct Fitting {
    units: &'static [Unit],
    beyond_all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Time,
    Share,
    Bytes,
    Number,
}

impl Unit {
    const fn a(self) -> &'static str {
        match self {
            Self::Time => "a time",
            Self::Share => "a share",
            Self::Bytes => "a size",
            Self::Number => "a plain number",
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Time => "`250ms`",
            Self::Share => "`99%`",
            Self::Bytes => "`64MiB`",
            Self::Number => "`10`",
        }
    }
}

impl Fitting {
    /// Those of a metric of a probe; none when the probe has no such metric.
    pub const fn of(metric: Metric, values: Values) -> Option<Self> {
        use Unit::{Bytes, Number, Share, Time};
        let units: &'static [Unit] = match (metric, values) {
            (Metric::SuccessRate | Metric::ErrorRate, _) => &[Share],
            (Metric::Value, Values::None) => return None,
            (Metric::Value, Values::Shares | Values::CoreShares) => &[Share],
            (Metric::Value, Values::Bytes) => &[Bytes],
            (Metric::Value, Values::Numbers) => &[Number],
            (Metric::Value, Values::Any) => &[Number, Bytes, Share],
            (_, Values::None) => &[Time],
            (_, Values::Shares | Values::CoreShares) => &[Share, Time],
            (_, Values::Bytes) => &[Bytes, Time],
            (_, Values::Numbers) => &[Number, Time],
            (_, Values::Any) => &[Number, Time, Bytes, Share],
        };
        let rate = matches!(metric, Metric::SuccessRate | Metric::ErrorRate);
        Some(Self { units, beyond_all: !rate && matches!(values, Values::CoreShares) })
    }

    /// Reads a limit.
    pub fn read(self, token: &Token<'_>, subject: &str) -> Result<Limit, Trouble> {
        let text = token.text;
        let found = classify(text);
        match found {
            Some(unit) if self.units.contains(&unit) => self.convert(unit, token),
            Some(Unit::Number) if self.units.contains(&Unit::Time) && text == "0" => Ok(Limit::Time(Timespan::ZERO)),
            Some(Unit::Number) => self.convert(self.units[0], token),
            Some(unit) => {
                let message = format!("`{text}` is {}, but {subject} is {}", unit.a(), self.proposed());
                Err(Trouble::at(
                    token,
                    message,
                    format!("write {} such as {}", self.proposed(), self.units[0].example()),
                ))
            }
            None if text.starts_with(|c: char| c.is_ascii_digit()) && self.units[0] != Unit::Number => {
                self.convert(self.units[0], token)
            }
            None => {
                let help = format!("write {} such as {}", self.proposed(), self.units[0].example());
                Err(Trouble::at(token, format!("`{text}` is no limit for {subject}"), help))
            }
        }
    }

    const fn proposed(self) -> &'static str {
        self.units[0].a()
    }

    fn convert(self, unit: Unit, token: &Token<'_>) -> Result<Limit, Trouble> {
        let text = token.text;
        let limit = match unit {
            Unit::Time => text.parse::<Timespan>().map(Limit::Time),
            Unit::Share if self.beyond_all => match text.strip_suffix('%').and_then(number) {
                // A share ends at 100 %; beyond it stands a number of cores.
                Some(percent) if percent > 100.0 => Ok(Limit::Number(percent / 100.0)),
                _ => text.parse::<Share>().map(Limit::Share),
            },
            Unit::Share => text.parse::<Share>().map(Limit::Share),
            Unit::Bytes => text.parse::<Bytes>().map(Limit::Bytes),
            Unit::Number => Ok(Limit::Number(number(text).unwrap_or(0.0))),
        };
        limit.map_err(|error| Trouble::at(token, error.problem, error.hint))
    }
}

/// A plain finite number. Rust alone would also read `inf`, `infinity` and `nan`.
pub fn number(text: &str) -> Option<f64> {
    let begins = text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|number: &f64| begins && number.is_finite())
}

/// What a limit looks like, whether or not it is a right one.
fn classify(text: &str) -> Option<Unit> {
    if number(text).is_some() {
        return Some(Unit::Number);
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    match unit.trim() {
        _ if unit == text => None,
        "%" => Some(Unit::Share),
        _ if text.parse::<Timespan>().is_ok() => Some(Unit::Time),
        _ if text.parse::<Bytes>().is_ok() => Some(Unit::Bytes),
        _ => None,
    }
}

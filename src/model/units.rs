//! Quantities that carry their unit: `200ms`, `5%`, `64MiB`, `50/s`. A bare number is refused with a hint.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::shape;

/// Why a text is not the quantity that was asked for; `hint` says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {hint}")]
pub struct UnitError {
    /// What is wrong, without a final full stop: "`30` has no unit".
    pub problem: String,
    /// What to write instead: "write `30s` or `30ms`".
    pub hint: String,
}

impl UnitError {
    fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: hint.into() }
    }
}

/// A length of time written with its unit: `250ms`, `1.5s`, `2m`, `1h`, `1m30s`. At most 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timespan(pub Duration);

/// A number of bytes written with its unit: `64MiB`, `1GB`, `512B`. Decimal and binary prefixes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

/// A share from 0 % to 100 %, kept as 0.0 to 1.0 and written with `%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Share(pub f64);

/// Events per second, greater than zero: `50/s`, `600/m`, `10/h`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// Bytes per second, greater than zero: `100KiB/s`, `1MB/s`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct ByteRate(pub f64);

impl Timespan {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// So many whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many whole milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl Share {
    /// Everything: 100 %.
    pub const ALL: Self = Self(1.0);
}

impl Rate {
    /// The time from one event to the next.
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

const LONGEST_SECONDS: f64 = 366.0 * 86_400.0;
const TIME_UNITS: [(&str, f64); 7] =
    [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
const BYTE_UNITS: [(&str, f64); 9] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

/// What people write for our units, in any case.
const TIME_WORDS: [(&str, &str); 14] = [
    ("msec", "ms"),
    ("millis", "ms"),
    ("milliseconds", "ms"),
    ("s", "s"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hour", "h"),
    ("hours", "h"),
];
const BYTE_WORDS: [(&str, &str); 14] = [
    ("b", "B"),
    ("byte", "B"),
    ("bytes", "B"),
    ("k", "KiB"),
    ("kb", "kB"),
    ("kib", "KiB"),
    ("m", "MiB"),
    ("mb", "MB"),
    ("mib", "MiB"),
    ("g", "GiB"),
    ("gb", "GB"),
    ("gib", "GiB"),
    ("t", "TiB"),
    ("tb", "TB"),
];
const SHARE_WORDS: [(&str, &str); 2] = [("percent", "%"), ("pct", "%")];
const RATE_WORDS: [(&str, &str); 9] = [
    ("rps", "/s"),
    ("qps", "/s"),
    ("hz", "/s"),
    ("/sec", "/s"),
    ("/second", "/s"),
    ("per second", "/s"),
    ("/min", "/m"),
    ("/minute", "/m"),
    ("/hour", "/h"),
];

impl FromStr for Timespan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let hint = "write a time with its unit, such as `200ms`, `1.5s`, `2m` or `1m30s`";
        if text.trim() == "0" {
            return Ok(Self::ZERO);
        }
        let mut rest = text.trim();
        let mut seconds = 0.0;
        if rest.is_empty() {
            return Err(UnitError::new("a time is missing here", hint));
        }
        while !rest.is_empty() {
            let (number, after) =
                leading_number(rest).ok_or_else(|| UnitError::new(format!("`{text}` is not a time"), hint))?;
            let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, next) = after.split_at(end);
            let factor = factor_of(unit.trim(), &TIME_UNITS).ok_or_else(|| {
                // Nobody means 250 seconds.
                let likely = if number < 100.0 { "s" } else { "ms" };
                unknown_unit(text, unit.trim(), hint, likely, &TIME_WORDS)
            })?;
            seconds += number * factor;
            rest = next;
        }
        if seconds > LONGEST_SECONDS {
            return Err(UnitError::new(format!("`{text}` is too long"), "the longest time is `366d`"));
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let hint = "write a size with its unit, such as `64MiB`, `1GB` or `512B`";
        let (number, unit) =
            leading_number(text.trim()).ok_or_else(|| UnitError::new(format!("`{text}` is not a size"), hint))?;
        let factor = factor_of(unit.trim(), &BYTE_UNITS)
            .ok_or_else(|| unknown_unit(text, unit.trim(), hint, "MiB", &BYTE_WORDS))?;
        let bytes = number * factor;
        if bytes > 9.0e18 {
            return Err(UnitError::new(format!("`{text}` is too large"), "no machine has that many bytes"));
        }
        Ok(Self(bytes.round() as u64))
    }
}

impl FromStr for Share {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let hint = "write a share with its unit, from `0%` to `100%`";
        let (number, unit) =
            leading_number(text.trim()).ok_or_else(|| UnitError::new(format!("`{text}` is not a share"), hint))?;
        if unit.trim() != "%" {
            return Err(unknown_unit(text, unit.trim(), hint, "%", &SHARE_WORDS));
        }
        if number > 100.0 {
            return Err(UnitError::new(format!("`{text}` is more than everything"), hint));
        }
        Ok(Self(number / 100.0))
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let hint = "write a rate with its unit, such as `50/s` or `600/m`";
        let (number, unit) =
            leading_number(text.trim()).ok_or_else(|| UnitError::new(format!("`{text}` is not a rate"), hint))?;
        let per_second = match unit.trim() {
            "/s" => number,
            "/m" => number / 60.0,
            "/h" => number / 3600.0,
            other => return Err(unknown_unit(text, other, hint, "/s", &RATE_WORDS)),
        };
        if per_second <= 0.0 || per_second > 100_000.0 {
            return Err(UnitError::new(
                format!("`{text}` is out of range"),
                "a rate is more than 0 and at most 100000/s",
            ));
        }
        Ok(Self(per_second))
    }
}

impl FromStr for ByteRate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let hint = "write bytes per second, such as `100KiB/s` or `1MB/s`";
        let Some(size) = text.trim().strip_suffix("/s") else {
            let trouble = text.parse::<Bytes>().map(|_| UnitError::new(format!("`{text}` is no rate"), hint));
            return Err(trouble.unwrap_or_else(|error| UnitError::new(error.problem, hint)));
        };
        let Bytes(bytes) = size.parse().map_err(|error: UnitError| UnitError::new(error.problem, hint))?;
        if bytes == 0 {
            return Err(UnitError::new(format!("`{text}` is no rate"), "write more than `0B/s`"));
        }
        Ok(Self(bytes as f64))
    }
}

/// Splits `12.5ms` into 12.5 and `ms`; none when it does not begin with a plain decimal number.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number = text[..end].parse::<f64>().ok().filter(|n| n.is_finite())?;
    Some((number, &text[end..]))
}

fn factor_of(unit: &str, units: &[(&str, f64)]) -> Option<f64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// `others` are words that people write for our units.
fn unknown_unit(text: &str, unit: &str, hint: &str, likely: &str, others: &[(&str, &str)]) -> UnitError {
    let text = text.trim();
    if unit.is_empty() {
        return UnitError::new(format!("`{text}` has no unit"), format!("did you mean `{text}{likely}`?"));
    }
    let number = text.strip_suffix(unit).map(str::trim);
    let number = number.filter(|number| leading_number(number).is_some_and(|(_, rest)| rest.is_empty()));
    let ours = others.iter().find(|(theirs, _)| unit.eq_ignore_ascii_case(theirs)).map(|(_, ours)| ours);
    let hint = match (number, ours) {
        (Some(number), Some(ours)) => format!("did you mean `{number}{ours}`?"),
        _ => hint.to_owned(),
    };
    UnitError::new(format!("`{unit}` is not a unit that fits here"), hint)
}

impl fmt::Display for Timespan {
    /// Three significant digits in the unit that reads best: `1.2ms`, `340ms`, `2.5s`, `3m20s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds == 0.0 {
            f.write_str("0s")
        } else if seconds < 0.999_5e-3 {
            write!(f, "{}us", three_digits(seconds * 1e6))
        } else if seconds < 0.999_5 {
            write!(f, "{}ms", three_digits(seconds * 1e3))
        } else if seconds < 119.95 {
            write!(f, "{}s", three_digits(seconds))
        } else {
            let whole = seconds.round() as u64;
            match (whole / 3600, whole / 60 % 60, whole % 60) {
                (0, m, 0) => write!(f, "{m}m"),
                (0, m, s) => write!(f, "{m}m{s}s"),
                (h, 0, 0) => write!(f, "{h}h"),
                (h, m, 0) => write!(f, "{h}h{m}m"),
                (h, m, s) => write!(f, "{h}h{m}m{s}s"),
            }
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let (factor, unit) = match self.0 {
            0..1024 => return write!(f, "{}B", self.0),
            1024..1_048_576 => (1024.0, "KiB"),
            1_048_576..1_073_741_824 => (1_048_576.0, "MiB"),
            _ => (1_073_741_824.0, "GiB"),
        };
        write!(f, "{}{unit}", three_digits(bytes / factor))
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Bytes(self.0.round() as u64))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let text = format!("{percent:.2}");
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            r if r >= 1.0 => (r, "s"),
            r if r * 60.0 >= 1.0 => (r * 60.0, "m"),
            r => (r * 3600.0, "h"),
        };
        write!(f, "{}/{unit}", three_digits(number))
    }
}

/// A number with three significant digits and no needless zeros.
fn three_digits(number: f64) -> String {
    let decimals = if number >= 99.95 {
        0
    } else if number >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Read from text, written as text that reads back to the same value; and how that text looks.
macro_rules! as_text {
    ($type:ident, $expecting:literal, $pattern:literal, $examples:expr, $exact:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                shape::text($expecting, $pattern, &$examples)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let exact: fn(&$type) -> String = $exact;
                serializer.serialize_str(&exact(self))
            }
        }
    };
}

as_text!(
    Timespan,
    "a time with its unit, such as `200ms`",
    r"^\s*(0|([0-9.]+\s*(ns|us|ms|s|m|h|d)\s*)+)\s*$",
    ["200ms", "1.5s", "2m"],
    |t| {
        let nanos = t.0.as_nanos();
        match nanos {
            0 => "0s".to_owned(),
            n if n % 1_000_000_000 == 0 => format!("{}s", n / 1_000_000_000),
            n if n % 1_000_000 == 0 => format!("{}ms", n / 1_000_000),
            n if n % 1_000 == 0 => format!("{}us", n / 1_000),
            n => format!("{n}ns"),
        }
    }
);
as_text!(
    Bytes,
    "a size with its unit, such as `64MiB`",
    r"^\s*[0-9.]+\s*(B|[kMGT]B|[KMGT]iB)\s*$",
    ["64MiB", "1GB"],
    |b| {
        match b.0 {
            n if n > 0 && n % 1_048_576 == 0 => format!("{}MiB", n / 1_048_576),
            n if n > 0 && n % 1024 == 0 => format!("{}KiB", n / 1024),
            n => format!("{n}B"),
        }
    }
);
as_text!(
    ByteRate,
    "bytes per second, such as `100KiB/s`",
    r"^\s*[0-9.]+\s*(B|[kMGT]B|[KMGT]iB)\s*/s\s*$",
    ["100KiB/s"],
    |r| format!("{}B/s", r.0)
);
as_text!(
    Share,
    "a share with its unit, such as `5%`",
    r"^\s*(0*100(\.0*)?|0*[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+)\s*%\s*$",
    ["5%", "100%"],
    |s| format!("{}%", s.0 * 100.0)
);
as_text!(Rate, "a rate with its unit, such as `50/s`", r"^\s*[0-9.]+\s*/[smh]\s*$", ["50/s", "600/m"], |r| format!(
    "{}/s",
    r.0
));

#[cfg(test)]
mod tests {
    use super::{ByteRate, Bytes, Rate, Share, Timespan};

    fn time(text: &str) -> Timespan {
        text.parse().expect(text)
    }

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(time("200ms"), Timespan::millis(200));
        assert_eq!(time("1.5s"), Timespan::millis(1500));
        assert_eq!(time("1m30s"), Timespan::seconds(90));
        assert_eq!(time("0"), Timespan::ZERO);
    }

    #[test]
    fn a_bare_number_is_refused_with_the_likely_unit() {
        let error = "30".parse::<Timespan>().expect_err("no unit");
        assert_eq!(error.to_string(), "`30` has no unit; did you mean `30s`?");
        assert_eq!("250".parse::<Timespan>().expect_err("no unit").hint, "did you mean `250ms`?");
        assert_eq!("5".parse::<Share>().expect_err("no unit").hint, "did you mean `5%`?");
        assert_eq!("50".parse::<Rate>().expect_err("no unit").hint, "did you mean `50/s`?");
        assert_eq!("64".parse::<Bytes>().expect_err("no unit").hint, "did you mean `64MiB`?");
        assert_eq!("2 Seconds".parse::<Timespan>().expect_err("a word").hint, "did you mean `2s`?");
        assert_eq!("4k".parse::<Bytes>().expect_err("a letter").hint, "did you mean `4KiB`?");
        assert_eq!("5 percent".parse::<Share>().expect_err("a word").hint, "did you mean `5%`?");
        assert_eq!("50 rps".parse::<Rate>().expect_err("a word").hint, "did you mean `50/s`?");
    }

    #[test]
    fn a_rate_of_bytes_needs_its_unit_and_its_time() {
        assert_eq!("100KiB/s".parse(), Ok(ByteRate(102_400.0)));
        assert_eq!(ByteRate(1536.0).to_string(), "1.5KiB/s");
        for text in ["100KiB", "100", "0B/s", "/s", "5/s", "-1B/s"] {
            let error = text.parse::<ByteRate>().expect_err(text);
            assert!(error.to_string().contains("write "), "{error}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_never_panics() {
        for text in ["", "s", "-5s", "1e9s", "..s", "5 %%", "٣s", "999999999d", "1s-", "100.5%", "inf%"] {
            assert!(text.parse::<Timespan>().is_err(), "{text}");
            assert!(text.parse::<Share>().is_err(), "{text}");
            assert!(text.parse::<Bytes>().is_err(), "{text}");
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in ["1ns", "1500us", "250ms", "90s", "0s"] {
            let json = serde_json::to_string(&time(text)).expect("writes");
            assert_eq!(serde_json::from_str::<Timespan>(&json).expect("reads"), time(text));
        }
        let rate: ByteRate =
            serde_json::from_str(&serde_json::to_string(&ByteRate(1536.0)).expect("writes")).expect("reads");
        assert_eq!(rate, ByteRate(1536.0));
        let size: Bytes = "1.5GiB".parse().expect("size");
        let json = serde_json::to_string(&size).expect("writes");
        assert_eq!(serde_json::from_str::<Bytes>(&json).expect("reads"), size);
    }

    #[test]
    fn quantities_print_for_people() {
        assert_eq!(time("1234us").to_string(), "1.23ms");
        assert_eq!(time("999.9ms").to_string(), "1s");
        assert_eq!(time("200s").to_string(), "3m20s");
        assert_eq!(Bytes(64 << 20).to_string(), "64MiB");
        assert_eq!(Share(0.9987).to_string(), "99.87%");
        assert_eq!(Share(1.0).to_string(), "100%");
        assert_eq!(Rate(50.0).to_string(), "50/s");
    }
}

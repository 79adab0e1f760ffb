//! One timed look at how the system feels.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::phase::Phase;

/// One sample of one probe. All times count from the start of the run.
///
/// A run keeps a million of them, so they are small: 32 bytes, whatever they say beside that is kept apart and may be
/// shared. Times are whole nanoseconds; how long it took to be sent and to be done is told up to 78 hours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Line", into = "Line")]
pub struct Sample {
    intended: u64,
    wait: Short,
    took: Short,
    probe: u16,
    phase: Phase,
    outcome: Outcome,
    said: Option<Arc<Said>>,
}

/// What only some samples say.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    value: Option<f64>,
    detail: Option<Box<str>>,
}

/// Nanoseconds below 2^48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short([u8; 6]);

impl Short {
    fn of(time: Duration) -> Self {
        let [a, b, c, d, e, f, _, _] = whole_nanos(time).min((1 << 48) - 1).to_le_bytes();
        Self([a, b, c, d, e, f])
    }

    fn time(self) -> Duration {
        let [a, b, c, d, e, f] = self.0;
        Duration::from_nanos(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }
}

impl Sample {
    /// A sample of the probe at this place of the experiment's `steady_state`: the phase at the intended time, when the
    /// schedule wanted it sent, when it really was sent, and when the answer was complete or given up.
    pub fn new(
        probe: usize,
        phase: Phase,
        [intended, sent, done]: [Duration; 3],
        Measurement { outcome, value, detail }: Measurement,
    ) -> Self {
        let says = value.is_some() || detail.is_some();
        Self {
            intended: whole_nanos(intended),
            wait: Short::of(sent.saturating_sub(intended)),
            took: Short::of(done.saturating_sub(intended)),
            probe: u16::try_from(probe).unwrap_or(u16::MAX),
            phase,
            outcome,
            said: says.then(|| Arc::new(Said { value, detail: detail.map(String::into_boxed_str) })),
        }
    }

    /// Which probe, as its place in the experiment's `steady_state`.
    pub fn probe(&self) -> usize {
        usize::from(self.probe)
    }

    /// The phase at the intended time.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When the schedule wanted it sent; latency counts from here.
    pub fn intended(&self) -> Duration {
        Duration::from_nanos(self.intended)
    }

    /// When it really was sent.
    pub fn sent(&self) -> Duration {
        self.intended() + self.wait.time()
    }

    /// When the answer was complete, or was given up.
    pub fn done(&self) -> Duration {
        self.intended() + self.took.time()
    }

    /// Time from the intended start to the end.
    pub fn latency(&self) -> Duration {
        self.took.time()
    }

    /// How it went.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The value read, for probes that read one.
    pub fn value(&self) -> Option<f64> {
        self.said.as_ref()?.value
    }

    /// What went wrong, for people.
    pub fn detail(&self) -> Option<&str> {
        self.said.as_ref()?.detail.as_deref()
    }

    /// What came back.
    pub fn measurement(&self) -> Measurement {
        Measurement { outcome: self.outcome, value: self.value(), detail: self.detail().map(str::to_owned) }
    }

    /// The same with something else that came back.
    #[must_use = "a sample does not change by itself"]
    pub fn but(&self, measurement: Measurement) -> Self {
        Self::new(self.probe(), self.phase, [self.intended(), self.sent(), self.done()], measurement)
    }

    /// Where both say the same, it is kept in one place from now on, and this is true: in an outage thousands say the
    /// same.
    pub fn share_words(&mut self, with: &Self) -> bool {
        let same = self.said == with.said;
        if same {
            self.said.clone_from(&with.said);
        }
        same
    }
}

/// A sample as it is stored.
#[derive(Serialize, Deserialize)]
struct Line {
    probe: usize,
    phase: Phase,
    #[serde(rename = "intended_ns", with = "nanos")]
    intended: Duration,
    #[serde(rename = "sent_ns", with = "nanos")]
    sent: Duration,
    #[serde(rename = "done_ns", with = "nanos")]
    done: Duration,
    #[serde(flatten)]
    measurement: Measurement,
}

impl From<Line> for Sample {
    fn from(Line { probe, phase, intended, sent, done, measurement }: Line) -> Self {
        Self::new(probe, phase, [intended, sent, done], measurement)
    }
}

impl From<Sample> for Line {
    fn from(sample: Sample) -> Self {
        let (intended, sent, done) = (sample.intended(), sample.sent(), sample.done());
        Self { probe: sample.probe(), phase: sample.phase, intended, sent, done, measurement: sample.measurement() }
    }
}

fn whole_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
        serializer.serialize_u64(super::whole_nanos(*time))
    }

    /// Reads nanoseconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Measurement, Outcome, Phase, Sample};

    fn sample(measurement: Measurement) -> Sample {
        let times = [1_234_567_891, 1_234_999_999, 9_876_543_210].map(Duration::from_nanos);
        Sample::new(3, Phase::Observe, times, measurement)
    }

    #[test]
    fn a_million_samples_are_thirty_two_megabytes() {
        assert_eq!(size_of::<Sample>(), 32);
    }

    #[test]
    fn every_nanosecond_is_kept_on_disk_and_in_memory() {
        let sample = sample(Measurement::failed(Outcome::Wrong, "status 503"));
        let line = serde_json::to_string(&sample).expect("writes");
        assert_eq!(
            line,
            r#"{"probe":3,"phase":"observe","intended_ns":1234567891,"sent_ns":1234999999,"done_ns":9876543210,"outcome":"wrong","detail":"status 503"}"#
        );
        assert_eq!(serde_json::from_str::<Sample>(&line).expect("reads"), sample);
        assert_eq!(
            (sample.latency(), sample.done()),
            (Duration::from_nanos(8_641_975_319), Duration::from_nanos(9_876_543_210))
        );
    }

    #[test]
    fn what_a_log_claims_is_never_out_of_bounds() {
        let line = r#"{"probe":18446744073709551615,"phase":"done","intended_ns":18446744073709551615,"sent_ns":0,"done_ns":1,"outcome":"ok"}"#;
        let sample: Sample = serde_json::from_str(line).expect("reads");
        assert_eq!((sample.probe(), sample.latency()), (usize::from(u16::MAX), Duration::ZERO));
        assert_eq!(sample.sent(), sample.intended());
    }

    #[test]
    fn equal_words_are_kept_once() {
        let (one, mut other) = (sample(Measurement::value(0.25)), sample(Measurement::value(0.25)));
        assert!(other.share_words(&one));
        assert!(one.said.as_ref().zip(other.said.as_ref()).is_some_and(|(a, b)| std::sync::Arc::ptr_eq(a, b)));
        assert!(!other.share_words(&sample(Measurement::value(0.5))));
        assert_eq!(other.value(), Some(0.25));
    }
}

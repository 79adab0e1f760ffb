//! The one stream of events that a run emits. Console, event log, analysis and reports are folds over it.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::dose::Dose;
use super::experiment::Experiment;
use super::phase::Phase;
use super::sample::{Measurement, Outcome, Sample, nanos};
use super::traffic::ProxyTraffic;
use super::verdict::Mode;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Time since the start of the run.
    #[serde(rename = "at_ns", with = "nanos")]
    pub at: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// A sample as its line in the event log: nearly all lines are of this kind, and what serde does for an enum whose tag
/// stands beside its fields would take several times as long.
#[derive(Serialize, Deserialize)]
struct SampleLine<'a> {
    #[serde(rename = "at_ns", with = "nanos")]
    at: Duration,
    event: &'a str,
    probe: usize,
    phase: Phase,
    #[serde(rename = "intended_ns", with = "nanos")]
    intended: Duration,
    #[serde(rename = "sent_ns", with = "nanos")]
    sent: Duration,
    #[serde(rename = "done_ns", with = "nanos")]
    done: Duration,
    outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
}

const SAMPLE: &str = "sample";

impl Event {
    /// Writes it as a line of the event log, without the end of the line.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let EventKind::Sample(sample) = &self.kind else {
            return serde_json::to_writer(to, self).map_err(io::Error::from);
        };
        let line = SampleLine {
            at: self.at,
            event: SAMPLE,
            probe: sample.probe(),
            phase: sample.phase(),
            intended: sample.intended(),
            sent: sample.sent(),
            done: sample.done(),
            outcome: sample.outcome(),
            value: sample.value(),
            detail: sample.detail().map(Cow::Borrowed),
        };
        serde_json::to_writer(to, &line).map_err(io::Error::from)
    }

    /// Reads a line of the event log.
    pub fn read(line: &[u8]) -> serde_json::Result<Self> {
        match serde_json::from_slice::<SampleLine<'_>>(line) {
            Ok(line) if line.event == SAMPLE => {
                let SampleLine { at, probe, phase, intended, sent, done, outcome, value, detail, .. } = line;
                let measurement = Measurement { outcome, value, detail: detail.map(Cow::into_owned) };
                let sample = Sample::new(probe, phase, [intended, sent, done], measurement);
                Ok(Self { at, kind: EventKind::Sample(sample) })
            }
            // Any other event, or a sample that somebody wrote in another way.
            _ => serde_json::from_slice(line),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// Always the first.
    RunStarted(Box<RunHeader>),
    /// A phase began; the one before it ended.
    PhaseStarted {
        /// Which.
        phase: Phase,
    },
    /// A service was started and is ready.
    ServiceReady {
        /// Its name.
        service: String,
        /// Its process id.
        pid: i32,
        /// Where its output is kept.
        log: Option<PathBuf>,
    },
    /// A proxy listens.
    ProxyListening {
        /// Its name.
        proxy: String,
        /// Where.
        address: SocketAddr,
    },
    /// Set-up failed; nothing was injected.
    SetUpFailed {
        /// What could not be done and why, and what to try.
        why: String,
    },
    /// A probe took a sample.
    Sample(Sample),
    /// The baseline was judged.
    BaselineJudged {
        /// Why it is not steady; empty when it is.
        problems: Vec<String>,
    },
    /// A fault was applied completely.
    FaultApplied {
        /// Its place in the experiment.
        fault: usize,
    },
    /// A fault could not be applied; whatever was done of it is being undone.
    FaultFailed {
        /// Its place in the experiment.
        fault: usize,
        /// Why.
        why: String,
    },
    /// Observer mode: this fault would have been applied now.
    FaultSkipped {
        /// Its place in the experiment.
        fault: usize,
    },
    /// The dose of a fault was read, just before its undo.
    DoseRead {
        /// Its place in the experiment.
        fault: usize,
        /// The dose.
        dose: Dose,
    },
    /// The undo of a fault was read back: it is gone.
    FaultUndone {
        /// Its place in the experiment.
        fault: usize,
    },
    /// A step was done; its undo is in the journal.
    StepApplied {
        /// Its number in the journal.
        step: u64,
        /// What was done.
        act: String,
    },
    /// A step was undone and the undo was read back.
    StepUndone {
        /// Its number in the journal.
        step: u64,
        /// How.
        undo: String,
    },
    /// A step could not be put back for sure.
    Residue {
        /// Its number in the journal.
        step: u64,
        /// What is left.
        what: String,
        /// Why.
        why: String,
        /// The command to run by hand, where there is one.
        command: Option<String>,
        /// What is left then, what ends it, and how to see whether it is there.
        #[serde(default)]
        help: String,
    },
    /// A stop condition or a hard limit ends the fault now.
    StopFired {
        /// What kind of end it is.
        #[serde(default)]
        cause: StopCause,
        /// The condition as written, or the limit in words.
        condition: String,
        /// What was measured.
        measured: String,
        /// When the first bad event that led to it happened.
        #[serde(rename = "first_bad_ns", with = "nanos")]
        first_bad: Duration,
    },
    /// A signal asks to end.
    Interrupted {
        /// Its name: `SIGINT`.
        signal: String,
    },
    /// All faults are verified undone (also when there were none).
    RolledBack,
    /// The steady state is back, or the wait for it is over.
    RecoveryEnded {
        /// Whether it is back.
        recovered: bool,
    },
    /// Users touched by the faults, counted in the proxies.
    AffectedUsers {
        /// How many.
        users: u64,
    },
    /// What has passed the proxies so far, looked at several times a second.
    Traffic {
        /// Each proxy, in the order of their names.
        proxies: Vec<ProxyTraffic>,
    },
    /// Something worth knowing that changes nothing.
    Note {
        /// What.
        text: String,
    },
    /// Always the last.
    RunEnded,
}

/// What ended a fault before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// A stop condition of the file.
    #[default]
    Condition,
    /// A probe told nothing for too long.
    NoData,
    /// Hard limit: the time of the blast radius was over before the faults were.
    BlastRadius,
    /// Hard limit: what a fault acted on ended, although the fault was not to end it.
    TargetGone,
    /// Hard limit: the guardian died or hung, so that nobody would have put things back in our place.
    GuardianLost,
}

/// What is known at the start of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Version of the event format: 1.
    pub format: u32,
    /// The run's id.
    pub run: String,
    /// The version of the tool.
    pub tool: String,
    /// When it started.
    pub started: DateTime<Utc>,
    /// The experiment's file, as it was named.
    pub file: String,
    /// Whether it breaks things.
    pub mode: Mode,
    /// The seed of every random choice.
    pub seed: u64,
    /// Where events, journal and the services' output of this run are kept; absent when they are not.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// The names of the variables that were given to the file from outside. Never their values: they may be secret.
    #[serde(default)]
    pub variables: Vec<String>,
    /// The experiment; secrets are masked.
    pub experiment: Experiment,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Event, EventKind};
    use crate::model::phase::Phase;
    use crate::model::sample::{Measurement, Outcome, Sample};

    fn events() -> Vec<Event> {
        let times = [1, 2, 3].map(Duration::from_millis);
        let told =
            [Measurement::ok(), Measurement::value(0.1), Measurement::failed(Outcome::Wrong, "said \"no\"\n\u{1b}[2J")];
        let samples = told.map(|told| EventKind::Sample(Sample::new(1, Phase::Observe, times, told)));
        let kinds = samples.into_iter().chain([EventKind::Note { text: "sample".into() }, EventKind::RunEnded]);
        kinds.map(|kind| Event { at: Duration::from_nanos(3_000_001), kind }).collect()
    }

    #[test]
    fn a_line_is_what_serde_would_write_and_reads_back() {
        for event in events() {
            let mut line = Vec::new();
            event.write(&mut line).expect("writes");
            assert_eq!(String::from_utf8_lossy(&line), serde_json::to_string(&event).expect("writes"));
            assert_eq!(Event::read(&line).expect("reads"), event);
            let other: serde_json::Value = serde_json::from_slice(&line).expect("is JSON");
            assert_eq!(Event::read(other.to_string().as_bytes()).expect("reads any order"), event);
        }
    }

    #[test]
    fn a_line_that_is_cut_anywhere_is_refused() {
        for event in events() {
            let line = serde_json::to_vec(&event).expect("writes");
            assert!((0..line.len()).all(|end| Event::read(&line[..end]).is_err()), "{event:?}");
        }
    }
}

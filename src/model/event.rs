//! The one stream of events that a run emits. Console, event log, analysis and reports are folds over it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::dose::Dose;
use super::experiment::Experiment;
use super::phase::Phase;
use super::sample::{Sample, nanos};
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

//! When it was noticed, and when it was over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seconds;

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
    #[serde(rename = "verified_undo_s", with = "seconds::or_null")]
    pub verified_undo: Option<Duration>,
    /// When the steady state was back, since the start of the run; absent when it was not within the objective.
    #[serde(rename = "recovered_at_s", with = "seconds::or_null")]
    pub recovered_at: Option<Duration>,
    /// From the verified undo; zero when the system healed itself before. Absent, never the objective, when it did
    /// not recover in time or the undo is not verified.
    #[serde(rename = "time_to_recover_s", with = "seconds::or_null")]
    pub time_to_recover: Option<Duration>,
    /// From the first bad event to the recovery.
    #[serde(rename = "rto_s", with = "seconds::or_null")]
    pub rto: Option<Duration>,
    /// It did not recover in time: the time to recover is longer than this, from the verified undo.
    #[serde(rename = "time_to_recover_longer_than_s", with = "seconds::or_null")]
    pub time_to_recover_longer_than: Option<Duration>,
    /// The same from the first bad event.
    #[serde(rename = "rto_longer_than_s", with = "seconds::or_null")]
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

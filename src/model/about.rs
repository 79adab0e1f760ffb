//! What the catalogue says of faults and probes: written beside each of them, shown by `chaos faults` and
//! `chaos probes`, used by `chaos doctor` and `chaos schema`.

use serde::Serialize;

use super::cgroup::Controller;
use super::fault::TargetKind;

/// A fault, told to those who choose one. Its settings tell themselves, by their doc comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The word in `fault:`.
    pub word: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// What it breaks, and which trouble of the real world that is.
    pub breaks: &'static str,
    /// How.
    pub mechanism: &'static str,
    /// What this user must be allowed to do.
    pub privileges: &'static str,
    /// How it is measured that it bit.
    pub dose: &'static str,
    /// How it is put back.
    pub undo: &'static str,
    /// What is there after the undo all the same.
    pub remains: &'static str,
    /// What it can act on; the first is that of the example.
    pub targets: &'static [TargetKind],
    /// What it needs of a machine; `chaos doctor` tries it.
    pub needs: Need,
    /// The lines of its settings in an example that can be run, without `fault`, `target` and `duration`.
    pub example: &'static [&'static str],
}

/// What a fault needs of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A proxy of ours, which listens on loopback.
    Proxy,
    /// Cores.
    Cores,
    /// Free memory, and to be chosen first when it ends.
    Memory,
    /// A disk, past the page cache.
    Disk,
    /// To signal a process of ours.
    Signals,
    /// To make control groups with this controller.
    Group(Controller),
    /// To lower a limit of open files and to raise it again.
    Limits,
    /// To start a program.
    Programs,
}

/// A probe, told to those who choose one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeAbout {
    /// The word in `probe:`.
    pub word: &'static str,
    /// What one sample is, in one line.
    pub summary: &'static str,
    /// What counts as an error of the target.
    pub errors: &'static str,
    /// What is no data: neither good nor bad.
    pub no_data: &'static str,
    /// What `expect` can say of it.
    pub metrics: &'static str,
    /// What this user must be allowed to do.
    pub privileges: &'static str,
    /// The lines of its settings and expectations in an example, without `name` and `probe`.
    pub example: &'static [&'static str],
}

/// One setting of a fault or a probe, as its struct and its doc comment say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its key in the file.
    pub name: String,
    /// What stands there, with its unit.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it must be there.
    pub required: bool,
    /// What holds when it is absent; none where nothing does, or where `about` says it.
    pub default: Option<String>,
    /// What it means, with its range.
    pub about: String,
}

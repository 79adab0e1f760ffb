//! The settings of the faults: what is broken, where and when.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::cgroup::{Controller, Limit, PidsRoom};
use super::http::{
    HttpAbort, HttpCorrupt, HttpDuplicate, HttpError, HttpLatency, HttpSlowBody, HttpTimeout, RequestMatch,
};
use super::profile::Profile;
use super::shape;
use super::units::{ByteRate, Bytes, Rate, Share, Timespan};

pub use super::target::{ProcessTarget, Selector, Target, TargetKind};

/// One fault of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultSpec {
    /// Its name, unique in the experiment.
    pub name: String,
    /// What it does.
    pub kind: FaultKind,
    /// What it does it to.
    pub target: Target,
    /// When it starts, counted from the start of the observe phase.
    pub start: Timespan,
    /// How long it stays.
    pub duration: Timespan,
}

impl FaultSpec {
    /// When it ends, counted from the start of the observe phase.
    pub fn end(&self) -> Timespan {
        Timespan(self.start.0 + self.duration.0)
    }
}

/// The kinds of faults, by the word in `fault:`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FaultKind {
    /// Delays bytes.
    #[serde(rename = "network.latency")]
    NetworkLatency(NetworkLatency),
    /// Passes so many bytes a second.
    #[serde(rename = "network.bandwidth")]
    NetworkBandwidth(NetworkBandwidth),
    /// Resets connections.
    #[serde(rename = "network.disconnect")]
    NetworkDisconnect(NetworkDisconnect),
    /// Lets nothing pass.
    #[serde(rename = "network.blackhole")]
    NetworkBlackhole(NetworkBlackhole),
    /// Closes connections late.
    #[serde(rename = "network.slow_close")]
    NetworkSlowClose(NetworkSlowClose),
    /// Cuts bytes into small pieces.
    #[serde(rename = "network.slice")]
    NetworkSlice(NetworkSlice),
    /// Closes connections after so many bytes.
    #[serde(rename = "network.limit_data")]
    NetworkLimitData(NetworkLimitData),
    /// Refuses connections.
    #[serde(rename = "network.down")]
    NetworkDown(NetworkDown),
    /// Answers in place of the upstream.
    #[serde(rename = "http.error")]
    HttpError(HttpError),
    /// Delays requests or answers.
    #[serde(rename = "http.latency")]
    HttpLatency(HttpLatency),
    /// Resets requests.
    #[serde(rename = "http.abort")]
    HttpAbort(HttpAbort),
    /// Takes requests and never answers.
    #[serde(rename = "http.timeout")]
    HttpTimeout(HttpTimeout),
    /// Changes bytes of bodies.
    #[serde(rename = "http.corrupt")]
    HttpCorrupt(HttpCorrupt),
    /// Sends requests twice.
    #[serde(rename = "http.duplicate")]
    HttpDuplicate(HttpDuplicate),
    /// Lets bodies through slowly.
    #[serde(rename = "http.slow_body")]
    HttpSlowBody(HttpSlowBody),
    /// Keeps cores busy.
    #[serde(rename = "cpu.stress")]
    CpuStress(CpuStress),
    /// Keeps memory resident.
    #[serde(rename = "memory.stress")]
    MemoryStress(MemoryStress),
    /// Keeps a disk busy.
    #[serde(rename = "disk.stress")]
    DiskStress(DiskStress),
    /// Takes the room of a disk.
    #[serde(rename = "disk.fill")]
    DiskFill(DiskFill),
    /// Limits CPU time.
    #[serde(rename = "cpu.limit")]
    CpuLimit(CpuLimit),
    /// Limits memory.
    #[serde(rename = "memory.limit")]
    MemoryLimit(MemoryLimit),
    /// Limits a disk.
    #[serde(rename = "io.limit")]
    IoLimit(IoLimit),
    /// Limits processes and threads.
    #[serde(rename = "pids.limit")]
    PidsLimit(PidsLimit),
    /// Kills a process.
    #[serde(rename = "process.kill")]
    ProcessKill(ProcessKill),
    /// Stops a process for a while.
    #[serde(rename = "process.pause")]
    ProcessPause(ProcessPause),
    /// Stops a process for a share of the time.
    #[serde(rename = "process.slow")]
    ProcessSlow(ProcessSlow),
    /// Takes file descriptors from a process.
    #[serde(rename = "fd.exhaust")]
    FdExhaust(FdExhaust),
    /// Runs a command of the experiment's, and another one that undoes it.
    #[serde(rename = "process.exec")]
    ProcessExec(ProcessExec),
}

impl FaultKind {
    /// Every word that `fault:` may say, in the order of the catalogue.
    pub const WORDS: [&'static str; 28] = [
        "network.latency",
        "network.bandwidth",
        "network.disconnect",
        "network.blackhole",
        "network.slow_close",
        "network.slice",
        "network.limit_data",
        "network.down",
        "http.error",
        "http.latency",
        "http.abort",
        "http.timeout",
        "http.corrupt",
        "http.duplicate",
        "http.slow_body",
        "cpu.stress",
        "memory.stress",
        "disk.stress",
        "disk.fill",
        "cpu.limit",
        "memory.limit",
        "io.limit",
        "pids.limit",
        "process.kill",
        "process.pause",
        "process.slow",
        "fd.exhaust",
        "process.exec",
    ];

    /// The word in `fault:`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NetworkLatency(_) => "network.latency",
            Self::NetworkBandwidth(_) => "network.bandwidth",
            Self::NetworkDisconnect(_) => "network.disconnect",
            Self::NetworkBlackhole(_) => "network.blackhole",
            Self::NetworkSlowClose(_) => "network.slow_close",
            Self::NetworkSlice(_) => "network.slice",
            Self::NetworkLimitData(_) => "network.limit_data",
            Self::NetworkDown(_) => "network.down",
            Self::HttpError(_) => "http.error",
            Self::HttpLatency(_) => "http.latency",
            Self::HttpAbort(_) => "http.abort",
            Self::HttpTimeout(_) => "http.timeout",
            Self::HttpCorrupt(_) => "http.corrupt",
            Self::HttpDuplicate(_) => "http.duplicate",
            Self::HttpSlowBody(_) => "http.slow_body",
            Self::CpuStress(_) => "cpu.stress",
            Self::MemoryStress(_) => "memory.stress",
            Self::DiskStress(_) => "disk.stress",
            Self::DiskFill(_) => "disk.fill",
            Self::CpuLimit(_) => "cpu.limit",
            Self::MemoryLimit(_) => "memory.limit",
            Self::IoLimit(_) => "io.limit",
            Self::PidsLimit(_) => "pids.limit",
            Self::ProcessKill(_) => "process.kill",
            Self::ProcessPause(_) => "process.pause",
            Self::ProcessSlow(_) => "process.slow",
            Self::FdExhaust(_) => "fd.exhaust",
            Self::ProcessExec(_) => "process.exec",
        }
    }

    /// The kinds of targets it takes; the first is the usual one.
    pub const fn takes(&self) -> &'static [TargetKind] {
        match self {
            Self::NetworkLatency(_)
            | Self::NetworkBandwidth(_)
            | Self::NetworkDisconnect(_)
            | Self::NetworkBlackhole(_)
            | Self::NetworkSlowClose(_)
            | Self::NetworkSlice(_)
            | Self::NetworkLimitData(_)
            | Self::NetworkDown(_)
            | Self::HttpError(_)
            | Self::HttpLatency(_)
            | Self::HttpAbort(_)
            | Self::HttpTimeout(_)
            | Self::HttpCorrupt(_)
            | Self::HttpDuplicate(_)
            | Self::HttpSlowBody(_) => &[TargetKind::Proxy],
            Self::CpuStress(_) | Self::MemoryStress(_) => &[TargetKind::Host, TargetKind::Process],
            Self::DiskStress(_) | Self::DiskFill(_) | Self::ProcessExec(_) => &[TargetKind::Host],
            Self::CpuLimit(_)
            | Self::MemoryLimit(_)
            | Self::IoLimit(_)
            | Self::PidsLimit(_)
            | Self::ProcessKill(_)
            | Self::ProcessPause(_)
            | Self::ProcessSlow(_)
            | Self::FdExhaust(_) => &[TargetKind::Process],
        }
    }

    /// Whether the end of what it acts on is what it is for. For any other fault that is no result but a reason to stop.
    pub const fn ends_its_target(&self) -> bool {
        matches!(self, Self::ProcessKill(_))
    }

    /// Whether it stops its target for a while, which another could have done before it.
    pub const fn stops_its_target(&self) -> bool {
        matches!(self, Self::ProcessPause(_) | Self::ProcessSlow(_))
    }

    /// Whether it must be known before what its targets have open.
    pub const fn counts_open_files(&self) -> bool {
        matches!(self, Self::FdExhaust(_))
    }

    /// The commands of the experiment's that it runs, by their keys.
    pub fn commands(&self) -> Vec<(&'static str, &Vec<String>)> {
        let Self::ProcessExec(fault) = self else { return Vec::new() };
        let all = [("command", &fault.command), ("undo", &fault.undo)].into_iter();
        all.chain(fault.check.as_ref().map(|check| ("check", check))).collect()
    }

    /// The same, to be changed.
    pub fn commands_mut(&mut self) -> Vec<(&'static str, &mut Vec<String>)> {
        let Self::ProcessExec(fault) = self else { return Vec::new() };
        let all = [("command", &mut fault.command), ("undo", &mut fault.undo)].into_iter();
        all.chain(fault.check.as_mut().map(|check| ("check", check))).collect()
    }

    /// The share of traffic it asks for, where it acts on traffic and says so.
    pub const fn share(&self) -> Option<Share> {
        match self {
            Self::NetworkLatency(fault) => fault.share,
            Self::NetworkBandwidth(fault) => fault.share,
            Self::NetworkDisconnect(fault) => fault.share,
            Self::NetworkBlackhole(fault) => fault.share,
            Self::NetworkSlowClose(fault) => fault.share,
            Self::NetworkSlice(fault) => fault.share,
            Self::NetworkLimitData(fault) => fault.share,
            Self::NetworkDown(fault) => fault.share,
            Self::HttpError(fault) => fault.share,
            Self::HttpLatency(fault) => fault.share,
            Self::HttpAbort(fault) => fault.share,
            Self::HttpTimeout(fault) => fault.share,
            Self::HttpCorrupt(fault) => fault.share,
            Self::HttpDuplicate(fault) => fault.share,
            Self::HttpSlowBody(fault) => fault.share,
            _ => None,
        }
    }

    /// The directory it writes to, where it writes to one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::DiskStress(fault) => Some(&fault.path),
            Self::DiskFill(fault) => Some(&fault.path),
            _ => None,
        }
    }

    /// The limit that it puts on the control group of its target, where it is one.
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::CpuLimit(fault) => Some(fault.limit()),
            Self::MemoryLimit(fault) => Some(fault.limit()),
            Self::IoLimit(fault) => Some(fault.limit()),
            Self::PidsLimit(fault) => Some(fault.limit()),
            _ => None,
        }
    }

    /// The same, to put what it leads to in its place.
    pub fn folder_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::DiskStress(fault) => Some(&mut fault.path),
            Self::DiskFill(fault) => Some(&mut fault.path),
            _ => None,
        }
    }

    /// What it needs a control group of its target for, where its target is a process.
    pub fn acts_in_a_group(&self) -> Option<Controller> {
        match self {
            Self::CpuStress(_) => Some(Controller::Cpu),
            Self::MemoryStress(_) => Some(Controller::Memory),
            kind => kind.limit().map(|limit| limit.controller()),
        }
    }

    /// Which requests it touches, where it acts on requests.
    pub fn only(&self) -> Option<RequestMatch> {
        match self {
            Self::HttpError(fault) => Some(fault.only()),
            Self::HttpLatency(fault) => Some(fault.only()),
            Self::HttpAbort(fault) => Some(fault.only()),
            Self::HttpTimeout(fault) => Some(fault.only()),
            Self::HttpCorrupt(fault) => Some(fault.only()),
            Self::HttpDuplicate(fault) => Some(fault.only()),
            Self::HttpSlowBody(fault) => Some(fault.only()),
            _ => None,
        }
    }
}

/// Which way bytes travel through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    #[default]
    Downstream,
}

/// How delays are spread around their mean. The mean is always `delay`; what would fall below zero is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Evenly from `delay - jitter` to `delay + jitter`.
    #[default]
    Uniform,
    /// A bell with a standard deviation of `jitter`.
    Normal,
    /// Many a little below the mean, few far above it: a Pareto tail of shape 3 with a standard deviation of `jitter`.
    Pareto,
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uniform => "uniform",
            Self::Normal => "normal",
            Self::Pareto => "pareto",
        })
    }
}

/// Settings of `network.latency`: every byte arrives later, in order; throughput is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkLatency {
    /// How much later on average; greater than zero.
    pub delay: Timespan,
    /// How far the delays of chunks stray from that; at most `delay`.
    #[serde(default)]
    pub jitter: Timespan,
    /// How they stray: evenly up to `jitter` to both sides, or with a standard deviation of `jitter`.
    #[serde(default)]
    pub distribution: Distribution,
    /// Which way.
    #[serde(default)]
    pub stream: Stream,
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `network.bandwidth`: each connection passes so many bytes a second, smoothly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkBandwidth {
    /// Bytes per second on each connection.
    pub rate: ByteRate,
    /// Which way.
    #[serde(default)]
    pub stream: Stream,
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `network.disconnect`: connections are reset (RST), existing and new ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkDisconnect {
    /// So long after the connection came, or the fault began; answers are held back meanwhile. At once by default.
    #[serde(default)]
    pub after: Timespan,
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `network.blackhole`: nothing passes, and nobody is told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkBlackhole {
    /// Touched connections are closed so long after the fault took hold of them; never by default.
    #[serde(default)]
    pub close_after: Timespan,
    /// Which way.
    #[serde(default)]
    pub stream: Stream,
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `network.slow_close`: the close arrives later than the bytes before it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkSlowClose {
    /// How much later; greater than zero.
    pub delay: Timespan,
    /// Which way.
    #[serde(default)]
    pub stream: Stream,
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `network.slice`: bytes arrive in small pieces with pauses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkSlice {
    /// Mean size of a piece; at least one byte.
    pub size: Bytes,
    /// Sizes vary evenly by up to this much; less than `size`.
    #[serde(default)]
    pub variation: Bytes,
    /// The pause after each piece.
    #[serde(default)]
    pub delay: Timespan,
    /// Which way.
    #[serde(default)]
    pub stream: Stream,
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `network.limit_data`: connections are closed after so many bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkLimitData {
    /// How many bytes pass on each connection from the moment the fault took hold of it.
    pub bytes: Bytes,
    /// Which way.
    #[serde(default)]
    pub stream: Stream,
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `network.down`: new connections are refused, existing ones reset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkDown {
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `cpu.stress`: burns a share of the time of some cores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuStress {
    /// Share of each core's time.
    pub load: Share,
    /// How many cores; all when absent.
    #[serde(default)]
    pub cores: Option<u32>,
    /// How the load changes while it lasts.
    #[serde(default)]
    pub profile: Profile,
}

/// Settings of `memory.stress`: maps memory and keeps it resident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryStress {
    /// How much.
    pub size: Amount,
    /// What is always left to everybody else: at least 64 MiB. The worker gives memory back rather than take of it.
    #[serde(default = "sixty_four_mib")]
    pub leave_free: Bytes,
    /// How the size changes while it lasts.
    #[serde(default)]
    pub profile: Profile,
}

/// An amount of something that bytes are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// So many bytes.
    Bytes(Bytes),
    /// This share of what is available when the fault starts.
    Available(Share),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(size) => size.fmt(f),
            Self::Available(share) => write!(f, "{share} of what is free"),
        }
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let title = "a size such as `64MiB`, or a share such as `25%` of what is available";
        shape::text(title, r"^\s*[0-9.]+\s*(B|[kMGT]B|[KMGT]iB|%)\s*$", &["64MiB", "25%"])
    }
}

impl<'de> Deserialize<'de> for Amount {
    /// By hand: serde's own words for a text that fits no variant help no one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Amount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `64MiB`, or a share such as `25%` of what is available")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                let share = text.trim_end().ends_with('%');
                let size = if share { text.parse().map(Amount::Available) } else { text.parse().map(Amount::Bytes) };
                size.map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Settings of `disk.stress`: reads and writes blocks of a file of its own at a steady pace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiskStress {
    /// A directory on the file system in question.
    pub path: PathBuf,
    /// Operations per second. Either this or `bandwidth`.
    #[serde(default)]
    pub iops: Option<Rate>,
    /// Bytes per second, in operations of `block_size`.
    #[serde(default)]
    pub bandwidth: Option<ByteRate>,
    /// Bytes of one operation: a power of two from 512 B to 16 MiB.
    #[serde(default = "four_kib")]
    pub block_size: Bytes,
    /// Share of the operations that read.
    #[serde(default)]
    pub read: Share,
    /// Size of the file.
    #[serde(default = "sixty_four_mib")]
    pub file_size: Bytes,
    /// How the pace changes while it lasts.
    #[serde(default)]
    pub profile: Profile,
}

/// Settings of `disk.fill`: takes room of a file system with a file that has no name. At least one of `size` and
/// `leave_free`; with both, whatever takes less.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiskFill {
    /// A directory on the file system in question.
    pub path: PathBuf,
    /// How much: bytes, or a share of what is free when the fault starts.
    #[serde(default)]
    pub size: Option<Amount>,
    /// How much stays free. Never less than 1 % of the file system or 64 MiB.
    #[serde(default)]
    pub leave_free: Option<Bytes>,
}

const fn four_kib() -> Bytes {
    Bytes(4096)
}

const fn sixty_four_mib() -> Bytes {
    Bytes(64 << 20)
}

/// Settings of `cpu.limit`: the target gets no more than a share of the CPU time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuLimit {
    /// Share of the time of one core; at least 1 %.
    pub quota: Share,
    /// As much of each of so many cores; one by default.
    #[serde(default = "one")]
    pub cores: u32,
}

/// Settings of `memory.limit`: the target gets no more memory, the page cache of its files included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryLimit {
    /// How much; at least 1 MiB.
    pub size: Bytes,
    /// Where the target uses more, the limit is lowered in steps over so long, so that the kernel can take back what it
    /// finds instead of killing; at most 30 s.
    #[serde(default = "two_seconds")]
    pub ramp: Timespan,
}

/// Settings of `io.limit`: the target reads and writes a disk no faster. At least one of the four.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IoLimit {
    /// A directory on the disk in question.
    pub path: PathBuf,
    /// Bytes read a second.
    #[serde(default)]
    pub read_bps: Option<ByteRate>,
    /// Bytes written a second.
    #[serde(default)]
    pub write_bps: Option<ByteRate>,
    /// Operations that read a second.
    #[serde(default)]
    pub read_iops: Option<Rate>,
    /// Operations that write a second.
    #[serde(default)]
    pub write_iops: Option<Rate>,
}

/// Settings of `pids.limit`: the target starts no more processes and threads. One of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PidsLimit {
    /// How many there may be at most, threads counted.
    #[serde(default)]
    pub max: Option<u64>,
    /// How many more there may be than when the fault starts.
    #[serde(default)]
    pub leave: Option<u64>,
}

const fn one() -> u32 {
    1
}

const fn two_seconds() -> Timespan {
    Timespan::seconds(2)
}

impl CpuLimit {
    fn limit(&self) -> Limit {
        Limit::Cpu { quota: self.quota, cores: self.cores }
    }
}

impl MemoryLimit {
    fn limit(&self) -> Limit {
        Limit::Memory { size: self.size, ramp: self.ramp }
    }
}

impl IoLimit {
    fn limit(&self) -> Limit {
        let Self { path, read_bps, write_bps, read_iops, write_iops } = self.clone();
        Limit::Io { path, read_bps, write_bps, read_iops, write_iops }
    }
}

impl PidsLimit {
    fn limit(&self) -> Limit {
        let leave = PidsRoom::Leave(self.leave.unwrap_or_default());
        Limit::Pids { most: self.max.map_or(leave, PidsRoom::Max) }
    }
}

/// Settings of `process.kill`. Undone by starting the service again where it does not restart by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessKill {
    /// The signal.
    #[serde(default)]
    pub signal: KillSignal,
    /// Again each time so much has passed, whoever matches then: at least 100 ms. Once when absent.
    #[serde(default)]
    pub every: Option<Timespan>,
}

/// Signals that end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum KillSignal {
    /// Cannot be caught.
    #[default]
    Kill,
    /// Asks politely.
    Term,
    /// As Ctrl-C.
    Int,
    /// Quits with a core dump.
    Quit,
    /// Aborts.
    Abrt,
}

/// Settings of `process.pause`: none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessPause {}

/// Settings of `process.slow`: stops processes again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessSlow {
    /// The share of the time for which they are stopped: above 0 and below 100 %.
    pub share: Share,
    /// From one stop to the next: 10 ms to 10 s.
    #[serde(default = "tenth_of_a_second")]
    pub period: Timespan,
}

const fn tenth_of_a_second() -> Timespan {
    Timespan(std::time::Duration::from_millis(100))
}

/// Settings of `fd.exhaust`: lowers the soft limit of open files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FdExhaust {
    /// How many descriptors may be opened still.
    #[serde(default)]
    pub leave: u64,
}

/// Settings of `process.exec`: runs a command of yours, and another one that undoes it. Neither sees a shell, a terminal
/// or any variable but `PATH` and `HOME`; both run in the folder in which the run was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessExec {
    /// The program and its arguments. The fault is in place once it ends with exit code 0.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// The program and its arguments that undo it. They must do no harm where nothing is to be undone, as after a crash
    /// they may run twice, or without the command; exit code 0 says that all is as before.
    #[schemars(length(min = 1))]
    pub undo: Vec<String>,
    /// A program that ends with 0 while the fault is in place and with 1 while it is not. It is asked before the command,
    /// which is not run where it says 0 already, before the undo, and after it.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub check: Option<Vec<String>>,
    /// How long each of them may take; then it is killed with its children. 100 ms to 15 s.
    #[serde(default = "ten_seconds")]
    pub within: Timespan,
}

const fn ten_seconds() -> Timespan {
    Timespan::seconds(10)
}

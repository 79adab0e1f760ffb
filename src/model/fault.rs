//! The settings of the faults: what is broken, where and when.

use std::fmt;
use std::path::PathBuf;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::http::{
    HttpAbort, HttpCorrupt, HttpDuplicate, HttpError, HttpLatency, HttpSlowBody, HttpTimeout, RequestMatch,
};
use super::units::{ByteRate, Bytes, Rate, Share, Timespan};

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

/// What a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A proxy of the experiment.
    Proxy(String),
    /// The process of one of the experiment's own services.
    Service(String),
    /// This machine.
    Host,
}

/// The kinds of targets, to say which a fault takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// `{ proxy: NAME }`
    Proxy,
    /// `{ process: { service: NAME } }`
    Service,
    /// `{ host: local }`
    Host,
}

impl TargetKind {
    /// How such a target is written.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Proxy => "{ proxy: NAME }",
            Self::Service => "{ process: { service: NAME } }",
            Self::Host => "{ host: local }",
        }
    }
}

impl Target {
    /// Of which kind it is.
    pub const fn kind(&self) -> TargetKind {
        match self {
            Self::Proxy(_) => TargetKind::Proxy,
            Self::Service(_) => TargetKind::Service,
            Self::Host => TargetKind::Host,
        }
    }

    /// For people: `proxy generator`, `service demo`, `this machine`.
    pub fn describe(&self) -> String {
        match self {
            Self::Proxy(name) => format!("proxy {name}"),
            Self::Service(name) => format!("service {name}"),
            Self::Host => "this machine".to_owned(),
        }
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
    /// Kills a process.
    #[serde(rename = "process.kill")]
    ProcessKill(ProcessKill),
    /// Stops a process for a while.
    #[serde(rename = "process.pause")]
    ProcessPause(ProcessPause),
}

impl FaultKind {
    /// Every word that `fault:` may say, in the order of the catalogue.
    pub const WORDS: [&'static str; 20] = [
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
        "process.kill",
        "process.pause",
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
            Self::ProcessKill(_) => "process.kill",
            Self::ProcessPause(_) => "process.pause",
        }
    }

    /// The kind of target it takes.
    pub const fn takes(&self) -> TargetKind {
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
            | Self::HttpSlowBody(_) => TargetKind::Proxy,
            Self::CpuStress(_) | Self::MemoryStress(_) | Self::DiskStress(_) => TargetKind::Host,
            Self::ProcessKill(_) | Self::ProcessPause(_) => TargetKind::Service,
        }
    }

    /// Whether the end of what it acts on is what it is for. For any other fault that is no result but a reason to stop.
    pub const fn ends_its_target(&self) -> bool {
        matches!(self, Self::ProcessKill(_))
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    #[default]
    Downstream,
}

/// How delays are spread around their mean. The mean is always `delay`; what would fall below zero is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkDisconnect {
    /// So long after the connection came, or the fault began; answers are held back meanwhile. At once by default.
    #[serde(default)]
    pub after: Timespan,
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `network.blackhole`: nothing passes, and nobody is told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkDown {
    /// Share of the connections that are touched; the blast radius' `traffic` when absent.
    #[serde(default)]
    pub share: Option<Share>,
}

/// Settings of `cpu.stress`: burns a share of the time of some cores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpuStress {
    /// Share of each core's time.
    pub load: Share,
    /// How many cores; all when absent.
    #[serde(default)]
    pub cores: Option<u32>,
}

/// Settings of `memory.stress`: maps memory and keeps it resident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryStress {
    /// How much.
    pub size: MemorySize,
}

/// An amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MemorySize {
    /// So many bytes.
    Bytes(Bytes),
    /// This share of what is available when the fault starts.
    Available(Share),
}

impl<'de> Deserialize<'de> for MemorySize {
    /// By hand: serde's own words for a text that fits no variant help no one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = MemorySize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `64MiB`, or a share such as `25%` of what is available")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<MemorySize, E> {
                let share = text.trim_end().ends_with('%');
                let size =
                    if share { text.parse().map(MemorySize::Available) } else { text.parse().map(MemorySize::Bytes) };
                size.map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Settings of `disk.stress`: reads and writes blocks of a file of its own at a steady pace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskStress {
    /// A directory on the file system in question.
    pub path: PathBuf,
    /// Operations per second.
    pub iops: Rate,
    /// Bytes of one operation: a power of two from 512 B to 16 MiB.
    #[serde(default = "four_kib")]
    pub block_size: Bytes,
    /// Share of the operations that read.
    #[serde(default)]
    pub read: Share,
    /// Size of the file.
    #[serde(default = "sixty_four_mib")]
    pub file_size: Bytes,
}

const fn four_kib() -> Bytes {
    Bytes(4096)
}

const fn sixty_four_mib() -> Bytes {
    Bytes(64 << 20)
}

/// Settings of `process.kill`. Undone by starting the service again where it does not restart by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessKill {
    /// The signal.
    #[serde(default)]
    pub signal: KillSignal,
}

/// Signals that end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessPause {}

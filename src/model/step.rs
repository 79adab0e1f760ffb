//! Undo is data: what is done, how it is undone and how the undo is checked, all plain and serialisable.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::experiment::{Proxy, Service};
use super::fault::{Distribution, KillSignal, Stream};
use super::http::{HttpEffect, RequestMatch};
use super::units::{Bytes, Rate, Share, Timespan};

/// One reversible step: `apply` + `undo` + `verify`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub apply: Act,
    /// How it is undone.
    pub undo: Undo,
    /// What must be true once it is undone.
    pub verify: Check,
}

/// The primitive effects; a closed list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Starts a service and awaits its readiness.
    StartService {
        /// The service.
        service: Service,
    },
    /// Opens a proxy that passes everything through.
    OpenProxy {
        /// The proxy.
        proxy: Proxy,
    },
    /// Puts a toxic on a proxy.
    AddToxic {
        /// The proxy's name.
        proxy: String,
        /// The toxic.
        toxic: Toxic,
    },
    /// Starts a worker process of ours.
    StartWorker {
        /// Its name, unique in the run.
        worker: String,
        /// What it does.
        job: Job,
    },
    /// Stops a process of ours with SIGSTOP.
    PauseService {
        /// The service's name.
        service: String,
    },
    /// Kills a process of ours.
    KillService {
        /// The service's name.
        service: String,
        /// The signal.
        signal: KillSignal,
    },
}

/// How long what an act did lasts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// It is gone when the machine starts anew.
    Volatile,
    /// It outlives a restart of the machine.
    Persistent,
}

/// The ways back; a closed list. Each is idempotent: an object that is absent is a success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Stops a service and everything in its process group.
    StopService {
        /// The service's name.
        service: String,
    },
    /// Closes a proxy and its connections.
    CloseProxy {
        /// The proxy's name.
        proxy: String,
    },
    /// Takes a toxic off a proxy.
    RemoveToxic {
        /// The proxy's name.
        proxy: String,
        /// The toxic's name.
        toxic: String,
    },
    /// Stops a worker process.
    StopWorker {
        /// Its name.
        worker: String,
    },
    /// Lets a paused service go on, by SIGCONT to the very process that was paused.
    ResumeService {
        /// The service's name.
        service: String,
    },
    /// Sees to it that a service runs and is ready, starting it again where need be.
    ReviveService {
        /// The service's name.
        service: String,
    },
    /// There is no way back.
    None {
        /// Why.
        because: String,
    },
}

/// What must be true once a step is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// No process of the service is left.
    ServiceGone {
        /// The service's name.
        service: String,
    },
    /// The proxy listens no more.
    ProxyGone {
        /// The proxy's name.
        proxy: String,
    },
    /// The proxy has no such toxic.
    ToxicGone {
        /// The proxy's name.
        proxy: String,
        /// The toxic's name.
        toxic: String,
    },
    /// The worker is no more, and nothing of it.
    WorkerGone {
        /// Its name.
        worker: String,
    },
    /// The service's process is not stopped.
    ServiceRunning {
        /// The service's name.
        service: String,
    },
    /// The service runs and is ready.
    ServiceReady {
        /// The service's name.
        service: String,
    },
    /// Nothing can be checked, as nothing can be undone.
    Nothing,
}

/// A disturbance that a proxy applies to what passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Toxic {
    /// Its name, unique on its proxy.
    pub name: String,
    /// Which way.
    pub stream: Stream,
    /// Share of connections (or requests) it touches, drawn for each from the run's seed.
    pub toxicity: Share,
    /// At most so many distinct users are touched; a request of a further user passes unharmed.
    pub max_users: Option<u64>,
    /// What it does.
    pub kind: ToxicKind,
}

/// What a toxic does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToxicKind {
    /// Every byte arrives `delay` later, spread by `jitter`; order kept, throughput not limited.
    Latency {
        /// The mean delay.
        delay: Timespan,
        /// How far delays stray from the mean; what it measures depends on the distribution.
        jitter: Timespan,
        /// How they are spread.
        #[serde(default)]
        distribution: Distribution,
    },
    /// So many bytes a second pass on each connection, smoothly.
    Bandwidth {
        /// Bytes per second; at least 1.
        rate: Bytes,
    },
    /// The close arrives later; the bytes before it do not.
    SlowClose {
        /// How much later.
        delay: Timespan,
    },
    /// Nothing passes. What was sent meanwhile passes once the toxic is taken off, unless the connection was closed.
    Timeout {
        /// The connection is closed so long after the toxic took hold of it; never when 0.
        timeout: Timespan,
    },
    /// Nothing passes, and both ends are reset (RST).
    ResetPeer {
        /// So long after the toxic took hold of the connection; at once when 0.
        timeout: Timespan,
    },
    /// Bytes travel in small pieces with pauses.
    Slicer {
        /// Mean size of a piece; at least 1.
        average_size: Bytes,
        /// Sizes are spread uniformly up to this much around the mean; less than the mean.
        size_variation: Bytes,
        /// The pause after each piece.
        delay: Timespan,
    },
    /// The connection is closed once so many bytes have passed.
    LimitData {
        /// How many, counted on each connection since the toxic took hold of it.
        bytes: Bytes,
    },
    /// New connections are refused, existing ones reset. Where it touches only a share of them, those are reset when
    /// they come, as nobody can be refused in part.
    Down,
    /// Acts on HTTP requests, one by one.
    Http {
        /// Which of them.
        only: RequestMatch,
        /// What it does to each.
        effect: HttpEffect,
    },
}

/// What a worker process does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Burns CPU time: one thread a core.
    Cpu {
        /// Share of each core's time.
        load: Share,
        /// The cores, by the kernel's numbers.
        cores: Vec<usize>,
    },
    /// Keeps memory resident.
    Memory {
        /// How much.
        size: Bytes,
    },
    /// Reads and writes blocks of an unlinked file.
    Disk {
        /// A directory on the file system.
        path: PathBuf,
        /// Operations per second.
        iops: Rate,
        /// Bytes of one operation.
        block_size: Bytes,
        /// Share that reads.
        read: Share,
        /// Size of the file.
        file_size: Bytes,
    },
}

/// Who a process is, beyond its pid: a pid is reused, this is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: i32,
    /// The inode of its pidfd, unique in this boot; 0 where the kernel has no pidfs.
    pub pidfs_inode: u64,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)
    }
}

/// What an act left behind: whatever the undo needs that was not known beforehand. Kept in the journal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The process that was started or signalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessIdentity>,
    /// The address that listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<std::net::SocketAddr>,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartService { service } => {
                write!(f, "start service {}: {}", service.name, service.command.join(" "))
            }
            Self::OpenProxy { proxy } => write!(f, "open proxy {}: {} -> {}", proxy.name, proxy.listen, proxy.upstream),
            Self::AddToxic { proxy, toxic } => write!(f, "proxy {proxy}: toxic {}: {toxic}", toxic.name),
            Self::StartWorker { worker, job } => write!(f, "start worker {worker}: {job}"),
            Self::PauseService { service } => write!(f, "pause service {service} (SIGSTOP)"),
            Self::KillService { service, signal } => write!(f, "kill service {service} ({})", signal.name()),
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StopService { service } => write!(f, "stop service {service} and its children"),
            Self::CloseProxy { proxy } => write!(f, "close proxy {proxy}"),
            Self::RemoveToxic { proxy, toxic } => write!(f, "proxy {proxy}: remove toxic {toxic}"),
            Self::StopWorker { worker } => write!(f, "stop worker {worker}"),
            Self::ResumeService { service } => write!(f, "resume service {service} (SIGCONT)"),
            Self::ReviveService { service } => write!(f, "start service {service} again"),
            Self::None { because } => write!(f, "none: {because}"),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceGone { service } => write!(f, "service {service} is gone"),
            Self::ProxyGone { proxy } => write!(f, "proxy {proxy} listens no more"),
            Self::ToxicGone { proxy, toxic } => write!(f, "proxy {proxy} has no toxic {toxic}"),
            Self::WorkerGone { worker } => write!(f, "worker {worker} is gone"),
            Self::ServiceRunning { service } => write!(f, "service {service} is not stopped"),
            Self::ServiceReady { service } => write!(f, "service {service} is ready"),
            Self::Nothing => f.write_str("nothing to check"),
        }
    }
}

impl fmt::Display for Toxic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ToxicKind::Latency { delay, jitter, .. } if *jitter == Timespan::ZERO => write!(f, "delay {delay}")?,
            ToxicKind::Latency { delay, jitter, distribution: Distribution::Uniform } => {
                write!(f, "delay {delay} +- {jitter}")?;
            }
            ToxicKind::Latency { delay, jitter, distribution } => {
                write!(f, "delay {delay} +- {jitter} ({distribution})")?;
            }
            ToxicKind::Bandwidth { rate } => write!(f, "at most {rate}/s on each connection")?,
            ToxicKind::SlowClose { delay } => write!(f, "close {delay} late")?,
            ToxicKind::Timeout { timeout: Timespan::ZERO } => f.write_str("let nothing pass")?,
            ToxicKind::Timeout { timeout } => write!(f, "let nothing pass, close after {timeout}")?,
            ToxicKind::ResetPeer { timeout: Timespan::ZERO } => f.write_str("reset connections")?,
            ToxicKind::ResetPeer { timeout } => write!(f, "reset connections after {timeout}")?,
            ToxicKind::Slicer { average_size, delay, .. } => {
                write!(f, "cut into pieces of {average_size}, {delay} apart")?;
            }
            ToxicKind::LimitData { bytes } => write!(f, "close connections after {bytes}")?,
            ToxicKind::Down => f.write_str("refuse new connections, reset existing ones")?,
            ToxicKind::Http { only, effect } => write!(f, "{effect}{only}")?,
        }
        if self.toxicity == Share::ALL { Ok(()) } else { write!(f, " for {}", self.toxicity) }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { load, cores } => write!(f, "burn {load} of {} core(s)", cores.len()),
            Self::Memory { size } => write!(f, "keep {size} resident"),
            Self::Disk { path, iops, block_size, read, .. } => {
                write!(f, "{iops} operations of {block_size} in {}, {read} reads", path.display())
            }
        }
    }
}

impl Act {
    /// Whether what it did outlives a restart of the machine.
    pub const fn persistence(&self) -> Persistence {
        match self {
            Self::StartService { .. }
            | Self::OpenProxy { .. }
            | Self::AddToxic { .. }
            | Self::StartWorker { .. }
            | Self::PauseService { .. }
            | Self::KillService { .. } => Persistence::Volatile,
        }
    }
}

impl KillSignal {
    /// The name with `SIG`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Abrt => "SIGABRT",
        }
    }
}

impl Undo {
    /// The command a person can run when the tool could not; none when the end of the tool's process undoes it.
    pub fn by_hand(&self, receipt: &Receipt) -> Option<String> {
        let pid = receipt.process.as_ref().map(|process| process.pid)?;
        match self {
            Self::StopService { .. } => Some(format!("kill -KILL -- -{pid}")),
            Self::StopWorker { .. } => Some(format!("kill -KILL {pid}")),
            Self::ResumeService { .. } => Some(format!("kill -CONT {pid}")),
            Self::CloseProxy { .. } | Self::RemoveToxic { .. } | Self::ReviveService { .. } | Self::None { .. } => None,
        }
    }
}

//! Undo is data: what is done, how it is undone and how the undo is checked, all plain and serialisable.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cgroup::{Controller, GroupSetting, Limit};
use super::experiment::{Proxy, Service};
use super::fault::{Amount, Distribution, KillSignal, Stream};
use super::http::{HttpEffect, RequestMatch};
use super::profile::Profile;
use super::target::Victims;
use super::units::{ByteRate, Bytes, Rate, Share, Timespan};

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
        /// Whose control group it is put into, so that this target feels it and not the whole machine; nobody's when
        /// absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beside: Option<Victims>,
    },
    /// Makes a control group for a service that is about to start.
    MakeGroup {
        /// The service's name.
        service: String,
        /// What it is to control.
        controllers: Vec<Controller>,
        /// Whether the run can do without.
        needed: bool,
    },
    /// Limits what is in the control group of a target.
    LimitGroup {
        /// The fault's name, unique in the run.
        name: String,
        /// Whose group.
        whom: Victims,
        /// The limit.
        limit: Limit,
    },
    /// Stops processes with SIGSTOP.
    Pause {
        /// Which.
        whom: Victims,
    },
    /// Kills processes.
    Kill {
        /// Which.
        whom: Victims,
        /// The signal.
        signal: KillSignal,
    },
    /// Kills again and again whoever matches then, as many as were chosen at first.
    KeepKilling {
        /// Which.
        whom: Victims,
        /// The signal.
        signal: KillSignal,
        /// From one to the next.
        every: Timespan,
    },
    /// Answers for processes that a worker is about to stop and let go on. Does nothing by itself: its undo does.
    TakeCharge {
        /// Which.
        whom: Victims,
    },
    /// Lowers the soft limits of open files.
    LimitOpenFiles {
        /// Whose.
        whom: Victims,
        /// How many descriptors may be opened still.
        leave: u64,
        /// What is there and what is set, one for each of those that were chosen.
        limits: Vec<SoftLimit>,
    },
    /// Runs a command of the experiment's to its end.
    Run {
        /// The fault's name, unique in the run.
        name: String,
        /// The command.
        command: CommandLine,
        /// What tells whether it is in place.
        check: Option<CommandLine>,
    },
}

/// A command of the experiment's: run without a shell, and killed when it takes too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// How long it may take.
    pub timeout: Timespan,
}

/// What a command of the experiment's is run in, so that the way back is found wherever and by whomever it is walked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// The working directory.
    pub directory: PathBuf,
    /// `PATH`.
    pub path: String,
    /// `HOME`, where it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
}

/// A soft limit as it was found, and what it is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftLimit {
    /// What was there; the greatest number where there was none.
    pub before: u64,
    /// What is set.
    pub set: u64,
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
    /// Stops a worker that takes room of a disk, and removes its file, should that have a name after all.
    EndFill {
        /// Its name.
        worker: String,
        /// The directory that its file is in.
        folder: PathBuf,
    },
    /// Takes the control group of a service away.
    RemoveGroup {
        /// The service's name.
        service: String,
    },
    /// Gives a control group the values back that it had, where ours are still there.
    RestoreGroup {
        /// The fault's name.
        name: String,
    },
    /// Lets paused processes go on, by SIGCONT to the very processes that were paused.
    Resume {
        /// Which.
        whom: Victims,
    },
    /// Kills no more.
    StopKilling {
        /// Whom.
        whom: Victims,
    },
    /// Sets the soft limits of open files to what they were, where what is there is ours.
    RestoreOpenFiles {
        /// Whose.
        whom: Victims,
        /// What was there and what was set, one for each of those that were chosen.
        limits: Vec<SoftLimit>,
    },
    /// Runs the command of the experiment's that undoes another one.
    Run {
        /// The fault's name.
        name: String,
        /// The command.
        command: CommandLine,
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
    /// The worker is no more, and no file of this run is in the directory.
    FillGone {
        /// Its name.
        worker: String,
        /// The directory.
        folder: PathBuf,
    },
    /// The service has no control group of its own.
    GroupGone {
        /// The service's name.
        service: String,
    },
    /// The control group has the values that it had.
    GroupRestored {
        /// The fault's name.
        name: String,
    },
    /// None of the processes is stopped.
    Running {
        /// Which.
        whom: Victims,
    },
    /// Nobody is killed any more.
    KillingStopped {
        /// Whom.
        whom: Victims,
    },
    /// The soft limits of open files are what they were.
    OpenFilesRestored {
        /// Whose.
        whom: Victims,
        /// What was there and what was set, one for each of those that were chosen.
        limits: Vec<SoftLimit>,
    },
    /// What a command of the experiment's did is not in place any more.
    NotInPlace {
        /// The fault's name.
        name: String,
        /// What tells; without it the exit code of the undo does.
        check: Option<CommandLine>,
    },
    /// The service runs and is ready.
    ServiceReady {
        /// The service's name.
        service: String,
    },
    /// Nothing can be checked, as nothing can be undone.
    Nothing,
}

impl Check {
    /// How long it may take beside what a look at the machine takes: what a command of the experiment's is given.
    pub fn takes(&self) -> Duration {
        match self {
            Self::NotInPlace { check: Some(check), .. } => check.timeout.0,
            _ => Duration::ZERO,
        }
    }
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
        /// How the load changes.
        #[serde(default)]
        profile: Profile,
    },
    /// Keeps memory resident.
    Memory {
        /// How much.
        size: Bytes,
        /// What must stay available on the machine.
        leave_free: Bytes,
        /// How the size changes.
        #[serde(default)]
        profile: Profile,
    },
    /// Stops processes again and again.
    Slow {
        /// Which.
        whom: Victims,
        /// The share of the time for which they are stopped.
        share: Share,
        /// From one stop to the next.
        period: Timespan,
    },
    /// Reads and writes blocks of an unlinked file.
    Disk {
        /// A directory on the file system.
        path: PathBuf,
        /// Operations per second.
        iops: Rate,
        /// The same as bytes per second, for whoever limits those.
        bandwidth: ByteRate,
        /// Bytes of one operation.
        block_size: Bytes,
        /// Share that reads.
        read: Share,
        /// Size of the file.
        file_size: Bytes,
        /// How the pace changes.
        #[serde(default)]
        profile: Profile,
    },
    /// Takes room of a file system with a file without a name.
    Fill {
        /// A directory on the file system.
        path: PathBuf,
        /// How much, if it is said.
        size: Option<Amount>,
        /// What must stay free, if it is said.
        leave_free: Option<Bytes>,
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
    /// The values that are changed, in the order in which they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<GroupSetting>,
    /// The control groups that are made, or that a worker is put into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<PathBuf>,
    /// What commands of the experiment's are run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        AsShell(&self.words).fmt(f)
    }
}

/// The words of a command as a shell takes them.
pub(super) struct AsShell<'a>(pub(super) &'a [String]);

impl fmt::Display for AsShell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
        for (place, word) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            match !word.is_empty() && word.chars().all(plain) {
                true => write!(f, "{space}{word}")?,
                false => write!(f, "{space}'{}'", word.replace('\'', r"'\''"))?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartService { service } => {
                write!(f, "start service {}: {}", service.name, service.command.join(" "))
            }
            Self::OpenProxy { proxy } => write!(f, "open proxy {}: {} -> {}", proxy.name, proxy.listen, proxy.upstream),
            Self::AddToxic { proxy, toxic } => write!(f, "proxy {proxy}: toxic {}: {toxic}", toxic.name),
            Self::StartWorker { worker, job, beside: None } => write!(f, "start worker {worker}: {job}"),
            Self::StartWorker { worker, job, beside: Some(whom) } => {
                write!(f, "start worker {worker} in the control group of {whom}: {job}")
            }
            Self::MakeGroup { service, controllers, .. } => {
                let controllers: Vec<String> = controllers.iter().map(ToString::to_string).collect();
                write!(f, "make a control group for service {service} ({})", controllers.join(", "))
            }
            Self::LimitGroup { name, whom, limit } => write!(f, "limit {name} on the control group of {whom}: {limit}"),
            Self::Pause { whom } => write!(f, "pause {whom} (SIGSTOP)"),
            Self::Kill { whom, signal } => write!(f, "kill {whom} ({})", signal.name()),
            Self::KeepKilling { whom, signal, every } => {
                write!(f, "kill whoever matches then every {every}: {} ({})", whom.target, signal.name())
            }
            Self::TakeCharge { whom } => write!(f, "answer for {whom}, which a worker stops and lets go on"),
            Self::LimitOpenFiles { whom, leave, limits } => {
                write!(f, "leave {leave} file descriptors to {whom}")?;
                let told: Vec<String> =
                    limits.iter().map(|limit| format!("{} -> {}", limit.before, limit.set)).collect();
                if told.is_empty() { Ok(()) } else { write!(f, " (soft limit {})", told.join(", ")) }
            }
            Self::Run { command, check: None, .. } => {
                write!(f, "run `{command}`, a command of yours: only its exit code is known")
            }
            Self::Run { command, check: Some(check), .. } => {
                write!(f, "run `{command}`, a command of yours; `{check}` tells whether it is in place")
            }
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
            Self::EndFill { worker, folder } => {
                write!(f, "stop worker {worker}, and free its room in {}", folder.display())
            }
            Self::RemoveGroup { service } => write!(f, "remove the control group of service {service}"),
            Self::RestoreGroup { .. } => f.write_str("set the old values again, where ours are still there"),
            Self::Resume { whom } => write!(f, "resume {whom} (SIGCONT)"),
            Self::StopKilling { whom } => write!(f, "kill {} no more", whom.target),
            Self::RestoreOpenFiles { whom, .. } => write!(f, "restore the limit of open files of {whom}"),
            Self::Run { command, .. } => write!(f, "run `{command}`, a command of yours"),
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
            Self::FillGone { worker, folder } => {
                write!(f, "worker {worker} is gone, and no file of it is in {}", folder.display())
            }
            Self::GroupGone { service } => write!(f, "service {service} has no control group of its own"),
            Self::GroupRestored { .. } => f.write_str("the values of the control group are the old ones"),
            Self::Running { whom } => write!(f, "{whom} is not stopped"),
            Self::KillingStopped { whom } => write!(f, "nobody kills {} any more", whom.target),
            Self::OpenFilesRestored { whom, .. } => write!(f, "the limit of open files of {whom} is what it was"),
            Self::NotInPlace { check: Some(check), .. } => write!(f, "`{check}` ends with exit code 1"),
            Self::NotInPlace { check: None, .. } => f.write_str("its undo ended with exit code 0"),
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
            Self::Cpu { load, cores, profile } => write!(f, "burn {load} of {} core(s){profile}", cores.len()),
            Self::Memory { size, leave_free, profile } => {
                write!(f, "keep {size} resident{profile}, and leave {leave_free} free")
            }
            Self::Slow { whom, share, period } => write!(f, "stop {whom} for {share} of every {period}"),
            Self::Disk { path, iops, block_size, read, profile, .. } => {
                write!(f, "{iops} operations of {block_size} in {}, {read} reads{profile}", path.display())
            }
            Self::Fill { path, size, leave_free } => {
                write!(f, "take ")?;
                match (size, leave_free) {
                    (Some(size), Some(rest)) => write!(f, "{size}, but leave {rest} free, ")?,
                    (Some(size), None) => write!(f, "{size} ")?,
                    (None, Some(rest)) => write!(f, "all but {rest} ")?,
                    (None, None) => write!(f, "all ")?,
                }
                write!(f, "of the room of {}", path.display())
            }
        }
    }
}

impl Act {
    /// Whether what it did outlives a restart of the machine.
    pub const fn persistence(&self) -> Persistence {
        match self {
            // Its file has a name for a moment where the file system has none without, and files outlive a restart.
            Self::StartWorker { job: Job::Fill { .. }, .. } => Persistence::Persistent,
            // Nobody but the experiment knows what it does.
            Self::Run { .. } => Persistence::Persistent,
            Self::StartService { .. }
            | Self::OpenProxy { .. }
            | Self::AddToxic { .. }
            | Self::StartWorker { .. }
            | Self::MakeGroup { .. }
            | Self::LimitGroup { .. }
            | Self::Pause { .. }
            | Self::Kill { .. }
            | Self::KeepKilling { .. }
            | Self::TakeCharge { .. }
            | Self::LimitOpenFiles { .. } => Persistence::Volatile,
        }
    }

    /// Whom it hits, where it hits processes that were there already.
    pub const fn whom(&self) -> Option<&Victims> {
        match self {
            Self::Pause { whom }
            | Self::Kill { whom, .. }
            | Self::KeepKilling { whom, .. }
            | Self::TakeCharge { whom }
            | Self::LimitOpenFiles { whom, .. }
            | Self::LimitGroup { whom, .. } => Some(whom),
            Self::StartService { .. }
            | Self::OpenProxy { .. }
            | Self::AddToxic { .. }
            | Self::StartWorker { .. }
            | Self::MakeGroup { .. }
            | Self::Run { .. } => None,
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

impl SoftLimit {
    /// What is to be said where another number is found than the one that was set.
    pub fn conflict(self, process: &ProcessIdentity, now: u64) -> String {
        let Self { before, set } = self;
        format!(
            "conflict: the limit of {process} is {now}, where {set} was set and {before} was before; it is left alone"
        )
    }

    /// What was there, as a command takes it.
    fn told_before(self) -> String {
        if self.before == u64::MAX { "unlimited".to_owned() } else { self.before.to_string() }
    }
}

impl Undo {
    /// The command a person can run when the tool could not; none when the end of the tool's process undoes it.
    pub fn by_hand(&self, receipt: &Receipt) -> Option<String> {
        let pid = receipt.process.as_ref().map(|process| process.pid);
        match self {
            Self::StopService { .. } => pid.map(|pid| format!("kill -KILL -- -{pid}")),
            Self::StopWorker { .. } | Self::EndFill { .. } => pid.map(|pid| format!("kill -KILL {pid}")),
            Self::Resume { whom } => whom.pids().map(|pids| format!("kill -CONT {pids}")),
            Self::RestoreGroup { .. } => {
                let settings = receipt.settings.iter().rev();
                let writes = settings.map(|it| format!("echo '{}' > '{}'", it.line(&it.before), it.file.display()));
                joined(writes, " && ")
            }
            Self::RemoveGroup { .. } => {
                joined(receipt.groups.iter().map(|group| format!("rmdir '{}'", group.display())), "; ")
            }
            Self::RestoreOpenFiles { whom, limits } => {
                let all = whom.identities().zip(limits);
                let all =
                    all.map(|(one, limit)| format!("prlimit --pid {} --nofile={}:", one.pid, limit.told_before()));
                Some(all.collect::<Vec<_>>().join("; ")).filter(|command| !command.is_empty())
            }
            Self::Run { command, .. } => Some(match &receipt.surroundings {
                Some(at) => format!("cd '{}' && {command}", at.directory.display()),
                None => command.to_string(),
            }),
            Self::CloseProxy { .. }
            | Self::RemoveToxic { .. }
            | Self::StopKilling { .. }
            | Self::ReviveService { .. }
            | Self::None { .. } => None,
        }
    }
}

/// None when there is nothing to join.
fn joined(parts: impl Iterator<Item = String>, between: &str) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(between))
}

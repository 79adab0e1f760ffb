//! Processes: started so that they die with us, watched and signalled by identity, never by a bare pid.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::Access;
use rustix::process::Signal as Raw;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};

use super::Trouble;
use super::cgroup;
use super::clock::Clock;
use super::files;
use super::linux::spawner::{self, Spawned};
use crate::model::fault::KillSignal;
use crate::model::step::ProcessIdentity;

pub use super::linux::census::{Seen, census, listeners, seen};
pub use super::linux::child::End;
pub use super::linux::held::Held;
pub use super::linux::holders::holders;
pub use super::linux::identity::{identity, state};
pub use super::linux::marked::{group_led_by, mark_children, marked};
pub use super::linux::open_files::{Limited, OpenFiles, file_limit, open_files, restore_file_limit, set_file_limit};
pub use super::linux::owner::{Owner, pid_namespace};
pub use super::linux::profile::{Profile, Relatives, profile, profile_of_us, relatives};
pub use super::linux::strays::{Found, Marked, user};
pub use super::linux::usage::{Usage, usage};

/// The run that this process is a child of, by the mark that it was started with.
pub fn run_of_us() -> Option<String> {
    std::env::var(super::linux::marked::VARIABLE).ok().filter(|run| !run.is_empty())
}

/// The run whose id this process gives to its children; none before [`mark_children`].
pub fn run_of_children() -> Option<&'static str> {
    super::linux::marked::mark()
}

/// The state folder of the run that this process is a child of.
pub fn state_folder() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let owner = std::env::var_os(super::linux::marked::OWNER)?;
    Owner::read(owner.as_bytes()).map(|owner| owner.state)
}

/// What is kept of one stream of a command's output.
const OUTPUT_LIMIT: usize = 1 << 20;
/// More of a file that holds a process id is not read.
const LONGEST_PID_FILE: u64 = 4096;

/// How long the rest is awaited once the outcome is known: the end of the output, which somebody who left the group may
/// hold open, or the end of a killed process.
const DRAIN_LIMIT: Duration = Duration::from_millis(200);

/// How long a killed process may take to die before we say that it is left. It takes milliseconds, but more on a machine
/// that is short of everything, which is what experiments do to machines.
pub(super) const KILL_LIMIT: Duration = Duration::from_secs(5);

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program: a path, a name to look up in `PATH`, or `chaos` for this very binary.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables set for it, beside the inherited ones.
    pub environment: BTreeMap<String, String>,
    /// Whether it inherits no variable, beside the mark of the run.
    pub bare: bool,
    /// Its working directory; ours when absent.
    pub directory: Option<PathBuf>,
    /// Where its output goes.
    pub output: Output,
}

/// Where the output of a process goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    Discard,
    /// To us.
    Capture,
    /// Both streams to the end of this file.
    Append(PathBuf),
}

/// A command that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The first MiB of its standard output, when captured.
    pub stdout: Vec<u8>,
    /// The first MiB of its standard error, when captured.
    pub stderr: Vec<u8>,
}

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// It could not be started; why, and what to try.
    #[error("{0}")]
    NotStarted(Trouble),
    /// It did not end in time; it and its process group were killed.
    #[error("did not end in time and was killed")]
    Timeout,
}

/// The signals we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends a process in one of the ways of `process.kill`.
    Kill(KillSignal),
    /// Stops it.
    Stop,
    /// Lets it go on.
    Continue,
}

impl Signal {
    pub(super) const fn raw(self) -> Raw {
        match self {
            Self::Kill(KillSignal::Kill) => Raw::KILL,
            Self::Kill(KillSignal::Term) => Raw::TERM,
            Self::Kill(KillSignal::Int) => Raw::INT,
            Self::Kill(KillSignal::Quit) => Raw::QUIT,
            Self::Kill(KillSignal::Abrt) => Raw::ABORT,
            Self::Stop => Raw::STOP,
            Self::Continue => Raw::CONT,
        }
    }
}

/// Every living process that this process started, and theirs, wherever they went; empty before [`mark_children`].
pub fn children_left() -> Result<Vec<ProcessIdentity>, Trouble> {
    super::linux::marked::mark().map_or(Ok(Vec::new()), marked)
}

/// The process id that a file holds, or why it holds none.
pub fn pid_in(file: &Path) -> Result<i32, String> {
    let text = super::files::read_plain(file, LONGEST_PID_FILE).map_err(|error| error.to_string())?;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 0);
    pid.ok_or_else(|| "the file holds no process id".to_owned())
}

/// The path of a program word: `chaos` is this very binary, anything else stays as it is.
pub fn resolve_program(word: &str) -> PathBuf {
    if word != "chaos" {
        return PathBuf::from(word);
    }
    // A binary that was replaced while we run is still there under this name.
    std::env::current_exe().ok().filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

/// The file that a command's first word starts, as the child would find it: in `path` (of `PATH`), or from the working
/// directory of the child where the word is a path. None where there is no such file. Links are left as they are.
pub fn find_program(word: &str, directory: Option<&Path>, path: Option<&OsStr>) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let from = directory.map_or_else(|| here.clone(), |directory| here.join(directory));
    if word == "chaos" {
        return Some(resolve_program(word));
    }
    let program =
        |file: PathBuf| Some(file).filter(|file| rustix::fs::access(file, Access::EXEC_OK).is_ok() && file.is_file());
    if word.contains('/') {
        return program(plain(&from.join(word)));
    }
    std::env::split_paths(path?).find_map(|folder| program(plain(&from.join(folder).join(word))))
}

/// The same; a trouble says that there is none, and what to try.
pub fn require_program(word: &str, directory: Option<&Path>, path: Option<&OsStr>) -> Result<PathBuf, Trouble> {
    find_program(word, directory, path).ok_or_else(|| {
        let trouble = Trouble::new(format!("find the program `{word}`"), "there is no such executable file");
        trouble.help("is it installed, and its folder in PATH?")
    })
}

/// Without `.` and `..`, as the kernel walks it: a `..` after a link leads out of where the link leads to.
fn plain(path: &Path) -> PathBuf {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    let resolved = path.parent().filter(|_| climbs).and_then(|folder| folder.canonicalize().ok());
    match (resolved, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.components().collect(),
    }
}

/// Who we are.
pub fn this() -> Option<ProcessIdentity> {
    identity(std::process::id().cast_signed())
}

/// Sends a signal to this very process; false when it is gone.
pub fn send_signal(process: &ProcessIdentity, signal: Signal) -> Result<bool, Trouble> {
    super::linux::identity::send(process, signal.raw())
}

/// Runs a command to its end, in a process group of its own; the group is killed and reaped at the timeout, and when
/// the returned future is dropped. What the command leaves running in its group is killed when it ends.
pub async fn run(launch: &Launch, timeout: Duration) -> Result<Finished, RunError> {
    let clock = Clock::Real;
    let deadline = clock.now() + timeout;
    let Spawned { child, stdout, stderr, .. } = start(launch).await.map_err(RunError::NotStarted)?;
    let stdout = stdout.and_then(|pipe| ChildStdout::from_std(pipe).ok());
    let stderr = stderr.and_then(|pipe| ChildStderr::from_std(pipe).ok());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let finish = async {
        let drained = async {
            let end = child.ended().await;
            clock.sleep(DRAIN_LIMIT).await;
            end
        };
        tokio::select! {
            _ = async { tokio::join!(keep(stdout, &mut out), keep(stderr, &mut err)) } => child.ended().await,
            end = drained => end,
        }
    };
    tokio::select! {
        End { code, signal } = finish => Ok(Finished { code, signal, stdout: out, stderr: err }),
        () = clock.sleep_until(deadline) => {
            child.signal_group(Raw::KILL);
            // It dies in milliseconds. In an uninterruptible wait it dies later, and the reaper goes on waiting for it.
            tokio::select! { _ = child.ended() => (), () = clock.sleep(DRAIN_LIMIT) => () }
            Err(RunError::Timeout)
        }
    }
}

/// Reads a stream to its end, so that the writer never blocks, and keeps the beginning.
async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut chunk = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        let room = OUTPUT_LIMIT - kept.len();
        kept.extend_from_slice(&chunk[..count.min(room)]);
    }
}

/// Starts what a launch says.
pub(super) async fn start(launch: &Launch) -> Result<Spawned, Trouble> {
    start_in(launch, &[]).await
}

/// The same in these control groups, from its first instruction on.
pub(super) async fn start_in(launch: &Launch, groups: &[PathBuf]) -> Result<Spawned, Trouble> {
    let mut command = command(launch, Stdio::null())?;
    cgroup::join(&mut command, groups)?;
    spawner::spawn(command).await.map_err(|error| not_started(launch, &error))
}

/// The same, with this as its output in place of what the launch says.
pub(super) async fn start_into(launch: &Launch, groups: &[PathBuf], output: OwnedFd) -> Result<Spawned, Trouble> {
    let twin = output.try_clone().map_err(|error| not_started(launch, &error))?;
    let mut command = command(&Launch { output: Output::Discard, ..launch.clone() }, Stdio::null())?;
    command.stdout(output).stderr(twin);
    cgroup::join(&mut command, groups)?;
    spawner::spawn(command).await.map_err(|error| not_started(launch, &error))
}

/// The same, with a pipe to its standard input.
pub(super) async fn start_with_stdin(launch: &Launch, groups: &[PathBuf]) -> Result<Spawned, Trouble> {
    let mut command = command(launch, Stdio::piped())?;
    cgroup::join(&mut command, groups)?;
    spawner::spawn(command).await.map_err(|error| not_started(launch, &error))
}

#[allow(clippy::disallowed_methods, reason = "this is the door")]
fn command(launch: &Launch, stdin: Stdio) -> Result<Command, Trouble> {
    let mut command = Command::new(resolve_program(&launch.program));
    if launch.bare {
        command.env_clear();
    }
    command.args(&launch.arguments).envs(&launch.environment).stdin(stdin);
    if let Some(directory) = &launch.directory {
        command.current_dir(directory);
    }
    match &launch.output {
        Output::Discard => command.stdout(Stdio::null()).stderr(Stdio::null()),
        Output::Capture => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
        Output::Append(path) => {
            let trouble = |error| Trouble::new(format!("open {}", path.display()), error);
            let file = files::append(path).map_err(trouble)?;
            let twin = file.try_clone().map_err(trouble)?;
            command.stdout(file).stderr(twin)
        }
    };
    Ok(command)
}

fn not_started(launch: &Launch, error: &io::Error) -> Trouble {
    let trouble = Trouble::new(format!("start `{}`", launch.program), error);
    match (error.kind(), &launch.directory) {
        (io::ErrorKind::NotFound, Some(directory)) if !directory.is_dir() => {
            trouble.help(format!("is there a folder {}?", directory.display()))
        }
        (io::ErrorKind::NotFound, _) if launch.program.contains('/') => trouble.help("is there such a file?"),
        (io::ErrorKind::NotFound, _) => trouble.help("is it installed, and its folder in PATH?"),
        (io::ErrorKind::PermissionDenied, _) => trouble.help("is the file executable?"),
        _ => trouble,
    }
}

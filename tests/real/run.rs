//! `chaos run` as a person runs it: the built binary in a folder of its own, followed by the events it stores.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::{dice, files};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary;

/// Names a run in the environment of every process it starts, whoever starts it.
pub const MARK: &str = "CHAOS_TEST_HOME";

/// Nothing that is waited for here takes longer, be the machine as busy as it likes.
const LONGEST: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

/// A folder for one run: `work` is where it is put and must leave nothing, `paper` holds what it reads and says.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    state: PathBuf,
    locks: PathBuf,
}

impl Home {
    /// With a state folder of its own.
    pub fn new() -> Self {
        Self::inside(&std::env::temp_dir())
    }

    /// The same inside of this folder.
    pub fn inside(folder: &Path) -> Self {
        let folder = tempfile::tempdir_in(folder).expect("a folder");
        let (state, locks) = (folder.path().join("state"), folder.path().join("locks"));
        Self::of(folder, state, locks)
    }

    /// The same, but runs and locks are kept where the other keeps them.
    pub fn sharing_state_with(other: &Self) -> Self {
        Self::of(tempfile::tempdir().expect("a folder"), other.state.clone(), other.locks.clone())
    }

    fn of(folder: TempDir, state: PathBuf, locks: PathBuf) -> Self {
        let home = Self { folder, state, locks };
        for name in ["work", "paper"] {
            files::create_dir_all(&home.path(name)).expect("makes a folder");
        }
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that the run needs, and gives its place.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("paper").join(name);
        files::write_atomic(&path, text.as_bytes()).expect("writes");
        path
    }

    /// What marks the processes of this run in a list of all.
    pub fn mark(&self) -> String {
        format!("{MARK}={}", self.folder.path().display())
    }

    /// The binary, about to run an experiment: its report goes to `paper/report.json`, its talk to `paper/stderr`.
    pub fn command(&self, experiment: &str) -> Command {
        self.command_in_a_shell("", experiment)
    }

    /// The same, after the commands of a shell, such as `ulimit -n 64;`.
    #[allow(clippy::disallowed_methods, reason = "the binary under test is started as a stranger would")]
    pub fn command_in_a_shell(&self, before: &str, experiment: &str) -> Command {
        let file = self.write("experiment.yaml", experiment);
        let to = |name| Stdio::from(files::append(&self.path("paper").join(name)).expect("opens"));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before} exec \"$0\" \"$@\"")]).arg(binary());
        command.args(["run", "--output", "json", "--state-dir"]).arg(&self.state).arg(file);
        command.current_dir(self.path("work")).env("HOME", self.path("work")).env("TMPDIR", self.path("work"));
        // Tests go side by side, whatever they break.
        command.env("CHAOS_LOCK_DIR", &self.locks);
        // What a killed run leaves there goes with the folder.
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        command.env(MARK, self.folder.path()).env_remove("XDG_STATE_HOME").env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::null()).stdout(to("report.json")).stderr(to("stderr"));
        command
    }

    pub fn start(self, experiment: &str) -> Run {
        let mut command = self.command(experiment);
        self.start_as(&mut command)
    }

    pub fn start_as(self, command: &mut Command) -> Run {
        Run { tool: Tool(command.spawn().expect("starts")), home: self }
    }
}

/// A run under way. It is killed when this is dropped, and all that it started with it.
#[derive(Debug)]
#[must_use = "the run is killed when this is dropped"]
pub struct Run {
    tool: Tool,
    pub home: Home,
}

#[derive(Debug)]
struct Tool(Child);

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    /// From the moment that the end was asked for.
    pub took: Duration,
    /// Null when there is none.
    pub report: Value,
    pub home: Home,
}

/// What a command had to say.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.tool.0)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is there, at least unreaped");
    }

    /// Waits until its events say so; fails when it ends before.
    pub async fn until(&mut self, what: &str, is_so: impl Fn(&[Value]) -> bool) {
        let deadline = Clock::Real.now() + LONGEST;
        loop {
            let ended = self.tool.0.try_wait().expect("looks");
            if is_so(&self.home.events()) {
                return;
            }
            assert!(ended.is_none(), "it ended ({ended:?}) before: {what}\n{}", self.home.told());
            assert!(Clock::Real.now() < deadline, "not within {LONGEST:?}: {what}\n{}", self.home.told());
            Clock::Real.sleep(PAUSE).await;
        }
    }

    pub async fn until_phase(&mut self, phase: &str) {
        self.until(phase, |events| events.iter().any(|event| event["phase"] == phase)).await;
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ended {
        let began = Clock::Real.now();
        loop {
            if let Some(status) = self.tool.0.try_wait().expect("looks") {
                let took = began.elapsed();
                return Ended { code: status.code(), took, report: self.home.report(), home: self.home };
            }
            assert!(began.elapsed() < LONGEST, "it does not end\n{}", self.home.told());
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Home {
    /// The stored events so far, whole lines only.
    pub fn events(&self) -> Vec<Value> {
        let Some(run) = self.run_folders().pop() else { return Vec::new() };
        let text = std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        // Samples are most of it, and nobody waits for one.
        let lines = lines.filter(|line| !line.contains(r#""event":"sample""#));
        lines.map(|line| serde_json::from_str(line).expect("an event a line")).collect()
    }

    pub fn run_folders(&self) -> Vec<PathBuf> {
        let runs = std::fs::read_dir(self.state.join("runs")).into_iter().flatten();
        runs.map(|entry| entry.expect("lists").path()).collect()
    }

    /// The binary with another verb, about the runs that are kept here.
    #[allow(clippy::disallowed_methods, reason = "the binary under test is started as a stranger would")]
    pub fn chaos(&self, words: &[&str]) -> Said {
        let mut command = Command::new(binary());
        let output = command.args(words).arg("--state-dir").arg(&self.state).output().expect("starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Where locks are kept.
    pub fn locks(&self) -> &std::path::Path {
        &self.locks
    }

    /// What a service wrote.
    pub fn log(&self, service: &str) -> String {
        let run = self.run_folders().pop().expect("a run");
        std::fs::read_to_string(run.join(format!("{service}.log"))).unwrap_or_default()
    }

    /// What it said on standard error.
    pub fn told(&self) -> String {
        std::fs::read_to_string(self.path("paper").join("stderr")).unwrap_or_default()
    }

    fn report(&self) -> Value {
        let text = std::fs::read(self.path("paper").join("report.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

/// Ports that were free just now. They lie below those that the kernel gives to outgoing connections, so that none of
/// them is taken meanwhile, and no two tests of this process get the same.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    std::array::from_fn(|_| {
        loop {
            let port = 20_000 + (dice::random_seed() % 12_000) as u16;
            let new = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
            if new && TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    })
}

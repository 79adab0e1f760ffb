//! Runs the binary with a home of its own and looks at what it did: codes, streams, files, processes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chaos::host::output;
use serde_json::Value;
use tempfile::TempDir;

use crate::ports::is_free;
use crate::slots::{self, Company, Slot};

/// The longest that any command here may take, waiting for room not counted.
const LIMIT: Duration = Duration::from_secs(90);

/// A folder that is home, state folder, place for temporary files and working directory of everything run in it.
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in it.
    #[allow(clippy::disallowed_methods, reason = "a test lays out its files")]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, content).expect("writes");
        path
    }

    /// The binary with these words.
    pub fn chaos<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Invocation {
        self.program(crate::binary::chaos(), words)
    }

    /// Any program, in the same surroundings.
    #[allow(clippy::disallowed_methods, reason = "the binary is driven as a user drives it")]
    pub fn program<S: AsRef<OsStr>>(&self, program: &str, words: impl IntoIterator<Item = S>) -> Invocation {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path()).env("TMPDIR", self.folder.path());
        command.env("XDG_STATE_HOME", self.path("state"));
        // The part of a journal that lasts as long as the boot is in `chaos` here.
        command.env("XDG_RUNTIME_DIR", self.folder.path());
        // Tests go side by side, whatever they break.
        command.env("CHAOS_LOCK_DIR", self.path("locks"));
        Invocation { command, slot: None }
    }

    /// Every file in it, by its path from here; of a run's folder the id is left out.
    pub fn files(&self) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        collect(self.folder.path(), self.folder.path(), &mut files);
        files
    }

    /// The only run's folder.
    pub fn run_folder(&self) -> PathBuf {
        let runs =
            std::fs::read_dir(self.path("state/chaos/runs")).expect("runs").map(|run| run.expect("a run").path());
        let runs: Vec<PathBuf> = runs.collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0].clone()
    }

    /// The events of the only run.
    pub fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.run_folder().join("events.jsonl")).expect("events");
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
    }

    /// Nothing that ran in it runs still, and nobody listens on these ports.
    #[track_caller]
    pub fn assert_nothing_is_left(&self, ports: &[u16]) {
        let left = self.processes();
        assert!(left.is_empty(), "still there: {left:?}");
        let taken: Vec<u16> = ports.iter().copied().filter(|port| !is_free(*port)).collect();
        assert!(taken.is_empty(), "somebody still listens on {taken:?}");
    }

    /// The command lines of all processes that inherited this sandbox in their environment.
    fn processes(&self) -> Vec<String> {
        let mark = self.folder.path().display().to_string();
        let processes = std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| Some(entry.ok()?.path()));
        let ours = processes.filter(|process| {
            // A process may end while one looks at it; then it is not left.
            let environment = std::fs::read(process.join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        });
        ours.map(|process| text_of(&process.join("cmdline")).replace('\0', " ")).collect()
    }
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
            continue;
        }
        let words: Vec<_> = path.strip_prefix(root).expect("in it").iter().map(OsStr::to_string_lossy).collect();
        let shown = match words.iter().position(|word| word == "runs") {
            Some(runs) => [&words[..=runs], &words[runs + 2..]].concat(),
            None => words,
        };
        files.insert(shown.join("/"));
    }
}

/// A command line, about to be run.
#[must_use = "it is not run yet"]
pub struct Invocation {
    command: Command,
    slot: Option<Slot>,
}

impl Invocation {
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.command.args(words);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Waits until there is room for an experiment.
    pub fn in_company(mut self, company: Company) -> Self {
        self.slot = Some(slots::take(company));
        self
    }

    /// Runs it to its end.
    pub fn done(self) -> Done {
        let shown = format!("{:?}", self.command);
        let output = assert_cmd::Command::from_std(self.command).timeout(LIMIT).output().expect("starts");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Done { shown, code: output.status.code(), stdout, stderr }
    }

    /// Starts it; killed when dropped.
    pub fn start(self) -> Running {
        self.start_with(Stdio::null())
    }

    /// The same with a standard input.
    pub fn start_with(mut self, stdin: Stdio) -> Running {
        let command = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(stdin);
        Running(command.spawn().expect("starts"))
    }

    /// Runs it with a standard output that nobody reads any more; its exit code.
    pub fn with_closed_stdout(mut self) -> Option<i32> {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = self.command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null()).status();
        status.expect("starts").code()
    }
}

/// A process under way.
#[must_use = "it is killed when this is dropped"]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    shown: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(squeezed(&self.stdout).contains(&squeezed(part)), "no `{part}` on stdout of\n{self}");
        self
    }

    #[track_caller]
    pub fn never_says(self, part: &str) -> Self {
        assert!(!squeezed(&self.stdout).contains(&squeezed(part)), "`{part}` on stdout of\n{self}");
        self
    }

    #[track_caller]
    pub fn complains(self, part: &str) -> Self {
        assert!(squeezed(&self.stderr).contains(&squeezed(part)), "no `{part}` on stderr of\n{self}");
        self
    }

    #[track_caller]
    pub fn says_nothing(self) -> Self {
        assert_eq!(self.stdout, "", "{self}");
        self
    }

    #[track_caller]
    pub fn complains_of_nothing(self) -> Self {
        assert_eq!(self.stderr, "", "{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in\n{self}"))
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { shown, code, stdout, stderr } = self;
        write!(f, "{shown}\nexit code {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Text wherever its lines were wrapped.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The only way to leave a test out: loudly, and not at all where `CHAOS_SKIP_NOTHING` is set.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CHAOS_SKIP_NOTHING").is_none(), "{test} must not be skipped here: {why}");
    output::stderr(&format!("SKIPPED {test}: {why}\n"));
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of it.
pub fn committed(name: &str) -> String {
    let path = repository().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_is_left_behind_is_seen() {
    let sandbox = Sandbox::new();
    sandbox.write("state/chaos/runs/0197/events.jsonl", "");
    assert_eq!(sandbox.files(), ["state/chaos/runs/events.jsonl".to_owned()].into());
    let [port] = crate::ports::free_ports();
    sandbox.assert_nothing_is_left(&[port]);
    let left = |ports: &[u16]| std::panic::catch_unwind(|| sandbox.assert_nothing_is_left(ports)).is_err();
    let held = crate::ports::occupy(port);
    assert!(left(&[port]), "a port that somebody listens on");
    drop(held);
    let process = sandbox.program("sleep", ["600"]).start();
    assert!(left(&[]), "a process");
    drop(process);
    sandbox.assert_nothing_is_left(&[port]);
}

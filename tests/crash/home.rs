//! A folder, ports and a container of processes for one run.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::experiment::{PORTS, experiment, free_ports};
use crate::matrix::Failure;
use crate::oracle::{self, Seen};
use crate::stranger::Stranger;

/// Names a run in the environment of every process it starts; the tool knows nothing of it.
pub const MARK: &str = "CRASH_HOME";
/// Nothing that is waited for takes longer, be the machine as busy as it likes.
pub const LONGEST: Duration = Duration::from_secs(30);
/// Between two looks at how long it takes until all is clean.
const PAUSE: Duration = Duration::from_millis(1);
/// Between two looks at anything else.
const LONGER_PAUSE: Duration = Duration::from_millis(15);
/// What is there so long after it should be gone is left for good.
const LEAK: Duration = Duration::from_secs(5);

/// Where one run takes place. Whatever of it is left is killed when this is dropped.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    pub ports: Vec<u16>,
    group: Option<PathBuf>,
    state: PathBuf,
    /// The runtime folder and the locks of a user are the same for all of their runs.
    user: PathBuf,
    stranger: Stranger,
}

impl Home {
    pub fn new() -> Self {
        Self::of(free_ports(PORTS))
    }

    /// Somebody else's, which wants the same ports: nothing but the kernel keeps the two apart.
    pub fn on_the_ports_of(other: &Self) -> Self {
        Self::of(other.ports.clone())
    }

    /// Another of the same user, which wants the same ports.
    pub fn sibling(&self) -> Self {
        let mut home = Self::on_the_ports_of(self);
        home.user.clone_from(&self.user);
        home
    }

    /// Another of the same user, which wants the same ports and keeps its runs in the same folder.
    pub fn twin(&self) -> Self {
        let mut home = self.sibling();
        home.state.clone_from(&self.state);
        home
    }

    fn of(ports: Vec<u16>) -> Self {
        let folder = tempfile::Builder::new().prefix(&prefix()).tempdir().expect("a folder");
        let (state, user) = (folder.path().join("state"), folder.path().join("user"));
        let home = Self { folder, ports, group: make_group(), state, user, stranger: Stranger::start() };
        for name in ["work", "paper", "user"] {
            fs::create_dir(home.path(name)).expect("makes a folder");
        }
        fs::DirBuilder::new().mode(0o700).create(home.runtime()).expect("makes a folder");
        home
    }

    /// Its `XDG_RUNTIME_DIR`.
    pub fn runtime(&self) -> PathBuf {
        self.user.join("runtime")
    }

    /// Where its runs take what they need for themselves.
    pub fn locks(&self) -> PathBuf {
        self.user.join("locks")
    }

    /// What journals there are in the runtime folder.
    pub fn volatile_journals(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.runtime().join("chaos")).into_iter().flatten().flatten();
        all.map(|entry| entry.path()).collect()
    }

    /// What they say.
    pub fn volatile_records(&self) -> String {
        self.volatile_journals().iter().map(|journal| fs::read_to_string(journal).unwrap_or_default()).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn mark(&self) -> String {
        format!("{MARK}={}", self.folder.path().display())
    }

    /// The control group that no process of the run can leave; none where there is no control group to be made.
    pub fn group(&self) -> Option<&PathBuf> {
        self.group.as_ref()
    }

    /// Writes the experiment; its faults last so many milliseconds.
    pub fn experiment(&self, faults: u64) -> PathBuf {
        self.write(faults, Some(self.stranger.pid()))
    }

    fn write(&self, faults: u64, stranger: Option<i32>) -> PathBuf {
        let path = self.path("paper").join("experiment.yaml");
        let work = self.path("work").display().to_string();
        fs::write(&path, experiment(&self.ports, &work, faults, stranger)).expect("writes");
        path
    }

    /// The process that the run did not start.
    pub fn stranger(&self) -> &Stranger {
        &self.stranger
    }

    /// The tool, about to run the experiment.
    pub fn run(&self, faults: u64) -> Command {
        self.run_of(&self.experiment(faults))
    }

    /// The same where nobody but the run can be seen.
    pub fn run_without_stranger(&self, faults: u64) -> Command {
        self.run_of(&self.write(faults, None))
    }

    fn run_of(&self, experiment: &Path) -> Command {
        let mut command = self.tool(crate::binary::chaos());
        command.args(["run", "--state-dir"]).arg(&self.state).arg(experiment);
        command
    }

    pub fn rollback(&self) -> Command {
        let mut command = self.tool(crate::binary::chaos());
        command.args(["rollback", "--all", "--state-dir"]).arg(&self.state);
        command
    }

    /// A program in the work folder, the mark and the control group of this run. What it says goes to `paper`.
    pub fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("work")).env("HOME", self.path("work")).env("TMPDIR", self.path("work"));
        command.env(MARK, self.folder.path()).env_remove("XDG_STATE_HOME").env_remove("RUST_BACKTRACE");
        command.env("XDG_RUNTIME_DIR", self.runtime()).env("CHAOS_LOCK_DIR", self.locks());
        command.stdin(Stdio::null()).stdout(self.append("stdout")).stderr(self.append("stderr"));
        if let Some(group) = &self.group {
            join(&mut command, CString::new(group.join("cgroup.procs").as_os_str().as_bytes()).expect("a plain path"));
        }
        command
    }

    fn append(&self, name: &str) -> Stdio {
        let file = fs::OpenOptions::new().append(true).create(true).open(self.path("paper").join(name));
        file.expect("opens").into()
    }

    /// What the run said on standard error.
    pub fn told(&self) -> String {
        fs::read_to_string(self.path("paper").join("stderr")).unwrap_or_default()
    }

    /// All that the run said.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path("paper").join("stdout")).unwrap_or_default() + &self.told()
    }

    /// How many stored events of this kind its newest run has.
    pub fn events(&self, kind: &str) -> usize {
        let kind = format!("\"event\":\"{kind}\"");
        self.folders().iter().max().map_or(0, |run| count(&run.join("events.jsonl"), &kind))
    }

    pub fn folders(&self) -> Vec<PathBuf> {
        let runs = fs::read_dir(self.state.join("runs")).into_iter().flatten();
        runs.map(|entry| entry.expect("lists").path()).collect()
    }

    pub fn look(&self) -> Seen {
        oracle::look(self)
    }

    fn look_but(&self, overlook: impl Fn(&mut Seen)) -> Seen {
        let mut seen = self.look();
        overlook(&mut seen);
        seen
    }

    /// The moment at which the oracle sees nothing of the run any more, its guardian aside, which may still write down
    /// what it did. An error says what is left, or that it took longer.
    pub fn clean_within(&self, limit: Duration) -> Result<Instant, Failure> {
        let began = Instant::now();
        loop {
            let clean = oracle::nothing_but_a_guardian(self);
            let now = Instant::now();
            match now - began {
                took if clean && took <= limit => return Ok(now),
                took if clean => return Err(Failure::Wrong(format!("it was clean after {took:?} only"))),
                took if took > limit + LEAK => {
                    return Err(Failure::Leak(format!("after {took:?} there is left: {}", self.look())));
                }
                _ => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Nothing is left, the guardian included, and the tool itself says so too.
    pub fn stays_clean(&self) -> Result<(), Failure> {
        self.nothing_left()?;
        let said = self.said_by_rollback();
        if said != (Some(0), "nothing to roll back\n".to_owned()) {
            return Err(Failure::Wrong(format!("the machine is clean, but `chaos rollback --all` says {said:?}")));
        }
        let journals = self.volatile_journals();
        if journals.is_empty() { Ok(()) } else { Err(Failure::Leak(format!("a rollback leaves {journals:?}"))) }
    }

    /// Nothing is left, the guardian included.
    pub fn nothing_left(&self) -> Result<(), Failure> {
        self.nothing_left_but(|_| {})
    }

    /// Nothing but journals, which cannot be taken away as long as the disk does not take that they are finished.
    pub fn nothing_left_but_paper(&self) -> Result<(), Failure> {
        self.nothing_left_but(|seen| seen.journals.clear())
    }

    /// Nothing but what is overlooked here.
    pub fn nothing_left_but(&self, overlook: impl Fn(&mut Seen)) -> Result<(), Failure> {
        let look = || match self.look_but(&overlook) {
            seen if seen.is_nothing() => Ok(()),
            seen => Err(Failure::Leak(format!("there is left: {seen}"))),
        };
        until_for(Duration::from_secs(3), look)
    }

    /// What `chaos rollback --all` answers.
    pub fn said_by_rollback(&self) -> (Option<i32>, String) {
        let mut command = self.rollback();
        let Output { status, stdout, .. } = command.stdout(Stdio::piped()).output().expect("starts");
        (status.code(), String::from_utf8_lossy(&stdout).into_owned())
    }

    /// Rolls back by hand, which leaves nothing, and once more, which finds nothing to do.
    pub fn rolls_back(&self) -> Result<(), Failure> {
        let (code, text) = self.said_by_rollback();
        if code != Some(0) {
            return Err(Failure::Wrong(format!("`chaos rollback --all` ended with {code:?}: {text}")));
        }
        self.stays_clean()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for _ in 0..500 {
            let left = self.look().processes;
            if left.is_empty() {
                break;
            }
            left.iter().for_each(|process| signal(process.pid, libc::SIGKILL));
            std::thread::sleep(PAUSE);
        }
        // What a tool left that leaks on purpose. A group can be removed only a moment after its last process ended.
        for group in oracle::groups(self).iter().map(Path::new).chain(self.group.as_deref()) {
            let _ = until_for(LEAK, || fs::remove_dir(group));
        }
    }
}

/// Asks again and again, for a while; the last refusal when it is never so.
pub fn until<T, E>(ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    until_for(LONGEST, ask)
}

pub fn until_for<T, E>(limit: Duration, mut ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    let deadline = Instant::now() + limit;
    loop {
        match ask() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(LONGER_PAUSE),
            answer => return answer,
        }
    }
}

#[allow(unsafe_code)]
pub fn signal(pid: i32, number: i32) {
    // SAFETY: no pointers. The pid was just read from the list of a run of ours.
    unsafe { libc::kill(pid, number) };
}

/// How the folders of this suite begin, and of no other that runs at the same time.
fn prefix() -> String {
    format!("crash-{}-", std::process::id())
}

/// What `ps` shows of all runs of this suite, when all of them are over, and the control groups they were in.
pub fn left_behind() -> Vec<String> {
    let all = Command::new("ps").args(["axeww", "-o", "pid=,args="]).output().expect("ps");
    let text = String::from_utf8_lossy(&all.stdout).into_owned();
    let ours = |line: &&str| line.split(' ').any(|word| word.starts_with(MARK) && word.contains(&prefix()));
    let processes = text.lines().filter(ours).map(ToOwned::to_owned);
    processes.chain(oracle::groups_named(|name| name.starts_with(&prefix()))).collect()
}

/// An empty control group of a hierarchy that limits nothing.
fn make_group() -> Option<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("{}{}", prefix(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let roots = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
    let groups = roots.iter().map(|root| PathBuf::from(root).join(&name));
    groups.into_iter().find(|group| fs::create_dir(group).is_ok() && group.join("cgroup.procs").exists())
}

#[allow(unsafe_code)]
fn join(command: &mut Command, list: CString) {
    let enter = move || {
        // SAFETY: three raw system calls on memory that lives, between fork and exec.
        let entered = unsafe {
            let file = libc::open(list.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            let written = libc::write(file, c"0".as_ptr().cast(), 1);
            libc::close(file);
            written
        };
        if entered == 1 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the closure neither allocates nor takes a lock.
    unsafe { command.pre_exec(enter) };
}

fn count(file: &std::path::Path, what: &str) -> usize {
    fs::read_to_string(file).unwrap_or_default().matches(what).count()
}

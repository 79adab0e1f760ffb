//! What is left of a run, seen without the tool: plain reads of what the kernel shows. Nothing here is the tool's code.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::home::Home;

/// The hidden word of the tool's guardian, by which its process is told from what it guards.
const GUARDIAN: &str = "__guardian";

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub processes: Vec<Process>,
    /// Which of its ports listen.
    pub listening: Vec<u16>,
    /// Files outside its state folder.
    pub files: Vec<String>,
    /// Mounts below its folder.
    pub mounts: Vec<String>,
    /// Control groups that carry the name of the run.
    pub groups: Vec<String>,
    /// Journals in the runtime folder that name a step.
    pub journals: Vec<String>,
    /// Locks that somebody holds.
    pub locks: Vec<String>,
    /// What of the stranger is not as it was.
    pub stranger: Option<String>,
}

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    /// `T` is stopped.
    pub state: char,
    pub command: String,
}

impl Seen {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Process {
    pub fn is_guardian(&self) -> bool {
        self.command.split(' ').any(|word| word == GUARDIAN)
    }

    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Process { pid, state, command } in &self.processes {
            write!(f, "pid {pid} ({state}) {command}; ")?;
        }
        let Self { listening, files, mounts, groups, journals, locks, stranger, .. } = self;
        write!(f, "ports {listening:?}, files {files:?}, mounts {mounts:?}, control groups {groups:?}, ")?;
        write!(f, "journals in the runtime folder {journals:?}, locks {locks:?}, ")?;
        f.write_str(stranger.as_deref().unwrap_or("the stranger is as it was"))
    }
}

/// Looks at everything.
pub fn look(home: &Home) -> Seen {
    Seen {
        processes: processes(home),
        listening: listening(&home.ports),
        files: files(&home.path("work")),
        mounts: mounts(home),
        groups: groups(home),
        journals: journals(home),
        locks: locks(&home.locks()),
        stranger: home.stranger().changed(),
    }
}

/// The same, quickly, and a guardian does not count.
pub fn nothing_but_a_guardian(home: &Home) -> bool {
    let no_process = |pids: BTreeSet<i32>| pids.into_iter().filter_map(process).all(|process| process.is_guardian());
    let fast = home.group().is_none_or(|group| no_process(in_group(group)));
    fast && listening(&home.ports).is_empty()
        && home.stranger().changed().is_none()
        && no_process(marked(&home.mark()))
        && files(&home.path("work")).is_empty()
}

/// Whoever is in the control group of the run, which nobody leaves, or carries its mark, which everybody inherits.
pub fn processes(home: &Home) -> Vec<Process> {
    let mut pids = marked(&home.mark());
    pids.extend(home.group().map(|group| in_group(group)).unwrap_or_default());
    pids.into_iter().filter_map(process).collect()
}

pub fn guardian(home: &Home) -> Option<i32> {
    processes(home).iter().find(|process| process.is_guardian()).map(|process| process.pid)
}

/// Those in groups below it, which the tool makes for services, are in it, too.
fn in_group(group: &Path) -> BTreeSet<i32> {
    let listed = |group: &Path| fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut lists = listed(group);
    find_folders(group, 2, &mut |below| lists.push_str(&listed(below)));
    lists.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Every process that was started with this variable.
pub fn marked(mark: &str) -> BTreeSet<i32> {
    let all = fs::read_dir("/proc").expect("lists").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    })
    .collect()
}

/// None when it is gone, or a zombie, of which nothing is left but its exit code.
pub fn process(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit(')').next()?.trim_start().chars().next()?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned();
    (!matches!(state, 'Z' | 'X')).then_some(Process { pid, state, command })
}

/// Which of these ports listen, by the kernel's own table: addresses are hexadecimal, and `0A` is listening.
fn listening(ports: &[u16]) -> Vec<u16> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let listening: BTreeSet<u16> = lines
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let port = words.get(1)?.rsplit(':').next()?;
            (*words.get(3)? == "0A").then(|| u16::from_str_radix(port, 16).ok())?
        })
        .collect();
    ports.iter().copied().filter(|port| listening.contains(port)).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// One that has a header only tells of nothing that was touched. The next recovery takes it away, too.
fn journals(home: &Home) -> Vec<String> {
    let with_steps = |journal: &PathBuf| fs::read_to_string(journal).is_ok_and(|records| records.lines().count() > 1);
    home.volatile_journals().iter().filter(|journal| with_steps(journal)).map(|one| one.display().to_string()).collect()
}

/// Whoever held a lock and is dead left a file that anybody can lock.
fn locks(folder: &Path) -> Vec<String> {
    let held = |name: &String| {
        let file = fs::File::open(folder.join(name));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    };
    files(folder).into_iter().filter(held).collect()
}

fn mounts(home: &Home) -> Vec<String> {
    let all = fs::read_to_string("/proc/self/mountinfo").expect("reads");
    let place = home.path("").display().to_string();
    all.lines().filter(|line| line.contains(place.trim_end_matches('/'))).map(ToOwned::to_owned).collect()
}

pub fn groups(home: &Home) -> Vec<String> {
    // Of other runs at the same time there are some, too.
    let folders = home.folders();
    let names: Vec<_> =
        folders.iter().filter_map(|run| Some(run.file_name()?.to_string_lossy().into_owned())).collect();
    groups_named(|name| names.iter().any(|known| name.contains(known)))
}

/// Every control group with such a name.
pub fn groups_named(fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    find_folders(Path::new("/sys/fs/cgroup"), 6, &mut |path| {
        if fits(&path.file_name().unwrap_or_default().to_string_lossy()) {
            found.push(path.display().to_string());
        }
    });
    found
}

fn find_folders(folder: &Path, depth: u32, tell: &mut impl FnMut(&Path)) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        tell(&entry.path());
        if depth > 1 {
            find_folders(&entry.path(), depth - 1, tell);
        }
    }
}

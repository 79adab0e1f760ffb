//! Groups of our own: made, joined, found again by their names, and removed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::value::read;
use super::{Hierarchy, Place, place};
use crate::host::Trouble;
use crate::host::linux::identity;
use crate::model::cgroup::Controller;
use crate::model::step::ProcessIdentity;

/// How the name of a group of ours begins; the id of the run, whose it is, and the service follow.
const PREFIX: &str = "chaos-";
/// The length of the id of a run.
const RUN: usize = 36;
/// Groups are not looked for deeper than this.
const DEEPEST: u32 = 16;

/// Why a group does not list its processes.
const THREADED: &str = "it is a threaded group, which has threads and no processes: those belong to a group above it";

/// A group of ours that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// The id of the run that made it.
    pub run: String,
    /// The inode of the pid name space in which its tool runs.
    pub namespace: u64,
    /// The tool.
    pub tool: ProcessIdentity,
    /// Its folder.
    pub folder: PathBuf,
}

/// The name of the group of a service in a run: `chaos-RUN-NAMESPACE.PID.INODE.START-SERVICE`, the four numbers telling
/// the tool, so that its end can be seen. Two services never share a name, whatever they are called.
pub fn name(run: &str, namespace: u64, tool: &ProcessIdentity, service: &str) -> String {
    let ProcessIdentity { pid, pidfs_inode, start_ticks } = tool;
    let mut name = format!("{PREFIX}{run}-{namespace}.{pid}.{pidfs_inode}.{start_ticks}-");
    for byte in service.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

/// Whose a group of this name is; none when it is not of ours.
fn read_name(name: &str) -> Option<(String, u64, ProcessIdentity)> {
    let (run, rest) = name.strip_prefix(PREFIX)?.split_at_checked(RUN)?;
    let whole = uuid::Uuid::parse_str(run).is_ok_and(|id| id.to_string() == run);
    let (tool, _) = rest.strip_prefix('-')?.split_once('-')?;
    let mut numbers = tool.split('.').map(str::parse::<u64>);
    let mut number = || numbers.next()?.ok();
    let (namespace, pid, pidfs_inode, start_ticks) = (number()?, number()?, number()?, number()?);
    let tool = ProcessIdentity { pid: pid.try_into().ok()?, pidfs_inode, start_ticks };
    whole.then(|| (run.to_owned(), namespace, tool))
}

/// The groups below which a group with these controllers can be made, one of each hierarchy: in version 1 the one we are
/// in; in version 2, where a group with processes hands nothing on, the one above it. `listing` is our `/proc/self/cgroup`.
/// An error says what is missing, by the controller.
pub fn parents(
    listing: &str,
    hierarchies: &[Hierarchy],
    controllers: &[Controller],
) -> Result<Vec<PathBuf>, (Controller, String)> {
    let mut parents = Vec::new();
    for &controller in controllers {
        let parent = place(listing, hierarchies, controller).and_then(|ours| parent(&ours));
        let parent = parent.map_err(|why| (controller, why))?;
        if !parents.contains(&parent) {
            parents.push(parent);
        }
    }
    Ok(parents)
}

/// What the kernel says of our own groups.
pub fn our_listing() -> Result<String, Trouble> {
    std::fs::read_to_string("/proc/self/cgroup").map_err(|error| Trouble::new("find our own control groups", error))
}

/// Why no group can be made here, by what it is to control; nothing where one can. Looks only.
pub fn missing() -> BTreeMap<Controller, String> {
    let all = [Controller::Cpu, Controller::Memory, Controller::Io, Controller::Pids];
    let found = super::hierarchies().and_then(|hierarchies| Ok((hierarchies, our_listing()?)));
    match found {
        Ok((hierarchies, listing)) => {
            all.into_iter().filter_map(|one| parents(&listing, &hierarchies, &[one]).err()).collect()
        }
        Err(trouble) => all.into_iter().map(|one| (one, trouble.to_string())).collect(),
    }
}

fn parent(ours: &Place) -> Result<PathBuf, String> {
    let Place { version, controller, folder, is_root } = ours;
    let parent = match (version, is_root, folder.parent()) {
        (2, false, Some(above)) => above,
        _ => folder,
    };
    if *version == 2 {
        let handed = std::fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
        let name = controller.name(2).unwrap_or_default();
        if !handed.split_whitespace().any(|one| one == name) {
            let file = parent.join("cgroup.subtree_control");
            return Err(format!("{} does not hand the controller {name} on to groups below it", file.display()));
        }
        // Who moves from one group to another must be let by the one above both.
        let list = parent.join("cgroup.procs");
        super::hierarchy::may_change(&list)
            .map_err(|why| format!("{}: {why}, so nobody can be moved below it", list.display()))?;
    }
    super::hierarchy::may_write(parent).map_err(|why| format!("{}: {why}", parent.display()))?;
    Ok(parent.to_owned())
}

/// Makes a group; content when it is there.
pub fn make(folder: &Path) -> Result<(), Trouble> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Trouble::new(format!("make the control group {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}

/// A command starts in these groups.
#[allow(unsafe_code)]
pub fn join(command: &mut Command, groups: &[PathBuf]) -> Result<(), Trouble> {
    for group in groups {
        let list = group.join("cgroup.procs");
        let opened: io::Result<File> = OpenOptions::new().write(true).open(&list);
        let mut list =
            opened.map_err(|error| Trouble::new(format!("put a process into the group {}", group.display()), error))?;
        // SAFETY: between fork and exec only async-signal-safe work is allowed. The closure makes one raw system call, a
        // write of constant bytes to a file that is open; it neither allocates nor takes a lock. `0` is whoever writes.
        unsafe { command.pre_exec(move || list.write_all(b"0")) };
    }
    Ok(())
}

/// Who is in a group and in those below it.
pub fn members(folder: &Path) -> Result<Vec<i32>, Trouble> {
    let trouble = |error: io::Error| {
        let threaded = error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error());
        let trouble = Trouble::new(format!("list who is in {}", folder.display()), error);
        if threaded { trouble.help(THREADED) } else { trouble }
    };
    let mut all = Vec::new();
    for group in with_those_below(folder).map_err(trouble)? {
        match std::fs::read_to_string(group.join("cgroup.procs")) {
            Ok(list) => all.extend(list.lines().filter_map(|line| line.parse::<i32>().ok())),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(trouble(error)),
        }
    }
    Ok(all)
}

/// The highest group, from this one up, whose processes the kernel kills all together where memory ends (version 2).
pub fn dies_together(folder: &Path) -> Option<PathBuf> {
    let together = |group: &&Path| read(&group.join("memory.oom.group"), None).is_ok_and(|value| value == "1");
    folder.ancestors().filter(together).last().map(Path::to_owned)
}

/// Whether a group is there.
pub fn is_there(folder: &Path) -> Result<bool, Trouble> {
    folder.try_exists().map_err(|error| Trouble::new(format!("look for {}", folder.display()), error))
}

/// Removes a group of ours and those below it; whoever is in it is killed, as it was started there by us. Content when it
/// is gone; an error as long as somebody is in it: a killed process takes a moment to be gone.
pub fn remove(folder: &Path) -> Result<(), Trouble> {
    let trouble = |error: io::Error| Trouble::new(format!("remove the control group {}", folder.display()), error);
    // Whom we cannot see, in another pid name space, is listed as 0.
    for pid in members(folder)?.into_iter().filter(|pid| *pid > 0) {
        kill(pid);
    }
    let mut groups = with_those_below(folder).map_err(trouble)?;
    groups.reverse();
    for group in groups {
        match std::fs::remove_dir(&group) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(trouble(error).help("who is in it: see its cgroup.procs"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// By identity, and never ourselves.
fn kill(pid: i32) {
    if pid != std::process::id().cast_signed()
        && let Some(process) = identity::identity(pid)
    {
        // Whether it worked is seen by the group's end.
        let _ = identity::send(&process, rustix::process::Signal::KILL);
    }
}

/// Every group of ours in these hierarchies.
pub fn ours(hierarchies: &[Hierarchy]) -> Vec<Ours> {
    let mut found = Vec::new();
    hierarchies.iter().for_each(|hierarchy| find(&hierarchy.place, DEEPEST, &mut found));
    found.sort_by(|one, other| (&one.run, &one.folder).cmp(&(&other.run, &other.folder)));
    found
}

fn find(folder: &Path, depth: u32, found: &mut Vec<Ours>) {
    for below in folders_in(folder).unwrap_or_default() {
        let name = below.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match read_name(&name) {
            Some((run, namespace, tool)) => found.push(Ours { run, namespace, tool, folder: below }),
            None if depth > 1 => find(&below, depth - 1, found),
            None => {}
        }
    }
}

/// A group and all below it, each before those below it.
fn with_those_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = vec![folder.to_owned()];
    let mut next = 0;
    while next < all.len() {
        match folders_in(&all[next]) {
            Ok(below) => all.extend(below),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
        next += 1;
    }
    Ok(all)
}

fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Hierarchy, dies_together, is_there, make, members, name, ours, parents, read_name, remove};
    use crate::host::linux::cgroup::testing::folder;
    use crate::model::cgroup::Controller;
    use crate::model::step::ProcessIdentity;

    const RUN: &str = "01a1fc08-8999-710d-a0a1-cb0d5a1f2584";

    fn hierarchy(version: u8, place: &Path, controllers: &[&str]) -> Hierarchy {
        let controllers = controllers.iter().map(|name| (*name).to_owned()).collect();
        Hierarchy { version, place: place.to_owned(), root: "/".into(), controllers, refused: None }
    }

    fn tool() -> ProcessIdentity {
        ProcessIdentity { pid: 7, pidfs_inode: 8, start_ticks: 9 }
    }

    #[test]
    fn the_name_of_a_group_says_whose_it_is() {
        let demo = name(RUN, 5, &tool(), "the demo/1");
        assert_eq!(demo, format!("chaos-{RUN}-5.7.8.9-the%20demo%2f1"));
        assert_eq!(read_name(&demo), Some((RUN.to_owned(), 5, tool())));
        for other in ["chaos-monkey", "chaos-", "chaos-01a1fc08-8999-710d-a0a1-cb0d5a1f2584-demo", "docker-x", ""] {
            assert_eq!(read_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_group_is_made_below_ours_in_version_1() {
        let cpu = folder(&[]);
        make(&cpu.path().join("app")).expect("makes it");
        let all = [hierarchy(1, cpu.path(), &["cpu", "cpuacct"])];
        let both = [Controller::Cpu, Controller::CpuAccount];
        let found = parents("3:cpu,cpuacct:/app\n", &all, &both).expect("may");
        assert_eq!(found, [cpu.path().join("app")], "once, as both are in one hierarchy");
        let (controller, why) = parents("3:cpu:/app\n", &all, &[Controller::Memory]).expect_err("is not mounted");
        assert_eq!(controller, Controller::Memory);
        assert!(why.contains("no hierarchy"), "{why}");
    }

    #[test]
    fn a_group_is_made_beside_ours_in_version_2_where_the_one_above_hands_its_controllers_on() {
        let top = folder(&[("cgroup.subtree_control", "cpu memory\n"), ("cgroup.procs", "")]);
        make(&top.path().join("app")).expect("makes it");
        let all = [hierarchy(2, top.path(), &["cpu", "io", "memory"])];
        let found = parents("0::/app\n", &all, &[Controller::Cpu, Controller::Memory]).expect("may");
        assert_eq!(found, [top.path()]);
        let (_, why) = parents("0::/app\n", &all, &[Controller::Io]).expect_err("is not handed on");
        assert!(why.contains("does not hand the controller io on"), "{why}");
        let bare = folder(&[("cgroup.subtree_control", "cpu\n")]);
        let all = [hierarchy(2, bare.path(), &["cpu"])];
        let (_, why) = parents("0::/app\n", &all, &[Controller::Cpu]).expect_err("nobody can be moved");
        assert!(why.contains("so nobody can be moved below it"), "{why}");
    }

    #[test]
    fn the_highest_group_that_dies_together_is_found() {
        let top = folder(&[("memory.oom.group", "0\n")]);
        let (pod, inner) = (top.path().join("pod"), top.path().join("pod/inner"));
        make(&pod).and_then(|()| make(&inner)).expect("makes them");
        let say = |group: &Path, value: &str| {
            crate::host::files::write_atomic(&group.join("memory.oom.group"), value.as_bytes()).expect("writes");
        };
        say(&inner, "1\n");
        say(&pod, "0\n");
        assert_eq!(dies_together(&inner), Some(inner.clone()));
        say(&pod, "1\n");
        assert_eq!(dies_together(&inner), Some(pod));
        assert_eq!(dies_together(top.path()), None);
    }

    #[test]
    fn groups_of_ours_are_found_however_deep_and_removed_with_those_below() {
        let top = folder(&[]);
        let group = top.path().join("a").join(name(RUN, 5, &tool(), "demo"));
        for made in [&top.path().join("a"), &group, &group.join("below"), &top.path().join("chaos-other")] {
            make(made).expect("makes it");
            make(made).expect("is content");
        }
        let found = ours(&[hierarchy(2, top.path(), &[])]);
        assert_eq!(found.iter().map(|one| (one.run.as_str(), &one.folder)).collect::<Vec<_>>(), [(RUN, &group)]);
        assert!(members(&group).expect("lists").is_empty());
        remove(&group).expect("removes");
        remove(&group).expect("is content");
        assert!(!is_there(&group).expect("looks") && is_there(&top.path().join("chaos-other")).expect("looks"));
    }
}

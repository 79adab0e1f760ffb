//! Which control group a process is in, for a controller.

use std::path::{Path, PathBuf};

use super::Hierarchy;
use crate::host::Trouble;
use crate::model::cgroup::Controller;

/// A control group, as far as one controller is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// 1 or 2.
    pub version: u8,
    /// What it controls here.
    pub controller: Controller,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it is the root of what we see of the hierarchy: everybody who is in no other group.
    pub is_root: bool,
}

/// The group of a process for this controller.
pub fn place_of(pid: i32, hierarchies: &[Hierarchy], controller: Controller) -> Result<Place, Trouble> {
    let what = || format!("find the control group of pid {pid} for {controller}");
    let listing =
        std::fs::read_to_string(format!("/proc/{pid}/cgroup")).map_err(|error| Trouble::new(what(), error))?;
    place(&listing, hierarchies, controller).map_err(|why| Trouble::new(what(), why))
}

/// The same from what the kernel lists in `/proc/PID/cgroup`: a line `NUMBER:CONTROLLERS:GROUP` for each hierarchy, the
/// controllers being none in version 2.
pub fn place(listing: &str, hierarchies: &[Hierarchy], controller: Controller) -> Result<Place, String> {
    let hierarchy = hierarchies.iter().find(|hierarchy| {
        controller.name(hierarchy.version).is_some_and(|name| hierarchy.controllers.iter().any(|known| known == name))
    });
    let Some(hierarchy) = hierarchy else {
        let places: Vec<String> = hierarchies.iter().map(|one| one.place.display().to_string()).collect();
        let seen =
            if places.is_empty() { "none is mounted".to_owned() } else { format!("seen: {}", places.join(", ")) };
        return Err(format!("no hierarchy of control groups has the controller {controller}; {seen}"));
    };
    let group = listing.lines().find_map(|line| group_in(line, hierarchy.version, controller));
    let group = group.ok_or_else(|| format!("the process has no group in {}", hierarchy.place.display()))?;
    // Where only a part of the hierarchy is mounted, groups are told from its very root all the same.
    let below = Path::new(group).strip_prefix(&hierarchy.root).map_err(|_| {
        format!(
            "its group {group} is not in the part of the hierarchy that is mounted on {}",
            hierarchy.place.display()
        )
    })?;
    // A group outside of our name space is told as `/..`.
    if below.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Err(format!("its group {group} cannot be seen from here"));
    }
    let folder = if below.as_os_str().is_empty() { hierarchy.place.clone() } else { hierarchy.place.join(below) };
    let is_root = folder == hierarchy.place;
    Ok(Place { version: hierarchy.version, controller, folder, is_root })
}

fn group_in(line: &str, version: u8, controller: Controller) -> Option<&str> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = match version {
        2 => controllers.is_empty(),
        _ => controller.name(version).is_some_and(|name| controllers.split(',').any(|one| one == name)),
    };
    fits.then_some(group)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Hierarchy, place};
    use crate::model::cgroup::Controller;

    const LISTING: &str = "4:memory:/app/db\n3:cpu,cpuacct:/app\n1:name=systemd:/x\n0::/user.slice/app.scope\n";

    fn hierarchy(version: u8, place: &str, root: &str, controllers: &[&str]) -> Hierarchy {
        let controllers = controllers.iter().map(|name| (*name).to_owned()).collect();
        Hierarchy { version, place: place.into(), root: root.into(), controllers, refused: None }
    }

    #[test]
    fn every_controller_has_a_group_of_its_own_in_version_1() {
        let all = [
            hierarchy(1, "/sys/fs/cgroup/cpu,cpuacct", "/", &["cpu", "cpuacct"]),
            hierarchy(1, "/sys/fs/cgroup/memory", "/", &["memory"]),
            hierarchy(2, "/sys/fs/cgroup/unified", "/", &[]),
        ];
        let cpu = place(LISTING, &all, Controller::Cpu).expect("is there");
        assert_eq!((cpu.version, cpu.folder.as_path()), (1, Path::new("/sys/fs/cgroup/cpu,cpuacct/app")));
        let memory = place(LISTING, &all, Controller::Memory).expect("is there");
        assert_eq!(memory.folder, Path::new("/sys/fs/cgroup/memory/app/db"));
        let told = place(LISTING, &all, Controller::Pids).expect_err("is not mounted");
        assert!(told.starts_with("no hierarchy of control groups has the controller pids; seen: "), "{told}");
    }

    #[test]
    fn there_is_one_group_for_all_controllers_in_version_2() {
        let all = [hierarchy(2, "/sys/fs/cgroup", "/", &["cpu", "io", "memory", "pids"])];
        let io = place(LISTING, &all, Controller::Io).expect("is there");
        assert_eq!(io.folder, Path::new("/sys/fs/cgroup/user.slice/app.scope"));
        assert!(!io.is_root);
        assert!(place("0::/\n", &all, Controller::Io).expect("is there").is_root);
    }

    #[test]
    fn where_only_a_part_is_mounted_its_top_is_a_root() {
        let all = [hierarchy(2, "/sys/fs/cgroup", "/user.slice", &["cpu"])];
        let cpu = place(LISTING, &all, Controller::Cpu).expect("is there");
        assert_eq!(cpu.folder, Path::new("/sys/fs/cgroup/app.scope"));
        assert!(place("0::/user.slice\n", &all, Controller::Cpu).expect("is there").is_root);
        for elsewhere in ["0::/system.slice\n", "0::/../other\n", "0::/user.slice/../../x\n"] {
            place(elsewhere, &all, Controller::Cpu).expect_err(elsewhere);
        }
    }
}

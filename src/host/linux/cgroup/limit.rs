//! Which values a limit is, in version 1 and 2.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::Place;
use super::value::{of, put, read};
use crate::host::Trouble;
use crate::host::system::whole_disk_of;
use crate::model::cgroup::{GroupSetting, Limit, PidsRoom};
use crate::model::units::Bytes;

/// The period of a quota, in microseconds: the kernel's own default. Shorter ones limit nothing: the kernel hands CPU time
/// out in slices of 5 ms, and a quota of 1 ms in a period of 1 ms was seen to hold nobody.
const PERIOD: u64 = 100_000;
/// A period that is shorter than this is lengthened.
const SHORTEST_PERIOD: u64 = 10_000;
/// In so many steps memory is lowered.
const STEPS: u32 = 20;

/// The values of a limit, and what is likely to come of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// In the order in which they are set.
    pub settings: Vec<GroupSetting>,
    /// What there is to be told beforehand.
    pub notes: Vec<String>,
}

/// The values of a limit on a group, with those that are there now. Looks only.
pub fn settings(limit: &Limit, place: &Place) -> Result<Planned, Trouble> {
    let group = &place.folder;
    let trouble = |error: io::Error| {
        let help = not_handed_on(place, &error);
        Trouble::new(format!("limit the control group {}", group.display()), error).help(help)
    };
    let plain = |settings| Planned { settings, notes: Vec::new() };
    match limit {
        Limit::Cpu { quota, cores } => {
            cpu(group, place.version, quota.0 * f64::from(*cores)).map(plain).map_err(trouble)
        }
        Limit::Memory { size, .. } => memory(group, place.version, size.0).map_err(trouble),
        Limit::Pids { most } => pids(group, *most).map(plain).map_err(trouble),
        Limit::Io { path, .. } => {
            let device = whole_disk_of(path)?;
            let set = match place.version {
                1 => throttle(group, &device, limit).map_err(trouble)?,
                _ => io_max(group, &device, limit).map_err(trouble)?,
            };
            Ok(plain(set))
        }
    }
}

/// What came of setting a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// It is there.
    Done,
    /// The kernel could not take back enough memory just now (`EBUSY`); the next time it may.
    NotYet(Trouble),
}

/// Sets one of the values and reads it back. Other than an undo it minds when the group is gone.
pub fn set(setting: &GroupSetting, value: &str) -> Result<Set, Trouble> {
    let what = || format!("write `{}` into {}", setting.line(value), setting.file.display());
    if let Err(error) = put(&setting.file, &setting.line(value)) {
        let trouble = refused(Trouble::new(what(), &error), &error);
        let busy = error.raw_os_error() == Some(Errno::BUSY.raw_os_error());
        return if busy { Ok(Set::NotYet(trouble)) } else { Err(trouble) };
    }
    let there = of(setting).map_err(|error| Trouble::new(what(), error))?;
    if there == value { Ok(Set::Done) } else { Err(Trouble::new(what(), format!("it reads back as `{there}`"))) }
}

fn refused(trouble: Trouble, error: &io::Error) -> Trouble {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::BUSY) => {
            trouble.help("more memory is in use than the kernel could take back: ask for a larger size")
        }
        Some(Errno::INVAL) => trouble.help("does a group above this one allow less?"),
        Some(Errno::ACCESS | Errno::PERM) => trouble.help("root may, and whoever the group was handed to"),
        _ => trouble,
    }
}

/// Version 2 has the files of a controller only in groups that it was handed on to.
fn not_handed_on(Place { version, controller, folder, .. }: &Place, error: &io::Error) -> String {
    match folder.parent() {
        Some(above) if *version == 2 && error.kind() == io::ErrorKind::NotFound && folder.is_dir() => format!(
            "the controller {controller} is not handed on to it: whoever manages the group writes +{controller} into {}",
            above.join("cgroup.subtree_control").display()
        ),
        _ => format!("is the controller {controller} there? `chaos doctor` says so"),
    }
}

fn value(group: &Path, name: &str, ours: Vec<String>) -> io::Result<GroupSetting> {
    let file = group.join(name);
    Ok(GroupSetting { before: read(&file, None)?, file, device: None, key: None, ours })
}

fn cpu(group: &Path, version: u8, cores: f64) -> io::Result<Vec<GroupSetting>> {
    let quota = |period: u64| ((period as f64 * cores).round() as u64).max(1000);
    let mut settings = Vec::new();
    if version != 1 {
        settings.extend(burst(&group.join("cpu.max.burst"), quota(PERIOD))?);
        settings.push(value(group, "cpu.max", vec![format!("{} {PERIOD}", quota(PERIOD))])?);
        return Ok(settings);
    }
    let mut period = value(group, "cpu.cfs_period_us", Vec::new())?;
    let there = period.before.parse().unwrap_or(PERIOD);
    let period = if there >= SHORTEST_PERIOD {
        there
    } else {
        period.ours = vec![PERIOD.to_string()];
        settings.push(period);
        PERIOD
    };
    settings.extend(burst(&group.join("cpu.cfs_burst_us"), quota(period))?);
    settings.push(value(group, "cpu.cfs_quota_us", vec![quota(period).to_string()])?);
    Ok(settings)
}

/// What a group may save up of its quota for later. The kernel refuses a quota that is less than that (`EINVAL`), so
/// nothing is saved up while ours holds. Older kernels have no such file.
fn burst(file: &Path, quota: u64) -> io::Result<Option<GroupSetting>> {
    let before = match read(file, None) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        before => before?,
    };
    let file = file.to_owned();
    let more = before.parse::<u64>().is_ok_and(|before| before > quota);
    Ok(more.then(|| GroupSetting { file, device: None, key: None, before, ours: vec!["0".to_owned()] }))
}

fn memory(group: &Path, version: u8, size: u64) -> io::Result<Planned> {
    let (file, usage) = match version {
        1 => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        _ => ("memory.max", "memory.current"),
    };
    let used: u64 = read(&group.join(usage), None)?.parse().map_err(io::Error::other)?;
    let page = rustix::param::page_size() as u64;
    // The kernel rounds down to whole pages, and so do we, or a value of ours would not be known again.
    let whole = |bytes: u64| (bytes / page * page).to_string();
    let steps = if used > size { STEPS } else { 1 };
    let lowered =
        (1..=steps).map(|step| whole(used.max(size) - used.saturating_sub(size) * u64::from(step) / u64::from(steps)));
    let mut ours: Vec<String> = lowered.collect();
    ours.dedup();
    let otherwise = match version {
        1 => "and the limit is refused where that is not enough",
        _ => "and kills in the group where that is not enough",
    };
    let note = format!(
        "{} uses {}, which is more than the limit of {}: the kernel takes back what it can, cache and swap, {otherwise}",
        group.display(),
        Bytes(used),
        Bytes(size)
    );
    let notes = if used > size { vec![note] } else { Vec::new() };
    Ok(Planned { settings: vec![value(group, file, ours)?], notes })
}

fn pids(group: &Path, most: PidsRoom) -> io::Result<Vec<GroupSetting>> {
    let max = match most {
        PidsRoom::Max(max) => max,
        PidsRoom::Leave(more) => {
            let there: u64 = read(&group.join("pids.current"), None)?.parse().map_err(io::Error::other)?;
            there + more
        }
    };
    Ok(vec![value(group, "pids.max", vec![max.to_string()])?])
}

/// The four numbers: bytes read and written, operations read and written.
fn numbers(limit: &Limit) -> [Option<u64>; 4] {
    let Limit::Io { read_bps, write_bps, read_iops, write_iops, .. } = limit else { return [None; 4] };
    let bytes = [read_bps, write_bps].map(|rate| rate.map(|rate| rate.0.round() as u64));
    let operations = [read_iops, write_iops].map(|rate| rate.map(|rate| rate.0.round() as u64));
    [bytes[0], bytes[1], operations[0], operations[1]]
}

/// Version 1: a file for each number.
fn throttle(group: &Path, device: &str, limit: &Limit) -> io::Result<Vec<GroupSetting>> {
    let names = ["read_bps", "write_bps", "read_iops", "write_iops"];
    let asked = names.iter().zip(numbers(limit)).filter_map(|(name, number)| Some((name, number?)));
    let one = |(name, number): (&&str, u64)| {
        let file = group.join(format!("blkio.throttle.{name}_device"));
        let before = read(&file, Some(device))?;
        Ok(GroupSetting { file, device: Some(device.to_owned()), key: None, before, ours: vec![number.to_string()] })
    };
    asked.map(one).collect()
}

/// Version 2: a line for the device with all of them, each of which is a value of its own: what somebody else does to
/// another number meanwhile is none of our business, and no reason to leave ours there.
fn io_max(group: &Path, device: &str, limit: &Limit) -> io::Result<Vec<GroupSetting>> {
    let keys = ["rbps", "wbps", "riops", "wiops"];
    let asked = keys.iter().zip(numbers(limit)).filter_map(|(key, number)| Some((key, number?)));
    let one = |(key, number): (&&str, u64)| {
        let mut setting = GroupSetting {
            file: group.join("io.max"),
            device: Some(device.to_owned()),
            key: Some((*key).to_owned()),
            before: String::new(),
            ours: vec![number.to_string()],
        };
        setting.before = of(&setting)?;
        Ok(setting)
    };
    asked.map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{Place, cpu, io_max, memory, pids, set, settings, throttle};
    use crate::host::linux::cgroup::testing::folder;
    use crate::model::cgroup::{Controller, Limit, PidsRoom};
    use crate::model::units::{ByteRate, Rate};

    fn names(settings: &[super::GroupSetting]) -> Vec<(String, String, String)> {
        let name = |setting: &super::GroupSetting| {
            let file = setting.file.file_name().expect("a name").to_string_lossy().into_owned();
            (file, setting.before.clone(), setting.last().to_owned())
        };
        settings.iter().map(name).collect()
    }

    fn told(all: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        all.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
    }

    #[test]
    fn a_quota_is_a_share_of_the_period_that_is_there() {
        let old = folder(&[("cpu.cfs_period_us", "50000\n"), ("cpu.cfs_quota_us", "-1\n")]);
        let set = cpu(old.path(), 1, 0.2).expect("reads");
        assert_eq!(names(&set), told(&[("cpu.cfs_quota_us", "-1", "10000")]));
        let new = folder(&[("cpu.max", "max 100000\n")]);
        assert_eq!(
            names(&cpu(new.path(), 2, 1.5).expect("reads")),
            told(&[("cpu.max", "max 100000", "150000 100000")])
        );
    }

    #[test]
    fn a_period_of_a_millisecond_would_limit_nothing_and_is_lengthened_first() {
        let short = folder(&[("cpu.cfs_period_us", "1000\n"), ("cpu.cfs_quota_us", "-1\n")]);
        let set = cpu(short.path(), 1, 0.5).expect("reads");
        assert_eq!(names(&set), told(&[("cpu.cfs_period_us", "1000", "100000"), ("cpu.cfs_quota_us", "-1", "50000")]));
    }

    #[test]
    fn nothing_is_saved_up_of_a_quota_where_that_would_be_more_than_the_quota() {
        let new = folder(&[("cpu.max", "90000 200000\n"), ("cpu.max.burst", "30000\n")]);
        let set = cpu(new.path(), 2, 0.2).expect("reads");
        assert_eq!(names(&set), told(&[("cpu.max.burst", "30000", "0"), ("cpu.max", "90000 200000", "20000 100000")]));
        assert_eq!(cpu(new.path(), 2, 0.3).expect("reads").len(), 1, "so much may be saved up");
        let old =
            folder(&[("cpu.cfs_period_us", "100000\n"), ("cpu.cfs_quota_us", "-1\n"), ("cpu.cfs_burst_us", "30000\n")]);
        let set = cpu(old.path(), 1, 0.2).expect("reads");
        assert_eq!(names(&set), told(&[("cpu.cfs_burst_us", "30000", "0"), ("cpu.cfs_quota_us", "-1", "20000")]));
    }

    #[test]
    fn a_group_without_the_controller_is_told_who_hands_it_on() {
        let top = folder(&[]);
        let group = top.path().join("app");
        crate::host::linux::cgroup::make(&group).expect("makes it");
        let place = Place { version: 2, controller: Controller::Pids, folder: group, is_root: false };
        let told = settings(&Limit::Pids { most: PidsRoom::Max(5) }, &place).expect_err("no pids.max").to_string();
        let file = top.path().join("cgroup.subtree_control");
        assert!(told.contains(&format!("writes +pids into {}", file.display())), "{told}");
    }

    #[test]
    fn memory_that_is_in_use_is_squeezed_in_steps_of_whole_pages() {
        let used = folder(&[("memory.max", "max\n"), ("memory.current", "104857600\n")]);
        let planned = memory(used.path(), 2, 20_000_001).expect("reads");
        let [setting] = planned.settings.as_slice() else { panic!("one value: {planned:?}") };
        assert_eq!((setting.ours.len(), setting.last()), (20, "19996672"));
        let values: Vec<u64> = setting.ours.iter().map(|value| value.parse().expect("a number")).collect();
        assert!(
            values.is_sorted_by(|one, next| one > next) && values.iter().all(|value| value % 4096 == 0),
            "{values:?}"
        );
        assert!(planned.notes[0].contains("kills in the group where that is not enough"), "{:?}", planned.notes);
    }

    #[test]
    fn memory_that_is_free_is_limited_at_once() {
        let free = folder(&[("memory.limit_in_bytes", "9223372036854771712\n"), ("memory.usage_in_bytes", "4096\n")]);
        let planned = memory(free.path(), 1, 64 << 20).expect("reads");
        assert_eq!(planned.settings[0].ours, ["67108864"]);
        assert!(planned.notes.is_empty());
    }

    #[test]
    fn processes_are_counted_from_those_that_are_there() {
        let group = folder(&[("pids.max", "max\n"), ("pids.current", "12\n")]);
        assert_eq!(names(&pids(group.path(), PidsRoom::Leave(2)).expect("reads")), told(&[("pids.max", "max", "14")]));
        assert_eq!(names(&pids(group.path(), PidsRoom::Max(5)).expect("reads")), told(&[("pids.max", "max", "5")]));
    }

    fn io_limit() -> Limit {
        let (read_bps, write_iops) = (Some(ByteRate(1048576.0)), Some(Rate(50.0)));
        Limit::Io { path: "/".into(), read_bps, write_bps: None, read_iops: None, write_iops }
    }

    #[test]
    fn a_disk_has_a_file_for_each_number_in_version_1() {
        let group = folder(&[("blkio.throttle.read_bps_device", "8:0 77\n"), ("blkio.throttle.write_iops_device", "")]);
        let set = throttle(group.path(), "8:0", &io_limit()).expect("reads");
        assert_eq!(
            names(&set),
            told(&[
                ("blkio.throttle.read_bps_device", "77", "1048576"),
                ("blkio.throttle.write_iops_device", "0", "50")
            ])
        );
    }

    #[test]
    fn a_disk_has_one_line_in_version_2_and_what_is_not_asked_stays() {
        let group = folder(&[("io.max", "8:0 rbps=77 wbps=9 riops=max wiops=max\n")]);
        let set = io_max(group.path(), "8:0", &io_limit()).expect("reads");
        assert_eq!(names(&set), told(&[("io.max", "77", "1048576"), ("io.max", "max", "50")]));
        let lines: Vec<String> = set.iter().map(|one| one.line(one.last())).collect();
        assert_eq!(lines, ["8:0 rbps=1048576", "8:0 wiops=50"], "and wbps is not touched");
        let fresh = io_max(group.path(), "254:0", &io_limit()).expect("reads");
        assert_eq!(names(&fresh), told(&[("io.max", "max", "1048576"), ("io.max", "max", "50")]));
    }

    #[test]
    fn what_is_set_is_read_back() {
        let group = folder(&[("pids.max", "max\n"), ("pids.current", "12\n")]);
        let planned = pids(group.path(), PidsRoom::Max(5)).expect("reads");
        set(&planned[0], "5").expect("sets");
        assert_eq!(std::fs::read_to_string(&planned[0].file).expect("reads"), "5");
        let gone = super::GroupSetting { file: group.path().join("gone"), ..planned[0].clone() };
        assert!(set(&gone, "5").is_err(), "a limit on a group that is gone is none");
    }
}

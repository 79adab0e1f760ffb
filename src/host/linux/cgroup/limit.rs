//! Which values a limit is, in version 1 and 2.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Place;
use super::value::{put, read, unlimited};
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
        Trouble::new(format!("limit the control group {}", group.display()), error)
            .help(format!("is the controller {} there? `chaos doctor` says so", place.controller))
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
                _ => vec![io_max(group, &device, limit).map_err(trouble)?],
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
    let there = read(&setting.file, setting.device.as_deref()).map_err(|error| Trouble::new(what(), error))?;
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

fn value(group: &Path, name: &str, ours: Vec<String>) -> io::Result<GroupSetting> {
    let file = group.join(name);
    Ok(GroupSetting { before: read(&file, None)?, file, device: None, ours })
}

fn cpu(group: &Path, version: u8, cores: f64) -> io::Result<Vec<GroupSetting>> {
    let quota = |period: u64| ((period as f64 * cores).round() as u64).max(1000).to_string();
    if version != 1 {
        return Ok(vec![value(group, "cpu.max", vec![format!("{} {PERIOD}", quota(PERIOD))])?]);
    }
    let mut period = value(group, "cpu.cfs_period_us", Vec::new())?;
    let there = period.before.parse().unwrap_or(PERIOD);
    if there >= SHORTEST_PERIOD {
        return Ok(vec![value(group, "cpu.cfs_quota_us", vec![quota(there)])?]);
    }
    period.ours = vec![PERIOD.to_string()];
    Ok(vec![period, value(group, "cpu.cfs_quota_us", vec![quota(PERIOD)])?])
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
        Ok(GroupSetting { file, device: Some(device.to_owned()), before, ours: vec![number.to_string()] })
    };
    asked.map(one).collect()
}

/// Version 2: one line for all of them. What is not asked stays as it is.
fn io_max(group: &Path, device: &str, limit: &Limit) -> io::Result<GroupSetting> {
    let file: PathBuf = group.join("io.max");
    let before = read(&file, Some(device))?;
    let keys = ["rbps", "wbps", "riops", "wiops"];
    let old = |key: &str| {
        let of =
            |line: &'static str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let there = before.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        there.or_else(|| of(unlimited(&file))).unwrap_or("max").to_owned()
    };
    let words = keys.iter().zip(numbers(limit)).map(|(key, number)| {
        let value = number.map_or_else(|| old(key), |number| number.to_string());
        format!("{key}={value}")
    });
    let ours = vec![words.collect::<Vec<_>>().join(" ")];
    Ok(GroupSetting { file, device: Some(device.to_owned()), before, ours })
}

#[cfg(test)]
mod tests {
    use super::{cpu, io_max, memory, pids, set, throttle};
    use crate::host::linux::cgroup::testing::folder;
    use crate::model::cgroup::{Limit, PidsRoom};
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
        let group = folder(&[("io.max", "8:0 rbps=max wbps=9 riops=max wiops=max\n")]);
        let set = io_max(group.path(), "8:0", &io_limit()).expect("reads");
        assert_eq!(
            (set.before.as_str(), set.last()),
            ("rbps=max wbps=9 riops=max wiops=max", "rbps=1048576 wbps=9 riops=max wiops=50")
        );
        let fresh = io_max(group.path(), "254:0", &io_limit()).expect("reads");
        assert_eq!(fresh.before, "rbps=max wbps=max riops=max wiops=max");
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

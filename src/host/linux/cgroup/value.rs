//! Values in files of control groups: read, written, and compared as the kernel writes them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use rustix::io::Errno;

use crate::host::Trouble;
use crate::model::cgroup::{GroupSetting, Whose};

/// The value that is there now; none when the group is gone.
pub fn now(setting: &GroupSetting) -> Result<Option<String>, Trouble> {
    match of(setting) {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(Trouble::new(format!("read {}", setting.file.display()), error)),
    }
}

/// Sets a value; content when the group is gone.
pub fn write(setting: &GroupSetting, value: &str) -> Result<(), Trouble> {
    match put(&setting.file, &setting.line(value)) {
        Ok(()) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(error) => {
            Err(Trouble::new(format!("write `{}` into {}", setting.line(value), setting.file.display()), error))
        }
    }
}

/// Sets the old value again if one of ours is there, and leaves it as it is if it is somebody else's. The kernel has no way
/// to compare and set in one: who sets a value in the microseconds between is overwritten.
pub fn restore(setting: &GroupSetting) -> Result<(), Trouble> {
    match setting.whose(now(setting)?.as_deref()) {
        Whose::Ours => write(setting, &setting.before),
        Whose::Before | Whose::Nobodys | Whose::Others(_) => Ok(()),
    }
}

/// The value that is there now.
pub(super) fn of(setting: &GroupSetting) -> io::Result<String> {
    let value = read(&setting.file, setting.device.as_deref())?;
    Ok(setting.key.as_deref().map_or_else(|| value.clone(), |key| number_of(&value, key)))
}

/// One number of a line of several, `max` where it is not there: `rbps=5 wbps=max`.
fn number_of(line: &str, key: &str) -> String {
    let number = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    number.unwrap_or("max").to_owned()
}

/// A value; that of a device where the file has a line for each. A device without a line has no limit.
pub(super) fn read(file: &Path, device: Option<&str>) -> io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    let Some(device) = device else { return Ok(text.trim().to_owned()) };
    let value = text.lines().find_map(|line| line.strip_prefix(device)?.strip_prefix(' '));
    Ok(value.unwrap_or(unlimited(file)).trim().to_owned())
}

/// What stands for no limit of a device. Version 1 has a file for each number, version 2 one for all.
pub(super) fn unlimited(file: &Path) -> &'static str {
    if file.file_name().is_some_and(|name| name == "io.max") { "rbps=max wbps=max riops=max wiops=max" } else { "0" }
}

/// The kernel takes a value in one write.
pub(super) fn put(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(file)?.write_all(text.as_bytes())
}

/// The group is no more, or is just going.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::NODEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::{now, restore, write};
    use crate::host::linux::cgroup::testing::folder;
    use crate::model::cgroup::GroupSetting;

    fn setting(file: &std::path::Path, device: Option<&str>) -> GroupSetting {
        let device = device.map(ToOwned::to_owned);
        GroupSetting { file: file.to_owned(), device, key: None, before: String::new(), ours: Vec::new() }
    }

    #[test]
    fn a_value_is_read_without_its_line_end_and_of_its_device_only() {
        let group = folder(&[
            ("memory.max", "max\n"),
            ("io.max", "8:16 rbps=1 wbps=max riops=max wiops=max\n254:0 rbps=5 wbps=max riops=max wiops=max\n"),
            ("blkio.throttle.read_bps_device", "254:0 1048576\n"),
        ]);
        let value = |name: &str, device| now(&setting(&group.path().join(name), device)).expect("reads");
        assert_eq!(value("memory.max", None).as_deref(), Some("max"));
        assert_eq!(value("io.max", Some("254:0")).as_deref(), Some("rbps=5 wbps=max riops=max wiops=max"));
        assert_eq!(value("io.max", Some("4:0")).as_deref(), Some("rbps=max wbps=max riops=max wiops=max"), "no line");
        assert_eq!(value("blkio.throttle.read_bps_device", Some("254:0")).as_deref(), Some("1048576"));
        assert_eq!(value("blkio.throttle.read_bps_device", Some("8:0")).as_deref(), Some("0"));
        assert_eq!(value("gone", None), None);
    }

    #[test]
    fn one_number_of_a_line_is_read_and_written_alone() {
        let group = folder(&[("io.max", "8:16 rbps=1 wbps=max riops=max wiops=max\n254:0 rbps=5 wbps=7 riops=max\n")]);
        let of = |device, key: &str| GroupSetting {
            key: Some(key.into()),
            before: "max".into(),
            ours: vec!["5".into()],
            ..setting(&group.path().join("io.max"), Some(device))
        };
        let value = |device, key| now(&of(device, key)).expect("reads").expect("is there");
        assert_eq!((value("254:0", "rbps"), value("254:0", "wbps")), ("5".into(), "7".into()));
        assert_eq!((value("254:0", "wiops"), value("4:0", "rbps")), ("max".into(), "max".into()), "not there");
        restore(&of("254:0", "wbps")).expect("leaves what somebody else set");
        assert_eq!(value("254:0", "wbps"), "7");
        restore(&of("254:0", "rbps")).expect("sets it back, whatever became of the other numbers");
        let written = std::fs::read_to_string(group.path().join("io.max")).expect("reads");
        assert_eq!(written, "254:0 rbps=max", "the kernel leaves numbers that are not named as they are");
    }

    #[test]
    fn what_is_ours_is_set_back_and_what_is_somebody_elses_is_left() {
        let group = folder(&[("pids.max", "5\n"), ("memory.max", "7\n")]);
        let of = |name: &str| GroupSetting {
            before: "max".into(),
            ours: vec!["9".into(), "5".into()],
            ..setting(&group.path().join(name), None)
        };
        restore(&of("pids.max")).expect("sets it back");
        restore(&of("memory.max")).expect("leaves it");
        restore(&of("gone")).expect("is content");
        assert_eq!(now(&of("pids.max")).expect("reads").as_deref(), Some("max"));
        assert_eq!(now(&of("memory.max")).expect("reads").as_deref(), Some("7"));
        restore(&of("pids.max")).expect("again");
        assert_eq!(now(&of("pids.max")).expect("reads").as_deref(), Some("max"));
    }

    #[test]
    fn a_value_of_a_device_is_written_behind_its_number() {
        let group = folder(&[("io.max", "")]);
        let file = group.path().join("io.max");
        write(&setting(&file, Some("254:0")), "rbps=max").expect("writes");
        assert_eq!(std::fs::read_to_string(&file).expect("reads"), "254:0 rbps=max");
        write(&setting(&group.path().join("gone"), None), "1").expect("what is gone has no limit");
        assert!(!group.path().join("gone").exists(), "and nothing is made");
    }
}

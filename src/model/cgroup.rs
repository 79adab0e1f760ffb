//! Control groups as plain data: what is limited, which values of which files that changes, and whose a value is.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::units::{ByteRate, Bytes, Rate, Share, Timespan};

/// What a hierarchy of control groups can be asked to control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
    /// Block devices; `blkio` in version 1.
    Io,
    /// How many processes and threads there are.
    Pids,
    /// The account of CPU time, which is a controller of its own in version 1 only.
    CpuAccount,
}

impl Controller {
    /// What the kernel calls it; none where this version has no such controller.
    pub const fn name(self, version: u8) -> Option<&'static str> {
        match (self, version) {
            (Self::Cpu, _) => Some("cpu"),
            (Self::Memory, _) => Some("memory"),
            (Self::Io, 1) => Some("blkio"),
            (Self::Io, _) => Some("io"),
            (Self::Pids, _) => Some("pids"),
            (Self::CpuAccount, 1) => Some("cpuacct"),
            (Self::CpuAccount, _) => None,
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name(2).unwrap_or("cpuacct"))
    }
}

/// A limit on everything in a control group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// CPU time.
    Cpu {
        /// Share of the time of one core, for each of so many.
        quota: Share,
        /// How many cores' worth.
        cores: u32,
    },
    /// Memory, the page cache that it brought in included.
    Memory {
        /// How much.
        size: Bytes,
        /// Lowered in steps over so long where more is used.
        ramp: Timespan,
    },
    /// The disk that a folder is on.
    Io {
        /// The folder.
        path: PathBuf,
        /// Bytes read a second.
        read_bps: Option<ByteRate>,
        /// Bytes written a second.
        write_bps: Option<ByteRate>,
        /// Operations that read a second.
        read_iops: Option<Rate>,
        /// Operations that write a second.
        write_iops: Option<Rate>,
    },
    /// Processes and threads.
    Pids {
        /// How many at most.
        most: PidsRoom,
    },
}

/// How many processes and threads there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PidsRoom {
    /// So many.
    Max(u64),
    /// So many more than there are when the limit is set.
    Leave(u64),
}

impl Limit {
    /// What controls it.
    pub const fn controller(&self) -> Controller {
        match self {
            Self::Cpu { .. } => Controller::Cpu,
            Self::Memory { .. } => Controller::Memory,
            Self::Io { .. } => Controller::Io,
            Self::Pids { .. } => Controller::Pids,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { quota, cores: 1 } => write!(f, "at most {quota} of a core"),
            Self::Cpu { quota, cores } => write!(f, "at most {quota} of each of {cores} cores"),
            Self::Memory { size, .. } => write!(f, "at most {size} of memory"),
            Self::Io { path, read_bps, write_bps, read_iops, write_iops } => {
                let bytes = [("read", read_bps), ("written", write_bps)];
                let bytes = bytes.iter().filter_map(|(how, rate)| rate.map(|rate| format!("{rate} {how}")));
                let operations = [("reads", read_iops), ("writes", write_iops)];
                let operations = operations.iter().filter_map(|(how, rate)| rate.map(|rate| format!("{rate} {how}")));
                let all: Vec<String> = bytes.chain(operations).collect();
                write!(f, "at most {} on the disk of {}", all.join(", "), path.display())
            }
            Self::Pids { most: PidsRoom::Max(max) } => write!(f, "at most {max} processes and threads"),
            Self::Pids { most: PidsRoom::Leave(more) } => {
                write!(f, "at most {more} more processes and threads than now")
            }
        }
    }
}

/// A value in a file of a control group: what was there, and what we set. Kept in the journal before it is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSetting {
    /// The file.
    pub file: PathBuf,
    /// The device, where the file has a line for each: `254:0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The one number, where the device has several in one line that can be set one by one: `rbps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was there, as the kernel wrote it.
    pub before: String,
    /// What we set, as the kernel writes it: one after the other, the last of which stays.
    pub ours: Vec<String>,
}

/// Whose a value is that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The group is gone, and its values with it.
    Nobodys,
    /// What was there before us.
    Before,
    /// One of those that we set.
    Ours,
    /// Somebody else set this meanwhile.
    Others(String),
}

impl GroupSetting {
    /// Whose the value is that is there now; none is there when the group is gone.
    pub fn whose(&self, now: Option<&str>) -> Whose {
        match now {
            None => Whose::Nobodys,
            Some(now) if now == self.before => Whose::Before,
            Some(now) if self.ours.iter().any(|ours| ours == now) => Whose::Ours,
            Some(now) => Whose::Others(now.to_owned()),
        }
    }

    /// Whether this is about the same value as another.
    pub fn is_of_same(&self, other: &Self) -> bool {
        (&self.file, &self.device, &self.key) == (&other.file, &other.device, &other.key)
    }

    /// The value that stays.
    pub fn last(&self) -> &str {
        self.ours.last().unwrap_or(&self.before)
    }

    /// What is written into the file for a value.
    pub fn line(&self, value: &str) -> String {
        let value = self.key.as_ref().map_or_else(|| value.to_owned(), |key| format!("{key}={value}"));
        self.device.as_ref().map_or_else(|| value.clone(), |device| format!("{device} {value}"))
    }
}

impl fmt::Display for GroupSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match (&self.device, &self.key) {
            (Some(device), Some(key)) => write!(f, " ({device} {key})"),
            (Some(one), None) | (None, Some(one)) => write!(f, " ({one})"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GroupSetting, Limit, Whose};
    use crate::model::units::{ByteRate, Rate, Share};

    #[test]
    fn a_value_is_told_to_be_ours_old_or_somebody_elses() {
        let setting = GroupSetting {
            file: "/g/memory.max".into(),
            device: None,
            key: None,
            before: "max".into(),
            ours: vec!["8".into(), "4".into()],
        };
        assert_eq!(setting.whose(None), Whose::Nobodys);
        assert_eq!(setting.whose(Some("max")), Whose::Before);
        assert_eq!(
            (setting.whose(Some("8")), setting.whose(Some("4"))),
            (Whose::Ours, Whose::Ours),
            "half lowered, too"
        );
        assert_eq!(setting.whose(Some("5")), Whose::Others("5".into()));
    }

    #[test]
    fn limits_are_told_in_words() {
        assert_eq!(Limit::Cpu { quota: Share(0.2), cores: 1 }.to_string(), "at most 20% of a core");
        let io = Limit::Io {
            path: "/var".into(),
            read_bps: Some(ByteRate(1048576.0)),
            write_bps: None,
            read_iops: None,
            write_iops: Some(Rate(50.0)),
        };
        assert_eq!(io.to_string(), "at most 1MiB/s read, 50/s writes on the disk of /var");
    }
}

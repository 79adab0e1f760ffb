//! What a control group has used and how often it was held, as the kernel counts it since the group was made.

use std::path::{Path, PathBuf};

use super::Place;
use super::value::read;
use crate::model::dose::GroupReading;

/// Where the counters of a group are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The group.
    pub place: Place,
    /// The same group in the hierarchy that accounts for CPU time, where that is another one (version 1).
    pub account: Option<PathBuf>,
    /// The disk, as `MAJOR:MINOR`.
    pub device: Option<String>,
}

/// What a group has used and how often it was held. What is not counted is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    cpu: Option<u64>,
    periods: u64,
    throttled: u64,
    memory: u64,
    memory_hits: u64,
    killed: u64,
    bytes: [u64; 2],
    operations: [u64; 2],
    processes: u64,
    refused: u64,
}

impl Counters {
    /// As they are now.
    pub fn read(source: &Source) -> Self {
        let Source { place: Place { version, folder, .. }, account, device } = source;
        let text = |name: &str| read(&folder.join(name), None).unwrap_or_default();
        let number = |name: &str| text(name).parse().unwrap_or_default();
        let cpu = text("cpu.stat");
        let mut counters = Self {
            periods: named(&cpu, "nr_periods"),
            throttled: named(&cpu, "nr_throttled"),
            processes: number("pids.current"),
            refused: named(&text("pids.events"), "max"),
            ..Self::default()
        };
        if *version == 1 {
            counters.cpu = account.as_deref().and_then(account_of);
            counters.memory = number("memory.usage_in_bytes");
            counters.memory_hits = number("memory.failcnt");
            counters.killed = named(&text("memory.oom_control"), "oom_kill");
        } else {
            counters.cpu = Some(named(&cpu, "usage_usec") * 1000).filter(|_| !cpu.is_empty());
            let events = text("memory.events");
            counters.memory = number("memory.current");
            counters.memory_hits = named(&events, "max");
            counters.killed = named(&events, "oom_kill");
        }
        if let Some(device) = device {
            let both = |file: &str, keys: [&str; 2]| keys.map(|key| of_device(&text(file), device, key));
            (counters.bytes, counters.operations) = match version {
                1 => (
                    both("blkio.throttle.io_service_bytes", ["Read", "Write"]),
                    both("blkio.throttle.io_serviced", ["Read", "Write"]),
                ),
                _ => (both("io.stat", ["rbytes", "wbytes"]), both("io.stat", ["rios", "wios"])),
            };
        }
        counters
    }

    /// The same, but those killed are counted from an earlier moment on.
    pub const fn with_kills_since(self, earlier: &Self) -> Self {
        Self { killed: earlier.killed, ..self }
    }

    /// What came since then.
    pub fn since(&self, then: &Self) -> GroupReading {
        let both = |now: [u64; 2], then: [u64; 2]| [now[0].saturating_sub(then[0]), now[1].saturating_sub(then[1])];
        GroupReading {
            cpu: self.cpu.zip(then.cpu).map(|(now, then)| now.saturating_sub(then)),
            periods: self.periods.saturating_sub(then.periods),
            throttled: self.throttled.saturating_sub(then.throttled),
            memory: self.memory,
            memory_hits: self.memory_hits.saturating_sub(then.memory_hits),
            killed: self.killed.saturating_sub(then.killed),
            bytes: both(self.bytes, then.bytes),
            operations: both(self.operations, then.operations),
            processes: self.processes,
            refused: self.refused.saturating_sub(then.refused),
            ..GroupReading::default()
        }
    }
}

fn account_of(folder: &Path) -> Option<u64> {
    read(&folder.join("cpuacct.usage"), None).ok()?.parse().ok()
}

/// The number behind a name at the start of a line.
fn named(text: &str, name: &str) -> u64 {
    let number = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
    number.unwrap_or_default()
}

/// Version 1 writes a line for each number (`8:0 Read 5`), version 2 one for each device (`8:0 rbytes=5 wbytes=6`).
fn of_device(text: &str, device: &str, key: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(device)?.strip_prefix(' '));
    let number = lines.flat_map(|line| {
        let alone = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(' '));
        let among = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        alone.or(among).and_then(|number| number.trim().parse::<u64>().ok())
    });
    number.sum()
}

#[cfg(test)]
mod tests {
    use super::{Counters, Source};
    use crate::host::linux::cgroup::Place;
    use crate::host::linux::cgroup::testing::folder;
    use crate::model::cgroup::Controller;

    fn source(folder: &tempfile::TempDir, version: u8) -> Source {
        let place = Place { version, controller: Controller::Io, folder: folder.path().to_owned(), is_root: false };
        let account = (version == 1).then(|| folder.path().to_owned());
        Source { place, account, device: Some("254:0".into()) }
    }

    #[test]
    fn version_1_counts_in_many_files() {
        let group = folder(&[
            ("cpu.stat", "nr_periods 20\nnr_throttled 9\nthrottled_time 5\n"),
            ("cpuacct.usage", "123456\n"),
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.failcnt", "7\n"),
            ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ("blkio.throttle.io_service_bytes", "8:0 Read 1\n254:0 Read 100\n254:0 Write 200\n254:0 Total 300\n"),
            ("blkio.throttle.io_serviced", "254:0 Read 3\n254:0 Write 4\nTotal 7\n"),
            ("pids.current", "12\n"),
            ("pids.events", "max 5\n"),
        ]);
        let reading = Counters::read(&source(&group, 1)).since(&Counters { cpu: Some(56), ..Counters::default() });
        assert_eq!((reading.cpu, reading.periods, reading.throttled), (Some(123_400), 20, 9));
        assert_eq!((reading.memory, reading.memory_hits, reading.killed), (4096, 7, 2));
        assert_eq!((reading.bytes, reading.operations), ([100, 200], [3, 4]));
        assert_eq!((reading.processes, reading.refused), (12, 5));
    }

    #[test]
    fn version_2_counts_in_few() {
        let group = folder(&[
            ("cpu.stat", "usage_usec 123\nuser_usec 100\nnr_periods 20\nnr_throttled 9\nthrottled_usec 5\n"),
            ("memory.current", "4096\n"),
            ("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0\n"),
            (
                "io.stat",
                "8:0 rbytes=1 wbytes=1 rios=1 wios=1 dbytes=0 dios=0\n254:0 rbytes=100 wbytes=200 rios=3 wios=4\n",
            ),
            ("pids.current", "12\n"),
            ("pids.events", "max 5\n"),
        ]);
        let then = Counters { cpu: Some(23_000), memory_hits: 6, refused: 5, ..Counters::default() };
        let reading = Counters::read(&source(&group, 2)).since(&then);
        assert_eq!((reading.cpu, reading.periods, reading.throttled), (Some(100_000), 20, 9));
        assert_eq!((reading.memory, reading.memory_hits, reading.killed), (4096, 1, 2));
        assert_eq!((reading.bytes, reading.operations), ([100, 200], [3, 4]));
        assert_eq!(reading.refused, 0);
    }

    #[test]
    fn who_is_killed_while_a_limit_is_lowered_counts() {
        let before = Counters { killed: 1, memory_hits: 2, ..Counters::default() };
        let after = Counters { killed: 3, memory_hits: 9, ..Counters::default() };
        let reading = after.since(&after.with_kills_since(&before));
        assert_eq!((reading.killed, reading.memory_hits), (2, 0));
    }

    #[test]
    fn what_is_not_there_counts_as_nothing() {
        assert_eq!(Counters::read(&source(&folder(&[]), 2)), Counters::default());
    }
}

//! `probe: host`: one number of this machine a sample.

use std::path::PathBuf;
use std::pin::Pin;

use super::Surroundings;
use super::failure::one_line;
use super::share::{Look, ShareMeter};
use crate::host::system::{self, DiskInfo, MemoryInfo};
use crate::host::{Prober, Trouble};
use crate::model::about::ProbeAbout;
use crate::model::probe::{HostMeasure, HostProbe};
use crate::model::sample::{Measurement, Outcome};

/// What the catalogue says of it.
pub(super) const ABOUT: ProbeAbout = ProbeAbout {
    word: "host",
    summary: "one number of this machine: CPU, memory, disk or load",
    errors: "none",
    no_data: "/proc or the file system says nothing",
    metrics: "value, and p0 to p100, median, mean, min, max of it",
    privileges: "none",
    example: &["measure: cpu", "interval: 1s", "expect: [mean <= 90%]"],
};

enum Host {
    Cpu(ShareMeter),
    Memory,
    Disk(PathBuf),
    Load,
}

/// Prepares the probe.
pub(super) fn prepare(host: &HostProbe, around: &Surroundings) -> Result<impl Prober + use<>, Trouble> {
    Ok(match host.measure {
        HostMeasure::Cpu => {
            let look = look().ok_or_else(|| Trouble::new("read how busy the cores are", "/proc/stat says nothing"))?;
            Host::Cpu(ShareMeter::new(around.clock, look))
        }
        HostMeasure::Memory => Host::Memory,
        HostMeasure::Disk => Host::Disk(disk_path(host)?),
        HostMeasure::Load => Host::Load,
    })
}

fn disk_path(host: &HostProbe) -> Result<PathBuf, Trouble> {
    let path = host.path.clone().unwrap_or_else(|| PathBuf::from("/"));
    system::disk(&path)
        .map_err(|error| Trouble::new(format!("look at the file system of {}", path.display()), error))
        .map(|_| path)
}

fn look() -> Option<Look> {
    system::cpu_times().map(|times| Look { busy: times.busy, total: times.total })
}

impl Prober for Host {
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
        Box::pin(async {
            let value = match self {
                Self::Cpu(meter) => meter.share(look).await.map(|share| share.min(1.0)).ok_or("/proc/stat"),
                Self::Memory => system::memory().map(|memory| used(&memory)).ok_or("/proc/meminfo"),
                Self::Load => system::load().ok_or("/proc/loadavg"),
                Self::Disk(path) => return disk(path.clone()).await,
            };
            match value {
                Ok(value) => Measurement::value(value),
                Err(file) => Measurement::failed(Outcome::NoData, format!("{file} says nothing")),
            }
        })
    }
}

/// Asked in a thread of its own: a file system that hangs must not hang the other probes.
async fn disk(path: PathBuf) -> Measurement {
    match tokio::task::spawn_blocking(move || system::disk(&path)).await {
        Ok(Ok(disk)) => Measurement::value(full(&disk)),
        Ok(Err(error)) => Measurement::failed(Outcome::NoData, one_line(&error.to_string())),
        Err(_) => Measurement::failed(Outcome::NoData, "given up"),
    }
}

/// The share of memory that is not available.
fn used(memory: &MemoryInfo) -> f64 {
    1.0 - memory.available.min(memory.total) as f64 / memory.total as f64
}

/// The share of a file system that is used, of what its users may use at all, as `df` counts. Not a number for one
/// without blocks, such as `/proc`.
fn full(disk: &DiskInfo) -> f64 {
    let used = disk.total.saturating_sub(disk.free) as f64;
    used / (used + disk.available as f64)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::full;
    use crate::host::system::DiskInfo;
    use crate::model::probe::{HostMeasure, HostProbe, ProbeKind};
    use crate::model::sample::Outcome;
    use crate::probe::testing::{refused, sample, spec};

    fn look(measure: HostMeasure, path: Option<&str>) -> ProbeKind {
        ProbeKind::Host(HostProbe { measure, path: path.map(PathBuf::from) })
    }

    #[tokio::test]
    async fn shares_of_this_machine_lie_between_nothing_and_everything() {
        for measure in [HostMeasure::Cpu, HostMeasure::Memory, HostMeasure::Disk] {
            let share = sample(&spec(look(measure, None))).await.value.expect("a share");
            assert!((0.0..=1.0).contains(&share), "{measure:?}: {share}");
        }
        assert!(sample(&spec(look(HostMeasure::Load, None))).await.value.is_some_and(|load| load >= 0.0));
    }

    #[tokio::test]
    async fn a_file_system_without_room_has_no_share() {
        assert_eq!(sample(&spec(look(HostMeasure::Disk, Some("/proc")))).await.outcome, Outcome::NoData);
    }

    #[test]
    fn a_disk_is_full_when_its_users_have_no_room() {
        let disk = DiskInfo { total: 1000, free: 50, available: 0 };
        assert_eq!(full(&disk), 1.0, "the reserve of the superuser is no room");
        assert_eq!(full(&DiskInfo { total: 1000, free: 550, available: 450 }), 0.5);
    }

    #[test]
    fn a_path_that_is_not_there_is_refused_before_the_run() {
        let trouble = refused(look(HostMeasure::Disk, Some("/no/such/place")));
        assert!(trouble.to_string().contains("/no/such/place"), "{trouble}");
    }
}

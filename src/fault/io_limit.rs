//! `io.limit`: a target reads and writes a disk no faster than so many bytes or operations a second.

use crate::fault::group_limit::{limit_plan, unfelt};
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::cgroup::Controller;
use crate::model::dose::{Dose, DosePart, GroupReading};
use crate::model::fault::{FaultKind, FaultSpec, IoLimit, TargetKind};
use crate::model::units::{ByteRate, Rate};

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "io.limit",
    summary: "a target reads and writes a disk no faster than so many bytes or operations a second",
    breaks: "a disk that others share, a volume that ran out of its credits",
    mechanism: "the limits of the target's own control group for the disk (`io.max`, in version 1 \
        `blkio.throttle.*_device`); they reach files that are already open",
    privileges: "root, or control groups that were handed to this user",
    dose: "the limits are read back, and what the group read and wrote is measured: one of the limits must have \
        been reached, none exceeded",
    undo: "the old limits are set again, if ours are still there; in a group of ours the group goes, too",
    remains: "what waits in the target's queues. Version 1 does not hold writes that go to the page cache: only \
        direct ones and those that are made to last (fsync)",
    targets: &[TargetKind::Process],
    needs: Need::Group(Controller::Io),
    example: &["path: /var/tmp", "write_bps: 1MiB/s"],
};

/// From this share of a limit on it was felt. A target that waits for each operation stays a little below.
const FELT: f64 = 0.8;
/// Up to this share of it a limit was kept: what was under way when it was set is counted, too.
const KEPT: f64 = 1.25;

pub(super) fn plan(fault: &FaultSpec, settings: &IoLimit, facts: &Facts) -> Result<FaultPlan, String> {
    let limit = FaultKind::IoLimit(settings.clone()).limit();
    limit.map_or_else(|| Err("it limits nothing".to_owned()), |limit| limit_plan(fault, limit, facts))
}

pub(super) fn dose(settings: &IoLimit, reading: &GroupReading) -> Dose {
    let seconds = reading.elapsed.as_secs_f64();
    if seconds <= 0.0 {
        return words::unmeasured("no time passed while the limit was in place");
    }
    let bytes = |what: &'static str, limit: Option<ByteRate>, count: u64| {
        let rate = ByteRate(count as f64 / seconds);
        limit.map(|limit| (words::part(what, format!("at most {limit}"), rate, rate.0), rate.0 / limit.0))
    };
    let operations = |what: &'static str, limit: Option<Rate>, count: u64| {
        let rate = Rate(count as f64 / seconds);
        limit.map(|limit| (words::part(what, format!("at most {limit}"), rate, rate.0), rate.0 / limit.0))
    };
    let all = [
        bytes("bytes read", settings.read_bps, reading.bytes[0]),
        bytes("bytes written", settings.write_bps, reading.bytes[1]),
        operations("reads", settings.read_iops, reading.operations[0]),
        operations("writes", settings.write_iops, reading.operations[1]),
    ];
    let (parts, shares): (Vec<DosePart>, Vec<f64>) = all.into_iter().flatten().unzip();
    let most = shares.iter().copied().fold(0.0, f64::max);
    let never = "the target wanted less of the disk than it may have";
    let over = (most > KEPT).then(|| "the limit was not kept: the group read or wrote more".to_owned());
    Dose { parts, ineffective: unfelt(reading, most >= FELT, never).or(over) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::GroupReading;
    use crate::model::fault::{FaultKind, IoLimit, Target};
    use crate::model::units::{ByteRate, Rate};

    fn settings() -> IoLimit {
        let (read_bps, write_iops) = (Some(ByteRate(1e6)), Some(Rate(50.0)));
        IoLimit { path: "/var".into(), read_bps, write_bps: None, read_iops: None, write_iops }
    }

    fn reading(bytes_read: u64, writes: u64) -> GroupReading {
        let elapsed = Duration::from_secs(10);
        GroupReading { elapsed, bytes: [bytes_read, 0], operations: [0, writes], ..GroupReading::default() }
    }

    #[test]
    fn is_some_values_that_are_set_back() {
        conforms(&fault(FaultKind::IoLimit(settings()), Target::service("demo")));
    }

    #[test]
    fn one_limit_that_was_reached_is_a_dose() {
        assert_eq!(dose(&settings(), &reading(9_900_000, 3)).ineffective, None);
        assert_eq!(dose(&settings(), &reading(0, 490)).ineffective, None);
        let told = dose(&settings(), &reading(1_000_000, 100));
        assert!(told.ineffective.is_some_and(|why| why.contains("wanted less")));
        assert_eq!((told.parts.len(), told.parts[1].measured.as_str()), (2, "10/s"));
    }

    #[test]
    fn a_limit_that_was_not_kept_is_no_dose() {
        assert!(dose(&settings(), &reading(0, 5000)).ineffective.is_some_and(|why| why.contains("not kept")));
    }
}

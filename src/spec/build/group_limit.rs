//! The ranges of the settings of faults that limit a control group.

use crate::model::fault::FaultKind;
use crate::model::units::{Bytes, Timespan};

/// The kernel gives a group no less than 1 ms in each period of 100 ms.
const LEAST_QUOTA: f64 = 0.01;
/// Less than this holds no process at all.
const LEAST_MEMORY: Bytes = Bytes(1 << 20);
/// An act may not take much longer.
const LONGEST_RAMP: Timespan = Timespan::seconds(30);

/// Refuses what is out of range; `refuse` takes whether it is, the setting, the problem and what to write.
pub(super) fn settings(kind: &FaultKind, refuse: impl Fn(bool, &str, &str, &str)) {
    match kind {
        FaultKind::CpuLimit(fault) => {
            let little = fault.quota.0 < LEAST_QUOTA;
            refuse(little, "quota", "a quota below 1% cannot be set", "write 1% or more: 1ms in every 100ms");
            refuse(
                fault.cores == 0,
                "cores",
                "a quota of no core lets nothing run",
                "write 1 or more, or leave it out",
            );
        }
        FaultKind::MemoryLimit(fault) => {
            let help = "write 1MiB or more, such as `200MiB`";
            refuse(fault.size < LEAST_MEMORY, "size", "less than 1MiB holds no process", help);
            refuse(fault.ramp > LONGEST_RAMP, "ramp", "`ramp` is longer than 30s", "write a shorter time");
        }
        FaultKind::IoLimit(fault) => {
            let none = fault.read_bps.is_none()
                && fault.write_bps.is_none()
                && fault.read_iops.is_none()
                && fault.write_iops.is_none();
            let help = "write `read_bps`, `write_bps`, `read_iops` or `write_iops`, such as `read_bps: 1MiB/s`";
            refuse(none, "fault", "this `io.limit` limits nothing", help);
            refuse(fault.path.as_os_str().is_empty(), "path", "`path` is empty", "write a directory on the disk");
            for (key, rate) in [("read_bps", fault.read_bps), ("write_bps", fault.write_bps)] {
                let little = rate.is_some_and(|rate| rate.0 < 1.0);
                refuse(little, key, "less than a byte a second cannot be set", "write 1B/s or more");
            }
            for (key, rate) in [("read_iops", fault.read_iops), ("write_iops", fault.write_iops)] {
                let little = rate.is_some_and(|rate| rate.0 < 1.0);
                refuse(little, key, "less than one operation a second cannot be set", "write 1/s or more");
            }
        }
        FaultKind::PidsLimit(fault) => {
            let help = "write `leave: 0` for not one more than there are, or `max`";
            refuse(fault.max.is_none() && fault.leave.is_none(), "fault", "this `pids.limit` limits nothing", help);
            let both = fault.max.is_some() && fault.leave.is_some();
            refuse(both, "leave", "`leave` and `max` are two limits of the same thing", "write one of them");
            refuse(fault.max == Some(0), "max", "a target of no process does not exist", "write 1 or more");
        }
        // The rest is another file's.
        _ => {}
    }
}

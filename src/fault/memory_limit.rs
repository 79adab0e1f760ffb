//! `memory.limit`: a target gets no more memory, the page cache of its files included.

use crate::fault::group_limit::{limit_plan, unfelt};
use crate::fault::{FaultPlan, words};
use crate::host::Facts;
use crate::model::about::{About, Need};
use crate::model::cgroup::Controller;
use crate::model::dose::{Dose, GroupReading};
use crate::model::fault::{FaultKind, FaultSpec, MemoryLimit, TargetKind};
use crate::model::units::Bytes;

/// What the catalogue says of it.
pub(super) const ABOUT: About = About {
    word: "memory.limit",
    summary: "a target gets no more memory, the page cache of its files included",
    breaks: "a leak in a container, a limit that was set too tight",
    mechanism: "the limit of the target's own control group (`memory.max`, in version 1 `memory.limit_in_bytes`), \
        lowered in steps where more is used",
    privileges: "root, or control groups that were handed to this user",
    dose: "the limit is read back, and how often the group came up to it is counted",
    undo: "the old limit is set again, if ours is still there; in a group of ours the group goes, too",
    remains: "pages that were pushed out, and whoever the kernel killed in the group for want of memory",
    targets: &[TargetKind::Process],
    needs: Need::Group(Controller::Memory),
    example: &["size: 256MiB"],
};

pub(super) fn plan(fault: &FaultSpec, settings: &MemoryLimit, facts: &Facts) -> Result<FaultPlan, String> {
    let limit = FaultKind::MemoryLimit(settings.clone()).limit();
    limit.map_or_else(|| Err("it limits nothing".to_owned()), |limit| limit_plan(fault, limit, facts))
}

pub(super) fn dose(settings: &MemoryLimit, reading: &GroupReading) -> Dose {
    let (used, hits) = (Bytes(reading.memory), reading.memory_hits);
    let mut parts = vec![
        words::part("memory in use", format!("at most {}", settings.size), used, used.0 as f64),
        words::part("times at the limit", "some", hits, hits as f64),
    ];
    if reading.killed > 0 {
        parts.push(words::part("killed for want of memory", "-", reading.killed, reading.killed as f64));
    }
    let never = format!("the target never came up to the limit: it used {used} of {}", settings.size);
    Dose { parts, ineffective: unfelt(reading, hits > 0 || reading.killed > 0, &never) }
}

#[cfg(test)]
mod tests {
    use super::dose;
    use crate::fault::testing::{conforms, fault};
    use crate::model::dose::GroupReading;
    use crate::model::fault::{FaultKind, MemoryLimit, Target};
    use crate::model::units::{Bytes, Timespan};

    fn settings() -> MemoryLimit {
        MemoryLimit { size: Bytes(64 << 20), ramp: Timespan::seconds(2) }
    }

    #[test]
    fn is_one_value_that_is_set_back() {
        conforms(&fault(FaultKind::MemoryLimit(settings()), Target::service("demo")));
    }

    #[test]
    fn a_limit_that_was_never_reached_was_not_effective() {
        let reading = GroupReading { memory: 30 << 20, ..GroupReading::default() };
        let told = dose(&settings(), &reading);
        assert_eq!(told.ineffective.as_deref(), Some("the target never came up to the limit: it used 30MiB of 64MiB"));
        assert_eq!(dose(&settings(), &GroupReading { memory_hits: 1, ..reading }).ineffective, None);
    }

    #[test]
    fn whom_the_kernel_killed_is_told() {
        let told = dose(&settings(), &GroupReading { memory_hits: 9, killed: 1, ..GroupReading::default() });
        assert_eq!(told.parts.last().map(|part| part.what.as_str()), Some("killed for want of memory"));
    }
}

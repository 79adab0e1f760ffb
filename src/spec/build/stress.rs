//! The ranges of settings of the faults that take what a machine has.

use crate::model::fault::{Amount, DiskFill, DiskStress, FaultKind};
use crate::model::profile::Profile;
use crate::model::units::{Bytes, Timespan};

/// Less than this must never be left free: the machine needs room to put everything back.
const FLOOR: Bytes = Bytes(64 << 20);
const MOST_STEPS: u32 = 1000;

/// Judges them; `refuse` takes whether it is wrong, the key, what is wrong and what to write.
pub(super) fn settings(kind: &FaultKind, refuse: impl Fn(bool, &str, &str, &str)) {
    match kind {
        FaultKind::CpuStress(fault) => {
            refuse(fault.load.0 <= 0.0, "load", "a load of 0% breaks nothing", "write more than 0%");
            refuse(
                fault.cores == Some(0),
                "cores",
                "0 cores break nothing",
                "write 1 or more, or leave it out for all",
            );
            profile(fault.profile, refuse);
        }
        FaultKind::MemoryStress(fault) => {
            refuse(is_nothing(fault.size), "size", "a size of nothing breaks nothing", "write more than 0");
            let message = format!("{} is too little to leave free", fault.leave_free);
            refuse(fault.leave_free < FLOOR, "leave_free", &message, "write `64MiB` or more");
            profile(fault.profile, refuse);
        }
        FaultKind::DiskStress(fault) => disk(fault, refuse),
        FaultKind::DiskFill(fault) => fill(fault, refuse),
        _ => {}
    }
}

fn is_nothing(amount: Amount) -> bool {
    match amount {
        Amount::Bytes(size) => size.0 == 0,
        Amount::Available(share) => share.0 <= 0.0,
    }
}

fn disk(fault: &DiskStress, refuse: impl Fn(bool, &str, &str, &str)) {
    let (block, file) = (fault.block_size, fault.file_size);
    let right = block.0.is_power_of_two() && (512..=16 << 20).contains(&block.0);
    let message = format!("blocks of {block} do not exist");
    refuse(!right, "block_size", &message, "write a power of two from 512B to 16MiB, such as `4KiB`");
    let whole = file.0 >= block.0 && block.0 > 0 && file.0.is_multiple_of(block.0);
    let message = format!("a file of {file} does not hold whole blocks of {}", Bytes(block.0));
    refuse(right && !whole, "file_size", &message, "write a multiple of `block_size`");
    refuse(fault.path.as_os_str().is_empty(), "path", "`path` is empty", "write a directory");
    match (fault.iops, fault.bandwidth) {
        (None, None) => {
            refuse(
                true,
                "fault",
                "how much `disk.stress` does is missing",
                "write `iops: 500/s` or `bandwidth: 10MiB/s`",
            );
        }
        (Some(_), Some(_)) => {
            refuse(true, "bandwidth", "`iops` and `bandwidth` both say the pace", "write one of them")
        }
        (None, Some(bandwidth)) => {
            let operations = bandwidth.0 / block.0.max(1) as f64;
            let message = format!("{bandwidth} are {operations:.0} operations of {block} a second, at most 100000");
            refuse(right && operations > 100_000.0, "bandwidth", &message, "write less, or a larger `block_size`");
        }
        (Some(_), None) => {}
    }
    profile(fault.profile, refuse);
}

fn fill(fault: &DiskFill, refuse: impl Fn(bool, &str, &str, &str)) {
    refuse(fault.path.as_os_str().is_empty(), "path", "`path` is empty", "write a directory");
    let missing = fault.size.is_none() && fault.leave_free.is_none();
    let help = "write `size: 1GiB`, `size: 50%` of what is free, or `leave_free: 1GiB`";
    refuse(missing, "fault", "how much `disk.fill` takes is missing", help);
    let nothing = fault.size.is_some_and(is_nothing);
    refuse(nothing, "size", "a size of nothing breaks nothing", "write more than 0");
}

fn profile(profile: Profile, refuse: impl Fn(bool, &str, &str, &str)) {
    match profile {
        Profile::Constant => {}
        Profile::Ramp(length) => {
            refuse(length == Timespan::ZERO, "profile", "a ramp of no time is none", "write `{ ramp: 10s }`");
        }
        Profile::Steps(steps) => {
            let wrong = !(2..=MOST_STEPS).contains(&steps.count);
            let message = format!("a profile of {} steps", steps.count);
            refuse(wrong, "profile", &message, "write a `count` from 2 to 1000");
            refuse(steps.every == Timespan::ZERO, "profile", "steps of no time are none", "write `every: 5s`");
        }
        Profile::Spikes(spikes) => {
            let wrong = spikes.lasting == Timespan::ZERO || spikes.lasting >= spikes.every;
            let message = format!("spikes of {} every {}", spikes.lasting, spikes.every);
            refuse(wrong, "profile", &message, "write a `for` that is more than 0s and less than `every`");
            let flat = spikes.between.0 >= 1.0;
            refuse(flat, "profile", "between spikes is as much as in them", "write a `between` below 100%");
        }
    }
}

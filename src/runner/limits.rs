//! Limits of open files: lowered, read, and restored where what is there is ours.

use crate::host::process::{self, Limited};
use crate::host::{Checked, Trouble};
use crate::model::dose::LimitReading;
use crate::model::step::SoftLimit;
use crate::model::target::{Victim, Victims};

/// Each of them with its limit.
fn pairs<'a>(whom: &'a Victims, limits: &'a [SoftLimit]) -> impl Iterator<Item = (&'a Victim, SoftLimit)> {
    whom.chosen.iter().zip(limits.iter().copied())
}

/// Lowers them. What was lowered before a trouble is for the undo.
pub(super) fn lower(whom: &Victims, limits: &[SoftLimit]) -> Result<(), Trouble> {
    let what = format!("lower the limit of open files of {whom}");
    for (victim, limit) in pairs(whom, limits) {
        match process::set_file_limit(&victim.process, limit.before, limit.set)? {
            Limited::Set => {}
            Limited::Gone => return Err(Trouble::new(what, format!("{victim} ended just before"))),
            Limited::Other(now) => {
                return Err(Trouble::new(what, format!("somebody set that of {victim} to {now} just before")));
            }
        }
    }
    Ok(())
}

/// Restores them, each of them whatever becomes of the others.
pub(super) fn restore(whom: &Victims, limits: &[SoftLimit]) -> Result<(), Trouble> {
    let done = pairs(whom, limits).map(|(victim, limit)| match process::restore_file_limit(&victim.process, limit)? {
        Limited::Set | Limited::Gone => Ok(()),
        Limited::Other(now) => {
            let what = format!("restore the limit of open files of {victim}");
            Err(Trouble::new(what, limit.conflict(&victim.process, now)))
        }
    });
    done.collect::<Vec<_>>().into_iter().collect()
}

/// Whether all of them are what they were.
pub(super) fn restored(whom: &Victims, limits: &[SoftLimit]) -> Checked {
    for (victim, limit) in pairs(whom, limits) {
        match process::file_limit(&victim.process) {
            Ok(None) => {}
            Ok(Some((now, _))) if now == limit.before => {}
            Ok(Some((now, _))) if now == limit.set => {
                return Checked::No { because: format!("the limit of {victim} is {now} still") };
            }
            Ok(Some((now, _))) => return Checked::No { because: limit.conflict(&victim.process, now) },
            Err(trouble) => return Checked::Unknown { because: trouble.to_string() },
        }
    }
    Checked::Yes
}

/// What is there now.
pub(super) fn read(whom: &Victims, limits: &[SoftLimit]) -> Result<Vec<LimitReading>, Trouble> {
    let readings = pairs(whom, limits).map(|(victim, limit)| {
        let now = process::open_files(&victim.process)?;
        let left = now.as_ref().map(|now| {
            let used = now.open.iter().filter(|number| **number < now.soft).count() as u64;
            now.soft.saturating_sub(used)
        });
        Ok(LimitReading { name: victim.to_string(), set: limit.set, soft: now.map(|now| now.soft), left })
    });
    readings.collect()
}

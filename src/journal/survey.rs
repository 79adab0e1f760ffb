//! What a run left on the machine, by its journal and by the mark that its processes carry. Looks only.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::apart::{self, Damage, Whole};
use super::replay::{Measure, WayBack, measure};
use super::{Entry, FORMAT, Header, open_steps};
use crate::host::Trouble;
use crate::host::scene::{Scene, ThisMachine};
use crate::model::cgroup::{GroupSetting, Whose};
use crate::model::dose::ProcessState;
use crate::model::step::{ProcessIdentity, SoftLimit};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Every step is undone, or there never was one.
    Finished,
    /// Its tool lives.
    Running(Header),
    /// Its tool is dead and there are steps that nobody has written down as undone.
    Left(Remains),
}

/// What a dead tool left to be undone.
#[derive(Debug, Clone, PartialEq)]
pub struct Remains {
    /// Whose it was.
    pub header: Header,
    /// The steps that are not undone for sure, the newest first, each with what undoes it.
    pub steps: Vec<(Entry, Measure)>,
    /// Whether the machine still runs as it did then.
    pub same_boot: bool,
    /// A line of the journal that makes no sense, so that a step may be missing.
    pub damaged: Option<Damage>,
    /// Whether the part of the journal is missing that tells of what dies with the boot. In the same boot steps are
    /// missing with it; after another they are gone with it.
    pub part_missing: bool,
}

/// Where the run of this journal stands. An error says that it cannot be known, which is never clean.
pub fn survey(scene: &impl Scene, whole: &Whole) -> Result<Standing, Trouble> {
    let unclear = |why: String| Trouble::new("read the journal", why);
    let Some(header) = whole.header.clone() else {
        // The header is there before anything is touched: what has none touched nothing, unless it is no journal.
        let nothing = whole.damaged.is_empty() && whole.entries.is_empty();
        return if nothing { Ok(Standing::Finished) } else { Err(unclear("it has no header".to_owned())) };
    };
    if header.journal > FORMAT {
        return Err(unclear(format!("it was written by chaos {}, which is newer than this one", header.tool)));
    }
    let steps = open_steps(&whole.entries);
    let boot = scene.boot().map_err(|error| Trouble::new("read the id of this boot", error))?;
    let same_boot = boot == header.boot;
    if same_boot && scene.state(&header.owner) != ProcessState::Gone {
        return Ok(Standing::Running(header));
    }
    let damaged = whole.damaged.first().copied();
    let part_missing = whole.volatile == apart::Standing::Missing;
    if steps.is_empty() && damaged.is_none() && !part_missing {
        return Ok(Standing::Finished);
    }
    let with_measure = |entry: Entry| (entry.clone(), measure(&entry, same_boot));
    let steps = steps.into_iter().map(with_measure).collect();
    Ok(Standing::Left(Remains { header, steps, same_boot, damaged, part_missing }))
}

impl Remains {
    /// The processes of the run that live still, by their pids: those of its journal, the groups they lead, and all that
    /// carry its mark.
    pub fn processes(&self) -> Result<Vec<ProcessIdentity>, Trouble> {
        self.processes_on(&ThisMachine)
    }

    pub(super) fn processes_on(&self, scene: &impl Scene) -> Result<Vec<ProcessIdentity>, Trouble> {
        if !self.same_boot {
            return Ok(Vec::new());
        }
        let mut found = scene.marked(&self.header.run)?;
        for (_, measure) in &self.steps {
            if let Measure::Kill(Some(leader)) | Measure::Free(Some(leader), _) = measure
                && scene.state(leader) != ProcessState::Gone
            {
                found.push(leader.clone());
                found.extend(scene.group_led_by(leader)?);
            }
        }
        let by_pid: BTreeMap<i32, ProcessIdentity> = found.into_iter().map(|one| (one.pid, one)).collect();
        Ok(by_pid.into_values().collect())
    }

    /// The processes that this run stopped and that are not seen to go on.
    pub fn stopped(&self) -> Vec<ProcessIdentity> {
        self.stopped_on(&ThisMachine)
    }

    pub(super) fn stopped_on(&self, scene: &impl Scene) -> Vec<ProcessIdentity> {
        let paused = self.steps.iter().flat_map(|(_, measure)| match measure {
            Measure::Continue(processes) => processes.as_slice(),
            Measure::Kill(_)
            | Measure::Free(..)
            | Measure::Restore(_)
            | Measure::Run(_)
            | Measure::GoneWith(_)
            | Measure::RestoreValues(_)
            | Measure::RemoveGroups(_) => &[],
        });
        let goes_on =
            |process: &ProcessIdentity| matches!(scene.state(process), ProcessState::Running | ProcessState::Gone);
        paused.filter(|process| !goes_on(process)).cloned().collect()
    }

    /// The files of this run that take room of a disk still, and the folders that cannot be looked at.
    pub fn files(&self) -> Vec<PathBuf> {
        let folders = self.steps.iter().filter_map(|(_, measure)| match measure {
            Measure::Free(_, folder) => Some(folder),
            _ => None,
        });
        let of =
            |folder: &PathBuf| ThisMachine.drafts_of(folder, &self.header.run).unwrap_or_else(|_| vec![folder.clone()]);
        folders.flat_map(of).collect()
    }

    /// The values of control groups that are still ours. What cannot be read counts as ours.
    pub(super) fn values_on(&self, scene: &impl Scene) -> Vec<GroupSetting> {
        let settings = self.steps.iter().filter_map(|(_, measure)| match measure {
            Measure::RestoreValues(settings) => Some(settings.iter().rev()),
            _ => None,
        });
        let is_ours = |setting: &&GroupSetting| {
            scene.value(setting).map_or(true, |now| setting.whose(now.as_deref()) == Whose::Ours)
        };
        settings.flatten().filter(is_ours).cloned().collect()
    }

    /// The control groups that say by their names that they are of this run, where the journal has lost what it said of
    /// them.
    pub(super) fn groups_by_name(&self, scene: &impl Scene) -> Result<Vec<PathBuf>, Trouble> {
        let lost = self.part_missing || self.damaged.is_some();
        if !lost || !self.same_boot {
            return Ok(Vec::new());
        }
        scene.groups_of(&self.header.run, &self.header.owner)
    }

    /// The control groups of ours that the journal tells of and that are there. What cannot be seen counts as there.
    pub(super) fn groups_on(&self, scene: &impl Scene) -> Vec<PathBuf> {
        let groups = self.steps.iter().filter_map(|(_, measure)| match measure {
            Measure::RemoveGroups(groups) => Some(groups),
            _ => None,
        });
        groups.flatten().filter(|group| scene.has_group(group).unwrap_or(true)).cloned().collect()
    }

    /// What is left in control groups, for people.
    pub fn in_groups(&self) -> Vec<String> {
        let values = self.values_on(&ThisMachine).into_iter().map(|setting| format!("{setting} is limited still"));
        let named = self.groups_by_name(&ThisMachine).unwrap_or_default();
        let groups = self.groups_on(&ThisMachine).into_iter().chain(named);
        values.chain(groups.map(|group| format!("{} is there", group.display()))).collect()
    }

    /// The limits that are seen to be as this run set them, or that cannot be seen.
    pub(super) fn limited_on(&self, scene: &impl Scene) -> Vec<(ProcessIdentity, SoftLimit)> {
        let limits = self.steps.iter().flat_map(|(_, measure)| match measure {
            Measure::Restore(limits) => limits.as_slice(),
            _ => &[],
        });
        let ours = |(process, limit): &&(ProcessIdentity, SoftLimit)| match scene.file_limit(process) {
            Ok(now) => now == Some(limit.set),
            Err(_) => true,
        };
        limits.filter(ours).cloned().collect()
    }

    /// The commands that are to be run; what they undo cannot be seen, so it counts as there.
    pub fn ways_back(&self) -> Vec<&WayBack> {
        let ways = self.steps.iter().filter_map(|(_, measure)| match measure {
            Measure::Run(way) => Some(way),
            _ => None,
        });
        ways.collect()
    }

    /// Whether something is on the machine still, beside the notes about it. What cannot be seen counts as there.
    pub fn are_real(&self) -> bool {
        (self.part_missing && self.same_boot)
            || self.processes().map_or(true, |left| !left.is_empty())
            || !self.stopped().is_empty()
            || !self.files().is_empty()
            || !self.limited_on(&ThisMachine).is_empty()
            || !self.ways_back().is_empty()
            || !self.in_groups().is_empty()
    }
}

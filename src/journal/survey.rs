//! What a run left on the machine, by its journal and by the mark that its processes carry. Looks only.

use std::collections::BTreeMap;

use super::apart::{self, Damage, Whole};
use super::replay::{Measure, measure};
use super::{Entry, FORMAT, Header, open_steps};
use crate::host::Trouble;
use crate::host::scene::{Scene, ThisMachine};
use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

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
            if let Measure::Kill(Some(leader)) = measure
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
        let paused = self.steps.iter().filter_map(|(_, measure)| match measure {
            Measure::Continue(process) => process.clone(),
            Measure::Kill(_) | Measure::GoneWith(_) => None,
        });
        let goes_on =
            |process: &ProcessIdentity| matches!(scene.state(process), ProcessState::Running | ProcessState::Gone);
        paused.filter(|process| !goes_on(process)).collect()
    }

    /// Whether something is on the machine still, beside the notes about it. What cannot be seen counts as there.
    pub fn are_real(&self) -> bool {
        (self.part_missing && self.same_boot)
            || self.processes().map_or(true, |left| !left.is_empty())
            || !self.stopped().is_empty()
    }
}

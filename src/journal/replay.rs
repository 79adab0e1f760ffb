//! What is to be done about a step that its tool left behind. Pure: `recover` acts.

use std::path::PathBuf;

use super::Entry;
use crate::model::cgroup::GroupSetting;
use crate::model::step::{Check, CommandLine, Persistence, ProcessIdentity, Receipt, SoftLimit, Surroundings, Undo};

/// What undoes a step whose tool is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Nothing: it is gone by itself.
    GoneWith(Holder),
    /// Whatever was started is killed. The process is known unless the act was cut short; the mark of the run tells
    /// even then.
    Kill(Option<ProcessIdentity>),
    /// The same, and the files of the run in this folder are removed.
    Free(Option<ProcessIdentity>, PathBuf),
    /// These values are set again, where ours are still there.
    RestoreValues(Vec<GroupSetting>),
    /// These control groups are removed, and whoever is in them.
    RemoveGroups(Vec<PathBuf>),
    /// The processes go on. They are known also when the act was cut short.
    Continue(Vec<ProcessIdentity>),
    /// A command of the experiment's is run.
    Run(WayBack),
    /// These limits of open files are what they were, where they are as they were set.
    Restore(Vec<(ProcessIdentity, SoftLimit)>),
}

/// A command of the experiment's that undoes another one, and all that is needed to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack {
    /// It.
    pub command: CommandLine,
    /// What tells whether the other one is in place.
    pub check: Option<CommandLine>,
    /// What they are run in; absent only where the journal lost it.
    pub surroundings: Option<Surroundings>,
}

/// What a step ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The machine was started anew.
    Boot,
    /// It was inside the tool's own process.
    Tool,
    /// It was done to a service of the run, which is stopped for good.
    Service,
}

/// What undoes this step; `same_boot` says whether the machine still runs as it did then.
pub fn measure(entry: &Entry, same_boot: bool) -> Measure {
    if !same_boot && entry.persistence == Persistence::Volatile {
        return Measure::GoneWith(Holder::Boot);
    }
    let process = entry.receipt.process.clone();
    let Receipt { settings, groups, surroundings, .. } = entry.receipt.clone();
    match &entry.step.undo {
        Undo::RestoreGroup { .. } => Measure::RestoreValues(settings),
        Undo::RemoveGroup { .. } => Measure::RemoveGroups(groups),
        Undo::StopService { .. } | Undo::StopWorker { .. } => Measure::Kill(process),
        Undo::Run { command, .. } => {
            let check = if let Check::NotInPlace { check, .. } = &entry.step.verify { check.clone() } else { None };
            Measure::Run(WayBack { command: command.clone(), check, surroundings })
        }
        Undo::EndFill { folder, .. } => Measure::Free(process, folder.clone()),
        Undo::Resume { whom } => Measure::Continue(whom.identities().cloned().collect()),
        Undo::RestoreOpenFiles { whom, limits } => {
            Measure::Restore(whom.identities().cloned().zip(limits.iter().copied()).collect())
        }
        Undo::CloseProxy { .. } | Undo::RemoveToxic { .. } | Undo::StopKilling { .. } => {
            Measure::GoneWith(Holder::Tool)
        }
        Undo::ReviveService { .. } | Undo::None { .. } => Measure::GoneWith(Holder::Service),
    }
}

#[cfg(test)]
mod tests {
    use super::{Holder, Measure, measure};
    use crate::journal::testing::step;
    use crate::journal::{Entry, Owner, State};
    use crate::model::cgroup::GroupSetting;
    use crate::model::step::{Persistence, ProcessIdentity, Receipt, Undo};
    use crate::model::testing::whom;

    fn entry(undo: Undo, process: Option<ProcessIdentity>) -> Entry {
        let mut step = step();
        step.undo = undo;
        let receipt = Receipt { process, ..Receipt::default() };
        let persistence = Persistence::Volatile;
        Entry { number: 1, owner: Owner::SetUp, state: State::Active, persistence, step, receipt }
    }

    #[test]
    fn processes_are_killed_or_continued_as_the_receipt_names_them() {
        let process = Some(ProcessIdentity { pid: 7, pidfs_inode: 8, start_ticks: 9 });
        let worker = entry(Undo::StopWorker { worker: "w".into() }, process.clone());
        assert_eq!(measure(&worker, true), Measure::Kill(process.clone()));
        let full = entry(Undo::EndFill { worker: "w".into(), folder: "/data".into() }, process.clone());
        assert_eq!(measure(&full, true), Measure::Free(process, "/data".into()));
        let paused = entry(Undo::Resume { whom: whom("s") }, None);
        assert_eq!(measure(&paused, true), Measure::Continue(whom("s").identities().cloned().collect()));
    }

    #[test]
    fn values_are_set_back_as_the_intent_knew_them_already() {
        let setting = GroupSetting {
            file: "/g/pids.max".into(),
            device: None,
            key: None,
            before: "max".into(),
            ours: vec!["5".into()],
        };
        let mut limited = entry(Undo::RestoreGroup { name: "few".into() }, None);
        limited.receipt.settings = vec![setting.clone()];
        limited.state = State::Intent;
        assert_eq!(measure(&limited, true), Measure::RestoreValues(vec![setting]));
        assert_eq!(measure(&limited, false), Measure::GoneWith(Holder::Boot));
    }

    #[test]
    fn what_lived_in_the_tool_is_gone_with_it() {
        let proxy = entry(Undo::CloseProxy { proxy: "p".into() }, None);
        assert_eq!(measure(&proxy, true), Measure::GoneWith(Holder::Tool));
    }

    #[test]
    fn after_a_restart_of_the_machine_only_what_outlives_it_is_left() {
        let mut service = entry(Undo::StopService { service: "s".into() }, None);
        assert_eq!(measure(&service, false), Measure::GoneWith(Holder::Boot));
        service.persistence = Persistence::Persistent;
        assert_eq!(measure(&service, false), Measure::Kill(None));
    }
}

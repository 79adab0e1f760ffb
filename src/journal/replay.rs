//! What is to be done about a step that its tool left behind. Pure: `recover` acts.

use super::Entry;
use crate::model::step::{Persistence, ProcessIdentity, Undo};

/// What undoes a step whose tool is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// Nothing: it is gone by itself.
    GoneWith(Holder),
    /// Whatever was started is killed. The process is known unless the act was cut short; the mark of the run tells
    /// even then.
    Kill(Option<ProcessIdentity>),
    /// The process goes on. Not known when the act was cut short; then it is killed with its service.
    Continue(Option<ProcessIdentity>),
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
    match entry.step.undo {
        Undo::StopService { .. } | Undo::StopWorker { .. } => Measure::Kill(process),
        Undo::ResumeService { .. } => Measure::Continue(process),
        Undo::CloseProxy { .. } | Undo::RemoveToxic { .. } => Measure::GoneWith(Holder::Tool),
        Undo::ReviveService { .. } | Undo::None { .. } => Measure::GoneWith(Holder::Service),
    }
}

#[cfg(test)]
mod tests {
    use super::{Holder, Measure, measure};
    use crate::journal::testing::step;
    use crate::journal::{Entry, Owner, State};
    use crate::model::step::{Persistence, ProcessIdentity, Receipt, Undo};

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
        let paused = entry(Undo::ResumeService { service: "s".into() }, process.clone());
        assert_eq!(measure(&paused, true), Measure::Continue(process));
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

//! What a fault keeps the old state of while it lasts, so that no other may change it meanwhile.

use std::fmt;
use std::path::PathBuf;

use super::cgroup::{Controller, Limit};
use super::fault::{FaultKind, FaultSpec};
use super::step::AsShell;

/// What a fault changes on its target and puts back as it found it. A second that held the same at the same time would take
/// what the first one set for what was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// A limit of a control group; of a disk by the folder that names it.
    Group(Controller, Option<PathBuf>),
    /// The soft limit of open files.
    OpenFiles,
    /// Whether it runs or is stopped.
    Running,
    /// What a command of the experiment's takes away again, by the words of that command.
    UndoneBy(Vec<String>),
}

impl Hold {
    /// Why two cannot hold it at once.
    pub const fn why(&self) -> &'static str {
        match self {
            Self::Group(..) | Self::OpenFiles => {
                "the second would take what the first set for what was there before, and restore that"
            }
            Self::Running => "whichever lets go first lets go for both",
            Self::UndoneBy(_) => "whichever is undone first takes both away, and the other is in place no more",
        }
    }

    /// What to do about it, other than to have one after the other.
    pub const fn way_out(&self) -> &'static str {
        match self {
            Self::UndoneBy(_) => "give each an undo that takes away its own only",
            Self::Group(..) | Self::OpenFiles | Self::Running => "leave one of them out",
        }
    }
}

/// As what both do to a target, whose name follows.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(controller, None) => write!(f, "limit `{controller}` in the control group of"),
            Self::Group(controller, Some(path)) => {
                write!(f, "limit `{controller}` on the disk of {} in the control group of", path.display())
            }
            Self::OpenFiles => f.write_str("limit the open files of"),
            Self::Running => f.write_str("stop"),
            Self::UndoneBy(words) => write!(f, "are undone by `{}` on", AsShell(words)),
        }
    }
}

impl FaultKind {
    /// What it holds of its target while it lasts, where it holds something.
    pub fn hold(&self) -> Option<Hold> {
        match self {
            Self::FdExhaust(_) => Some(Hold::OpenFiles),
            Self::ProcessPause(_) | Self::ProcessSlow(_) => Some(Hold::Running),
            // The folder and the variables that it is run with are those of the run, and so the same.
            Self::ProcessExec(exec) => Some(Hold::UndoneBy(exec.undo.clone())),
            kind => kind.limit().map(|limit| {
                let controller = limit.controller();
                let Limit::Io { path, .. } = limit else { return Hold::Group(controller, None) };
                Hold::Group(controller, Some(path))
            }),
        }
    }
}

impl FaultSpec {
    /// What both hold, where their times overlap: then they must not have a target in common.
    pub fn contends_with(&self, other: &Self) -> Option<Hold> {
        let overlap = self.start < other.end() && other.start < self.end();
        self.kind.hold().filter(|hold| overlap && other.kind.hold().as_ref() == Some(hold))
    }
}

#[cfg(test)]
mod tests {
    use super::Hold;
    use crate::model::cgroup::Controller;
    use crate::model::fault::{
        CpuLimit, FaultKind, FaultSpec, FdExhaust, IoLimit, ProcessExec, ProcessPause, ProcessSlow, Target,
    };
    use crate::model::units::{Rate, Share, Timespan};

    fn fault(kind: FaultKind, start: u64, duration: u64) -> FaultSpec {
        let (start, duration) = (Timespan::seconds(start), Timespan::seconds(duration));
        FaultSpec { name: "a".into(), kind, target: Target::service("demo"), start, duration }
    }

    fn limit() -> FaultKind {
        FaultKind::CpuLimit(CpuLimit { quota: Share(0.5), cores: 1 })
    }

    fn of_disk(path: &str) -> FaultKind {
        let read_iops = Some(Rate(10.0));
        FaultKind::IoLimit(IoLimit { path: path.into(), read_bps: None, write_bps: None, read_iops, write_iops: None })
    }

    #[test]
    fn two_that_hold_the_same_contend_while_their_times_overlap() {
        let first = fault(limit(), 5, 5);
        let against = |start, duration| fault(limit(), start, duration).contends_with(&first);
        let held = Some(Hold::Group(Controller::Cpu, None));
        assert_eq!(
            (against(5, 5), against(9, 5), against(1, 5), against(6, 1)),
            (held.clone(), held.clone(), held.clone(), held)
        );
        assert_eq!((against(10, 5), against(0, 5)), (None, None), "one after the other");
    }

    #[test]
    fn a_pause_and_a_slowing_hold_the_same_and_limits_of_different_kinds_do_not() {
        let slow = FaultKind::ProcessSlow(ProcessSlow { share: Share(0.5), period: Timespan::millis(100) });
        let contend = |one: FaultKind, other: FaultKind| fault(one, 0, 5).contends_with(&fault(other, 0, 5)).is_some();
        let files = || FaultKind::FdExhaust(FdExhaust { leave: 1 });
        assert!(contend(FaultKind::ProcessPause(ProcessPause {}), slow));
        assert!(contend(files(), files()));
        assert!(!contend(files(), limit()));
        assert!(contend(of_disk("/a"), of_disk("/a")));
        assert!(!contend(of_disk("/a"), of_disk("/b")), "which may be one disk: the run looks");
    }
    #[test]
    fn commands_contend_when_one_undo_would_take_both_away_however_they_were_done() {
        let exec = |command: &str, undo: &[&str], within| {
            let undo = undo.iter().map(ToString::to_string).collect();
            let within = Timespan::seconds(within);
            FaultKind::ProcessExec(ProcessExec { command: vec![command.into()], undo, check: None, within })
        };
        let first = fault(exec("a", &["rm", "-f", "/flag"], 1), 0, 5);
        let against = |undo: &[&str], start| fault(exec("b", undo, 2), start, 5).contends_with(&first);
        let held = against(&["rm", "-f", "/flag"], 4).expect("they are there at the same time");
        assert_eq!(held.to_string(), "are undone by `rm -f /flag` on");
        assert_eq!(against(&["rm", "-f", "/flag"], 5), None, "one after the other");
        assert_eq!(against(&["rm", "-f /flag"], 4), None, "other words");
    }
}

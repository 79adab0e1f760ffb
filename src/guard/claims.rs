//! What of the machine a run takes for itself, so that no two runs break the same thing at once and neither can tell its
//! own harm from the other's. Pure: steps in, claims out.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::cgroup::Controller;
use crate::model::fault::FaultKind;
use crate::model::hold::Hold;
use crate::model::step::{Act, Job, Step, Undo};
use crate::model::target::Victim;

/// Something of the machine that only one run may use at a time. What lives inside a run (its services, the toxics of
/// its proxies) is no claim: no other run can reach it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// A core, by the kernel's number.
    Core(usize),
    /// The memory of the machine.
    Memory,
    /// The disk that this folder is on.
    DiskOf(PathBuf),
    /// An address that is listened on.
    Address(SocketAddr),
    /// A limit of a control group that the run did not make: the folder of the group, and what it controls.
    Group(PathBuf, String),
    /// What is changed of a process that the run did not start, and put back: its pid and start, and what.
    Process(i32, u64, String),
    /// Whatever a command of the experiment's acts on: its undo would undo what another run did with the same.
    Command(String),
}

/// What these steps take. Every act says here what it needs for itself: a new one does not compile before it does.
pub fn claims<'a>(steps: impl IntoIterator<Item = &'a Step>) -> BTreeSet<Claim> {
    steps.into_iter().flat_map(|step| of_act(&step.apply).into_iter().chain(of_undo(&step.undo))).collect()
}

/// What a fault takes of those whom it may hit and the run did not start; `group` tells in which control group each of them
/// is. All that match are taken, as it is not known yet who will be chosen: of two runs that keep the state of one thing, the second would
/// take what the first one set for what was there before.
pub fn of_strangers(
    kind: &FaultKind,
    victims: &[Victim],
    group: impl Fn(&Victim, Controller) -> Option<PathBuf>,
) -> BTreeSet<Claim> {
    let claim = |victim: &Victim| match kind.hold()? {
        Hold::Group(controller, _) => Some(Claim::Group(group(victim, controller)?, controller.to_string())),
        hold @ (Hold::OpenFiles | Hold::Running) => {
            Some(Claim::Process(victim.process.pid, victim.process.start_ticks, hold.to_string()))
        }
        // It is about no process; its step says what it takes.
        Hold::UndoneBy(_) => None,
    };
    victims.iter().filter_map(claim).collect()
}

fn of_act(act: &Act) -> Vec<Claim> {
    match act {
        Act::OpenProxy { proxy } if proxy.listen.port() != 0 => vec![Claim::Address(proxy.listen)],
        Act::StartWorker { job, .. } => of_job(job),
        Act::Run { command, .. } => vec![Claim::Command(command.to_string())],
        Act::OpenProxy { .. }
        | Act::StartService { .. }
        | Act::AddToxic { .. }
        | Act::MakeGroup { .. }
        | Act::LimitGroup { .. }
        | Act::Pause { .. }
        | Act::Kill { .. }
        | Act::KeepKilling { .. }
        | Act::TakeCharge { .. }
        | Act::LimitOpenFiles { .. } => Vec::new(),
    }
}

/// What one command takes away, several may have done.
fn of_undo(undo: &Undo) -> Option<Claim> {
    let Undo::Run { command, .. } = undo else { return None };
    Some(Claim::Command(command.to_string()))
}

fn of_job(job: &Job) -> Vec<Claim> {
    match job {
        Job::Cpu { cores, .. } => cores.iter().copied().map(Claim::Core).collect(),
        Job::Memory { .. } => vec![Claim::Memory],
        Job::Disk { path, .. } | Job::Fill { path, .. } => vec![Claim::DiskOf(path.clone())],
        Job::Slow { .. } => Vec::new(),
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core(core) => write!(f, "core {core} of this machine"),
            Self::Memory => f.write_str("the memory of this machine"),
            Self::DiskOf(path) => write!(f, "the disk of {}", path.display()),
            Self::Address(address) => write!(f, "the address {address}"),
            Self::Group(folder, controller) => {
                write!(f, "the limit of `{controller}` of the control group {}", folder.display())
            }
            Self::Process(pid, _, what) => write!(f, "what a fault would do to pid {pid} ({what} it)"),
            Self::Command(command) => write!(f, "what `{command}` acts on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, claims};
    use crate::model::experiment::{Protocol, Proxy};
    use crate::model::profile::Profile;
    use crate::model::step::{Act, Check, CommandLine, Job, Step, Undo};
    use crate::model::testing::whom;
    use crate::model::units::{Bytes, Share, Timespan};

    fn step(apply: Act) -> Step {
        Step { apply, undo: Undo::None { because: String::new() }, verify: Check::Nothing }
    }

    fn worker(job: Job) -> Step {
        step(Act::StartWorker { worker: "w".into(), job, beside: None })
    }

    fn proxy(port: u16) -> Step {
        let listen = ([127, 0, 0, 1], port).into();
        let upstream = "127.0.0.1:1".into();
        step(Act::OpenProxy {
            proxy: Proxy { name: "p".into(), listen, upstream, protocol: Protocol::Tcp, users: None },
        })
    }

    #[test]
    fn what_is_the_machines_is_claimed_once_however_many_steps_need_it() {
        let profile = Profile::Constant;
        let busy = worker(Job::Cpu { load: Share(0.5), cores: vec![1, 0], profile });
        let full = worker(Job::Memory { size: Bytes(1), leave_free: Bytes(1), profile });
        let found = claims(&[full, busy.clone(), busy]);
        assert!(found.iter().eq(&[Claim::Core(0), Claim::Core(1), Claim::Memory]), "{found:?}");
    }

    #[test]
    fn an_address_is_claimed_unless_the_kernel_chooses_it() {
        let found = claims(&[proxy(0), proxy(9102)]);
        assert!(found.iter().eq(&[Claim::Address(([127, 0, 0, 1], 9102).into())]), "{found:?}");
    }

    #[test]
    fn what_a_command_does_and_what_its_undo_takes_away_is_claimed() {
        let line = |word: &str| CommandLine { words: vec![word.into()], timeout: Timespan::seconds(1) };
        let apply = Act::Run { name: "f".into(), command: line("do"), check: Some(line("check")) };
        let undo = Undo::Run { name: "f".into(), command: line("undo") };
        let found = claims(&[Step { undo, ..step(apply) }]);
        assert!(found.iter().eq(&[Claim::Command("do".into()), Claim::Command("undo".into())]), "{found:?}");
    }

    #[test]
    fn what_belongs_to_the_run_alone_is_no_claim() {
        assert!(claims(&[step(Act::Pause { whom: whom("demo") })]).is_empty());
    }
}

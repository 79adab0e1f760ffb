//! Which faults work on this machine: what each needs is tried.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};

use crate::fault::CATALOGUE;
use crate::host::process::{self, Limited};
use crate::host::storage::Storage;
use crate::host::trial::Trials;
use crate::host::{Trouble, cgroup, system};
use crate::model::about::{About, Need};
use crate::model::cgroup::Controller;
use crate::model::step::SoftLimit;
use crate::model::units::Bytes;
use crate::report::doctor::{Finding, Section, State};

/// Every fault that exists.
pub(super) fn findings(trials: &Result<Trials, Trouble>) -> Vec<Finding> {
    CATALOGUE.iter().map(|about| finding(about, trials)).collect()
}

fn finding(fault: &About, trials: &Result<Trials, Trouble>) -> Finding {
    let about = |why: &str| Finding::ok(Section::Faults, fault.word, why);
    match tried(fault.needs, trials) {
        Ok(how) => about(&how),
        Err(why) => about(&format!("cannot be done here: {why}")).but(State::Warning, help(fault.needs)),
    }
}

fn tried(need: Need, trials: &Result<Trials, Trouble>) -> Result<String, String> {
    let trials = trials.as_ref().map_err(ToString::to_string);
    match need {
        Need::Proxy => loopback().map(|()| "works: a port on loopback took a connection".to_owned()),
        Need::Cores => {
            Ok(format!("works on cores {}{}", list(&system::cores()), beside(Controller::Cpu, &cgroup::missing())))
        }
        Need::Memory => {
            let memory = system::memory().ok_or("how much memory is free cannot be read")?;
            trials?.first.clone()?;
            let beside = beside(Controller::Memory, &cgroup::missing());
            Ok(format!("works: {} are available{beside}", Bytes(memory.available)))
        }
        Need::Disk => disk(&Storage::look(&std::env::temp_dir())),
        Need::Group(controller) => group(controller, &cgroup::missing()),
        Need::Signals => {
            trials?.signals.clone()?;
            Ok("works on processes of this user: a child of ours was stopped, let go on and killed".to_owned())
        }
        Need::Limits => limits().map_err(|trouble| trouble.to_string()),
        Need::Programs => Ok("works with whatever program you name, as far as that may do its work".to_owned()),
    }
}

/// Lowers our own limit by one and restores it.
fn limits() -> Result<String, Trouble> {
    let unknown = || Trouble::new("look at our own limit of open files", "is /proc mounted?");
    let us = process::this().ok_or_else(unknown)?;
    let (before, _) = process::file_limit(&us)?.ok_or_else(unknown)?;
    let limit = SoftLimit { before, set: before.saturating_sub(1) };
    let lowered = process::set_file_limit(&us, before, limit.set)?;
    let restored = process::set_file_limit(&us, limit.set, before)?;
    match (lowered, restored) {
        (Limited::Set, Limited::Set) => {
            Ok("works on processes of this user: our own limit was lowered and restored".to_owned())
        }
        other => Err(Trouble::new("lower and restore our own limit of open files", format!("{other:?}"))),
    }
}

const fn help(need: Need) -> &'static str {
    match need {
        Need::Proxy => "is the loopback interface up?",
        Need::Cores | Need::Memory => "is /proc mounted?",
        Need::Disk => "name another folder as its `path`",
        Need::Group(_) => {
            "under systemd, run it in a group that hands all on: as root `systemd-run --scope -p Delegate=yes chaos …`, as a \
             user `systemd-run --user --scope -p Delegate=yes chaos …`"
        }
        Need::Signals => "Linux 5.3 or newer is needed",
        Need::Limits => "does a security module forbid prlimit?",
        Need::Programs => "",
    }
}

fn group(controller: Controller, missing: &BTreeMap<Controller, String>) -> Result<String, String> {
    match missing.get(&controller) {
        Some(why) => Err(why.clone()),
        None => Ok("works on services of the run, which get a control group of their own".to_owned()),
    }
}

/// Whether stress can be put into the control group of a service.
fn beside(controller: Controller, missing: &BTreeMap<Controller, String>) -> String {
    match missing.get(&controller) {
        Some(why) => format!("; not for a service alone, only for the whole machine: {why}"),
        None => "; for the whole machine, or in the control group of a service".to_owned(),
    }
}

fn loopback() -> Result<(), String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    TcpStream::connect(address).map(drop).map_err(|error| error.to_string())
}

fn disk(storage: &Storage) -> Result<String, String> {
    storage.durable.clone()?;
    let place = format!("{} ({})", storage.folder.display(), storage.kind.as_deref().unwrap_or("unknown"));
    let room = storage.room.map_or_else(String::new, |room| format!(", {} left", Bytes(room)));
    Ok(match &storage.direct {
        Ok(()) => format!("works in {place}, past the page cache{room}; other folders may differ"),
        Err(why) => format!("works in {place}, only through the page cache ({why}){room}; other folders may differ"),
    })
}

fn list(cores: &[usize]) -> String {
    cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{beside, finding, group};
    use crate::fault::CATALOGUE;
    use crate::host::Trouble;
    use crate::host::trial::Trials;
    use crate::model::cgroup::Controller;
    use crate::report::doctor::State;

    #[test]
    fn a_machine_without_control_groups_says_so_of_each_fault_that_needs_them() {
        let missing = [(Controller::Io, "nothing is mounted".to_owned())].into();
        assert_eq!(group(Controller::Io, &missing), Err("nothing is mounted".to_owned()));
        assert!(group(Controller::Cpu, &missing).is_ok());
        assert!(beside(Controller::Io, &missing).contains("only for the whole machine: nothing is mounted"));
        assert!(beside(Controller::Cpu, &missing).contains("in the control group of a service"));
    }

    #[test]
    fn a_fault_that_cannot_be_done_says_why() {
        let no: Result<(), String> = Err("no pidfd".into());
        let yes = Ok(());
        let trials: Result<Trials, Trouble> = Ok(Trials {
            session: yes.clone(),
            spared: yes.clone(),
            locked: yes.clone(),
            parent_death: yes.clone(),
            first: yes.clone(),
            namespaces: yes,
            signals: no,
        });
        let finding = |word| finding(CATALOGUE.iter().find(|about| about.word == word).expect(word), &trials);
        let pause = finding("process.pause");
        assert_eq!((pause.state, pause.why.as_str()), (State::Warning, "cannot be done here: no pidfd"));
        assert_eq!(finding("cpu.stress").state, State::Ok);
    }
}

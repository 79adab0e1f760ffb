//! Which faults work on this machine: what each needs is tried.

use std::net::{TcpListener, TcpStream};

use crate::host::storage::Storage;
use crate::host::trial::Trials;
use crate::host::{Trouble, system};
use crate::model::fault::FaultKind;
use crate::model::units::Bytes;
use crate::report::doctor::{Finding, Section, State};

/// What a fault needs of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A proxy of ours, which listens on loopback.
    Proxy,
    /// Cores.
    Cores,
    /// Free memory, and to be chosen first when it ends.
    Memory,
    /// A disk, past the page cache.
    Disk,
    /// To signal a process of ours.
    Signals,
}

/// Every fault that exists.
pub(super) fn findings(trials: &Result<Trials, Trouble>) -> Vec<Finding> {
    FaultKind::WORDS.iter().map(|word| finding(word, trials)).collect()
}

fn finding(word: &str, trials: &Result<Trials, Trouble>) -> Finding {
    let about = |why: &str| Finding::ok(Section::Faults, word, why);
    let Some(need) = need(word) else {
        return about("what it needs is not looked at")
            .but(State::Warning, "`chaos plan` says whether it can be done here");
    };
    match tried(need, trials) {
        Ok(how) => about(&how),
        Err(why) => about(&format!("cannot be done here: {why}")).but(State::Warning, help(need)),
    }
}

fn need(word: &str) -> Option<Need> {
    match word {
        "cpu.stress" => Some(Need::Cores),
        "memory.stress" => Some(Need::Memory),
        "disk.stress" => Some(Need::Disk),
        "process.kill" | "process.pause" => Some(Need::Signals),
        _ if word.starts_with("network.") || word.starts_with("http.") => Some(Need::Proxy),
        _ => None,
    }
}

fn tried(need: Need, trials: &Result<Trials, Trouble>) -> Result<String, String> {
    let trials = trials.as_ref().map_err(ToString::to_string);
    match need {
        Need::Proxy => loopback().map(|()| "works: a port on loopback took a connection".to_owned()),
        Need::Cores => Ok(format!("works on cores {}", list(&system::cores()))),
        Need::Memory => {
            let memory = system::memory().ok_or("how much memory is free cannot be read")?;
            trials?.first.clone()?;
            Ok(format!("works: {} are available", Bytes(memory.available)))
        }
        Need::Disk => disk(&Storage::look(&std::env::temp_dir())),
        Need::Signals => {
            trials?.signals.clone()?;
            Ok("works on services of the run: a child of ours was stopped, let go on and killed".to_owned())
        }
    }
}

const fn help(need: Need) -> &'static str {
    match need {
        Need::Proxy => "is the loopback interface up?",
        Need::Cores | Need::Memory => "is /proc mounted?",
        Need::Disk => "name another folder as its `path`",
        Need::Signals => "Linux 5.3 or newer is needed",
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
    use super::{finding, need};
    use crate::host::Trouble;
    use crate::host::trial::Trials;
    use crate::model::fault::FaultKind;
    use crate::report::doctor::State;

    #[test]
    fn what_every_fault_needs_is_known() {
        let unknown: Vec<_> = FaultKind::WORDS.iter().filter(|word| need(word).is_none()).collect();
        assert!(unknown.is_empty(), "chaos doctor does not look at what these need: {unknown:?}");
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
        let pause = finding("process.pause", &trials);
        assert_eq!((pause.state, pause.why.as_str()), (State::Warning, "cannot be done here: no pidfd"));
        assert_eq!(finding("cpu.stress", &trials).state, State::Ok);
    }
}

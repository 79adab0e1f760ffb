//! A process that is held: its descriptors were opened while all was well, so that it can be signalled and looked at when
//! none is left to be had, and never by mistake another one of its pid.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;
use rustix::process::pidfd_send_signal;

use super::identity;
use crate::host::Trouble;
use crate::host::process::Signal;
use crate::model::dose::ProcessState;
use crate::model::step::ProcessIdentity;

/// A process and its open descriptors.
#[derive(Debug)]
pub struct Held {
    process: ProcessIdentity,
    pidfd: OwnedFd,
    stat: File,
}

impl Held {
    /// Takes hold of this very process; none when it is gone.
    pub fn hold(process: &ProcessIdentity) -> Result<Option<Self>, Trouble> {
        let what = || format!("take hold of {process}");
        let pidfd = identity::hold(process).map_err(|error| Trouble::new(what(), error))?;
        let Some(pidfd) = pidfd else { return Ok(None) };
        let stat = File::open(format!("/proc/{}/stat", process.pid));
        // What was opened is of this very process only if that lives still.
        if !identity::alive(&pidfd) {
            return Ok(None);
        }
        let stat = stat.map_err(|error| Trouble::new(what(), error))?;
        Ok(Some(Self { process: process.clone(), pidfd, stat }))
    }

    /// Who it is.
    pub fn process(&self) -> &ProcessIdentity {
        &self.process
    }

    /// Signals it; false when it is gone. Takes no descriptor.
    pub fn signal(&self, signal: Signal) -> Result<bool, Trouble> {
        match pidfd_send_signal(&self.pidfd, signal.raw()) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(Trouble::new(format!("signal {}", self.process), error)),
        }
    }

    /// Its state. Takes descriptors only to say that a process of several threads is stopped as a whole.
    pub fn state(&self) -> ProcessState {
        let mut text = [0; 512];
        let read = self.stat.read_at(&mut text, 0);
        if !identity::alive(&self.pidfd) {
            return ProcessState::Gone;
        }
        let Ok(length) = read else { return ProcessState::Unknown };
        match state_of_leader(&text[..length]) {
            Some(b'T' | b't') => identity::state(&self.process),
            Some(_) => ProcessState::Running,
            None => ProcessState::Unknown,
        }
    }
}

/// The letter behind the name, which may hold any characters: `7 (a) b) T 1 ...`.
fn state_of_leader(stat: &[u8]) -> Option<u8> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).copied()
}

#[cfg(test)]
mod tests {
    use super::{Held, state_of_leader};
    use crate::model::dose::ProcessState;
    use crate::model::step::ProcessIdentity;

    #[test]
    fn the_state_stands_behind_the_last_bracket() {
        assert_eq!(state_of_leader(b"7 (a) R) T 1 7"), Some(b'T'));
        assert_eq!(state_of_leader(b"7 (a"), None);
    }

    #[test]
    fn only_the_very_process_is_held() {
        let us = crate::host::process::this().expect("we live");
        let held = Held::hold(&us).expect("a look").expect("we live");
        assert_eq!(held.state(), ProcessState::Running);
        let other = ProcessIdentity { start_ticks: us.start_ticks + 1, ..us };
        assert!(Held::hold(&other).expect("a look").is_none());
    }
}

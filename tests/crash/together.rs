//! The tool and its guardian are killed together before a system call of the tool; `chaos rollback --all` cleans.

use crate::home::{Home, signal};
use crate::matrix::{Failure, Mode, Struck};
use crate::tracer::{self, Fate, follow};
use crate::{oracle, tool};

pub const MODE: Mode = Mode {
    name: "together",
    what: "SIGKILL of the tool and its guardian, then `chaos rollback --all`, twice",
    missing: tracer::missing,
    points: |effort| tool::points(effort, tool::calls(), 16),
    strike,
    must_leak: false,
    figure: None,
};

fn strike(point: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    let at = tool::is_at(point);
    let mut guardian = None;
    let followed = follow(&mut home.run(tool::FAULTS_LAST), |call| {
        if !at(call) {
            return Fate::Happens;
        }
        // A guardian that is stopped first does nothing between the two deaths.
        guardian = oracle::guardian(&home);
        guardian.inspect(|pid| signal(*pid, libc::SIGSTOP));
        Fate::Kill
    });
    guardian.inspect(|pid| signal(*pid, libc::SIGKILL));
    home.rolls_back()?;
    Ok(if followed.killed.is_some() { Struck::Clean(None) } else { Struck::NotReached })
}

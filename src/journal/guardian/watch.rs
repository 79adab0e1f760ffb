//! What the guardian does: it waits for the end of the tool, and puts back what the tool did not. Without threads,
//! processes, names to resolve or files beside the journal, which is open beforehand.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::{ALIVE, GOODBYE, LEASE, SECOND_CHANCE};
use crate::host::process::{self, Signal};
use crate::host::pulse::{self, Heard};
use crate::host::{Trouble, output, this_process, thread};
use crate::journal::recover::{Account, Recovered, Recovery};
use crate::journal::survey::Standing;
use crate::model::dose::ProcessState;
use crate::model::fault::KillSignal;
use crate::model::step::ProcessIdentity;

/// How long a killed tool may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// Why the guardian acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alarm {
    /// The tool is dead, or dying.
    Dead,
    /// It gives no sign of life.
    Hangs,
    /// It is not done although its time is long over.
    Overdue,
}

/// Runs the guardian: its words are those of [`super::COMMAND`].
pub fn main(journal: &OsStr, longest: &OsStr) -> ExitCode {
    match guard(Path::new(journal), longest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            output::stderr(&format!("chaos: the guardian: {trouble}\n"));
            ExitCode::FAILURE
        }
    }
}

fn guard(journal: &Path, longest: &OsStr) -> Result<(), Trouble> {
    let longest = longest.to_str().and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let longest = longest.ok_or_else(|| Trouble::new("start", "it is started by `chaos run` only"))?;
    this_process::stand_alone()?;
    this_process::survive_memory_end();
    let recovery = Recovery::open(journal)?;
    let Standing::Running(header) = recovery.survey()? else {
        return Err(Trouble::new("look at the journal", "its tool does not live"));
    };
    match wait(longest) {
        None => Ok(()),
        Some(alarm) => {
            end(&header.owner, alarm);
            let told = told(alarm, &header.run, &recovery.recover()?);
            // Last of all: a terminal that is held must not hold up anything.
            output::stderr(&told);
            Ok(())
        }
    }
}

/// Waits until there is something to do; none when the tool came to its end by itself.
fn wait(longest: Duration) -> Option<Alarm> {
    let deadline = thread::now() + longest;
    let answer = std::io::stdout();
    pulse::tell(&answer, ALIVE);
    let mut patience = LEASE;
    loop {
        let left = deadline.saturating_sub(thread::now());
        match pulse::hear(std::io::stdin(), left.min(patience)) {
            Heard::Sign(GOODBYE) => return None,
            Heard::End => return Some(Alarm::Dead),
            _ if left.is_zero() => return Some(Alarm::Overdue),
            // An answer that nobody hears is no matter: the end of the tool will be heard here.
            Heard::Sign(_) => {
                pulse::tell(&answer, ALIVE);
                patience = LEASE;
            }
            Heard::Silence if left < patience => {}
            Heard::Silence if patience == LEASE => patience = SECOND_CHANCE,
            Heard::Silence => return Some(Alarm::Hangs),
        }
    }
}

/// Sees to it that the tool is dead. One whose pipe has ended is most likely dying by itself.
fn end(tool: &ProcessIdentity, alarm: Alarm) {
    let grace = if alarm == Alarm::Dead { LEASE } else { Duration::ZERO };
    if !is_gone_within(tool, grace) {
        // If it cannot be killed, recovery refuses, as the tool lives, and says so.
        let _ = process::send_signal(tool, Signal::Kill(KillSignal::Kill));
        is_gone_within(tool, KILL_LIMIT);
    }
}

fn is_gone_within(tool: &ProcessIdentity, limit: Duration) -> bool {
    let deadline = thread::now() + limit;
    while process::state(tool) != ProcessState::Gone {
        if thread::now() >= deadline {
            return false;
        }
        thread::sleep_until(thread::now() + PAUSE);
    }
    true
}

fn told(alarm: Alarm, run: &str, recovered: &Recovered) -> String {
    let why = match alarm {
        Alarm::Dead => "chaos was killed",
        Alarm::Hangs => "chaos gave no sign of life and was killed",
        Alarm::Overdue => "chaos was not done in time and was killed",
    };
    match recovered {
        Recovered::Nothing => format!("chaos: guardian: {why}; nothing was left to undo\n"),
        Recovered::Undone(account) if account.is_clean() => {
            format!("chaos: guardian: {why}; {} steps were undone and read back\n", account.steps.len())
        }
        Recovered::Undone(Account { .. }) | Recovered::Refused(_) => {
            format!("chaos: guardian: {why}; RESIDUE is left: chaos rollback {run}\n")
        }
    }
}

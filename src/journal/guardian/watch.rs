//! What the guardian does: it waits for the end of the tool, and puts back what the tool did not. Without threads,
//! names to resolve or files beside the journal, which is open beforehand; the only processes it starts are the commands
//! that undo a `process.exec`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::vigil::{Alarm, Next, Vigil};
use super::{ALIVE, LEASE};
use crate::host::process::Signal;
use crate::host::scene::Scene;
use crate::host::{Trouble, output, pulse, this_process, thread};
use crate::journal::recover::{Account, Recovered, Recovery};
use crate::journal::survey::Standing;
use crate::model::dose::ProcessState;
use crate::model::fault::KillSignal;
use crate::model::step::ProcessIdentity;

/// How long a killed tool may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

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
            let told = told(alarm, &header.run, &respond(alarm, &recovery, &header.owner)?);
            // Last of all: a terminal that is held must not hold up anything.
            output::stderr(&told);
            Ok(())
        }
    }
}

/// Waits until there is something to do; none when the tool came to its end by itself.
fn wait(longest: Duration) -> Option<Alarm> {
    let answer = std::io::stdout();
    // Whoever first asks for the time asks the kernel for more: from the first sign of life on nothing new is needed.
    let mut vigil = Vigil::new(thread::now(), longest);
    pulse::tell(&answer, ALIVE);
    loop {
        let heard = pulse::hear(std::io::stdin(), vigil.patience(thread::now()));
        match vigil.hear(thread::now(), heard) {
            // An answer that nobody hears is no matter: the end of the tool will be heard here.
            Next::Answer => drop(pulse::tell(&answer, ALIVE)),
            Next::Listen => {}
            Next::GoHome => return None,
            Next::Act(alarm) => return Some(alarm),
        }
    }
}

/// What the guardian does once it acts: sees to it that the tool is dead, and undoes what it left.
pub fn respond<S: Scene>(alarm: Alarm, recovery: &Recovery<S>, tool: &ProcessIdentity) -> Result<Recovered, Trouble> {
    end(recovery.scene(), tool, alarm);
    recovery.recover()
}

/// One whose pipe has ended is most likely dying by itself.
fn end(scene: &impl Scene, tool: &ProcessIdentity, alarm: Alarm) {
    let began = scene.now();
    let grace = if alarm == Alarm::Dead { LEASE } else { Duration::ZERO };
    let mut pause = PAUSE;
    while scene.state(tool) != ProcessState::Gone {
        let waited = scene.now().saturating_sub(began);
        if waited >= grace + KILL_LIMIT {
            return;
        }
        if waited >= grace {
            // If it cannot be killed, recovery refuses, as the tool lives, and says so.
            let _ = scene.signal(tool, Signal::Kill(KillSignal::Kill));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        scene.pause(pause);
    }
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

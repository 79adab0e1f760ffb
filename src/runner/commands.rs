//! The commands of `process.exec`: run, undone and asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::host::{Checked, Prepared, Trouble, command, process};
use crate::model::after_undo::{AfterUndo, judge};
use crate::model::dose::InPlace;
use crate::model::step::{CommandLine, Receipt, Step, Surroundings, Undo};

/// What is known of the commands of one run.
#[derive(Debug, Default)]
pub(super) struct Commands {
    /// How the last try to undo each fault ended.
    undone: Mutex<BTreeMap<String, Result<(), String>>>,
}

impl Commands {
    /// Runs the undo of a fault.
    pub async fn undo(&self, name: &str, line: &CommandLine, receipt: &Receipt) -> Result<(), Trouble> {
        // What an earlier try came to counts no more, also where this one is broken off.
        self.undone().insert(name.to_owned(), Err("its undo did not come to its end".to_owned()));
        let ended = run(line, receipt).await;
        self.undone().insert(name.to_owned(), ended.as_ref().map(drop).map_err(ToString::to_string));
        ended
    }

    /// Whether the undo of a fault did what it is for.
    pub async fn not_in_place(&self, name: &str, check: Option<&CommandLine>, receipt: &Receipt) -> Checked {
        let in_place = match check {
            None => None,
            Some(check) => Some(match at(receipt) {
                Ok(at) => command::look(check, at).await,
                Err(trouble) => InPlace::Unknown(trouble.to_string()),
            }),
        };
        let ended = self.undone().get(name).cloned().unwrap_or_else(|| Err("its undo was not run".to_owned()));
        match judge(ended, in_place) {
            AfterUndo::Undone(_) => Checked::Yes,
            AfterUndo::InPlace(because) => Checked::No { because },
            AfterUndo::Unknown(because) => Checked::Unknown { because },
        }
    }

    fn undone(&self) -> MutexGuard<'_, BTreeMap<String, Result<(), String>>> {
        self.undone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sees to it that the programs are there, that of the undo above all, and that nothing of it is in place: what somebody
/// else did must not be undone.
pub(super) async fn prepare(step: &Step, line: &CommandLine, check: Option<&CommandLine>) -> Result<Prepared, Trouble> {
    let surroundings = command::surroundings()?;
    let undo = if let Undo::Run { command, .. } = &step.undo { Some(command) } else { None };
    for line in [Some(line), undo, check].into_iter().flatten() {
        let word = line.words.first().map_or("", String::as_str);
        process::require_program(word, Some(&surroundings.directory), Some(surroundings.path.as_ref()))?;
    }
    if let Some(check) = check {
        absent(line, check, command::look(check, &surroundings).await)?;
    }
    let receipt = Receipt { surroundings: Some(surroundings), ..Receipt::default() };
    Ok(Prepared { receipt, notes: Vec::new() })
}

fn absent(line: &CommandLine, check: &CommandLine, in_place: InPlace) -> Result<(), Trouble> {
    let (why, help) = match in_place {
        InPlace::No => return Ok(()),
        InPlace::Yes | InPlace::Ended => (
            format!("`{check}` says that it is in place already"),
            "somebody else did that, and an undo would take it from them: undo it by hand first",
        ),
        InPlace::Unknown(why) => (why, "a check ends with 0 while it is in place and with 1 while it is not"),
    };
    Err(Trouble::new(format!("run `{line}`"), why).help(help))
}

/// Runs a command or its undo.
pub(super) async fn run(line: &CommandLine, receipt: &Receipt) -> Result<(), Trouble> {
    command::run(line, at(receipt)?).await
}

fn at(receipt: &Receipt) -> Result<&Surroundings, Trouble> {
    let lost = || Trouble::new("run a command", "the journal does not say what it is to be run in");
    receipt.surroundings.as_ref().ok_or_else(lost)
}

/// Whether a command is in place just before its undo. It is run where we are: the tool never leaves its folder.
pub(super) async fn read(check: Option<&CommandLine>) -> Result<InPlace, Trouble> {
    let Some(check) = check else { return Ok(InPlace::Ended) };
    Ok(command::look(check, &command::surroundings()?).await)
}

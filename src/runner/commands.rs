//! The commands of `process.exec`: run, undone and asked for.

use std::time::Duration;

use crate::host::{Checked, Prepared, Trouble, command, process};
use crate::model::dose::InPlace;
use crate::model::step::{CommandLine, Receipt, Surroundings};
use crate::model::units::Timespan;

/// How long a check may keep the way back waiting: what it says is worth less than that.
const PATIENCE: Timespan = Timespan(Duration::from_secs(1));

/// Sees to it that the programs are there and nothing of it is in place: what somebody else did must not be undone.
pub(super) async fn prepare(line: &CommandLine, check: Option<&CommandLine>) -> Result<Prepared, Trouble> {
    let surroundings = command::surroundings()?;
    for line in [Some(line), check].into_iter().flatten() {
        is_there(line, &surroundings)?;
    }
    if let Some(check) = check {
        absent(line, check, command::look(check, &surroundings).await)?;
    }
    let receipt = Receipt { surroundings: Some(surroundings), ..Receipt::default() };
    Ok(Prepared { receipt, notes: Vec::new() })
}

fn is_there(line: &CommandLine, at: &Surroundings) -> Result<(), Trouble> {
    let program = line.words.first().map_or("", String::as_str);
    let found = process::find_program(program, Some(&at.directory), Some(at.path.as_ref()));
    let missing = || {
        let trouble = Trouble::new(format!("find the program `{program}`"), "there is no such executable file");
        trouble.help("is it installed, and its folder in PATH?")
    };
    found.map(drop).ok_or_else(missing)
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
    command::run(line, &at(receipt)?).await
}

fn at(receipt: &Receipt) -> Result<Surroundings, Trouble> {
    receipt.surroundings.clone().map_or_else(command::surroundings, Ok)
}

/// Whether an undo did what it is for.
pub(super) async fn not_in_place(check: Option<&CommandLine>, receipt: &Receipt) -> Checked {
    let Some(check) = check else { return Checked::Yes };
    let because = match at(receipt) {
        Err(trouble) => return Checked::Unknown { because: trouble.to_string() },
        Ok(at) => match command::look(check, &at).await {
            InPlace::No => return Checked::Yes,
            InPlace::Unknown(because) => return Checked::Unknown { because },
            InPlace::Yes | InPlace::Ended => format!("`{check}` says that it is in place still"),
        },
    };
    Checked::No { because }
}

/// Whether a command is in place just before its undo, which waits no longer than a second for it.
pub(super) async fn read(check: Option<&CommandLine>) -> Result<InPlace, Trouble> {
    let Some(check) = check else { return Ok(InPlace::Ended) };
    let check = CommandLine { timeout: check.timeout.min(PATIENCE), ..check.clone() };
    Ok(command::look(&check, &command::surroundings()?).await)
}

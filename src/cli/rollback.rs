//! `chaos rollback`: undoes what killed runs left behind, and tells what it found, what it did and what it read back.

use super::arguments::RollbackArguments;
use super::run_folder::{self, RunFolder};
use super::{REFUSED, RESIDUE};
use crate::diagnostic::clean::clean;
use crate::host::output;
use crate::journal::recover::{Account, Outcome, Recovered, Recovery, names};

pub(super) fn rollback(arguments: &RollbackArguments) -> anyhow::Result<u8> {
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    let mut folders = RunFolder::all(&state)?;
    if let Some(run) = &arguments.run {
        folders.retain(|folder| folder.run() == *run);
        anyhow::ensure!(!folders.is_empty(), "there is no run {} in {}", clean(run), state.display());
    }
    let told: Vec<Told> = folders.iter().map(one).collect();
    let lines: Vec<&str> = told.iter().flat_map(|told| &told.lines).map(String::as_str).collect();
    output::stdout(&match lines.as_slice() {
        [] => "nothing to roll back\n".to_owned(),
        lines => lines.iter().map(|line| clean(line) + "\n").collect(),
    });
    Ok(exit_code(&told))
}

/// What one run has to say, and how it stands afterwards.
struct Told {
    lines: Vec<String>,
    code: u8,
}

fn one(folder: &RunFolder) -> Told {
    let run = folder.run();
    match Recovery::open(&folder.journal()).and_then(|recovery| recovery.recover()) {
        Ok(Recovered::Nothing) => Told { lines: Vec::new(), code: 0 },
        Ok(Recovered::Refused(header)) => {
            let pid = header.owner.pid;
            let line =
                format!("run {run}: refused: it is under way (pid {pid}); end it there with Ctrl-C, or: kill {pid}");
            Told { lines: vec![line], code: REFUSED }
        }
        Ok(Recovered::Undone(account)) => {
            let code = if account.is_clean() { 0 } else { RESIDUE };
            Told { lines: account_of(&run, &account), code }
        }
        Err(trouble) => {
            let place = folder.path().display();
            let line = format!("run {run}: RESIDUE: it cannot be known: {trouble}; once you are sure, remove {place}");
            Told { lines: vec![line], code: RESIDUE }
        }
    }
}

/// Residue outweighs a refusal.
fn exit_code(told: &[Told]) -> u8 {
    told.iter().map(|told| told.code).max().unwrap_or_default()
}

fn account_of(run: &str, account: &Account) -> Vec<String> {
    let mut lines = vec![format!("run {run}: its tool is gone and left {} steps", account.steps.len())];
    if !account.killed.is_empty() {
        lines.push(format!("  killed {}", names(&account.killed)));
    }
    lines.extend(account.steps.iter().map(step));
    lines.extend(account.notes.iter().map(|note| format!("  {note}")));
    lines.extend(account.troubles.iter().map(|trouble| format!("  {trouble}")));
    lines
        .extend(account.damaged.map(|place| format!("  {place} of its journal makes no sense: a step may be missing")));
    lines.extend(account.left.iter().map(|process| format!("  {process} lives still: kill -KILL {}", process.pid)));
    let end = if account.is_clean() { "everything is undone and was read back" } else { "RESIDUE is left" };
    lines.push(format!("run {run}: {end}"));
    lines
}

fn step(Outcome { number, what, undone }: &Outcome) -> String {
    match undone {
        Ok(how) => format!("  step {number}: {what}: undone: {how}"),
        Err(why) => format!("  step {number}: {what}: NOT UNDONE: {why}"),
    }
}

//! `chaos rollback`: undoes what killed runs left behind, and tells what it found, what it did and what it read back.

use std::path::Path;

use super::arguments::RollbackArguments;
use super::run_folder::{self, RunFolder};
use super::{REFUSED, RESIDUE, residue, scan};
use crate::diagnostic::clean::{clean, shell_word};
use crate::host::{Trouble, output};
use crate::journal::aside;
use crate::journal::recover::{Account, Outcome, Recovered, Recovery, names};

pub(super) fn rollback(arguments: &RollbackArguments) -> anyhow::Result<u8> {
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    let told = match &arguments.run {
        _ if arguments.scan => return scan::scan(&state),
        None if !arguments.all => anyhow::bail!("{}", residue::what_to_roll_back(&state)),
        None => RunFolder::all(&state)?.iter().map(one).collect(),
        Some(run) => vec![one(&named(&state, run)?)],
    };
    Ok(tell(&told, "nothing to roll back"))
}

fn named(state: &Path, run: &str) -> anyhow::Result<RunFolder> {
    let folder = RunFolder::all(state)?.into_iter().find(|folder| folder.run() == run);
    folder.ok_or_else(|| anyhow::anyhow!("there is no run {} in {}", clean(run), state.display()))
}

/// What one run has to say, and how it stands afterwards.
pub(super) struct Told {
    pub lines: Vec<String>,
    pub code: u8,
}

/// Prints it; the exit code. Residue outweighs a refusal.
pub(super) fn tell(told: &[Told], nothing: &str) -> u8 {
    let lines: Vec<&str> = told.iter().flat_map(|told| &told.lines).map(String::as_str).collect();
    output::stdout(&match lines.as_slice() {
        [] => format!("{nothing}\n"),
        lines => lines.iter().map(|line| clean(line) + "\n").collect(),
    });
    told.iter().map(|told| told.code).max().unwrap_or_default()
}

/// Rolls one run back, by its journal.
pub(super) fn one(folder: &RunFolder) -> Told {
    let run = folder.run();
    match Recovery::open(&folder.journal()).and_then(|recovery| recovery.recover()) {
        Ok(Recovered::Nothing) => Told { lines: Vec::new(), code: 0 },
        Ok(Recovered::Refused(header)) => {
            let (pid, place) = (header.owner.pid, run_folder::state_words(folder.state()));
            let line = format!("run {run}: refused: it is under way (pid {pid}); to end it: chaos stop {run}{place}");
            Told { lines: vec![line], code: REFUSED }
        }
        Ok(Recovered::Undone(account)) => {
            let code = if account.is_clean() { 0 } else { RESIDUE };
            Told { lines: account_of(&run, &account), code }
        }
        Err(trouble) => unreadable(folder, &run, &trouble),
    }
}

/// A journal that cannot be read keeps further runs out, unless it is sure that nothing of its run is there.
fn unreadable(folder: &RunFolder, run: &str, trouble: &Trouble) -> Told {
    match aside::set_aside(&folder.journal(), run) {
        Ok(place) => {
            let first = format!("run {run}: its journal cannot be read ({trouble})");
            let found = "  no process carries its mark or is named in it, and nobody has it open".to_owned();
            let done = format!("  it is set aside: {}", place.display());
            Told { lines: vec![first, found, done], code: 0 }
        }
        Err(kept) => {
            let first = format!("run {run}: RESIDUE: it cannot be known what is left: {trouble}; {kept}");
            let place = shell_word(&folder.path().to_string_lossy());
            let hand = format!("  once you are sure that nothing of it is left: rm -r {place}");
            Told { lines: vec![first, hand], code: RESIDUE }
        }
    }
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

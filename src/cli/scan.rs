//! `chaos rollback --scan`: whatever carries the mark of a run whose tool and guardian are dead, found without a journal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::rollback::{self, Told};
use super::run_folder::RunFolder;
use super::{REFUSED, RESIDUE};
use crate::diagnostic::clean::shell_word;
use crate::host::process::{self, Marked};
use crate::host::{Trouble, files, room, storage};
use crate::journal::scan::{self, Cleared, Fate, Strays};
use crate::journal::scan_groups;

pub(super) fn scan(state: &Path) -> anyhow::Result<u8> {
    let found = scan::look()?;
    let states = found.iter().flat_map(|strays| strays.states.iter().cloned());
    let folders = storage::places_of_drafts(states.chain([state.to_owned()]));
    let mut told: Vec<Told> = found.iter().map(|strays| one(strays, state)).collect();
    told.extend(groups()?);
    told.extend(folders.iter().flat_map(|folder| room::forgotten_drafts(folder)).map(|draft| remove(&draft)));
    Ok(rollback::tell(&told, "nothing of ours is left: no process carries the mark of a dead run"))
}

/// Control groups that dead runs left. Who was in them is gone with its run by now.
fn groups() -> Result<Vec<Told>, Trouble> {
    let told = scan_groups::look()?.into_iter().map(|(run, groups)| {
        let names: Vec<String> = groups.iter().map(|group| group.display().to_string()).collect();
        let mut lines = vec![format!("run {run}: its tool is gone and left the control groups {}", names.join(", "))];
        let code = match scan_groups::remove(&groups) {
            Ok(()) => {
                lines.push(format!("run {run}: its control groups are gone"));
                0
            }
            Err(trouble) => {
                lines.push(format!("run {run}: RESIDUE: {trouble}; by hand: rmdir {}", names.join(" ")));
                RESIDUE
            }
        };
        Told { lines, code }
    });
    Ok(told.collect())
}

fn one(strays: &Strays, state: &Path) -> Told {
    let Strays { run, fate, .. } = strays;
    match fate {
        Fate::UnderWay(owner) => Told { lines: vec![format!("run {run}: under way ({owner}), left alone")], code: 0 },
        Fate::Unknown(why) => unknown(strays, why),
        Fate::Guarded(_) | Fate::Abandoned => match put_back(strays, state) {
            Ok(told) => told,
            Err(trouble) => Told { lines: vec![format!("run {run}: RESIDUE: {trouble}")], code: RESIDUE },
        },
    }
}

/// By its journals first, as they know more than processes; then by the mark alone.
fn put_back(strays: &Strays, state: &Path) -> Result<Told, Trouble> {
    let run = &strays.run;
    let all: Vec<String> = strays.processes.iter().chain(&strays.spared).map(named).collect();
    let mut told = Told { lines: vec![format!("run {run}: its tool is gone and left {}", all.join(", "))], code: 0 };
    scan::await_guardian(run)?;
    if let Some(Strays { fate: Fate::Guarded(guardian), .. }) = scan::look_for(run)? {
        let pid = guardian.pid;
        told.lines
            .push(format!("  refused: its guardian ({guardian}) is at work; where it is stopped: kill -CONT {pid}"));
        return Ok(Told { code: REFUSED, ..told });
    }
    let folders = journals(strays, state);
    for by_journal in folders.iter().map(rollback::one) {
        let refused = by_journal.code == REFUSED;
        add(&mut told, by_journal);
        if refused {
            return Ok(told);
        }
    }
    let cleared = scan::clear(run)?;
    if told.code != 0 {
        // What kept the first try from knowing that nothing is left may be gone now.
        told.code = 0;
        folders.iter().for_each(|folder| add(&mut told, rollback::one(folder)));
    }
    add(&mut told, account_of(run, &cleared));
    Ok(told)
}

/// The journals of a run: where its processes say, and where runs are usually kept; only what is ours is believed.
fn journals(strays: &Strays, state: &Path) -> Vec<RunFolder> {
    let states: BTreeSet<&Path> = strays.states.iter().map(PathBuf::as_path).chain([state]).collect();
    let folders = states.into_iter().filter_map(|state| RunFolder::find(state, &strays.run));
    let ours = |path: &Path| {
        storage::ownership(path).is_ok_and(|there| there.is_some_and(|(user, _)| user == process::user()))
    };
    folders.filter(|folder| ours(folder.path()) && ours(&folder.journal())).collect()
}

fn add(told: &mut Told, more: Told) {
    told.lines.extend(more.lines);
    told.code = told.code.max(more.code);
}

fn account_of(run: &str, cleared: &Cleared) -> Told {
    let mut lines = Vec::new();
    if !cleared.killed.is_empty() {
        lines.push(format!("  killed {}", cleared.killed.iter().map(named).collect::<Vec<_>>().join(", ")));
    }
    lines.extend(cleared.troubles.iter().map(|trouble| format!("  {trouble}")));
    lines.extend(cleared.left.iter().map(left));
    let clean = cleared.left.is_empty();
    let end = if clean { "no process carries its mark any more" } else { "RESIDUE is left" };
    lines.push(format!("run {run}: {end}"));
    Told { lines, code: if clean { 0 } else { RESIDUE } }
}

fn unknown(strays: &Strays, why: &str) -> Told {
    let first = format!("run {}: RESIDUE: left alone, as {why}", strays.run);
    let lines = [first].into_iter().chain(strays.processes.iter().chain(&strays.spared).map(left)).collect();
    Told { lines, code: RESIDUE }
}

fn named(stray: &Marked) -> String {
    let stopped = if stray.stopped { ", stopped" } else { "" };
    format!("{} ({}{stopped})", stray.process, stray.program)
}

/// Why it is there still, and the command that ends it.
fn left(stray: &Marked) -> String {
    let (name, pid) = (named(stray), stray.process.pid);
    if stray.user != process::user() {
        let user = stray.user;
        return format!("  {name} belongs to user {user} and is not touched: sudo -u '#{user}' kill -KILL {pid}");
    }
    let why = if stray.ancestor { "started this command and is not touched" } else { "lives" };
    format!("  {name} {why}; if nothing needs it: kill -KILL {pid}")
}

fn remove(draft: &Path) -> Told {
    let place = shell_word(&draft.to_string_lossy());
    match files::remove_file(draft) {
        Ok(_) => Told { lines: vec![format!("removed a forgotten file of ours: {place}")], code: 0 },
        Err(error) => {
            let line = format!("RESIDUE: a forgotten file of ours cannot be removed: {error}; by hand: rm {place}");
            Told { lines: vec![line], code: RESIDUE }
        }
    }
}

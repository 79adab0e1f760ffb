//! What runs left behind, by their journals and by the marks of processes; and runs under way.

use std::path::{Path, PathBuf};

use crate::cli::run_folder::{self, RunFolder};
use crate::diagnostic::clean::shell_word;
use crate::host::process::{self, Marked};
use crate::host::{Trouble, files, room, storage};
use crate::journal::recover::{Recovery, names};
use crate::journal::scan::{self, Fate, Strays};
use crate::journal::scan_groups;
use crate::journal::survey::{Remains, Standing};
use crate::journal::{Header, aside};
use crate::model::step::ProcessIdentity;
use crate::report::doctor::{Finding, Section, State};

/// What to do while a guardian puts things back.
const AT_WORK: &str = "look again in a moment; a guardian that is stopped goes on with kill -CONT";

/// Everything that is there, in the state folder and among the processes.
pub(super) fn findings(state: &Path) -> Vec<Finding> {
    let place = place(state);
    let mut findings = Vec::new();
    let folders = RunFolder::all(state).and_then(|folders| Ok((folders, RunFolder::without_journal(state)?)));
    match folders {
        Ok((folders, without)) => {
            findings.extend(folders.iter().filter_map(|folder| journal(folder, &place)));
            findings.extend(without.iter().filter_map(|path| no_journal(path)));
        }
        Err(error) => findings.push(unseen("run folders", &format!("{error:#}"))),
    }
    match scan::look() {
        Ok(strays) => {
            let known = |strays: &Strays| RunFolder::find(state, &strays.run).is_some();
            findings.extend(strays.iter().filter(|strays| !known(strays)).map(marked));
        }
        Err(trouble) => findings.push(unseen("processes", &trouble.to_string())),
    }
    match scan_groups::look() {
        Ok(runs) => {
            let known = |run: &String| RunFolder::find(state, run).is_some();
            findings.extend(runs.iter().filter(|(run, _)| !known(run)).map(|(run, groups)| left_groups(run, groups)));
        }
        Err(trouble) => findings.push(unseen("control groups", &trouble.to_string())),
    }
    findings.extend(drafts(state));
    if findings.is_empty() {
        let why = format!("no run in {} and no process left anything", state.display());
        findings.push(about("runs", why));
    }
    findings
}

fn about(name: impl Into<String>, why: impl Into<String>) -> Finding {
    Finding::ok(Section::LeftBehind, name, why)
}

/// What cannot be seen cannot be called clean.
fn unseen(name: &str, why: &str) -> Finding {
    about(name, why).but(State::Problem, "what is left cannot be known before this can be read")
}

/// The words that name the state folder, where it is not the usual one.
fn place(state: &Path) -> String {
    let usual = run_folder::state(None).ok().and_then(|usual| std::path::absolute(usual).ok());
    let elsewhere = usual.is_none_or(|usual| usual != state);
    if elsewhere { format!(" --state-dir {}", shell_word(&state.to_string_lossy())) } else { String::new() }
}

fn journal(folder: &RunFolder, place: &str) -> Option<Finding> {
    let run = folder.run();
    match Recovery::open(&folder.journal()).and_then(|recovery| recovery.survey()) {
        Ok(Standing::Finished) => None,
        Ok(Standing::Running(header)) => Some(under_way(&header, scan::guardian_of(&run))),
        Ok(Standing::Left(remains)) => {
            let command = format!("chaos rollback {}{place}", shell_word(&run));
            if let Ok(Some(guardian)) = scan::guardian_of(&run) {
                let why = format!("its tool is dead, and its guardian ({guardian}) is at work");
                return Some(about(format!("run {run}"), why).but(State::Warning, AT_WORK));
            }
            let left = remains.processes();
            Some(residue(&remains, left.as_deref(), &remains.stopped(), &remains.files()).command(command))
        }
        Err(trouble) => {
            let fix = "a rollback sets the journal aside if nothing of its run is there, or says what keeps it";
            let command = format!("chaos rollback {}{place}", shell_word(&run));
            Some(about(format!("run {run}"), trouble.to_string()).but(State::Problem, fix).command(command))
        }
    }
}

fn under_way(header: &Header, guardian: Result<Option<ProcessIdentity>, Trouble>) -> Finding {
    let about =
        |guardian: &str| about(format!("run {}", header.run), format!("under way ({}), {guardian}", header.owner));
    match guardian {
        Ok(Some(guardian)) => about(&format!("its guardian ({guardian}) lives")),
        Ok(None) => about("its guardian does not live").but(State::Warning, "it rolls back by itself now; look again"),
        Err(trouble) => about(&trouble.to_string()),
    }
}

/// What a dead tool left. Notes alone, with nothing behind them on the machine, are no residue.
fn residue(
    remains: &Remains,
    left: Result<&[ProcessIdentity], &Trouble>,
    stopped: &[ProcessIdentity],
    files: &[PathBuf],
) -> Finding {
    let name = format!("run {}", remains.header.run);
    let mut what = vec![format!("its tool is dead and {} steps are not undone", remains.steps.len())];
    what.extend(
        remains.damaged.map(|damage| format!("{damage} of its journal makes no sense, so a step may be missing")),
    );
    let missing = remains.part_missing && remains.same_boot;
    what.extend(
        missing.then(|| "the part of its journal in the runtime folder is gone, so steps are missing".to_owned()),
    );
    what.extend(
        Some(stopped).filter(|stopped| !stopped.is_empty()).map(|stopped| format!("{} stopped", names(stopped))),
    );
    what.extend(files.iter().map(|file| format!("{} is there", file.display())));
    let in_groups = remains.in_groups();
    what.extend(in_groups.iter().cloned());
    let ways = remains.ways_back();
    what.extend(ways.iter().map(|way| format!("`{}` is to be run", way.command)));
    let real = match left {
        Ok([]) => !ways.is_empty() || !in_groups.is_empty() || !files.is_empty() || missing || !stopped.is_empty(),
        Ok(left) => {
            what.push(format!("{} of it live", names(left)));
            true
        }
        Err(trouble) => {
            what.push(trouble.to_string());
            true
        }
    };
    if real {
        about(name, what.join("; ")).but(State::Problem, "put it back")
    } else {
        what.push("nothing of them is on the machine any more".to_owned());
        let fix = if remains.damaged.is_some() {
            "let it be read back; a damaged journal is told until its folder is removed"
        } else {
            "let it be read back and written down"
        };
        about(name, what.join("; ")).but(State::Warning, fix)
    }
}

/// A folder without a journal: of a run that never began, or whose journal was set aside. Anything else is not ours.
fn no_journal(path: &Path) -> Option<Finding> {
    let run = path.file_name()?.to_string_lossy().into_owned();
    uuid::Uuid::parse_str(&run).ok()?;
    let word = shell_word(&path.to_string_lossy());
    let files = files::list(path).ok()?;
    if files.iter().any(|file| file.file_name().is_some_and(|name| name == aside::NAME)) {
        let why = "its journal could not be read and was set aside, with nothing of the run on the machine";
        let fix = "once you have looked at it, remove the folder";
        return Some(about(format!("run {run}"), why).but(State::Warning, fix).command(format!("rm -r {word}")));
    }
    let why = "its folder has no journal: it never began, and touched nothing";
    let command = if files.is_empty() { format!("rmdir {word}") } else { format!("rm -r {word}") };
    Some(about(format!("run {run}"), why).but(State::Warning, "remove the folder").command(command))
}

/// Processes of a run without a journal here.
fn marked(strays: &Strays) -> Finding {
    let all: Vec<String> = strays.processes.iter().chain(&strays.spared).map(named).collect();
    let all = all.join(", ");
    let about = |why: String| about(format!("run {}", strays.run), why);
    let scan = "chaos rollback --scan";
    match &strays.fate {
        Fate::UnderWay(owner) => about(format!("under way ({owner}), with its journal elsewhere")),
        Fate::Guarded(guardian) => {
            about(format!("its tool is dead, and its guardian ({guardian}) is at work; {all} live"))
                .but(State::Warning, AT_WORK)
        }
        Fate::Unknown(why) => {
            about(format!("{all} carry its mark; {why}")).but(State::Warning, "see what they are").command(scan)
        }
        Fate::Abandoned => {
            about(format!("tool and guardian are dead; {all} live")).but(State::Problem, "end them").command(scan)
        }
    }
}

/// Control groups of a run without a journal here.
fn left_groups(run: &str, groups: &[PathBuf]) -> Finding {
    let names: Vec<String> = groups.iter().map(|group| group.display().to_string()).collect();
    about(
        format!("run {run}"),
        format!("tool and guardian are dead; its control groups are there: {}", names.join(", ")),
    )
    .but(State::Problem, "remove them")
    .command("chaos rollback --scan")
}

fn named(stray: &Marked) -> String {
    let stopped = if stray.stopped { ", stopped" } else { "" };
    let other = if stray.user == process::user() { String::new() } else { format!(", of user {}", stray.user) };
    format!("{} ({}{stopped}{other})", stray.process, stray.program)
}

fn drafts(state: &Path) -> Vec<Finding> {
    let found =
        storage::places_of_drafts([state.to_owned()]).into_iter().flat_map(|folder| room::forgotten_drafts(&folder));
    let finding = |draft: std::path::PathBuf| {
        about(draft.display().to_string(), "a file of ours that should have no name any more")
            .but(State::Problem, "remove it")
            .command("chaos rollback --scan")
    };
    found.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::{findings, no_journal, residue, under_way};
    use crate::host::{files, process};
    use crate::journal::apart::Damage;
    use crate::journal::survey::Remains;
    use crate::journal::{FORMAT, Header};
    use crate::report::doctor::State;

    fn remains() -> Remains {
        let owner = process::this().expect("we live");
        let (run, tool) = ("a-run".to_owned(), "0".to_owned());
        let header = Header { journal: FORMAT, run, tool, boot: "a-boot".into(), owner, volatile: None };
        let damaged = Some(Damage { line: 3, volatile: false });
        Remains { header, steps: Vec::new(), same_boot: true, damaged, part_missing: false }
    }

    #[test]
    fn what_lives_or_is_stopped_or_cannot_be_seen_is_a_problem_and_notes_alone_are_not() {
        let one = [process::this().expect("we live")];
        let judged = |left: &[_], stopped: &[_]| residue(&remains(), Ok(left), stopped, &[]);
        let file = ["/data/.chaos-a-run-0".into()];
        assert_eq!(residue(&remains(), Ok(&[]), &[], &file).state, State::Problem);
        assert_eq!((judged(&one, &[]).state, judged(&[], &one).state), (State::Problem, State::Problem));
        assert_eq!(judged(&[], &[]).state, State::Warning);
        assert!(judged(&[], &[]).why.contains("line 3 of its journal"), "{:?}", judged(&[], &[]));
        let trouble = crate::host::Trouble::new("look", "no descriptors");
        assert_eq!(residue(&remains(), Err(&trouble), &[], &[]).state, State::Problem);
    }

    #[test]
    fn a_run_under_way_without_its_guardian_is_told() {
        let header = remains().header;
        assert_eq!(under_way(&header, Ok(Some(header.owner.clone()))).state, State::Ok);
        assert_eq!(under_way(&header, Ok(None)).state, State::Warning);
    }

    #[test]
    fn a_folder_without_a_journal_is_told_only_when_it_is_named_like_a_run() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("runs/01a1fc08-8999-710d-a0a1-cb0d5a1f2584");
        files::create_dir_all(&folder).expect("makes it");
        files::create_dir_all(&home.path().join("runs/notes")).expect("makes it");
        let told: Vec<_> = findings(home.path()).into_iter().filter(|finding| finding.name.contains("710d")).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].command.as_deref().is_some_and(|command| command.starts_with("rmdir ")), "{told:?}");
        assert_eq!(no_journal(&home.path().join("runs/notes")), None);
        files::create_new(&folder.join("journal.unreadable")).expect("makes it");
        assert!(no_journal(&folder).is_some_and(|finding| finding.why.contains("set aside")));
    }
}

//! A journal that cannot be read keeps every further run from beginning. Where it is sure that nothing of its run is on
//! the machine any more, it is set aside: kept, under a name that nobody asks for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Contents, Entry, FORMAT, Header, apart, open_steps, read, scan};
use crate::host::durable_log::DurableLog;
use crate::host::scene::Paper;
use crate::host::{Trouble, dice, files, process, runtime_folder, thread};
use crate::model::dose::ProcessState;
use crate::model::step::Persistence;
use crate::model::target::Victims;

/// What an unreadable journal is called once it is set aside.
pub const NAME: &str = "journal.unreadable";

/// Two that try at once are in each other's way for a moment.
const BUSY: &str = "another recovery is at it";
const OPEN: &str = "has it open";
const LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Sets the journal of this run aside, if it has no header that can be read and nothing of the run is there; says where
/// it is now. An error says why it may not be.
pub fn set_aside(journal: &Path, run: &str) -> Result<PathBuf, Trouble> {
    let place = journal.with_file_name(NAME);
    let deadline = thread::now() + LIMIT;
    loop {
        match try_once(journal, &place, run) {
            Err(_) if !journal.exists() && place.exists() => return Ok(place),
            Err(trouble) if is_passing(&trouble) && thread::now() < deadline => {
                thread::sleep_until(thread::now() + PAUSE * (1 + steps_apart()))
            }
            done => return done.map(|()| place),
        }
    }
}

/// Whether another try may fare better: whoever is at the journal, or dying, is soon done.
fn is_passing(trouble: &Trouble) -> bool {
    [BUSY, OPEN].iter().any(|passing| trouble.why.ends_with(passing))
}

fn try_once(journal: &Path, place: &Path, run: &str) -> Result<(), Trouble> {
    let refused = |why: String| Trouble::new("set the journal aside", why);
    let log = DurableLog::open(journal).map_err(|error| refused(error.to_string()))?;
    if !log.lock().map_err(|error| refused(error.to_string()))? {
        return Err(refused(BUSY.to_owned()));
    }
    let bytes = log.read().map_err(|error| refused(error.to_string()))?;
    if let Some(why) = keeps(&read(&bytes), run) {
        return Err(refused(why));
    }
    // The other part of it: without its header nobody else finds that any more.
    let volatile = runtime_folder::files_named(&apart::file_name(run));
    for part in &volatile {
        let bytes = files::read(part).map_err(|error| refused(error.to_string()))?;
        if let Some(why) = lives(&read(&bytes).entries) {
            return Err(refused(why));
        }
    }
    if let Some(strays) = scan::look_for(run)? {
        let all: Vec<_> = strays.processes.iter().chain(&strays.spared).map(|one| one.process.to_string()).collect();
        return Err(refused(format!("{} of its run live; end them: chaos rollback --scan", all.join(", "))));
    }
    if let Some(guardian) = scan::guardian_of(run)? {
        return Err(refused(format!("its guardian ({guardian}) lives")));
    }
    if let Some(pid) = process::holders(journal)?.first() {
        return Err(refused(format!("pid {pid} {OPEN}")));
    }
    files::rename_new(journal, place).map_err(|error| refused(error.to_string()))?;
    for part in volatile {
        files::remove_file(&part).map_err(|error| refused(error.to_string()))?;
        runtime_folder::leave(&part);
    }
    Ok(())
}

/// Between 0 and 7, so that two do not stay in step.
fn steps_apart() -> u32 {
    (dice::random_seed() % 8) as u32
}

/// Why what can be read of a journal forbids to set it aside.
fn keeps(contents: &Contents, run: &str) -> Option<String> {
    if uuid::Uuid::parse_str(run).is_err() {
        return Some("its folder is not named like a run".to_owned());
    }
    if let Some(Header { journal: format, .. }) = &contents.header {
        return Some(format!("its header can be read, format {format} (ours is {FORMAT})"));
    }
    lives(&contents.entries)
}

/// Why a step that is not undone forbids it.
fn lives(entries: &[Entry]) -> Option<String> {
    open_steps(entries).iter().find_map(|entry| {
        if entry.persistence == Persistence::Persistent {
            return Some(format!("step {} may outlive a restart of the machine: {}", entry.number, entry.step.apply));
        }
        let hit = entry.step.apply.whom().into_iter().flat_map(Victims::identities);
        let living = hit.chain(&entry.receipt.process).find(|process| process::state(process) != ProcessState::Gone);
        living.map(|process| format!("{process} of its step {} lives", entry.number))
    })
}

#[cfg(test)]
mod tests {
    use super::{NAME, set_aside};
    use crate::host::{files, process};
    use crate::journal::testing::{header, step};
    use crate::journal::{Entry, Owner, State};
    use crate::model::step::{Persistence, Receipt};

    const RUN: &str = "01a1fc08-8999-710d-a0a1-cb0d5a1f2584";

    fn tried(run: &str, content: &str) -> Result<(), String> {
        let home = tempfile::tempdir().expect("a folder");
        let journal = home.path().join("journal.jsonl");
        files::write_atomic(&journal, content.as_bytes()).expect("writes");
        let done = set_aside(&journal, run).map_err(|trouble| trouble.why);
        assert_eq!(journal.exists(), done.is_err());
        if let Ok(place) = &done {
            assert_eq!(files::read(place).expect("is kept"), content.as_bytes());
            assert_eq!(place.file_name().expect("a name"), NAME);
        }
        done.map(drop)
    }

    fn with_entry(change: impl FnOnce(&mut Entry)) -> String {
        let (owner, state, persistence) = (Owner::SetUp, State::Active, Persistence::Volatile);
        let mut entry = Entry { number: 1, owner, state, persistence, step: step(), receipt: Receipt::default() };
        change(&mut entry);
        format!("scribble\n{}\n", serde_json::to_string(&entry).expect("writes"))
    }

    #[test]
    fn a_journal_without_sense_and_without_a_trace_of_its_run_is_set_aside() {
        assert_eq!(tried(RUN, "scribble\n"), Ok(()));
        assert_eq!(tried(RUN, &with_entry(|_| {})), Ok(()));
    }

    #[test]
    fn a_header_that_can_be_read_keeps_its_journal() {
        let text = serde_json::to_string(&header()).expect("writes") + "\n";
        assert!(tried(RUN, &text).is_err_and(|why| why.contains("header")));
    }

    #[test]
    fn a_living_process_of_an_open_step_keeps_it() {
        let this = process::this();
        let text = with_entry(|entry| entry.receipt.process = this.clone());
        assert!(tried(RUN, &text).is_err_and(|why| why.contains("lives")));
        let text = with_entry(|entry| (entry.receipt.process, entry.state) = (this, State::Done));
        assert_eq!(tried(RUN, &text), Ok(()));
    }

    #[test]
    fn what_may_outlive_a_restart_keeps_it() {
        let text = with_entry(|entry| entry.persistence = Persistence::Persistent);
        assert!(tried(RUN, &text).is_err_and(|why| why.contains("restart")));
    }

    #[test]
    fn a_folder_that_is_not_named_like_a_run_is_not_ours_to_change() {
        assert!(tried("notes", "scribble\n").is_err());
    }
}

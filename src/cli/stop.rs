//! `chaos stop`: the kill switch from another terminal. Finds runs by their journals, asks them to end by identity, and
//! waits until everything is undone; a tool that does not react is killed, so that its guardian does it.

use std::path::Path;
use std::time::Duration;

use super::arguments::StopArguments;
use super::patience::{Patience, Urge};
use super::run_folder::{self, RunFolder};
use super::{REFUSED, RESIDUE};
use crate::diagnostic::clean::clean;
use crate::host::process::{self, Signal};
use crate::host::{Trouble, files, output, thread};
use crate::journal::recover::{Account, Recovered, Recovery};
use crate::journal::survey::Standing;
use crate::journal::{Header, open_steps};
use crate::model::dose::ProcessState;
use crate::model::fault::KillSignal;
use crate::model::units::Timespan;

/// How long the guardian of a dead tool may take before its work is done here.
const GUARDIAN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// The last event of a run is found within so many bytes.
const LAST_EVENT: u64 = 4096;

pub(super) fn stop(arguments: &StopArguments) -> anyhow::Result<u8> {
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    let under_way = under_way(&state)?;
    let chosen = match &arguments.run {
        Some(run) => match named(&state, run, under_way)? {
            Some(one) => vec![one],
            None => return Ok(0),
        },
        None if under_way.len() > 1 && !arguments.all => {
            output::stderr(&several(&under_way, &state));
            return Ok(REFUSED);
        }
        None => under_way,
    };
    if chosen.is_empty() {
        output::stdout("nothing is under way\n");
    }
    // All are asked before any is waited for.
    let asked: Vec<Asked> = chosen.into_iter().map(Asked::ask).collect();
    let codes = asked.into_iter().map(|asked| asked.end(&state));
    Ok(codes.max().unwrap_or_default())
}

/// A run whose tool lives.
struct UnderWay {
    folder: RunFolder,
    header: Header,
}

impl UnderWay {
    /// Both parts together: whatever the tool does, one of them changes.
    fn journal_length(&self) -> u64 {
        length(&self.folder.journal()) + self.header.volatile.as_deref().map_or(0, length)
    }
}

/// What cannot be read is no run under way that we know of; `chaos rollback` tells of it.
fn under_way(state: &Path) -> anyhow::Result<Vec<UnderWay>> {
    let standing = |folder: &RunFolder| Recovery::open(&folder.journal()).and_then(|recovery| recovery.survey());
    let of = |folder| match standing(&folder) {
        Ok(Standing::Running(header)) => Some(UnderWay { folder, header }),
        _ => None,
    };
    Ok(RunFolder::all(state)?.into_iter().filter_map(of).collect())
}

/// The folders of the runs under way.
pub(super) fn folders_under_way(state: &Path) -> anyhow::Result<Vec<RunFolder>> {
    Ok(under_way(state)?.into_iter().map(|one| one.folder).collect())
}

/// The run whose id begins like this; none, and told, when it is over already.
fn named(state: &Path, wanted: &str, under_way: Vec<UnderWay>) -> anyhow::Result<Option<UnderWay>> {
    let is_it = |run: &str| !wanted.is_empty() && run.starts_with(wanted);
    let mut found: Vec<UnderWay> = under_way.into_iter().filter(|one| is_it(&one.header.run)).collect();
    if found.len() > 1 {
        anyhow::bail!("{}", several(&found, state).trim_start_matches("error: ").trim_end());
    }
    if let Some(one) = found.pop() {
        return Ok(Some(one));
    }
    let kept = RunFolder::all(state)?.into_iter().map(|folder| folder.run()).find(|run| is_it(run));
    let Some(run) = kept else { anyhow::bail!("there is no run {} in {}", clean(wanted), state.display()) };
    let place = run_folder::state_words(state);
    output::stdout(&clean(&format!(
        "run {run}: is not under way; should it have left anything: chaos rollback {run}{place}"
    )));
    output::stdout("\n");
    Ok(None)
}

fn several(runs: &[UnderWay], state: &Path) -> String {
    let place = run_folder::state_words(state);
    let line =
        |one: &UnderWay| clean(&format!("  chaos stop {}{place}   ({})", one.header.run, one.header.owner)) + "\n";
    let lines: String = runs.iter().map(line).collect();
    format!("error: {} runs are under way: name one, or --all\n{lines}", runs.len())
}

/// A run that was asked to end.
struct Asked {
    run: UnderWay,
    since: Duration,
    /// The length of its journal when it was asked.
    journal: u64,
    refused: Option<Trouble>,
}

impl Asked {
    fn ask(run: UnderWay) -> Self {
        let journal = run.journal_length();
        // Without it the report says SIGTERM, which is true as well.
        let _ = files::create_new(&run.folder.stop_request());
        let mut asked = Self { run, since: thread::now(), journal, refused: None };
        asked.say("is asked to end (SIGTERM)");
        asked.refused = asked.signal(KillSignal::Term).err();
        asked
    }

    fn signal(&self, signal: KillSignal) -> Result<bool, Trouble> {
        process::send_signal(&self.run.header.owner, Signal::Kill(signal))
    }

    /// Waits for its end, and tells how it ended.
    fn end(self, state: &Path) -> u8 {
        if let Some(trouble) = &self.refused {
            self.tell(&format!("NOT stopped: {trouble}"));
            return REFUSED;
        }
        match self.wait() {
            Ok(how) => {
                let took = Timespan(thread::now().saturating_sub(self.since));
                self.tell(&format!("{how}; everything is undone and was read back, {took} after it was asked"));
                0
            }
            Err(why) => {
                let (run, place) = (&self.run.header.run, run_folder::state_words(state));
                self.tell(&format!("RESIDUE: {why}; try: chaos rollback {run}{place}"));
                RESIDUE
            }
        }
    }

    fn wait(&self) -> Result<String, String> {
        let recovery = Recovery::open(&self.run.folder.journal()).map_err(|trouble| trouble.to_string())?;
        let mut patience = Patience::new(thread::now(), self.journal);
        let mut died = None;
        loop {
            match recovery.survey().map_err(|trouble| trouble.to_string())? {
                Standing::Finished if patience.killed().is_some() => {
                    return Ok("was killed and put back by its guardian".into());
                }
                Standing::Finished => return Ok("has ended".into()),
                Standing::Left(_) => {
                    let dead = *died.get_or_insert_with(thread::now);
                    if thread::now() >= dead + GUARDIAN {
                        return self.recover(&recovery);
                    }
                }
                Standing::Running(_) if self.only_reports(&recovery) => {
                    return Ok(format!("is over and {} only tells of it", self.run.header.owner));
                }
                Standing::Running(header) if patience.killed().is_some_and(|at| thread::now() >= at + GUARDIAN) => {
                    return Err(format!("{} was killed and does not die", header.owner));
                }
                Standing::Running(_) => self.urge(&mut patience),
            }
            thread::sleep_until(thread::now() + PAUSE);
        }
    }

    /// A tool that lives still.
    fn urge(&self, patience: &mut Patience) {
        let stopped = process::state(&self.run.header.owner) == ProcessState::Stopped;
        let (what, signal) = match patience.urge(thread::now(), self.run.journal_length(), stopped) {
            Urge::Wait => return,
            Urge::Hurry => ("is slow to roll back and is asked to hurry (SIGTERM)".to_owned(), KillSignal::Term),
            Urge::KillStopped => (killed("is stopped"), KillSignal::Kill),
            Urge::KillSilent(limit) => {
                (killed(&format!("shows no reaction for {}", Timespan(limit))), KillSignal::Kill)
            }
        };
        self.say(&what);
        self.signal(signal).err().into_iter().for_each(|trouble| self.say(&trouble.to_string()));
    }

    /// Whether everything is undone and the run is told to its end: what is left is a report that somebody may be
    /// reading page by page.
    fn only_reports(&self, recovery: &Recovery) -> bool {
        let last = files::read_end(&self.run.folder.events(), 0, LAST_EVENT).unwrap_or_default();
        String::from_utf8_lossy(&last).contains(r#""event":"run_ended""#)
            && recovery.contents().is_ok_and(|journal| open_steps(&journal.entries).is_empty())
    }

    /// The guardian did not do it, so it is dead too, or cannot.
    fn recover(&self, recovery: &Recovery) -> Result<String, String> {
        self.say("has no guardian that puts it back: it is done here");
        match recovery.recover().map_err(|trouble| trouble.to_string())? {
            Recovered::Nothing => Ok("was put back by its guardian".into()),
            Recovered::Undone(account) if account.is_clean() => Ok("was put back from its journal".into()),
            Recovered::Undone(account) => Err(not_undone(&account)),
            Recovered::Refused(header) => Err(format!("{} lives still", header.owner)),
        }
    }

    /// Talk.
    fn say(&self, what: &str) {
        let UnderWay { header, .. } = &self.run;
        output::stderr(&(clean(&format!("run {} ({}) {what}", header.run, header.owner)) + "\n"));
    }

    /// The outcome.
    fn tell(&self, what: &str) {
        output::stdout(&(clean(&format!("run {} {what}", self.run.header.run)) + "\n"));
    }
}

fn killed(why: &str) -> String {
    format!("{why}: it is killed (SIGKILL), and its guardian puts everything back")
}

fn not_undone(account: &Account) -> String {
    let steps = account.steps.iter().filter_map(|step| Some(format!("{}: {}", step.what, step.undone.as_ref().err()?)));
    let steps: Vec<String> = steps.collect();
    if steps.is_empty() { "not everything could be undone".to_owned() } else { steps.join("; ") }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |journal| journal.len())
}

//! `chaos run`: reads the file, runs the experiment, prints the report.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::arguments::{FileArguments, Output, RunArguments};
use super::policy::Gate;
use super::run_folder::{self, RunFolder};
use super::{OUR_BUG, REFUSED, claims, colour, experiment_file, prune, residue};
use crate::analysis::{self, Analysis, Run};
use crate::console::{Console, Look};
use crate::guard::policy::Purpose;
use crate::host::clock::Clock;
use crate::host::locks::Locks;
use crate::host::output::{self, Stream};
use crate::host::scene::ThisMachine;
use crate::host::signals::{self, Cancel, CancelHandle};
use crate::host::{dice, files, process, runtime_folder, this_process};
use crate::journal::guardian::Guardian;
use crate::journal::{Header, Journal, apart};
use crate::model::event::{Event, EventKind, RunHeader};
use crate::model::experiment::Experiment;
use crate::model::verdict::Mode;
use crate::report::{self, Format};
use crate::runner::{self, Ending, LinuxMachine};

/// Version of the event format.
const EVENT_FORMAT: u32 = 1;
/// Names the file that a job of GitHub Actions shows as its summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<u8> {
    let formats = formats(&arguments.reports)?;
    let Some(gate) = Gate::open(&arguments.policy)? else { return Ok(REFUSED) };
    let FileArguments { file, variables } = &arguments.experiment;
    let read = experiment_file::read(file, variables, experiment_file::REAL_SECRETS, arguments.quiet)?;
    let Some(loaded) = read else { return Ok(REFUSED) };
    let purpose = Purpose::Run { approved: arguments.approve.as_deref() };
    let Some(admitted) = gate.admit(loaded, purpose)? else { return Ok(REFUSED) };
    let mut header = header(arguments, admitted.experiment);
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    residue::refuse(&state)?;
    let locks = claims::take(&header, &state)?;
    let folder = RunFolder::create(&state, &header.run)?;
    header.folder = Some(folder.path().to_owned());
    let machine = LinuxMachine::new(&header.experiment, header.seed, folder.path().to_owned());
    let machine = machine.under(gate.into_policies());
    let (ending, events) = guarded(header, &folder, machine, locks, arguments.quiet)?;
    // From here on something may have been touched: no failure of ours may end as a refusal.
    let Some(run) = Run::fold(&as_stored(events)) else { return Ok(our_bug("the run told nothing")) };
    let analysis = analysis::analyse(&run);
    tell(arguments, &formats, &run, &analysis);
    prune::prune(&state, arguments.keep);
    Ok(exit_code(&ending, &analysis))
}

/// Runs it under a guardian, which is there before anything is touched and before we have threads. It holds the locks
/// with us: what the run took for itself is free again when nothing of the run is left.
fn guarded(
    header: RunHeader,
    folder: &RunFolder,
    machine: LinuxMachine,
    locks: Locks,
    quiet: bool,
) -> anyhow::Result<(Ending, Vec<Event>)> {
    let journal = begin_journal(&folder.journal(), &header.run)?;
    process::mark_children(&header.run, folder.state());
    let guardian = Guardian::start(&folder.journal(), runner::longest(&header.experiment), &locks);
    let mut guardian = guardian.context("nothing was touched, as nobody would put it back if this process died")?;
    let (handle, cancel) = Cancel::manual();
    let lost = handle.clone();
    guardian.watch(move || lost.lose_guardian())?;
    let done = runtime()
        .and_then(|runtime| runtime.block_on(perform(header, folder, machine, journal, (handle, cancel), quiet)));
    guardian.dismiss();
    locks.release();
    done
}

/// The header as the event log has it, secrets masked: a report of the stored run says the same.
fn as_stored(mut events: Vec<Event>) -> Vec<Event> {
    if let Some(first) = events.first_mut() {
        let stored = serde_json::to_string(first).and_then(|line| serde_json::from_str(&line));
        if let Ok(stored) = stored {
            *first = stored;
        }
    }
    events
}

/// A runtime whose threads live as long as the process: workers die with the thread that made them.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("cannot start threads")
}

fn header(arguments: &RunArguments, experiment: Experiment) -> RunHeader {
    RunHeader {
        format: EVENT_FORMAT,
        run: uuid::Uuid::now_v7().to_string(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        started: Clock::Real.wall(),
        file: arguments.experiment.file.display().to_string(),
        mode: if arguments.dry_run { Mode::Observe } else { Mode::Inject },
        seed: arguments.seed.unwrap_or_else(dice::random_seed),
        folder: None,
        variables: arguments.experiment.variables.iter().map(|(name, _)| name.clone()).collect(),
        experiment,
    }
}

/// Runs it and listens: console, event log and memory are three folds over the one stream.
async fn perform(
    header: RunHeader,
    folder: &RunFolder,
    machine: LinuxMachine,
    journal: Journal,
    (handle, cancel): (CancelHandle, Cancel),
    quiet: bool,
) -> anyhow::Result<(Ending, Vec<Event>)> {
    this_process::allow_many_open_files();
    let stop = folder.stop_request();
    let name = move |signal| if signal == "SIGTERM" && stop.exists() { "chaos stop" } else { signal };
    signals::listen_for(handle, name).context("cannot listen to signals")?;
    let log = EventLog::create(&folder.events())?;
    let console = Console::new(if quiet { Look::Silent } else { look() });
    let (sender, receiver) = unbounded_channel();
    // The listener has a thread of its own: a terminal that is held (Ctrl-S) must not hold up the way back.
    let listener = std::thread::Builder::new().name("console".into()).spawn(move || listen(receiver, console, log))?;
    let ending = runner::run(header, Arc::new(machine), journal, cancel, sender).await;
    let events = tokio::task::spawn_blocking(move || listener.join()).await;
    Ok((ending, events.ok().and_then(Result::ok).unwrap_or_default()))
}

/// Its room is taken here, on disk and in the runtime folder, so that a disk that is full later does not keep the way
/// back out of it.
fn begin_journal(path: &Path, run: &str) -> anyhow::Result<Journal> {
    let volatile = runtime_folder::find().map(|folder| folder.join(apart::file_name(run)));
    let header = Header { volatile, ..Header::ours(run)? };
    let begun = Journal::begin_at(&ThisMachine, path, &header);
    begun.with_context(|| format!("cannot begin the journal {}: nothing was touched", path.display()))
}

fn look() -> Look {
    if colour::can_redraw(Stream::Stderr) { Look::Live } else { Look::Plain }
}

fn listen(mut receiver: UnboundedReceiver<Event>, mut console: Console, mut log: EventLog) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = receiver.blocking_recv() {
        console.see(&event);
        let stored = log.see(&event);
        let at = event.at;
        events.push(event);
        if let Err(error) = stored {
            let text = format!("the events are not stored from here on, only this report has them all: {error}");
            let note = Event { at, kind: EventKind::Note { text } };
            console.see(&note);
            events.push(note);
        }
    }
    events
}

/// The stored events of a run, a line each.
struct EventLog {
    file: Option<BufWriter<std::fs::File>>,
}

impl EventLog {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = files::create_new(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { file: Some(BufWriter::new(file)) })
    }

    /// A log that cannot be written any more is given up, the run is not: its memory still has every event. The error
    /// is told once.
    fn see(&mut self, event: &Event) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = serde_json::to_writer(&mut *file, event).map_err(std::io::Error::from);
        let written = written.and_then(|()| file.write_all(b"\n"));
        let flushed = match &event.kind {
            EventKind::Sample(_) => written,
            _ => written.and_then(|()| file.flush()),
        };
        flushed.inspect_err(|_| self.file = None)
    }
}

/// How each report is written, by its extension; refused before the run when it could not be written after it.
fn formats(reports: &[PathBuf]) -> anyhow::Result<Vec<Format>> {
    reports.iter().map(|path| format(path)).collect()
}

fn format(path: &Path) -> anyhow::Result<Format> {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    anyhow::ensure!(folder.is_dir(), "--report {shown}: there is no folder {}", folder.display());
    anyhow::ensure!(!path.is_dir(), "--report {shown}: this is a folder");
    let known = Format::EXTENSIONS;
    Format::of(path).with_context(|| format!("--report {shown}: the format is told by the extension: {known}"))
}

/// A report that cannot be written is told and no more: the exit code belongs to the verdict.
fn tell(arguments: &RunArguments, formats: &[Format], run: &Run, analysis: &Analysis) {
    output::stdout(&match arguments.output {
        Output::Text => report::text(run, analysis, colour::style()),
        Output::Json => report::json(run, analysis),
    });
    for (path, format) in arguments.reports.iter().zip(formats) {
        let written = files::write_atomic(path, format.render_file(run, analysis).as_bytes());
        tell_trouble(path, written);
    }
    if let Some(path) = std::env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from) {
        let report = report::markdown(run, analysis);
        tell_trouble(&path, files::append(&path).and_then(|mut file| file.write_all(report.as_bytes())));
    }
}

fn tell_trouble(path: &Path, written: std::io::Result<()>) {
    if let Err(error) = written {
        output::stderr(&format!("error: cannot write {}: {error}\n", path.display()));
    }
}

fn exit_code(ending: &Ending, analysis: &Analysis) -> u8 {
    match ending {
        Ending::Complete => analysis.verdict.exit_code(),
        Ending::Panicked(panic) => our_bug(&format!("{panic}; the report says what was rolled back")),
    }
}

fn our_bug(what: &str) -> u8 {
    output::stderr(&format!("error: our own bug: {what}\n"));
    OUR_BUG
}

//! One run in this very process: a guardian, the runner, and whoever listens.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc::unbounded_channel;

use super::super::arguments::RunArguments;
use super::super::listener::Listener;
use super::super::run_folder::RunFolder;
use super::super::threads::runtime;
use super::super::{claims, colour, residue, run_folder};
use crate::analysis::{self, Analysis, Run};
use crate::console::{Console, Look};
use crate::host::clock::Clock;
use crate::host::locks::Locks;
use crate::host::output::Stream;
use crate::host::scene::ThisMachine;
use crate::host::signals::{self, Cancel, CancelHandle};
use crate::host::{dice, process, runtime_folder, this_process};
use crate::journal::guardian::Guardian;
use crate::journal::{Header, Journal, apart};
use crate::model::event::RunHeader;
use crate::model::experiment::Experiment;
use crate::model::policy::Policy;
use crate::model::verdict::Mode;
use crate::runner::{self, Ending, LinuxMachine};

/// Version of the event format.
const EVENT_FORMAT: u32 = 1;
/// One thread takes all samples: with two, each sample wakes the other one to see whether there is something to do for
/// it, which costs more than the sample. Whatever may block goes elsewhere.
const PROBING: usize = 1;

/// An experiment that was let through, about to be run.
pub(super) struct Admitted<'a> {
    pub experiment: Experiment,
    /// The file that it stands in.
    pub file: &'a Path,
    /// Whoever looks again at what it hits.
    pub policies: Vec<Policy>,
    /// The run's id, where it was chosen beforehand.
    pub id: Option<String>,
}

/// A run that came to its end, as well as can be.
pub(super) struct Ran {
    pub ending: Ending,
    /// What happened; none when it told nothing, which is a bug of ours.
    pub told: Option<(Run, Analysis)>,
}

/// Runs it. An error means that nothing was touched.
pub(super) fn run(arguments: &RunArguments, admitted: Admitted<'_>) -> anyhow::Result<Ran> {
    let Admitted { experiment, file, policies, id } = admitted;
    let mut header = header(arguments, experiment, file, id);
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    residue::refuse(&state)?;
    let locks = claims::take(&header, &state)?;
    let folder = RunFolder::create(&state, &header.run)?;
    header.folder = Some(folder.path().to_owned());
    let machine = LinuxMachine::new(&header.experiment, header.seed, folder.path().to_owned());
    let (ending, run) = guarded(header, &folder, machine.under(policies), locks, arguments.quiet)?;
    let told = run.map(|run| {
        let analysis = analysis::analyse(&run);
        (run, analysis)
    });
    Ok(Ran { ending, told })
}

fn header(arguments: &RunArguments, experiment: Experiment, file: &Path, id: Option<String>) -> RunHeader {
    RunHeader {
        format: EVENT_FORMAT,
        run: id.unwrap_or_else(run_folder::new_id),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        started: Clock::Real.wall(),
        file: file.display().to_string(),
        mode: if arguments.dry_run { Mode::Observe } else { Mode::Inject },
        seed: arguments.seed.unwrap_or_else(dice::random_seed),
        folder: None,
        variables: arguments.variables.iter().map(|(name, _)| name.clone()).collect(),
        experiment,
    }
}

/// Runs it under a guardian, which is there before anything is touched and before we have threads. It holds the locks
/// with us: what the run took for itself is free again when nothing of the run is left.
fn guarded(
    header: RunHeader,
    folder: &RunFolder,
    machine: LinuxMachine,
    locks: Locks,
    quiet: bool,
) -> anyhow::Result<(Ending, Option<Run>)> {
    let journal = begin_journal(&folder.journal(), &header.run)?;
    process::mark_children(&header.run, folder.state());
    let guardian = Guardian::start(&folder.journal(), runner::longest(&header.experiment), &locks);
    let mut guardian = guardian.context("nothing was touched, as nobody would put it back if this process died")?;
    let (handle, cancel) = Cancel::manual();
    let lost = handle.clone();
    guardian.watch(move || lost.lose_guardian())?;
    let done = runtime(PROBING)
        .and_then(|runtime| runtime.block_on(perform(header, folder, machine, journal, (handle, cancel), quiet)));
    guardian.dismiss();
    locks.release();
    done
}

/// Runs it and listens.
async fn perform(
    header: RunHeader,
    folder: &RunFolder,
    machine: LinuxMachine,
    journal: Journal,
    (handle, cancel): (CancelHandle, Cancel),
    quiet: bool,
) -> anyhow::Result<(Ending, Option<Run>)> {
    this_process::allow_many_open_files();
    tokio::spawn(Clock::Real.turn_the_wheel());
    let stop = folder.stop_request();
    let name = move |signal| if signal == "SIGTERM" && stop.exists() { "chaos stop" } else { signal };
    signals::listen_for(handle, name).context("cannot listen to signals")?;
    let look = if quiet { Look::Silent } else { look() };
    let listener = Listener::new(Console::new(look), &folder.events())?;
    let (sender, receiver) = unbounded_channel();
    let runtime = tokio::runtime::Handle::current();
    // The listener has a thread of its own: a terminal that is held (Ctrl-S) must not hold up the way back.
    let thread = std::thread::Builder::new().name("console".into());
    let listener = thread.spawn(move || listener.listen(receiver, &runtime))?;
    let ending = runner::run(header, Arc::new(machine), journal, cancel, sender).await;
    let run = tokio::task::spawn_blocking(move || listener.join()).await;
    Ok((ending, run.ok().and_then(Result::ok).flatten()))
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
    match colour::can_redraw(Stream::Stderr) {
        true => Look::Live { color: colour::wanted(Stream::Stderr) },
        false => Look::Plain,
    }
}

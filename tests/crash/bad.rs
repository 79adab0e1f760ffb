//! The known-bad tool: it writes its records down after the acts, does not mark its children and has no guardian.
//! It must leak, and the oracle must see that, or the whole matrix proves nothing.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::durable_log::DurableLog;
use chaos::host::scene::Paper;
use chaos::host::signals::Cancel;
use chaos::journal::{Header, Journal, ROOM, Store};
use chaos::model::event::RunHeader;
use chaos::model::verdict::Mode as RunMode;
use chaos::runner::{self, LinuxMachine};
use chaos::spec::{self, Variables};

use crate::experiment::FLAG;
use crate::home::{Home, until};
use crate::matrix::{Effort, Failure, Mode, Struck};
use crate::oracle::Seen;
use crate::run::Run;

/// The hidden words that make this test binary the bad tool: the experiment and the state folder follow.
pub const COMMAND: &str = "__bad_tool";

pub const MODE: Mode = Mode {
    name: "known-bad",
    what: "SIGKILL of a tool that records after the acts, marks nothing and has no guardian",
    missing: || None,
    points,
    strike,
    must_leak: true,
    figure: None,
};

/// The point at which the command of the experiment's was run. No process keeps what it did, and none shows it.
const COMMAND_RUN: &str = "command";

fn points(effort: &mut Effort) -> Vec<String> {
    let moments = effort.moments(4, 150..1500);
    moments.iter().map(ToString::to_string).chain([COMMAND_RUN.to_owned()]).collect()
}

fn start(home: &Home) -> Run {
    let us = std::env::current_exe().expect("has one");
    let mut command = home.tool(us.to_str().expect("a plain path"));
    Run::start(command.arg(COMMAND).arg(home.experiment(60_000)).arg(home.path("state")))
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    let mut run = start(&home);
    if point == COMMAND_RUN {
        return what_its_command_leaves(&home, run);
    }
    std::thread::sleep(Duration::from_millis(point.parse().expect("milliseconds")));
    run.signal(libc::SIGKILL);
    if run.ended()?.is_some() {
        return Err(Failure::Wrong(format!("the bad tool ended by itself: {}", home.told())));
    }
    let began = std::time::Instant::now();
    let (code, text) = home.said_by_rollback();
    if code != Some(0) {
        return Err(Failure::Wrong(format!("the rollback ended with {code:?}: {text}")));
    }
    let clean = home.clean_within(Duration::from_secs(5))?;
    Ok(Struck::Clean(Some(clean - began)))
}

/// Whatever else leaks, what the command did must be seen by itself.
fn what_its_command_leaves(home: &Home, mut run: Run) -> Result<Struck, Failure> {
    let done = || if home.path("work").join(FLAG).exists() { Ok(()) } else { Err(Failure::Wrong(home.told())) };
    until(done)?;
    run.signal(libc::SIGKILL);
    run.ended()?;
    home.said_by_rollback();
    home.nothing_left_but(|seen| {
        let files = std::mem::take(&mut seen.files);
        *seen = Seen { files: files.into_iter().filter(|file| file == FLAG).collect(), ..Seen::default() };
    })?;
    Err(Failure::Wrong("nobody took back what the command did, and the oracle does not see it".to_owned()))
}

pub fn main(experiment: &str, state: &str) -> ExitCode {
    let bytes = std::fs::read(experiment).expect("reads");
    let read = spec::read_bytes(experiment, &bytes, &Variables::default()).expect("a good experiment");
    let run = uuid::Uuid::now_v7().to_string();
    let folder = Path::new(state).join("runs").join(&run);
    std::fs::create_dir_all(&folder).expect("makes the folder");
    let header = RunHeader {
        format: 1,
        run,
        tool: "bad".into(),
        started: Clock::Real.wall(),
        file: experiment.into(),
        mode: RunMode::Inject,
        seed: 1,
        folder: Some(folder.clone()),
        variables: Vec::new(),
        experiment: read.experiment,
    };
    let log: Arc<dyn Paper> =
        Arc::new(DurableLog::create(&folder.join("journal.jsonl"), ROOM).expect("makes the journal"));
    let ours = Header::ours(&header.run).expect("us");
    let journal = Journal::begin(Box::new(Late { log, held: Vec::new() }), &ours).expect("begins");
    let machine = Arc::new(LinuxMachine::new(&header.experiment, 1, folder));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let (events, _told) = tokio::sync::mpsc::unbounded_channel();
    runtime.block_on(runner::run(header, machine, journal, Cancel::never(), events));
    ExitCode::SUCCESS
}

/// Writes down what was done when all is over, as tools do that keep their state in memory.
struct Late {
    log: Arc<dyn Paper>,
    held: Vec<String>,
}

impl Store for Late {
    fn append(&mut self, line: &str) -> io::Result<()> {
        self.held.push(line.to_owned());
        Ok(())
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        for line in &self.held {
            let _ = Store::append(&mut self.log, line);
        }
    }
}

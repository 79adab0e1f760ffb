//! Worker processes: children of ours that burn CPU, hold memory, load a disk or fill it, so that killing one undoes it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;

use super::Trouble;
use super::clock::Clock;
use super::linux::child::Child;
use super::linux::spawner::Spawned;
use super::process::{self, KILL_LIMIT, Launch, Output, resolve_program};
use crate::model::dose::WorkerReading;
use crate::model::step::{Job, ProcessIdentity};

/// The hidden command of a worker; its one argument is the job as JSON.
pub const COMMAND: &str = "__worker";

/// One line that a worker tells us, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The whole dose is there from now on.
    Ready,
    /// Its counters.
    Reading(WorkerReading),
    /// It cannot do its job; why.
    Failed(String),
}

/// Every worker of a run. All of them are killed when this is dropped.
#[must_use = "the workers are killed when this is dropped"]
#[derive(Debug)]
pub struct Workers {
    clock: Clock,
    this_binary: PathBuf,
    workers: Mutex<BTreeMap<String, Worker>>,
}

#[derive(Debug)]
struct Worker {
    child: Arc<Child>,
    progress: watch::Receiver<Progress>,
    /// The worker ends when this is closed.
    _stdin: Option<ChildStdin>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    ready: bool,
    reading: Option<WorkerReading>,
    failed: Option<String>,
}

impl Workers {
    /// No workers yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, this_binary: resolve_program("chaos"), workers: Mutex::default() }
    }

    /// The same, but this file is started: for tests, which are not `chaos` themselves.
    pub fn with_binary(mut self, path: PathBuf) -> Self {
        self.this_binary = path;
        self
    }

    /// Starts a worker and waits until it works. Refused while one of that name runs.
    pub async fn start(&self, name: &str, job: &Job) -> Result<ProcessIdentity, Trouble> {
        self.start_in(name, job, &[]).await
    }

    /// The same in these control groups, from its first instruction on.
    pub async fn start_in(&self, name: &str, job: &Job, groups: &[PathBuf]) -> Result<ProcessIdentity, Trouble> {
        let what = || format!("start a worker to {job}");
        if self.child(name).is_some_and(|child| child.end().is_none()) {
            return Err(Trouble::new(what(), format!("worker {name} runs already")));
        }
        let (child, progress) = self.launch(name, job, groups).await?;
        match self.await_ready(job, &child, progress).await {
            Ok(()) => Ok(child.identity().clone()),
            Err(why) => {
                let left = child.kill(self.clock, KILL_LIMIT).await.err();
                let left = left.map(|left| format!(", and {left}")).unwrap_or_default();
                Err(Trouble::new(what(), why + &left))
            }
        }
    }

    /// Kills a worker and waits until nothing of it is left. An error says that something is.
    pub async fn stop(&self, name: &str) -> Result<(), Trouble> {
        let Some(child) = self.child(name) else { return Ok(()) };
        child.kill(self.clock, KILL_LIMIT).await.map_err(|left| {
            let by_hand = format!("kill -KILL {}", child.identity().pid);
            Trouble::new(format!("stop worker {name}"), left).help(by_hand)
        })
    }

    /// Whether nothing of a worker is left; true when there was none.
    pub fn gone(&self, name: &str) -> bool {
        self.child(name).is_none_or(|child| child.left().is_none())
    }

    /// What a worker told last; kept when it is gone. A running worker tells every 100 ms.
    pub fn reading(&self, name: &str) -> Option<WorkerReading> {
        self.workers().get(name)?.progress.borrow().reading
    }

    /// How a worker ended; none while it runs or was never started.
    pub fn ended(&self, name: &str) -> Option<String> {
        let worker = self.child(name)?.end()?.to_string();
        let failed = self.workers().get(name)?.progress.borrow().failed.clone();
        Some(failed.unwrap_or(worker))
    }

    /// Returns when a worker has ended, at once where there is none. Needs no borrow of this while it waits.
    pub fn end_of(&self, name: &str) -> impl Future<Output = ()> + Send + use<> {
        let child = self.child(name);
        async move {
            if let Some(child) = child {
                child.ended().await;
            }
        }
    }

    async fn launch(
        &self,
        name: &str,
        job: &Job,
        groups: &[PathBuf],
    ) -> Result<(Arc<Child>, watch::Receiver<Progress>), Trouble> {
        let job = serde_json::to_string(job).map_err(|error| Trouble::new("write the job of a worker", error))?;
        let launch = Launch {
            program: self.this_binary.display().to_string(),
            arguments: vec![COMMAND.to_owned(), job],
            environment: BTreeMap::new(),
            bare: false,
            directory: None,
            output: Output::Capture,
        };
        let Spawned { child, stdin, stdout, .. } = process::start_with_stdin(&launch, groups).await?;
        let child = Arc::new(child);
        let (tell, progress) = watch::channel(Progress::default());
        let worker = Worker { child: Arc::clone(&child), progress: progress.clone(), _stdin: stdin };
        self.workers().insert(name.to_owned(), worker);
        tokio::spawn(listen(stdout, tell));
        Ok((child, progress))
    }

    async fn await_ready(&self, job: &Job, child: &Child, mut told: watch::Receiver<Progress>) -> Result<(), String> {
        let limit = time_to_start(job);
        let answer = tokio::select! {
            answer = told.wait_for(|told| told.ready || told.failed.is_some()) => answer.ok().map(|told| told.clone()),
            () = self.clock.sleep(limit) => return Err(format!("it was not ready within {limit:?}")),
        };
        match answer {
            Some(Progress { failed: None, .. }) => Ok(()),
            Some(Progress { failed: Some(why), .. }) => Err(why),
            None => Err(format!("it ended with {} before it was ready", child.ended().await)),
        }
    }

    fn child(&self, name: &str) -> Option<Arc<Child>> {
        self.workers().get(name).map(|worker| Arc::clone(&worker.child))
    }

    fn workers(&self) -> MutexGuard<'_, BTreeMap<String, Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows what a worker tells until it ends.
async fn listen(stdout: Option<ChildStdout>, tell: watch::Sender<Progress>) {
    let Some(stdout) = stdout.and_then(|pipe| tokio::process::ChildStdout::from_std(pipe).ok()) else { return };
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let told = serde_json::from_str(&line);
        tell.send_modify(|progress| match told {
            Ok(Told::Ready) => progress.ready = true,
            Ok(Told::Reading(reading)) => progress.reading = Some(reading),
            Ok(Told::Failed(why)) => progress.failed = Some(why),
            Err(_) => progress.failed = Some(format!("it said what we do not understand: {line:.200}")),
        });
    }
}

/// How long a worker may take until its whole dose is there.
fn time_to_start(job: &Job) -> Duration {
    let base = Duration::from_secs(10);
    match job {
        Job::Cpu { .. } | Job::Slow { .. } => base,
        // Slow machines map about 1 GiB a second; be generous.
        Job::Memory { size, .. } => base + Duration::from_secs(size.0 >> 28),
        // The file is written once where the job reads; slow disks write 50 MB a second.
        Job::Disk { file_size, .. } => base + Duration::from_secs(file_size.0 / 50_000_000),
        // Where room cannot be taken ahead, it is written.
        Job::Fill { .. } => base * 5,
    }
}

//! `probe: process`: looks at one process a sample. One that is gone, a zombie or stopped is a wrong answer, whatever
//! is measured of it.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use super::failure::one_line;
use super::share::{Look, ShareMeter};
use super::{ServiceLookup, Surroundings};
use crate::host::Prober;
use crate::host::clock::Clock;
use crate::host::process::{Usage, identity, pid_in, state, usage};
use crate::model::about::ProbeAbout;
use crate::model::dose::ProcessState;
use crate::model::probe::{ProcessMeasure, ProcessProbe, ProcessSelector};
use crate::model::sample::{Measurement, Outcome};
use crate::model::step::ProcessIdentity;

/// What the catalogue says of it.
pub(super) const ABOUT: ProbeAbout = ProbeAbout {
    word: "process",
    summary: "one look at a process in /proc: whether it lives, or one number of it",
    errors: "gone, a zombie or stopped",
    no_data: "/proc is not readable",
    metrics: "success_rate, error_rate; with another `measure` than alive value, and p0 to p100, median, mean, \
        min, max of it",
    privileges: "none for processes of your own; open_files of others needs root",
    example: &["target: { pid_file: /run/nginx.pid }", "measure: memory", "interval: 1s", "expect: [max <= 256MiB]"],
};

struct Process {
    target: ProcessSelector,
    measure: ProcessMeasure,
    services: ServiceLookup,
    clock: Clock,
    origin: tokio::time::Instant,
    seen: Mutex<Seen>,
}

/// What earlier samples saw.
#[derive(Default)]
struct Seen {
    process: Option<ProcessIdentity>,
    replaced: u64,
    cpu: Option<Arc<ShareMeter>>,
}

/// Prepares the probe. The process need not be there yet: a service may be started later.
pub(super) fn prepare(process: &ProcessProbe, around: &Surroundings) -> impl Prober + use<> {
    let probe = Process {
        target: process.target.clone(),
        measure: process.measure,
        services: Arc::clone(&around.service),
        clock: around.clock,
        origin: around.clock.now(),
        seen: Mutex::default(),
    };
    // The first sample counts CPU time and replacements from here, if the process is there already.
    if let Ok(process) = probe.find() {
        probe.see(&process);
    }
    probe
}

impl Prober for Process {
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
        Box::pin(async {
            match self.find_now().await {
                Ok(process) => self.look_at(&process).await,
                Err(measurement) => measurement,
            }
        })
    }
}

impl Process {
    /// The same as [`Self::find`], and where a file has to be read for it, by a thread that may be held up.
    async fn find_now(&self) -> Result<ProcessIdentity, Measurement> {
        let ProcessSelector::PidFile(path) = &self.target else { return self.find() };
        let path = path.clone();
        let found = tokio::task::spawn_blocking(move || of_file(&path)).await;
        found.unwrap_or_else(|error| Err(Measurement::failed(Outcome::NoData, error.to_string())))
    }

    /// The process the target means now.
    fn find(&self) -> Result<ProcessIdentity, Measurement> {
        match &self.target {
            ProcessSelector::Service(name) => match (self.services)(name) {
                Some(view) => Ok(view.identity),
                None => Err(gone(format!("service {name} has no process"))),
            },
            ProcessSelector::Pid(pid) => self.known(*pid).ok_or_else(|| gone(format!("pid {pid} is gone"))),
            ProcessSelector::PidFile(path) => of_file(path),
        }
    }

    /// A pid in the experiment means the process that had it first: a later one with the same number is another.
    fn known(&self, pid: i32) -> Option<ProcessIdentity> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).process.clone();
        seen.or_else(|| identity(pid))
    }

    async fn look_at(&self, process: &ProcessIdentity) -> Measurement {
        if let Some(wrong) = not_running(process) {
            return wrong;
        }
        self.see(process);
        match self.measure {
            ProcessMeasure::Alive => Measurement::ok(),
            ProcessMeasure::Restarts => Measurement::value(self.restarts() as f64),
            ProcessMeasure::Cpu => self.cpu(process).await,
            ProcessMeasure::Memory => read(process, |usage| Some(usage.resident as f64)),
            ProcessMeasure::Threads => read(process, |usage| Some(usage.threads as f64)),
            ProcessMeasure::OpenFiles => read(process, |usage| usage.open_files.map(|count| count as f64)),
        }
    }

    /// Notes which process it is; a new one starts a new count of CPU time.
    fn see(&self, process: &ProcessIdentity) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.process.as_ref() == Some(process) {
            return;
        }
        seen.replaced += u64::from(seen.process.is_some());
        seen.process = Some(process.clone());
        seen.cpu = (self.measure == ProcessMeasure::Cpu).then(|| self.meter(process)).flatten();
    }

    fn meter(&self, process: &ProcessIdentity) -> Option<Arc<ShareMeter>> {
        Some(Arc::new(ShareMeter::new(self.clock, self.cpu_look(process)?)))
    }

    async fn cpu(&self, process: &ProcessIdentity) -> Measurement {
        let meter = self.seen.lock().unwrap_or_else(PoisonError::into_inner).cpu.clone();
        let share = match meter {
            Some(meter) => meter.share(|| self.cpu_look(process)).await,
            None => None,
        };
        share.map_or_else(|| unreadable(process), Measurement::value)
    }

    fn cpu_look(&self, process: &ProcessIdentity) -> Option<Look> {
        let busy = usage(process)?.cpu;
        Some(Look { busy, total: self.clock.now().saturating_duration_since(self.origin) })
    }

    /// A service's supervisor counts its restarts; of other processes those between two samples are seen.
    fn restarts(&self) -> u64 {
        let view = match &self.target {
            ProcessSelector::Service(name) => (self.services)(name),
            ProcessSelector::Pid(_) | ProcessSelector::PidFile(_) => None,
        };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).replaced;
        view.map_or(seen, |view| view.restarts)
    }
}

fn read(process: &ProcessIdentity, number: impl Fn(Usage) -> Option<f64>) -> Measurement {
    usage(process).and_then(number).map_or_else(|| unreadable(process), Measurement::value)
}

/// It may have ended since we looked whether it runs.
fn unreadable(process: &ProcessIdentity) -> Measurement {
    not_running(process).unwrap_or_else(|| {
        Measurement::failed(Outcome::NoData, format!("{process}: /proc/{} cannot be read", process.pid))
    })
}

fn not_running(process: &ProcessIdentity) -> Option<Measurement> {
    let wrong = match state(process) {
        ProcessState::Running => return None,
        ProcessState::Stopped => format!("{process} is stopped"),
        ProcessState::Gone => format!("{process} is gone"),
        ProcessState::Unknown => {
            let detail = format!("whether {process} runs cannot be found out");
            return Some(Measurement::failed(Outcome::NoData, detail));
        }
    };
    Some(Measurement::failed(Outcome::Wrong, wrong))
}

fn gone(detail: String) -> Measurement {
    Measurement::failed(Outcome::Wrong, one_line(&detail))
}

/// Read anew each time: whoever restarts a daemon rewrites its file.
fn of_file(path: &Path) -> Result<ProcessIdentity, Measurement> {
    let pid = pid_in(path).map_err(|why| gone(format!("{}: {why}", path.display())))?;
    identity(pid).ok_or_else(|| gone(format!("pid {pid} of {} is gone", path.display())))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use crate::host::clock::Clock;
    use crate::host::process::{Signal, identity, send_signal, state};
    use crate::host::thread;
    use crate::model::dose::ProcessState;
    use crate::model::fault::KillSignal;
    use crate::model::probe::{ProbeKind, ProcessMeasure, ProcessProbe, ProcessSelector};
    use crate::model::sample::{Measurement, Outcome};
    use crate::model::step::ProcessIdentity;
    use crate::probe::testing::{prepared, sample, spec, surroundings};
    use crate::probe::{ServiceView, Surroundings, prepare};

    #[tokio::test]
    async fn a_file_that_would_be_waited_for_without_end_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("a pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        let found = sample(&spec(look(ProcessSelector::PidFile(pipe), ProcessMeasure::Alive))).await;
        assert_eq!(found.outcome, Outcome::Wrong);
        assert!(found.detail.as_ref().is_some_and(|why| why.contains("it is no plain file")), "{found:?}");
    }

    /// A process that sleeps until the test ends.
    struct Sleeper {
        child: Child,
        identity: ProcessIdentity,
    }

    impl Sleeper {
        #[allow(clippy::disallowed_methods, reason = "a process that is none of ours")]
        fn start() -> Self {
            let child = Command::new("sleep").arg("300").spawn().expect("sleep");
            let identity = identity(i32::try_from(child.id()).expect("a pid")).expect("a process");
            Self { child, identity }
        }

        async fn signal(&self, signal: Signal, then: ProcessState) {
            send_signal(&self.identity, signal).expect("sent");
            while state(&self.identity) != then {
                Clock::Real.sleep(Duration::from_millis(1)).await;
            }
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn look(target: ProcessSelector, measure: ProcessMeasure) -> ProbeKind {
        ProbeKind::Process(ProcessProbe { target, measure })
    }

    fn wrong(detail: String) -> Measurement {
        Measurement::failed(Outcome::Wrong, detail)
    }

    #[tokio::test]
    async fn a_stopped_process_and_one_that_is_gone_are_wrong_answers() {
        let mut sleeper = Sleeper::start();
        let pid = sleeper.identity.pid;
        let prober = prepared(&spec(look(ProcessSelector::Pid(pid), ProcessMeasure::Alive)));
        assert_eq!(prober.take().await, Measurement::ok());
        sleeper.signal(Signal::Stop, ProcessState::Stopped).await;
        assert_eq!(prober.take().await, wrong(format!("pid {pid} is stopped")));
        sleeper.signal(Signal::Continue, ProcessState::Running).await;
        assert_eq!(prober.take().await, Measurement::ok());
        sleeper.signal(Signal::Kill(KillSignal::Kill), ProcessState::Gone).await;
        assert_eq!(prober.take().await, wrong(format!("pid {pid} is gone")), "a zombie is gone, too");
        sleeper.child.wait().expect("reaped");
        assert_eq!(prober.take().await, wrong(format!("pid {pid} is gone")));
    }

    #[tokio::test]
    async fn the_file_is_read_anew_and_a_new_process_is_a_restart() {
        let (first, second) = (Sleeper::start(), Sleeper::start());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        let write = |text: String| crate::host::files::write_atomic(&path, text.as_bytes()).expect("written");
        write(format!("{}\n", first.identity.pid));
        let prober = prepared(&spec(look(ProcessSelector::PidFile(path.clone()), ProcessMeasure::Restarts)));
        assert_eq!(prober.take().await, Measurement::value(0.0));
        write(second.identity.pid.to_string());
        assert_eq!(prober.take().await, Measurement::value(1.0));
        assert_eq!(prober.take().await, Measurement::value(1.0));
        for nonsense in ["", "-1", "0", "nginx"] {
            write(nonsense.to_owned());
            assert_eq!(prober.take().await.outcome, Outcome::Wrong, "{nonsense}");
        }
        std::fs::rename(&path, folder.path().join("elsewhere")).expect("moved");
        assert_eq!(prober.take().await.outcome, Outcome::Wrong);
    }

    #[tokio::test]
    async fn a_service_is_followed_from_process_to_process() {
        let view = Arc::new(Mutex::new(None));
        let shown = Arc::clone(&view);
        let service = Arc::new(move |name: &str| {
            let view: Option<ServiceView> = shown.lock().expect("a view").clone();
            view.filter(|_| name == "demo")
        });
        let around = Surroundings { service, ..surroundings() };
        let target = || ProcessSelector::Service("demo".into());
        let prober = |measure| prepare(&spec(look(target(), measure)), &around).expect("a probe");
        let (alive, restarts, cpu) =
            (prober(ProcessMeasure::Alive), prober(ProcessMeasure::Restarts), prober(ProcessMeasure::Cpu));
        assert_eq!(alive.take().await, wrong("service demo has no process".into()));
        for count in 0..2 {
            let sleeper = Sleeper::start();
            let identity = sleeper.identity.clone();
            *view.lock().expect("a view") = Some(ServiceView { identity, restarts: count });
            assert_eq!(alive.take().await, Measurement::ok());
            assert_eq!(restarts.take().await, Measurement::value(count as f64));
            let share = cpu.take().await.value.expect("a share");
            assert!((0.0..0.2).contains(&share), "it sleeps: {share}");
        }
        assert_eq!(alive.take().await.outcome, Outcome::Wrong);
    }

    fn ourselves(measure: ProcessMeasure) -> ProbeKind {
        look(ProcessSelector::Pid(i32::try_from(std::process::id()).expect("a pid")), measure)
    }

    #[tokio::test]
    async fn memory_and_open_files_are_read() {
        let resident = sample(&spec(ourselves(ProcessMeasure::Memory))).await.value.expect("bytes");
        assert!((1e6..1e12).contains(&resident), "{resident}");
        let prober = prepared(&spec(ourselves(ProcessMeasure::OpenFiles)));
        let before = prober.take().await.value.expect("a count");
        let files: Vec<_> = (0..200).map(|_| std::fs::File::open("/dev/null").expect("a file")).collect();
        let after = prober.take().await.value.expect("a count");
        // Other tests of this process may close some meanwhile.
        assert!(after >= before + 100.0, "{before} -> {after} with {} more", files.len());
    }

    #[tokio::test]
    async fn the_cpu_time_that_was_burnt_is_the_share_of_the_time_that_passed() {
        let before = Clock::Real.now();
        let prober = prepared(&spec(ourselves(ProcessMeasure::Cpu)));
        let burnt = Duration::from_millis(200);
        let burner = std::thread::spawn(move || while thread::cpu_time() < burnt {});
        burner.join().expect("burnt");
        let share = prober.take().await.value.expect("a share");
        let counted = share * before.elapsed().as_secs_f64();
        // A thread that has ended is counted in ticks, and other tests of this process may burn, too.
        assert!((0.15..30.0).contains(&counted), "{counted} s counted of {burnt:?}");
    }
}

//! The guardian by itself, over a tool that is not one: what it asks of the kernel, and when it loses its patience.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::process;
use chaos::host::scene::ThisMachine;
use chaos::journal::apart::Standing;
use chaos::journal::guardian::{ALIVE, BEAT, COMMAND};
use chaos::journal::recover::Recovery;
use chaos::journal::{Header, Journal, Owner};
use chaos::model::fault::{ProcessTarget, Selector};
use chaos::model::step::{Act, Check, Receipt, Step, Undo};
use chaos::model::target::{Victim, Victims};

use crate::{binary, installed, lives, until};

/// A tool that only sleeps, what it started, and the journal that says so.
struct Abandoned {
    tool: Child,
    paused: Child,
    journal: PathBuf,
    volatile: PathBuf,
    _home: tempfile::TempDir,
}

impl Abandoned {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let run = format!("a-run-{}", home.path().file_name().expect("a name").to_string_lossy());
        let (tool, paused) = (sleeper("NOTHING", ""), sleeper("CHAOS_RUN", &run));
        let identity = |child: &Child| process::identity(child.id().cast_signed()).expect("it lives");
        let journal = home.path().join("journal.jsonl");
        let volatile = home.path().join("volatile.jsonl");
        let ours = Header::ours(&run).expect("a header");
        let header = Header { owner: identity(&tool), volatile: Some(volatile.clone()), ..ours };
        let mut begun = Journal::begin_at(&ThisMachine, &journal, &header).expect("begins");
        let process = identity(&paused);
        let target = ProcessTarget { by: Selector::Name("sleep".into()), children: false };
        let victim = Victim { process: process.clone(), name: "sleep".into(), service: None };
        let whom = Victims { target, chosen: vec![victim] };
        let step = Step {
            apply: Act::Pause { whom: whom.clone() },
            undo: Undo::Resume { whom: whom.clone() },
            verify: Check::Running { whom },
        };
        let number = begun.intend(Owner::Fault(0), step).expect("writes").number;
        assert!(process::send_signal(&process, process::Signal::Stop).expect("sends"));
        begun.activate(number, Receipt::default()).expect("writes");
        Self { tool, paused, journal, volatile, _home: home }
    }

    /// Whether everything is put back and written down.
    async fn until_undone(&mut self) {
        let paused = self.paused.id().cast_signed();
        until("the stopped process is gone", || !lives(paused)).await;
        let whole = || Recovery::open(&self.journal).and_then(|journal| journal.contents()).expect("reads");
        until("the journal says so", || whole().volatile == Standing::Finished).await;
        until("its volatile part is taken away", || !self.volatile.exists()).await;
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        for child in [&mut self.tool, &mut self.paused] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a stranger")]
fn sleeper(name: &str, value: &str) -> Child {
    Command::new("sleep").arg("1000").env(name, value).stdin(Stdio::null()).spawn().expect("sleep")
}

/// Starts the guardian as the tool does, and awaits its first sign of life.
fn start(mut command: Command, journal: &Path, longest: Duration) -> Child {
    command.arg(COMMAND).arg(journal).arg(longest.as_millis().to_string()).env_clear();
    let mut guardian = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    let mut ready = [0];
    guardian.stdout.as_mut().expect("a pipe").read_exact(&mut ready).expect("it gives a sign of life");
    assert_eq!(ready, [ALIVE]);
    guardian
}

/// Signs of life for so long, or until nobody hears them.
async fn beat(guardian: &mut Child, time: Duration) {
    let end = Clock::Real.now() + time;
    while Clock::Real.now() < end && guardian.stdin.as_mut().is_some_and(|pipe| pipe.write_all(&[ALIVE]).is_ok()) {
        Clock::Real.sleep(BEAT).await;
    }
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the binary under test is started as a stranger would")]
async fn a_tool_that_lives_and_beats_beyond_its_time_is_killed_and_everything_put_back() {
    let mut left = Abandoned::new();
    let began = Clock::Real.now();
    let mut guardian = start(Command::new(binary()), &left.journal, Duration::from_millis(1_200));
    beat(&mut guardian, Duration::from_secs(10)).await;
    assert!(began.elapsed() >= Duration::from_millis(1_200), "it had its time");
    assert!(left.tool.wait().expect("ends").code().is_none(), "killed");
    left.until_undone().await;
    assert!(guardian.wait().expect("ends").success());
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "strace is a tool that is not ours")]
async fn a_guardian_asks_for_nothing_while_it_waits_and_starts_nothing_while_it_undoes() {
    if !installed("strace") {
        return;
    }
    let mut left = Abandoned::new();
    let trace = left.journal.with_file_name("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o"]).arg(&trace).arg(binary());
    let mut guardian = start(strace, &left.journal, Duration::from_secs(600));
    beat(&mut guardian, Duration::from_secs(3)).await;
    left.tool.kill().expect("kills");
    left.tool.wait().expect("reaps");
    drop(guardian.stdin.take());
    left.until_undone().await;
    guardian.wait().expect("ends");
    let calls = calls(&std::fs::read_to_string(&trace).expect("a trace"));
    let ready = calls.iter().position(|call| call.starts_with("write(1, \".\"")).expect("the sign of life");
    let end = calls.iter().position(|call| call.starts_with("read(0, \"\"")).expect("the end of the pipe");
    let waiting = &calls[ready..end];
    let beats = waiting.iter().filter(|call| call.starts_with("read(0")).count();
    assert!(beats >= 5, "only {beats} signs of life were heard");
    let allowed = ["read(0", "write(1", "poll(", "ppoll(", "restart_syscall("];
    let more: Vec<_> = waiting.iter().filter(|call| !allowed.iter().any(|name| call.starts_with(name))).collect();
    assert!(more.is_empty(), "it asks for memory, files or more while it waits: {more:?}");
    let forbidden = ["exec", "socket", "connect", "clone", "fork", "vfork"];
    let started: Vec<_> =
        calls[ready..].iter().filter(|call| forbidden.iter().any(|name| call.starts_with(name))).collect();
    assert!(started.is_empty(), "it starts or calls somebody: {started:?}");
    // What is not opened from the root is opened in a folder that is open already: that of a process.
    let opened = calls[end..].iter().filter_map(|call| call.strip_prefix("openat(AT_FDCWD")?.split('"').nth(1));
    let elsewhere: Vec<_> = opened.filter(|path| !path.starts_with("/proc")).collect();
    assert!(elsewhere.is_empty(), "it opens {elsewhere:?}");
}

/// The calls of a trace, without the pid that `-f` puts in front.
fn calls(trace: &str) -> Vec<String> {
    trace.lines().filter_map(|line| line.split_once(' ')).map(|(_, call)| call.trim_start().to_owned()).collect()
}

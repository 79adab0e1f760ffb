//! How soon a process of many threads stands still, and how soon it is gone.

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use chaos::host::process::{self, Signal};
use chaos::model::dose::ProcessState;
use chaos::model::fault::KillSignal;
use procfs::process::Process;

const ROUNDS: usize = 15;

pub async fn measure() {
    println!(
        "\nSignals: from the call until every thread stands still, and until the process is gone; median, worst of {ROUNDS}"
    );
    for threads in [1_u32, 32] {
        let (mut stopped, mut gone): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| round(threads)).unzip();
        stopped.sort();
        gone.sort();
        let (middle, last) = (ROUNDS / 2, ROUNDS - 1);
        println!(
            "{threads:>4} thread(s): SIGSTOP {:.2?}, {:.2?}   SIGKILL {:.2?}, {:.2?}",
            stopped[middle], stopped[last], gone[middle], gone[last]
        );
    }
}

fn round(threads: u32) -> (Duration, Duration) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let mut child = command.args(["__threads", &threads.to_string()]).stdout(Stdio::piped()).spawn().expect("starts");
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut [0]).expect("is ready");
    let identity = process::identity(child.id().cast_signed()).expect("lives");
    let start = Instant::now();
    process::send_signal(&identity, Signal::Stop).expect("sends");
    while !stands_still(identity.pid) {
        std::hint::spin_loop();
    }
    let stopped = start.elapsed();
    process::send_signal(&identity, Signal::Continue).expect("sends");
    let start = Instant::now();
    process::send_signal(&identity, Signal::Kill(KillSignal::Kill)).expect("sends");
    while process::state(&identity) != ProcessState::Gone {
        std::hint::spin_loop();
    }
    let gone = start.elapsed();
    child.wait().expect("ends");
    (stopped, gone)
}

fn stands_still(pid: i32) -> bool {
    let tasks = Process::new(pid).and_then(|process| process.tasks()).expect("lives");
    tasks.flatten().all(|task| task.stat().is_ok_and(|stat| stat.state == 'T'))
}

/// A process of so many threads that wake up a thousand times a second.
pub fn threads(count: &str) -> ExitCode {
    let count: u32 = count.parse().expect("a number");
    let busy = || loop {
        std::thread::sleep(Duration::from_millis(1));
    };
    (1..count).for_each(|_| drop(std::thread::spawn(busy)));
    std::io::stdout().write_all(b"r").and_then(|()| std::io::stdout().flush()).expect("tells");
    busy()
}

//! How soon memory is resident, whether it stays, and how soon it is free again. The time counts from the start of a
//! process until it has 99 % of what was asked, as `/proc` tells it, for everybody alike.

use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use chaos::host::memory::Region;
use chaos::model::profile::Profile;
use chaos::model::step::Job;
use chaos::model::units::Bytes;

use crate::outside::resident;
use crate::{peer, workers};

const ROUNDS: usize = 3;
const LONGEST: Duration = Duration::from_secs(20);
const HELD: Duration = Duration::from_millis(1500);

pub async fn measure() {
    println!(
        "\nMemory: time until 99 % is resident (median of {ROUNDS}), the least of 1.5 s, time until it is free again"
    );
    for gib in [1_u64, 4] {
        let size = gib << 30;
        println!("{gib} GiB");
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(ours(size).await);
        }
        let ours = tell("chaos", size, rounds);
        for (name, mode) in [
            ("mmap, plain pages", "plain"),
            ("mmap, huge pages, 1 thread", "huge 1"),
            ("mmap, huge pages, 2 threads", "huge 2"),
        ] {
            let rounds = (0..ROUNDS).map(|_| child(this_program(mode, size), size)).collect();
            let other = tell(name, size, rounds);
            println!("{:>34} {:.2}x", "chaos is as fast", other / ours);
        }
        if let Some(mut command) = peer("stress-ng") {
            command.args(["--vm", "1", "--vm-bytes", &format!("{gib}g"), "--vm-keep", "--timeout", "60", "--quiet"]);
            let other = tell("stress-ng --vm-keep", size, vec![child(command, size)]);
            println!("{:>34} {:.2}x", "chaos is as fast", other / ours);
        }
    }
}

/// Time until it was there, the least that was there then, time until it was gone.
type Round = (Option<Duration>, u64, Duration);

fn tell(name: &str, size: u64, mut rounds: Vec<Round>) -> f64 {
    rounds.sort();
    let (filled, least, freed) = rounds[rounds.len() / 2];
    let Some(filled) = filled else {
        println!("{name:>34} not within {LONGEST:?}");
        return LONGEST.as_secs_f64();
    };
    let speed = size as f64 / filled.as_secs_f64() / f64::from(1 << 30);
    let held = 100.0 * least as f64 / size as f64;
    println!("{name:>34} {filled:>9.1?} {speed:>6.2} GiB/s   held {held:>6.2} %   free after {freed:.1?}");
    filled.as_secs_f64()
}

async fn ours(size: u64) -> Round {
    let workers = workers();
    let job = Job::Memory { size: Bytes(size), leave_free: Bytes(64 << 20), profile: Profile::Constant };
    let start = Instant::now();
    let pid = workers.start("w", &job).await.expect("starts").pid;
    let filled = start.elapsed();
    let least = least(pid);
    let end = Instant::now();
    workers.stop("w").await.expect("stops");
    (Some(filled), least, end.elapsed())
}

fn child(mut command: Command, size: u64) -> Round {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let pid = child.id().cast_signed();
    let enough = size - size / 100;
    while resident(pid) < enough {
        if start.elapsed() > LONGEST {
            end(&mut child);
            return (None, 0, Duration::ZERO);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    let (filled, least) = (start.elapsed(), least(pid));
    let freed = Instant::now();
    end(&mut child);
    (Some(filled), least, freed.elapsed())
}

fn end(child: &mut Child) {
    for pid in crate::outside::family(child.id().cast_signed()).into_iter().rev() {
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    child.wait().expect("ends");
}

fn least(pid: i32) -> u64 {
    let end = Instant::now() + HELD;
    let mut least = u64::MAX;
    while Instant::now() < end {
        least = least.min(resident(pid));
        std::thread::sleep(Duration::from_millis(5));
    }
    least
}

fn this_program(mode: &str, size: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["__mmap", mode, &size.to_string()]);
    command
}

/// The other way to the same: nothing but `mmap` and `madvise`.
pub fn reference(mode: &str, size: &str) -> ExitCode {
    let size: usize = size.parse().expect("bytes");
    let threads = mode.strip_prefix("huge ").map_or(1, |count| count.parse().expect("threads"));
    let region = Region::reserve(size, mode.starts_with("huge")).expect("reserves");
    let part = size / threads;
    std::thread::scope(|scope| {
        for index in 0..threads {
            let region = &region;
            scope.spawn(move || region.populate(index * part, (index + 1) * part).expect("populates"));
        }
    });
    let _ = std::io::stdin().read_line(&mut String::new());
    ExitCode::SUCCESS
}

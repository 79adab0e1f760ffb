//! SIGSTOP, SIGTERM, SIGHUP and SIGINT at seeded moments over all phases.
//!
//! A stopped tool gives no sign of life. Signs come every 200 ms, and after 3 s without one, and a second chance of
//! 500 ms, the guardian kills it: so it holds its faults for at most 3.5 s more, and what the undo takes.

use std::time::{Duration, Instant};

use crate::home::Home;
use crate::matrix::{Effort, Failure, Mode, Struck};
use crate::run::{NOT_STEADY, Run};

pub const MODE: Mode = Mode {
    name: "signals",
    what: "SIGTERM, SIGHUP, SIGINT at seeded moments",
    missing: || None,
    points: |effort| points(effort, &["TERM", "HUP", "INT"], 4),
    strike,
    must_leak: false,
    figure: None,
};

pub const STOPPED: Mode = Mode {
    name: "stopped",
    what: "SIGSTOP at seeded moments: the guardian waits for its lease",
    missing: || None,
    points: |effort| points(effort, &["STOP"], 4),
    strike,
    must_leak: false,
    figure: Some(Duration::from_millis(3500 + 600)),
};

/// Services have a grace of two seconds; the rest is for machines that have much other work.
const ASKED: Duration = Duration::from_secs(10);
/// The lease and the second chance, and the same for the rest.
const HUNG: Duration = Duration::from_millis(3500 + 8000);

fn points(effort: &mut Effort, names: &[&str], count: usize) -> Vec<String> {
    let of_one = |name: &&str, effort: &mut Effort| -> Vec<String> {
        effort.moments(count, 0..3700).iter().map(|moment| format!("{name}:{moment}")).collect()
    };
    names.iter().flat_map(|name| of_one(name, effort)).collect()
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let (name, moment) = point.split_once(':').expect("a point is SIGNAL:MILLISECONDS");
    let (number, limit) = match name {
        "TERM" => (libc::SIGTERM, ASKED),
        "HUP" => (libc::SIGHUP, ASKED),
        "INT" => (libc::SIGINT, ASKED),
        "STOP" => (libc::SIGSTOP, HUNG),
        _ => panic!("no such signal: {name}"),
    };
    let home = Home::new();
    let mut run = Run::start(&mut home.run(400));
    std::thread::sleep(Duration::from_millis(moment.parse().expect("milliseconds")));
    let under_way = home.events("phase_started") > 0 && home.events("rolled_back") == 0;
    let struck = Instant::now();
    run.signal(number);
    if number == libc::SIGSTOP {
        return held(&home, &mut run, struck, limit);
    }
    let clean = home.clean_within(limit)?;
    let code = run.ended()?;
    home.stays_clean()?;
    // Before the tool listens, a signal does what it does to any process; once all is undone, the verdict stands.
    if under_way && !matches!(code, Some(8 | NOT_STEADY)) || matches!(code, Some(7 | 70)) {
        return Err(Failure::Wrong(format!("{name} ended it with {code:?}: {}", home.told())));
    }
    Ok(Struck::Clean(Some(clean - struck)))
}

/// A tool that is stopped is killed by its guardian. Before it has one, and after it has sent it home, there is nothing
/// of it but the stopped process itself, which is for the one who stopped it to let go on.
fn held(home: &Home, run: &mut Run, struck: Instant, limit: Duration) -> Result<Struck, Failure> {
    let reaped = std::thread::scope(|scope| {
        let clean = scope.spawn(|| home.clean_within(limit));
        let _ = run.ended_within(limit);
        clean.join().expect("looks")
    });
    if let Ok(clean) = reaped {
        home.stays_clean()?;
        return Ok(Struck::Clean(Some(clean - struck)));
    }
    let seen = home.look();
    let only_itself = seen.processes.iter().all(|process| process.pid == run.pid() && process.is_stopped());
    if !only_itself || !seen.listening.is_empty() {
        return Err(Failure::Leak(seen.to_string()));
    }
    run.signal(libc::SIGCONT);
    run.ended()?;
    home.stays_clean()?;
    Ok(Struck::NotReached)
}

//! Only the guardian is killed, or stopped: the tool notices, rolls back and says why.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::home::{Home, signal};
use crate::matrix::{Effort, Failure, Mode, Struck};
use crate::oracle;
use crate::run::{NOT_STEADY, Run};

pub const MODE: Mode = Mode {
    name: "guardian",
    what: "SIGKILL of the guardian alone at seeded moments",
    missing: || None,
    points: |effort| points(effort, "KILL", 6, 0..3500),
    strike,
    must_leak: false,
    figure: None,
};

pub const SILENT: Mode = Mode {
    name: "guardian-stopped",
    what: "SIGSTOP of the guardian alone at seeded moments: the tool waits for its lease",
    missing: || None,
    points: |effort| points(effort, "STOP", 2, 100..1000),
    strike,
    must_leak: false,
    figure: None,
};

/// The tool stops its services with a grace of two seconds.
const AFTER_KILL: Duration = Duration::from_secs(10);
/// And waits for three and a half before that when the guardian is silent, and for two after it, before it kills it.
const AFTER_STOP: Duration = Duration::from_secs(14);

fn points(effort: &mut Effort, name: &str, count: usize, within: Range<u64>) -> Vec<String> {
    effort.moments(count, within).iter().map(|moment| format!("{name}:{moment}")).collect()
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let (name, moment) = point.split_once(':').expect("a point is SIGNAL:MILLISECONDS");
    // A run that is over before the lease is does not notice that its guardian is silent.
    let (number, limit, faults) = match name {
        "STOP" => (libc::SIGSTOP, AFTER_STOP, 8000),
        _ => (libc::SIGKILL, AFTER_KILL, 400),
    };
    let home = Home::new();
    let mut run = Run::start(&mut home.run(faults));
    std::thread::sleep(Duration::from_millis(moment.parse().expect("milliseconds")));
    let guardian = oracle::guardian(&home);
    let breaking = home.events("phase_started") > 0 && home.events("rolled_back") == 0;
    let struck = Instant::now();
    guardian.inspect(|pid| signal(*pid, number));
    let clean = guardian.map(|_| home.clean_within(limit));
    let code = run.ended()?;
    let Some(clean) = clean else {
        home.stays_clean()?;
        return Ok(Struck::NotReached);
    };
    let clean = clean?;
    home.stays_clean()?;
    if breaking && !matches!(code, Some(8 | NOT_STEADY)) {
        return Err(Failure::Wrong(format!("it lost its guardian and ended with {code:?}: {}", home.told())));
    }
    Ok(Struck::Clean(Some(clean - struck)))
}

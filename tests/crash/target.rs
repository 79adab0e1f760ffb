//! What is broken dies in the middle: a service is killed from outside while every fault is on.

use std::fs;

use crate::experiment::has_limits;
use crate::home::{Home, signal};
use crate::matrix::{Failure, Mode, Struck};
use crate::oracle::Process;
use crate::run::{Run, STOPPED};

pub const MODE: Mode = Mode {
    name: "target",
    what: "a service is killed from outside while faults are on it",
    missing: || None,
    points: |_| ["held", "held that restarts", "demo", "family"].map(ToOwned::to_owned).to_vec(),
    strike,
    must_leak: false,
    figure: None,
};

fn strike(point: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    let mut command = home.run(12_000);
    if point == "held that restarts" {
        let file = home.path("paper").join("experiment.yaml");
        let text = fs::read_to_string(&file).expect("was just written");
        fs::write(&file, text.replace("name: held,", "name: held, restart: true,")).expect("writes");
    }
    let mut run = Run::in_full_swing(&home, &mut command);
    let wanted = |process: &&Process| match point {
        "demo" => process.command.contains(" demo "),
        "family" => process.command.starts_with("sh -c setsid"),
        _ => process.is_stopped(),
    };
    let target = home.look().processes.iter().find(wanted).map(|process| process.pid).expect("is there");
    signal(target, libc::SIGKILL);
    let code = run.ended()?;
    home.stays_clean()?;
    let (codes, words) = told(point);
    let said = home.said();
    if code.is_some_and(|code| codes.contains(&code)) && said.contains(words) {
        return Ok(Struck::Clean(None));
    }
    Err(Failure::Wrong(format!("it ended with {code:?}, and did not say \"{words}\":\n{said}")))
}

/// The exit codes, and what has to be said.
fn told(point: &str) -> (&'static [i32], &'static str) {
    match point {
        // Gone, or replaced by another process, as soon as it is started again: the fault has nothing to act on.
        // On a busy machine the steady state may not be back in time, which outweighs that.
        "held" | "held that restarts" => (&[STOPPED, 5], "STOP: hold: service held: the target is gone"),
        // Whoever asks it gets no answer any more.
        "demo" => (&[5, 6], "the steady state is not back in time"),
        // Its control group is what is limited, so there is nothing to limit any more.
        _ if has_limits() => (&[STOPPED, 5], "STOP: quota: service family: the target is gone"),
        // Nobody asks it anything; its child in another session goes on until the end.
        _ => (&[0, 5, 6], "recovery: awaiting the steady state"),
    }
}

//! What is broken dies in the middle: a service is killed from outside while every fault is on.

use crate::home::{Home, Run, signal};
use crate::matrix::{Failure, Mode, Struck};

pub const MODE: Mode = Mode {
    name: "target",
    what: "a service is killed from outside while faults are on it",
    missing: || None,
    points: |_| ["held", "demo", "family"].map(ToOwned::to_owned).to_vec(),
    strike,
    must_leak: false,
};

fn strike(point: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    let mut run = Run::in_full_swing(&home, &mut home.run(1500));
    let processes = home.look().processes;
    let wanted = |command: &str, stopped: bool| match point {
        "held" => stopped,
        "demo" => command.contains(" demo "),
        _ => command.starts_with("sh -c setsid"),
    };
    let target = processes.iter().find(|process| wanted(&process.command, process.is_stopped())).expect("is there");
    signal(target.pid, libc::SIGKILL);
    let code = run.ended()?;
    home.stays_clean()?;
    if matches!(code, None | Some(0 | 7 | 70)) && point == "held" || !home.said().contains(point) {
        return Err(Failure::Wrong(format!("it ended with {code:?}, and did not name {point}:\n{}", home.said())));
    }
    Ok(Struck::Clean(None))
}

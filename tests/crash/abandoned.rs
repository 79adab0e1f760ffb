//! Runs of which both the tool and the guardian were killed while every fault was on.

use std::time::Duration;

use crate::home::{Home, signal};
use crate::oracle;
use crate::run::Run;

/// Both at once.
pub fn abandon(home: &Home) {
    let mut run = Run::in_full_swing(home, &mut home.run(60_000));
    let guardian = oracle::guardian(home).expect("a guardian");
    // A guardian that is stopped does nothing between the two deaths.
    signal(guardian, libc::SIGSTOP);
    run.signal(libc::SIGKILL);
    signal(guardian, libc::SIGKILL);
    run.ended().expect("it was killed");
}

/// The guardian had a moment to begin.
pub fn abandon_after(home: &Home, moment: Duration) {
    let mut run = Run::in_full_swing(home, &mut home.run(60_000));
    let guardian = oracle::guardian(home).expect("a guardian");
    run.signal(libc::SIGKILL);
    // The tool is a zombie until it is reaped, which is as good as dead.
    std::thread::sleep(moment);
    signal(guardian, libc::SIGKILL);
    run.ended().expect("it was killed");
}

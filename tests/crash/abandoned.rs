//! A run of which both the tool and the guardian were killed while every fault was on.

use crate::home::{Home, Run, signal};
use crate::oracle;

pub fn abandon(home: &Home) {
    let mut run = Run::in_full_swing(home, &mut home.run(60_000));
    let guardian = oracle::guardian(home).expect("a guardian");
    signal(guardian, libc::SIGSTOP);
    run.signal(libc::SIGKILL);
    signal(guardian, libc::SIGKILL);
    run.ended().expect("it was killed");
}

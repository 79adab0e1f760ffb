//! The tool under way.

use std::process::{Child, Command};
use std::time::Duration;

use crate::experiment::faults;
use crate::home::{Home, LONGEST, signal, until, until_for};
use crate::matrix::Failure;

/// The exit code of a run whose baseline was not steady: nothing was injected.
pub const NOT_STEADY: i32 = 3;
/// The exit code of a run of which a fault could not be applied in time, or not as it was asked.
const NOT_EFFECTIVE: i32 = 6;
/// The exit code of a run that a hard limit ended early: the guardian is lost, a target is gone.
pub const STOPPED: i32 = 4;

/// A run under way. It is killed when this is dropped.
#[derive(Debug)]
pub struct Run(pub Child);

impl Run {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("starts"))
    }

    /// Starts it and waits until every fault is on. A machine that is too busy for a steady baseline, or
    /// for the faults to come in time, gets another chance.
    pub fn in_full_swing(home: &Home, command: &mut Command) -> Self {
        let mut run = Self::start(command);
        let all = until(|| match run.0.try_wait().expect("looks") {
            Some(status) if matches!(status.code(), Some(NOT_STEADY | NOT_EFFECTIVE)) => {
                run = Self::start(command);
                Err(())
            }
            Some(status) => panic!("it ended ({status}) before every fault was on\n{}", home.told()),
            None => Some(()).filter(|()| home.events("fault_applied") == faults()).ok_or(()),
        });
        all.unwrap_or_else(|()| panic!("not every fault is on\n{}", home.told()));
        run
    }

    pub fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    pub fn signal(&self, number: i32) {
        signal(self.pid(), number);
    }

    /// Its exit code; none when a signal ended it.
    pub fn ended(&mut self) -> Result<Option<i32>, Failure> {
        self.ended_within(LONGEST)
    }

    pub fn ended_within(&mut self, limit: Duration) -> Result<Option<i32>, Failure> {
        let look = || self.0.try_wait().expect("looks").ok_or_else(|| Failure::Wrong(format!("no end in {limit:?}")));
        until_for(limit, look).map(|status| status.code())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

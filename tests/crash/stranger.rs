//! A process that no run started and that its faults hit: it must go on as it was.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::oracle;

/// It sleeps, and is killed when this is dropped.
#[derive(Debug)]
pub struct Stranger {
    child: Child,
    /// What the kernel said of its files before anybody touched it.
    limit: String,
}

impl Stranger {
    pub fn start() -> Self {
        let quiet = |command: &mut Command| command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = quiet(Command::new("sleep").arg("100000")).expect("starts");
        let limit = limit_of(child.id()).expect("lives");
        Self { child, limit }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What is not as it was, if anything.
    pub fn changed(&self) -> Option<String> {
        let pid = self.pid();
        match oracle::process(pid) {
            None => Some(format!("stranger {pid} is gone")),
            Some(process) if process.is_stopped() => Some(format!("stranger {pid} is stopped")),
            Some(_) => {
                let now = limit_of(self.child.id());
                (now.as_ref() != Some(&self.limit)).then(|| format!("stranger {pid}: {now:?}, not {}", self.limit))
            }
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both limits of open files, soft and hard.
fn limit_of(pid: u32) -> Option<String> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    limits.lines().find(|line| line.starts_with("Max open files")).map(ToOwned::to_owned)
}

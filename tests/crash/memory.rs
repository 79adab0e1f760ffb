//! Memory runs out: the kernel kills the tool, and in the second case its guardian too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use crate::home::{Home, signal};
use crate::matrix::{Failure, Mode, Struck};
use crate::oracle;
use crate::run::Run;

/// The hidden word that makes this test binary take memory until it is killed.
pub const COMMAND: &str = "__take_memory";

pub const MODE: Mode = Mode {
    name: "memory",
    what: "the kernel kills the tool, or the tool and its guardian, as memory runs out",
    missing,
    points: |_| ["tool", "tool and guardian"].map(ToOwned::to_owned).to_vec(),
    strike,
    must_leak: false,
    figure: None,
};

/// Enough for the run, and soon taken.
const LIMIT: &str = "256M";
/// Memory that has run out makes everybody slow.
const CLEAN_LIMIT: Duration = Duration::from_secs(10);

fn missing() -> Option<String> {
    crate::needs::no_root().or_else(|| Limited::new().err().map(|why| format!("no control group for memory: {why}")))
}

fn strike(point: &str) -> Result<Struck, Failure> {
    // Removed last, when whatever is left in it was killed with the home.
    let limited = Limited::new().expect("was possible a moment ago");
    let home = Home::new();
    let mut run = Run::in_full_swing(&home, limited.inside(&mut home.tool("sh"), &home.run(60_000)));
    let guardian = oracle::guardian(&home).expect("a guardian");
    volunteer(run.pid());
    let both = point != "tool";
    if both {
        // A guardian that is stopped does nothing before it is killed.
        signal(guardian, libc::SIGSTOP);
        volunteer(guardian);
    }
    let mut hog = Hog::start(&limited);
    let code = run.ended()?;
    let struck = Instant::now();
    if code.is_some() || limited.kills() == 0 {
        return Err(Failure::Wrong(format!("memory did not kill it, it ended with {code:?}")));
    }
    if both {
        let gone = || oracle::process(guardian).map_or(Ok(()), |guardian| Err(format!("{guardian:?} lives")));
        crate::home::until(gone).map_err(Failure::Wrong)?;
        hog.end();
        home.rolls_back()?;
        return Ok(Struck::Clean(None));
    }
    let clean = home.clean_within(CLEAN_LIMIT)?;
    hog.end();
    home.stays_clean()?;
    Ok(Struck::Clean(Some(clean - struck)))
}

/// Makes a process the first that the kernel kills.
fn volunteer(pid: i32) {
    fs::write(format!("/proc/{pid}/oom_score_adj"), "1000").expect("anybody may be made a victim");
}

/// A control group of ours with little memory. It is removed when this is dropped.
struct Limited(PathBuf);

impl Limited {
    fn new() -> std::io::Result<Self> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let group = Path::new("/sys/fs/cgroup/memory").join(format!("crash-{}-{number}", std::process::id()));
        fs::create_dir(&group)?;
        let limited = Self(group);
        fs::write(limited.0.join("memory.limit_in_bytes"), LIMIT)?;
        Ok(limited)
    }

    /// The shell enters the group and becomes that command.
    fn inside<'a>(&self, shell: &'a mut Command, command: &Command) -> &'a mut Command {
        shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(self.0.join("cgroup.procs"));
        shell.arg(command.get_program()).args(command.get_args())
    }

    fn kills(&self) -> u64 {
        let text = fs::read_to_string(self.0.join("memory.oom_control")).unwrap_or_default();
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.and_then(|kills| kills.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = crate::home::until(|| fs::remove_dir(&self.0));
    }
}

/// Takes all the memory there is in the group.
struct Hog(Child);

impl Hog {
    fn start(limited: &Limited) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("has one"));
        command.arg(COMMAND);
        Self(limited.inside(&mut Command::new("sh"), &command).spawn().expect("starts"))
    }

    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.end();
    }
}

pub fn main() -> ExitCode {
    let mut taken = Vec::new();
    for _ in 0..2048 {
        taken.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&taken);
    }
    ExitCode::FAILURE
}

//! The commands of an experiment's own faults, and those that undo them: the same surroundings whoever runs them, be it
//! the tool, its guardian or a rollback days later.

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process_group};

use super::linux::spawner;
use super::process::{self, End, Launch, Output, RunError};
use super::{Trouble, thread};
use crate::model::dose::InPlace;
use crate::model::step::{CommandLine, Surroundings};

/// How often a command that is run without a runtime is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// What commands started here and now are run in.
pub fn surroundings() -> Result<Surroundings, Trouble> {
    let directory = std::env::current_dir().map_err(|error| Trouble::new("find the working directory", error))?;
    let variable = |name| std::env::var_os(name).and_then(|value| value.into_string().ok());
    Ok(Surroundings { directory, path: variable("PATH").unwrap_or_default(), home: variable("HOME") })
}

/// Runs it to its end, in a process group of its own that is killed at the timeout. A trouble unless it ended with exit
/// code 0.
pub async fn run(line: &CommandLine, at: &Surroundings) -> Result<(), Trouble> {
    judge(line, ended(line, at).await)
}

/// What a check says now.
pub async fn look(check: &CommandLine, at: &Surroundings) -> InPlace {
    told(ended(check, at).await)
}

/// The same as [`run`], by a process that has no runtime.
pub fn run_here(line: &CommandLine, at: &Surroundings) -> Result<(), Trouble> {
    judge(line, ended_here(line, at))
}

/// The same as [`look`], by a process that has no runtime.
pub fn look_here(check: &CommandLine, at: &Surroundings) -> InPlace {
    told(ended_here(check, at))
}

/// How a command ended and the first line of what it complained of, or why that is not known.
type Ended = Result<(End, String), String>;

async fn ended(line: &CommandLine, at: &Surroundings) -> Ended {
    let (program, arguments) = line.words.split_first().ok_or("there is no command")?;
    let launch = Launch {
        program: program.clone(),
        arguments: arguments.to_vec(),
        environment: environment(at),
        bare: true,
        directory: Some(at.directory.clone()),
        output: Output::Capture,
    };
    match process::run(&launch, line.timeout.0).await {
        Ok(finished) => {
            let end = End { code: finished.code, signal: finished.signal };
            let said = String::from_utf8_lossy(&finished.stderr);
            let first = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            Ok((end, first.chars().take(200).collect()))
        }
        Err(RunError::Timeout) => Err(in_time(line)),
        Err(RunError::NotStarted(trouble)) => Err(trouble.to_string()),
    }
}

fn in_time(line: &CommandLine) -> String {
    format!("it did not end within {} and was killed", line.timeout)
}

fn environment(at: &Surroundings) -> BTreeMap<String, String> {
    let home = at.home.iter().map(|home| ("HOME".to_owned(), home.clone()));
    home.chain([("PATH".to_owned(), at.path.clone())]).collect()
}

fn judge(line: &CommandLine, ended: Ended) -> Result<(), Trouble> {
    let why = match ended {
        Ok((End { code: Some(0), .. }, _)) => return Ok(()),
        Ok((end, said)) if said.is_empty() => format!("it ended with {end}"),
        Ok((end, said)) => format!("it ended with {end}: {said}"),
        Err(why) => why,
    };
    Err(Trouble::new(format!("run `{line}`"), why))
}

fn told(ended: Ended) -> InPlace {
    match ended {
        Ok((End { code: Some(0), .. }, _)) => InPlace::Yes,
        Ok((End { code: Some(1), .. }, _)) => InPlace::No,
        Ok((end, said)) if said.is_empty() => InPlace::Unknown(format!("the check ended with {end}")),
        Ok((end, said)) => InPlace::Unknown(format!("the check ended with {end}: {said}")),
        Err(why) => InPlace::Unknown(why),
    }
}

fn ended_here(line: &CommandLine, at: &Surroundings) -> Ended {
    let program = line.words.first().ok_or("there is no command")?;
    let file = process::require_program(program, Some(&at.directory), Some(at.path.as_ref()));
    let file = file.map_err(|trouble| trouble.to_string())?;
    let mut child = command(file, line, at).spawn().map_err(|error| error.to_string())?;
    let deadline = thread::now() + line.timeout.0;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break Some(status),
            None if thread::now() >= deadline => break None,
            None => thread::sleep_until(thread::now() + LOOK),
        }
    };
    if status.is_none() {
        // Its group goes with it; unreaped, its number is its own.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
    }
    status.map(|status| (end(status), String::new())).ok_or_else(|| in_time(line))
}

fn end(status: ExitStatus) -> End {
    End { code: status.code(), signal: status.signal() }
}

#[allow(clippy::disallowed_methods, reason = "the door for processes that have no runtime")]
fn command(file: PathBuf, line: &CommandLine, at: &Surroundings) -> Command {
    let mut command = Command::new(file);
    command.args(&line.words[1..]).env_clear().envs(environment(at)).current_dir(&at.directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    spawner::die_with_parent(&mut command, getpid());
    command
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{look, look_here, run, run_here, surroundings};
    use crate::host::clock::Clock;
    use crate::host::process;
    use crate::model::dose::{InPlace, ProcessState};
    use crate::model::step::{CommandLine, Surroundings};
    use crate::model::units::Timespan;

    fn line(words: &[&str]) -> CommandLine {
        CommandLine { words: words.iter().map(ToString::to_string).collect(), timeout: Timespan::seconds(20) }
    }

    fn here() -> Surroundings {
        surroundings().expect("a folder")
    }

    #[tokio::test]
    async fn with_and_without_a_runtime_a_command_ends_alike() {
        for (words, right) in [(&["true"][..], true), (&["false"], false), (&["no-such-program"], false)] {
            assert_eq!(run(&line(words), &here()).await.is_ok(), right, "{words:?}");
            assert_eq!(run_here(&line(words), &here()).is_ok(), right, "{words:?}");
        }
        for (code, told) in [("0", InPlace::Yes), ("1", InPlace::No)] {
            assert_eq!(look(&line(&["sh", "-c", &format!("exit {code}")]), &here()).await, told);
            assert_eq!(look_here(&line(&["sh", "-c", &format!("exit {code}")]), &here()), told);
        }
        let odd = line(&["sh", "-c", "exit 2"]);
        assert!(matches!(look(&odd, &here()).await, InPlace::Unknown(why) if why.contains("exit code 2")));
        assert!(matches!(look_here(&odd, &here()), InPlace::Unknown(why) if why.contains("exit code 2")));
    }

    #[tokio::test]
    async fn with_and_without_a_runtime_it_sees_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = Surroundings { directory: folder.path().to_owned(), ..here() };
        let script = |name: &str| {
            line(&["sh", "-c", &format!("(pwd; env | grep -v '^_=\\|^PWD=\\|^SHLVL=\\|^OLDPWD=' | sort) > {name}")])
        };
        run(&script("tool"), &at).await.expect("runs");
        run_here(&script("guardian"), &at).expect("runs");
        let seen = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("written");
        assert_eq!(seen("tool"), seen("guardian"));
        assert!(seen("tool").contains(&format!("PATH={}", at.path)) && !seen("tool").contains("CARGO"));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = Surroundings { directory: folder.path().to_owned(), ..here() };
        for (name, here) in [("tool", false), ("guardian", true)] {
            let words = ["sh", "-c", &format!("sleep 300 & echo $! > {name}; wait")];
            let slow = CommandLine { timeout: Timespan::millis(500), ..line(&words) };
            let ended = if here { run_here(&slow, &at) } else { run(&slow, &at).await };
            assert!(ended.expect_err("slow").to_string().contains("within 500ms"), "{name}");
            let child = std::fs::read_to_string(folder.path().join(name)).expect("it had started");
            let child = child.trim().parse().expect("a pid");
            while process::identity(child).is_some_and(|one| process::state(&one) != ProcessState::Gone) {
                Clock::Real.sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

//! `probe: command`: one run of a command a sample, without a shell. Its exit code is the answer; a number can be read
//! from what it prints.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use super::failure::one_line;
use crate::host::process::{self, Finished, Launch, Output, RunError};
use crate::host::{Prober, Trouble};
use crate::model::about::ProbeAbout;
use crate::model::probe::{CommandProbe, ProbeSpec};
use crate::model::redaction::Redaction;
use crate::model::sample::{Measurement, Outcome};

/// What the catalogue says of it.
pub(super) const ABOUT: ProbeAbout = ProbeAbout {
    word: "command",
    summary: "one run of a command, without a shell: its exit code, or a number that it prints",
    errors: "a wrong exit code, timeout",
    no_data: "it could not be started; no number where one should be",
    metrics: "success_rate, error_rate; with `number` value, and p0 to p100, median, mean, min, max of it; else \
        those of the time it took",
    privileges: "to run the program; a policy may forbid it",
    example: &["command: [redis-cli, llen, jobs]", "number: stdout", "interval: 1s", "expect: [value < 1000]"],
};

struct Command {
    launch: Launch,
    timeout: Duration,
    exit_code: i32,
    number: Option<Number>,
    secrets: Redaction,
}

/// Where the number stands in the standard output.
enum Number {
    Whole,
    Json(String),
}

/// Prepares the probe.
pub(super) fn prepare(
    spec: &ProbeSpec,
    command: &CommandProbe,
    secrets: &Redaction,
) -> Result<impl Prober + use<>, Trouble> {
    let Some((program, arguments)) = command.command.split_first() else {
        return Err(Trouble::new("prepare a command", "the list is empty").help("write `[program, argument, ...]`"));
    };
    process::require_program(program, None, std::env::var_os("PATH").as_deref())?;
    let launch = Launch {
        program: program.clone(),
        arguments: arguments.to_vec(),
        environment: BTreeMap::new(),
        bare: false,
        directory: None,
        output: Output::Capture,
    };
    let number = command.number.as_deref().map(Number::read).transpose()?;
    Ok(Command { launch, timeout: spec.timeout.0, exit_code: command.exit_code, number, secrets: secrets.clone() })
}

impl Number {
    fn read(text: &str) -> Result<Self, Trouble> {
        match text {
            "stdout" => Ok(Self::Whole),
            pointer if pointer.starts_with('/') => Ok(Self::Json(pointer.to_owned())),
            other => {
                let trouble = Trouble::new(format!("read a number from `{other}`"), "there is no such place");
                Err(trouble.help("write `stdout`, or a JSON pointer into it such as `/queue/depth`"))
            }
        }
    }

    /// The number, or why there is none.
    fn find(&self, stdout: &[u8]) -> Result<f64, String> {
        match self {
            Self::Whole => {
                let text = String::from_utf8_lossy(stdout);
                text.trim().parse().map_err(|_| "standard output is not a number".to_owned())
            }
            Self::Json(pointer) => {
                let document: serde_json::Value =
                    serde_json::from_slice(stdout).map_err(|_| "standard output is not JSON".to_owned())?;
                let number = document.pointer(pointer).and_then(serde_json::Value::as_f64);
                number.ok_or_else(|| format!("standard output has no number at `{pointer}`"))
            }
        }
    }
}

impl Prober for Command {
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
        Box::pin(async {
            match process::run(&self.launch, self.timeout).await {
                Ok(finished) => self.judge(&finished),
                Err(RunError::Timeout) => Measurement::failed(Outcome::Timeout, "did not end in time and was killed"),
                // It was there when the run began, so it is the machine that has no room for it, or the program went.
                Err(RunError::NotStarted(trouble)) => {
                    Measurement::failed(Outcome::NoData, one_line(&trouble.to_string()))
                }
            }
        })
    }
}

impl Command {
    fn judge(&self, finished: &Finished) -> Measurement {
        if finished.code != Some(self.exit_code) {
            return Measurement::failed(Outcome::Wrong, one_line(&self.wrong_end(finished)));
        }
        match self.number.as_ref().map(|number| number.find(&finished.stdout)) {
            None => Measurement::ok(),
            Some(Ok(value)) => Measurement::value(value),
            Some(Err(why)) => Measurement::failed(Outcome::NoData, why),
        }
    }

    fn wrong_end(&self, finished: &Finished) -> String {
        let end = match (finished.code, finished.signal) {
            (Some(code), _) => format!("exit code {code}, wanted {}", self.exit_code),
            (None, Some(signal)) => {
                format!("ended by {}, wanted exit code {}", crate::host::signals::name(signal), self.exit_code)
            }
            (None, None) => "ended in an unknown way".to_owned(),
        };
        let stderr = String::from_utf8_lossy(&finished.stderr);
        match stderr.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{end}: {}", self.secrets.of_text(line)),
            None => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::host::clock::Clock;
    use crate::host::process::identity;
    use crate::model::probe::{CommandProbe, ProbeKind};
    use crate::model::sample::{Measurement, Outcome};
    use crate::probe::testing::{prepared, refused, sample, spec};

    fn command(words: &[&str], exit_code: i32, number: Option<&str>) -> ProbeKind {
        let command = words.iter().map(ToString::to_string).collect();
        ProbeKind::Command(CommandProbe { command, exit_code, number: number.map(str::to_owned) })
    }

    async fn run(words: &[&str], exit_code: i32, number: Option<&str>) -> Measurement {
        sample(&spec(command(words, exit_code, number))).await
    }

    #[tokio::test]
    async fn the_exit_code_is_the_answer() {
        assert_eq!(run(&["true"], 0, None).await, Measurement::ok());
        assert_eq!(run(&["sh", "-c", "exit 3"], 3, None).await, Measurement::ok());
        let wrong = run(&["sh", "-c", "echo; echo no route >&2; echo more >&2; exit 3"], 0, None).await;
        assert_eq!(wrong, Measurement::failed(Outcome::Wrong, "exit code 3, wanted 0: no route"));
        let killed = run(&["sh", "-c", "kill -9 $$"], 0, None).await;
        assert_eq!(killed, Measurement::failed(Outcome::Wrong, "ended by SIGKILL, wanted exit code 0"));
    }

    #[tokio::test]
    async fn a_number_is_read_from_the_output() {
        assert_eq!(run(&["echo", " 4.5 "], 0, Some("stdout")).await, Measurement::value(4.5));
        let json = r#"{"queue":{"depth":7}}"#;
        assert_eq!(run(&["echo", json], 0, Some("/queue/depth")).await, Measurement::value(7.0));
    }

    #[tokio::test]
    async fn output_without_the_number_is_no_data() {
        for (output, place) in [("many", "stdout"), ("", "stdout"), ("NaN", "stdout"), ("inf", "stdout")] {
            assert_eq!(run(&["echo", output], 0, Some(place)).await.outcome, Outcome::NoData, "{output}");
        }
        for output in ["{", "{}", r#"{"depth":"7"}"#] {
            assert_eq!(run(&["echo", output], 0, Some("/depth")).await.outcome, Outcome::NoData, "{output}");
        }
    }

    #[tokio::test]
    async fn arguments_are_not_read_by_a_shell() {
        assert_eq!(run(&["test", "$HOME;true", "=", "$HOME;true"], 0, None).await, Measurement::ok());
    }

    #[tokio::test]
    async fn a_timeout_kills_the_grandchildren_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", file.display());
        let measurement = sample(&spec(command(&["sh", "-c", &script], 0, None))).await;
        assert_eq!(measurement.outcome, Outcome::Timeout);
        let grandchild = std::fs::read_to_string(&file).expect("it had started").trim().parse().expect("a pid");
        while identity(grandchild).is_some() {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_program_that_vanished_during_the_run_is_no_data() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("probe");
        // A link, no copy: a file that a process forked meanwhile holds open for writing cannot be started.
        std::os::unix::fs::symlink("/bin/true", &program).expect("linked");
        let prober = prepared(&spec(command(&[&program.display().to_string()], 0, None)));
        assert_eq!(prober.take().await, Measurement::ok());
        std::fs::rename(&program, folder.path().join("elsewhere")).expect("moved");
        assert_eq!(prober.take().await.outcome, Outcome::NoData);
    }

    #[test]
    fn a_program_or_a_place_that_is_not_there_is_refused_before_the_run() {
        let cases = [
            (command(&["no-such-program"], 0, None), "its folder in PATH"),
            (command(&["/etc/hostname/x"], 0, None), "no such executable file"),
            (command(&["/etc/passwd"], 0, None), "no such executable file"),
            (command(&[""], 0, None), "no such executable file"),
            (command(&[], 0, None), "the list is empty"),
            (command(&["true"], 0, Some("stderr")), "write `stdout`"),
        ];
        for (kind, part) in cases {
            let trouble = refused(kind).to_string();
            assert!(trouble.contains(part), "{trouble}");
        }
    }
}

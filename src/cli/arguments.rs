//! The one definition of the command line; completions and help are made from it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::demo;
use crate::model::units::Timespan;
use crate::report;

/// The documented exit codes of `chaos run`.
pub const EXIT_CODES: &str = "\
Exit codes of `chaos run`:
  0   the hypothesis held and the system recovered
  1   deviated: the steady state did not hold during the fault
  2   refused: bad usage, bad file, missing privilege, or the set-up failed; nothing was injected
  3   the baseline was not steady; nothing was injected
  4   stopped early by a stop condition or a hard limit; rolled back
  5   not recovered within the objective
  6   inconclusive or invalid: too few samples, or the fault was not effective
  7   RESIDUE: rollback could not be verified; the report begins with the command to run by hand
  8   interrupted; rolled back
  70  our own bug";

/// The exit codes of `chaos rollback`, as in [`EXIT_CODES`].
const ROLLBACK_EXIT_CODES: &str = "\
Exit codes:
  0   nothing is left, as was read back
  2   refused: a run is still under way, there is no such run, or none was named
  7   RESIDUE: something is left; the output says what";

/// The exit codes of `chaos stop`, as in [`EXIT_CODES`].
const STOP_EXIT_CODES: &str = "\
Exit codes:
  0   ended, and everything is undone as was read back; or nothing was under way
  2   refused: several runs are under way and none was named, or there is no such run; nothing was stopped
  7   RESIDUE: it could not be verified that everything is undone; the output says what to do

A run is asked first (SIGTERM). One that is stopped, or shows no reaction within 5 s, is killed: its guardian puts
everything back. One that takes longer than 10 s over a step of its rollback is asked to hurry; after 60 s it is killed.";

/// The exit codes of `chaos doctor`, as in [`EXIT_CODES`].
const DOCTOR_EXIT_CODES: &str = "\
Exit codes:
  0   all is well; warnings do not change that
  2   something is missing that runs need, or a policy file can be written by others
  7   RESIDUE: a killed run left something; the output names the command that puts it back";

/// What a newcomer to `chaos proxy` types first.
const PROXY_HELP: &str = "\
Examples:
  chaos proxy --config proxies.json
  curl -d '{\"name\": \"redis\", \"listen\": \"127.0.0.1:26379\", \"upstream\": \"127.0.0.1:6379\"}' localhost:8474/proxies
  curl -d '{\"type\": \"latency\", \"attributes\": {\"latency\": 1000}}' localhost:8474/proxies/redis/toxics";

/// The exit codes of `chaos compare`, as in [`EXIT_CODES`].
const COMPARE_EXIT_CODES: &str = "\
Exit codes:
  0   compared; with --fail-on regression: nothing got worse for sure
  1   with --fail-on regression: something did
  2   refused: there is no such run, or it cannot be read";

/// Break something on purpose, measure, always put it back, and tell the truth.
#[derive(Debug, Parser)]
#[command(name = "chaos", version, max_term_width = 100, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run an experiment: baseline, faults, rollback, recovery, report
    #[command(after_help = EXIT_CODES)]
    Run(RunArguments),
    /// Print every step of an experiment with its undo; contacts and touches nothing
    Plan(PlanArguments),
    /// Check experiment files, or every one in a folder; all problems at once
    Validate(ValidateArguments),
    /// Undo what a run left behind that was killed: needs neither its file nor its process
    #[command(after_help = ROLLBACK_EXIT_CODES)]
    Rollback(RollbackArguments),
    /// End a run under way, from anywhere: waits until everything is undone and read back
    #[command(after_help = STOP_EXIT_CODES)]
    Stop(StopArguments),
    /// Say what protects this machine, what was left behind and which faults work here; changes nothing
    #[command(after_help = DOCTOR_EXIT_CODES)]
    Doctor(DoctorArguments),
    /// Render the report of a run again, in any format, from its stored events
    Report(ReportArguments),
    /// List the runs that are kept: when, what, verdict, impact, duration
    History(HistoryArguments),
    /// Say what changed from one run to another
    #[command(after_help = COMPARE_EXIT_CODES)]
    Compare(CompareArguments),
    /// Serve the embedded system under test: gateway -> retriever, generator
    Demo(DemoArguments),
    /// Serve proxies that Toxiproxy's clients steer: the data plane on its own
    #[command(after_help = PROXY_HELP)]
    Proxy(ProxyArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Which experiment, and what fills it.
#[derive(Debug, Args)]
pub struct FileArguments {
    /// The experiment file
    pub file: PathBuf,
    /// Give a variable of the file a value; repeatable, goes before the environment and the file's own `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
}

/// Which policies hold beside those of the machine.
#[derive(Debug, Args)]
pub struct PolicyArguments {
    /// A policy that holds as well as those in /etc/chaos (it can only narrow them); repeatable
    #[arg(long = "policy", value_name = "FILE")]
    pub policies: Vec<PathBuf>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For machines
    Json,
}

/// How plans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// For people
    Text,
    /// For machines, with every setting
    Json,
    /// The same as YAML
    Yaml,
}

/// `chaos run`
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Which experiment.
    #[command(flatten)]
    pub experiment: FileArguments,
    /// Which policies.
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// Run only the plan of this digest, as `chaos plan` printed it; anything else is refused
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub approve: Option<String>,
    /// Observer mode: the same phases, probes and stop conditions, but nothing is injected
    #[arg(long)]
    pub dry_run: bool,
    /// The seed of every random choice; the report prints it, the same seed repeats the choices
    #[arg(long)]
    pub seed: Option<u64>,
    /// Also write the report to a file, by its extension: .txt, .json, .xml (JUnit), .md or .html; repeatable
    #[arg(long = "report", value_name = "FILE")]
    pub reports: Vec<PathBuf>,
    /// How the report on stdout is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How many run folders are kept: after the run the oldest finished ones beyond that go
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    /// Say nothing on stderr while running
    #[arg(short, long)]
    pub quiet: bool,
}

/// `chaos report`
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The id of the run, the beginning of it, or `latest`
    pub run: String,
    /// How the report is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: report::Format,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `chaos history`
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// How the list is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `chaos compare`
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// The run to compare with: its id, the beginning of it, or `latest`
    pub a: String,
    /// The run to compare
    pub b: String,
    /// How the comparison is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// End with exit code 1 when this is found
    #[arg(long, value_enum, value_name = "WHAT")]
    pub fail_on: Option<FailOn>,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// What a comparison can fail on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Something got worse for sure: the verdict, the recovery, an expectation, or a number beyond its interval
    Regression,
}

/// `chaos rollback`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").args(["run", "all", "scan"])))]
pub struct RollbackArguments {
    /// The id of the run
    pub run: Option<String>,
    /// Every run that was not brought to its end
    #[arg(long)]
    pub all: bool,
    /// Whatever carries the mark of a run whose tool and guardian are dead, also where no journal tells of it
    #[arg(long)]
    pub scan: bool,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `chaos doctor`
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// How the findings are written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Print a systemd unit instead, which rolls back at boot what the last boot left
    #[arg(long, conflicts_with = "output")]
    pub print_unit: bool,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `chaos stop`
#[derive(Debug, Args)]
pub struct StopArguments {
    /// The id of the run, or the beginning of it; may be left out when only one is under way
    #[arg(conflicts_with = "all")]
    pub run: Option<String>,
    /// Every run that is under way
    #[arg(long)]
    pub all: bool,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// `chaos plan`
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Which experiment.
    #[command(flatten)]
    pub experiment: FileArguments,
    /// Which policies.
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// How the plan is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: PlanOutput,
}

/// `chaos validate`
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// Experiment files, or folders of them (*.yaml, *.yml)
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Give a variable of the files a value; repeatable
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// Which policies.
    #[command(flatten)]
    pub policy: PolicyArguments,
}

/// `chaos demo`
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS", default_value_t = demo::GATEWAY)]
    pub gateway_listen: SocketAddr,
    /// Where the retriever listens
    #[arg(long, value_name = "ADDRESS", default_value_t = demo::RETRIEVER)]
    pub retriever_listen: SocketAddr,
    /// Where the generator listens
    #[arg(long, value_name = "ADDRESS", default_value_t = demo::GENERATOR)]
    pub generator_listen: SocketAddr,
    /// Where the gateway reaches the retriever, for instance through a proxy [default: where it listens]
    #[arg(long, value_name = "HOST:PORT")]
    pub retriever: Option<String>,
    /// Where the gateway reaches the generator, for instance through a proxy [default: where it listens]
    #[arg(long, value_name = "HOST:PORT")]
    pub generator: Option<String>,
    /// Which of the services run in this process
    #[arg(long, value_enum, value_delimiter = ',', default_value = "gateway,retriever,generator")]
    pub serve: Vec<ServiceName>,
    /// How often the gateway tries a call, the first time included
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: u32,
    /// Pause between two tries
    #[arg(long, value_name = "TIME", default_value = "50ms")]
    pub backoff: Timespan,
    /// How long the gateway waits for one call
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub timeout: Timespan,
    /// Circuit breaker: open after so many failed calls to the generator in a row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub breaker_failures: Option<u32>,
    /// Circuit breaker: how long it stays open before one call is let through
    #[arg(long, value_name = "TIME", default_value = "2s", requires = "breaker_failures")]
    pub breaker_cooldown: Timespan,
    /// Answer from the documents alone when the generator fails
    #[arg(long)]
    pub fallback: bool,
    /// Extra time that each service takes for each request
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub work: Timespan,
}

/// `chaos proxy`
#[derive(Debug, Args)]
pub struct ProxyArguments {
    /// Where the control API listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8474")]
    pub listen: SocketAddr,
    /// Proxies to begin with, in Toxiproxy's JSON format; each may have `toxics`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The seed of every random choice; printed at the start, the same seed repeats the choices
    #[arg(long)]
    pub seed: Option<u64>,
}

/// The services of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceName {
    /// Takes the questions
    Gateway,
    /// Finds documents
    Retriever,
    /// Writes answers
    Generator,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

fn digest(text: &str) -> Result<String, String> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    match hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        true => Ok(text.to_owned()),
        false => Err("a digest is `sha256:` and 64 digits, as `chaos plan` prints it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}

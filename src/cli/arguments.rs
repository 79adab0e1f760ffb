//! The one definition of the command line; completions and help are made from it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};

use super::completions;
use super::examples::below;
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
  70  our own bug
Of a suite the worst counts, the first of 7, 70, 8, 5, 4, 1, 2, 3, 6, 0.";

/// The exit codes of `chaos rollback`, as in [`EXIT_CODES`].
const ROLLBACK_EXIT_CODES: &str = "\
Exit codes:
  0   nothing is left, as was read back
  2   refused: a run is still under way, there is no such run, or none was named
  7   RESIDUE: something is left; the output says what";

/// The exit codes of `chaos validate`, as in [`EXIT_CODES`].
const VALIDATE_EXIT_CODES: &str = "\
Exit codes:
  0   every file can be run; warnings do not change that
  1   with --strict: every file can be run, but there are warnings
  2   refused: a file cannot be run, or cannot be read";

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

/// What a newcomer to `chaos proxy` types next.
const PROXY_HELP: &str = "\
  curl -d '{\"name\": \"redis\", \"listen\": \"127.0.0.1:26379\", \"upstream\": \"127.0.0.1:6379\"}' localhost:8474/proxies
  curl -d '{\"type\": \"latency\", \"attributes\": {\"latency\": 1000}}' localhost:8474/proxies/redis/toxics";

/// What to begin with.
const INIT_HELP: &str = "\
Examples:
  chaos init
  chaos init --url http://127.0.0.1:8080/ --break latency
  chaos init --url http://127.0.0.1:8080/ask --break hang --dependency 127.0.0.1:5432
  chaos init --port 8080 --break kill -- ./server --port 8080
  chaos init --from-openapi openapi.yaml --url http://127.0.0.1:8080/v1 --break errors --stdout

Nothing is contacted and nothing is overwritten.";

/// What to ask the catalogue.
const FAULTS_HELP: &str = "\
Examples:
  chaos faults
  chaos faults network
  chaos faults http.error --output json";

/// What to do with the schema.
const SCHEMA_HELP: &str = "\
Examples:
  chaos schema > chaos.schema.json

Editors with a YAML language server read it when an experiment begins with
  # yaml-language-server: $schema=./chaos.schema.json";

/// The exit codes of `chaos compare`, as in [`EXIT_CODES`].
const COMPARE_EXIT_CODES: &str = "\
Exit codes:
  0   compared; with --fail-on regression: nothing got worse for sure
  1   with --fail-on regression: something did
  2   refused: there is no such run, or it cannot be read";

/// Break something on purpose, measure, always put it back, and tell the truth.
#[derive(Debug, Parser)]
#[command(name = "chaos", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = below("", EXIT_CODES))]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write an experiment for your system, with a remark on every line; asks what the flags do not say
    #[command(after_help = INIT_HELP)]
    Init(InitArguments),
    /// Run an experiment: baseline, faults, rollback, recovery, report
    #[command(after_help = below("run", EXIT_CODES))]
    Run(RunArguments),
    /// Print every step of an experiment with its undo; contacts and touches nothing
    #[command(after_help = below("plan", ""))]
    Plan(PlanArguments),
    /// Check experiment files, or every one in a folder; all problems at once
    #[command(after_help = below("validate", VALIDATE_EXIT_CODES))]
    Validate(ValidateArguments),
    /// Undo what a run left behind that was killed: needs neither its file nor its process
    #[command(after_help = below("rollback", ROLLBACK_EXIT_CODES))]
    Rollback(RollbackArguments),
    /// End a run under way, from anywhere: waits until everything is undone and read back
    #[command(after_help = below("stop", STOP_EXIT_CODES))]
    Stop(StopArguments),
    /// Say what protects this machine, what was left behind and which faults work here; changes nothing
    #[command(after_help = below("doctor", DOCTOR_EXIT_CODES))]
    Doctor(DoctorArguments),
    /// Render the report of a run again, in any format, from its stored events
    #[command(after_help = below("report", ""))]
    Report(ReportArguments),
    /// List the runs that are kept: when, what, verdict, impact, duration
    #[command(after_help = below("history", ""))]
    History(HistoryArguments),
    /// Say what changed from one run to another
    #[command(after_help = below("compare", COMPARE_EXIT_CODES))]
    Compare(CompareArguments),
    /// List the faults, or tell the settings of one, its undo, its dose, and an example
    #[command(after_help = FAULTS_HELP)]
    Faults(CatalogueArguments),
    /// List the probes, or tell the settings of one, and an example
    #[command(after_help = below("probes", ""))]
    Probes(CatalogueArguments),
    /// Print the JSON Schema of experiments, with which editors complete and check them
    #[command(after_help = SCHEMA_HELP)]
    Schema(SchemaArguments),
    /// Serve the embedded system under test: gateway -> retriever, generator
    #[command(after_help = below("demo", ""))]
    Demo(DemoArguments),
    /// Serve proxies that Toxiproxy's clients steer: the data plane on its own
    #[command(after_help = below("proxy", PROXY_HELP))]
    Proxy(ProxyArguments),
    /// Print a completion script for a shell: it asks this binary, so it offers runs and experiments as they are
    #[command(after_help = below("completions", ""))]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command
    #[command(after_help = below("man", ""))]
    Man(ManArguments),
    /// Say more about a command, or about a topic: format, exit-codes, safety, claims, policies, ci
    #[command(after_help = below("help", ""))]
    Help(HelpArguments),
}

/// Which experiment, and what fills it.
#[derive(Debug, Args)]
pub struct FileArguments {
    /// The experiment file
    #[arg(add = ArgValueCompleter::new(completions::experiments))]
    pub file: PathBuf,
    /// Give a variable of the file a value; repeatable, goes before the environment and the file's own `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
}

/// Which policies hold beside those of the machine.
#[derive(Debug, Args)]
pub struct PolicyArguments {
    /// A policy that holds as well as those in /etc/chaos (it can only narrow them); repeatable
    #[arg(long = "policy", value_name = "FILE", add = ArgValueCompleter::new(completions::experiments))]
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
    /// Experiment files, or folders of them (*.yaml, *.yml): more than one file is a suite, run in this order
    #[arg(required = true, value_name = "FILE", add = ArgValueCompleter::new(completions::experiments))]
    pub files: Vec<PathBuf>,
    /// Give a variable of the file a value; repeatable, goes before the environment and the file's own `vars`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// Of a suite only experiments with this tag; repeatable, any of them will do
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Of a suite no experiment with this tag; repeatable
    #[arg(long = "skip-tag", value_name = "TAG")]
    pub skip_tags: Vec<String>,
    /// End a suite after the first experiment that does not hold; what is left is told as not run
    #[arg(long)]
    pub fail_fast: bool,
    /// Run each experiment so many times and judge all runs together: tighter intervals, and how much runs differ
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeat: u32,
    /// Which policies.
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// Run only the plan of this digest, as `chaos plan` printed it; anything else is refused
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub approve: Option<String>,
    /// Observer mode: the same phases, probes and stop conditions, but nothing is injected
    #[arg(long)]
    pub dry_run: bool,
    /// The seed of every random choice; the report prints it, the same seed repeats the choices. The second of
    /// repeated runs has the next seed, and so on
    #[arg(long)]
    pub seed: Option<u64>,
    /// Also write the report to a file, by its extension: .txt, .json, .xml (JUnit), .md or .html; repeatable. Of a suite
    /// one file has it all: in JUnit a testsuite for each experiment, else a summary and then every run
    #[arg(long = "report", value_name = "FILE", add = ArgValueCompleter::new(completions::reports))]
    pub reports: Vec<PathBuf>,
    /// How the report on stdout is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
    /// How many run folders are kept: after the run the oldest finished ones beyond that go
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    /// Say nothing on stderr while running
    #[arg(short, long)]
    pub quiet: bool,
    /// No bars and no colour, as in CI; known by itself where CI, GITHUB_ACTIONS or GITLAB_CI is set
    #[arg(long)]
    pub ci: bool,
}

/// `chaos report`
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The id of the run, the beginning of it, or `latest`
    #[arg(add = ArgValueCandidates::new(completions::runs))]
    pub run: String,
    /// How the report is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: report::Format,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
}

/// `chaos history`
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// How the list is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
}

/// `chaos compare`
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// The run to compare with: its id, the beginning of it, or `latest`
    #[arg(add = ArgValueCandidates::new(completions::runs))]
    pub a: String,
    /// The run to compare
    #[arg(add = ArgValueCandidates::new(completions::runs))]
    pub b: String,
    /// How the comparison is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// End with exit code 1 when this is found
    #[arg(long, value_enum, value_name = "WHAT")]
    pub fail_on: Option<FailOn>,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
}

/// `chaos man`
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Write a page for each command into this folder, which is there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// `chaos help`
#[derive(Debug, Args)]
pub struct HelpArguments {
    /// A command or a topic
    #[arg(value_name = "SUBJECT", add = ArgValueCandidates::new(completions::subjects))]
    pub subject: Option<String>,
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
    #[arg(add = ArgValueCandidates::new(completions::left_runs))]
    pub run: Option<String>,
    /// Every run that was not brought to its end
    #[arg(long)]
    pub all: bool,
    /// Whatever carries the mark of a run whose tool and guardian are dead, also where no journal tells of it
    #[arg(long)]
    pub scan: bool,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
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
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,
}

/// `chaos init`
#[derive(Debug, Args)]
pub struct InitArguments {
    /// Where the experiment is written, `-` for stdout [default: chaos.yaml]
    pub file: Option<PathBuf>,
    /// What must keep working: a URL that is asked with GET
    #[arg(long)]
    pub url: Option<String>,
    /// The same, by a port on this machine
    #[arg(long, conflicts_with = "url", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// What shall break
    #[arg(long = "break", value_enum, value_name = "WHAT")]
    pub breaks: Option<Break>,
    /// What breaks, where it is not the way to the URL itself: something that is called to answer it
    #[arg(long, value_name = "HOST:PORT")]
    pub dependency: Option<String>,
    /// Where the proxy of network faults listens [default: a free port on 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Ask the GET paths of an OpenAPI 3 document, JSON or YAML
    #[arg(long, value_name = "FILE")]
    pub from_openapi: Option<PathBuf>,
    /// Print the experiment instead of writing it
    #[arg(long, conflicts_with = "file")]
    pub stdout: bool,
    /// List what can be broken
    #[arg(long, exclusive = true)]
    pub list: bool,
    /// The command that starts the server, for `kill` and `pause`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// The common cases of what breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Break {
    /// A slow network: every byte arrives 200ms later
    Latency,
    /// A thin line: 100KiB/s on each connection
    SlowLine,
    /// Every fifth request is answered with 503
    Errors,
    /// Every fifth connection is reset
    Disconnects,
    /// Connections are refused
    Outage,
    /// Connections are taken, and nothing is said
    Hang,
    /// The cores of this machine are busy
    Cpu,
    /// The memory of this machine is scarce
    Memory,
    /// The disk of this machine is busy
    Disk,
    /// The server is killed; it must be started by the experiment
    Kill,
    /// The server is stopped for a while; it must be started by the experiment
    Pause,
}

/// `chaos faults` and `chaos probes`
#[derive(Debug, Args)]
pub struct CatalogueArguments {
    /// Which one; or the beginning of several, such as `network`
    #[arg(add = ArgValueCandidates::new(completions::kinds))]
    pub name: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
}

/// `chaos schema`
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// That of policies instead
    #[arg(long)]
    pub policy: bool,
}

/// `chaos stop`
#[derive(Debug, Args)]
pub struct StopArguments {
    /// The id of the run, or the beginning of it; may be left out when only one is under way
    #[arg(conflicts_with = "all", add = ArgValueCandidates::new(completions::live_runs))]
    pub run: Option<String>,
    /// Every run that is under way
    #[arg(long)]
    pub all: bool,
    /// Where runs are kept [default: $XDG_STATE_HOME/chaos, or ~/.local/state/chaos]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
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
    #[arg(required = true, add = ArgValueCompleter::new(completions::experiments))]
    pub paths: Vec<PathBuf>,
    /// Warnings fail as well: what is legal but risky, such as a baseline too short for an expectation
    #[arg(long, alias = "deny-warnings")]
    pub strict: bool,
    /// How what was found is written
    #[arg(long, value_enum, default_value = "text")]
    pub output: Output,
    /// Give a variable of the files a value; repeatable
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// Which policies.
    #[command(flatten)]
    pub policy: PolicyArguments,
    /// No colour, as in CI; known by itself where CI, GITHUB_ACTIONS or GITLAB_CI is set
    #[arg(long)]
    pub ci: bool,
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
    /// Pause before the second try; it doubles from try to try. With 0s and several tries this is a retry storm
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
    /// Time that the generator waits on each request without using the CPU
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub pause: Timespan,
    /// The generator answers 503 while this file is there, as for maintenance
    #[arg(long, value_name = "FILE")]
    pub maintenance: Option<PathBuf>,
    /// How many questions the gateway works on at once, whatever they use [default: without limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub pool: Option<u32>,
    /// How many more may wait for a place in the pool; others are refused at once
    #[arg(long, value_name = "N", default_value_t = 0, requires = "pool", value_parser = clap::value_parser!(u32).range(..=10_000))]
    pub queue: u32,
    /// What the gateway's /health looks at: only itself, or the services it needs, too
    #[arg(long, value_enum, default_value = "shallow")]
    pub health: HealthCheck,
    /// Wait for each call as long as it takes
    #[arg(long, conflicts_with = "timeout", help_heading = MISTAKES)]
    pub no_timeout: bool,
    /// A circuit breaker that opened never lets a call through again
    #[arg(long, requires = "breaker_failures", help_heading = MISTAKES)]
    pub stuck_breaker: bool,
    /// A call that is answered with an error keeps its connection for ever
    #[arg(long, help_heading = MISTAKES)]
    pub leaking_pool: bool,
    /// Ask questions that the generator failed on again, all at once, as soon as it is back
    #[arg(long, help_heading = MISTAKES)]
    pub slow_recovery: bool,
}

/// Where `--help` lists what the demo does wrong on request.
const MISTAKES: &str = "Known mistakes, to see what they do";

/// What a health check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HealthCheck {
    /// Only whether the process answers
    Shallow,
    /// Whether the services it needs answer, too
    Deep,
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

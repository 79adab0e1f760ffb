//! Several runs, one after the other, each in a process of its own: guardian, mark, locks and journal belong to one run and
//! one process, and nothing of one run is there when the next one measures.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Context;

use super::super::arguments::{Output, RunArguments};
use super::super::policy::Gate;
use super::super::run_folder::{self, RunFolder};
use super::super::{OUR_BUG, REFUSED, RESIDUE, colour, residue, stored};
use super::chosen::{self, Chosen};
use super::told::{self, Reports};
use crate::analysis::pool::{self, Pool};
use crate::analysis::{Analysis, Run, analyse};
use crate::host::clock::Clock;
use crate::host::signals::{self, Cancel};
use crate::host::successor::{Ended, Successor, Voice};
use crate::host::{output, thread};
use crate::model::verdict::Verdict;
use crate::report::suite::{Attempt, Entry, Suite, Told, summary};
use crate::report::{Format, Style};

/// How long the guardian of a run that was killed may take.
const GUARDIAN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);
/// GitHub shows a summary of up to a MiB; other steps of the job may want some of it.
const SUMMARY: usize = 900 << 10;

pub(super) fn run(arguments: &RunArguments, gate: &Gate, reports: Reports) -> anyhow::Result<u8> {
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    residue::refuse(&state)?;
    let Some(chosen) = chosen::choose(arguments, gate)? else { return Ok(REFUSED) };
    // On the main thread: the kernel ends a run with the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let (clock, started) = (Clock::Real, Clock::Real.wall());
    let began = clock.now();
    let conductor = Conductor { arguments, state, html: reports.want(Format::Html) };
    let entries = runtime.block_on(conductor.all(&chosen))?;
    let suite = Suite { started, took: clock.now() - began, entries };
    tell(arguments, &suite, &chosen, &reports);
    Ok(suite.exit_code())
}

/// Whoever starts one run after the other.
struct Conductor<'a> {
    arguments: &'a RunArguments,
    state: std::path::PathBuf,
    html: bool,
}

impl Conductor<'_> {
    async fn all(&self, chosen: &[Chosen]) -> anyhow::Result<Vec<Entry>> {
        let cancel = signals::listen().context("cannot listen to signals")?;
        let (mut entries, mut over) = (Vec::new(), None);
        for (experiment, number) in chosen.iter().zip(1..) {
            let entry = match &over {
                Some(why) => entry(experiment, Vec::new(), Some(String::clone(why))),
                None => {
                    let place = format!("{number} of {}", chosen.len());
                    self.experiment(experiment, &place, &cancel).await
                }
            };
            over = over.or_else(|| self.ends_suite(&entry, &cancel));
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Why no further experiment is run.
    fn ends_suite(&self, entry: &Entry, cancel: &Cancel) -> Option<String> {
        let why = match entry.code() {
            Some(RESIDUE) => "something could not be put back",
            Some(OUR_BUG) => "a run ended by our own bug",
            Some(code) if code == Verdict::Interrupted.exit_code() => "the suite was interrupted",
            _ if cancel.requested().is_some() => "the suite was interrupted",
            Some(code) if code > 0 && self.arguments.fail_fast => "--fail-fast: an experiment before it did not hold",
            _ => return None,
        };
        Some(format!("not run: {why}"))
    }

    async fn experiment(&self, experiment: &Chosen, place: &str, cancel: &Cancel) -> Entry {
        let repeat = self.arguments.repeat;
        let (mut attempts, mut whole) = (Vec::new(), Vec::new());
        if self.arguments.output == Output::Text && !place.starts_with("1 ") {
            output::stdout("\n");
        }
        self.say(&format!("experiment {place}: {} ({})", experiment.name, experiment.file.display()));
        for earlier in 0..repeat {
            if repeat > 1 {
                self.say(&format!("run {} of {repeat}", earlier + 1));
            }
            let attempt = match self.attempt(experiment, earlier.into(), cancel).await {
                Ok((attempt, run)) => {
                    whole.extend(run);
                    attempt
                }
                Err(error) => Attempt { id: String::new(), code: REFUSED, told: Err(format!("{error:#}")) },
            };
            let code = attempt.code;
            attempts.push(attempt);
            if self.is_enough(code, cancel) {
                break;
            }
        }
        let missing = repeat as usize - attempts.len();
        let left_out = (missing > 0).then(|| format!("{missing} of {repeat} runs were not made"));
        let pool = if repeat > 1 { self.pool(&whole) } else { None };
        Entry { pool, ..entry(experiment, attempts, left_out) }
    }

    /// Whether an experiment need not be run once more: the suite is over, or nothing that follows changes the verdict.
    fn is_enough(&self, code: u8, cancel: &Cancel) -> bool {
        let over = [RESIDUE, OUR_BUG, REFUSED, Verdict::Interrupted.exit_code()].contains(&code);
        let found =
            [Verdict::Deviated, Verdict::NotRecovered, Verdict::Stopped].map(Verdict::exit_code).contains(&code);
        over || cancel.requested().is_some() || (found && self.arguments.fail_fast)
    }

    fn pool(&self, runs: &[(Run, Analysis)]) -> Option<Pool> {
        pool::pool(&runs.iter().map(|(run, analysis)| (run, analysis)).collect::<Vec<_>>())
    }

    /// One run, awaited and read back.
    async fn attempt(
        &self,
        experiment: &Chosen,
        earlier: u64,
        cancel: &Cancel,
    ) -> anyhow::Result<(Attempt, Option<(Run, Analysis)>)> {
        let id = run_folder::new_id();
        let one_of_many = self.arguments.repeat > 1;
        let voice = if self.arguments.output == Output::Text && !one_of_many { Voice::Heard } else { Voice::Silent };
        let started = Successor::start(self.words(experiment, &id, earlier), voice)?;
        let ended = started.ended(cancel).await.context("cannot wait for the run")?;
        let code = match ended {
            Ended::Code(code) => code,
            Ended::Killed(_) => self.after_a_kill(),
        };
        let mut whole = None;
        let told = match (self.read_back(&id), ended) {
            (Ok(run), _) => {
                let analysis = analyse(&run);
                whole = one_of_many.then(|| (run.clone(), analysis.clone()));
                Ok(Box::new(Told::new(run, analysis, self.html)))
            }
            (Err(_), Ended::Code(REFUSED)) => {
                Err("it was refused: standard error says why; nothing was touched".into())
            }
            (Err(why), Ended::Code(code)) => {
                Err(format!("it ended with exit code {code} and cannot be read back: {why:#}"))
            }
            (Err(_), Ended::Killed(signal)) => Err(format!("it was killed ({})", signals::name(signal))),
        };
        Ok((Attempt { id, code, told }, whole))
    }

    fn read_back(&self, id: &str) -> anyhow::Result<Run> {
        Ok(stored::read(&RunFolder::named(&self.state, id))?.run)
    }

    /// The code of a run that was killed: its guardian is given the time to put everything back.
    fn after_a_kill(&self) -> u8 {
        let deadline = thread::now() + GUARDIAN;
        while residue::refuse(&self.state).is_err() {
            if thread::now() >= deadline {
                return RESIDUE;
            }
            thread::sleep_until(thread::now() + PAUSE);
        }
        OUR_BUG
    }

    /// The command line of one run. What was judged is what is run: the plan is approved by its digest.
    fn words(&self, experiment: &Chosen, id: &str, earlier: u64) -> Vec<OsString> {
        let arguments = self.arguments;
        let mut words: Vec<OsString> = [super::COMMAND, id, "--approve", &experiment.digest].map(OsString::from).into();
        let mut add = |name: &str, value: OsString| words.extend([name.into(), value]);
        add("--state-dir", self.state.clone().into());
        add("--keep", arguments.keep.to_string().into());
        for (name, value) in &experiment.variables {
            add("--var", format!("{name}={value}").into());
        }
        arguments.policy.policies.iter().for_each(|policy| add("--policy", policy.into()));
        if let Some(seed) = arguments.seed {
            add("--seed", seed.wrapping_add(earlier).to_string().into());
        }
        let flags = [("--dry-run", arguments.dry_run), ("--quiet", arguments.quiet), ("--ci", arguments.ci)];
        words.extend(flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.into()));
        words.extend(["--".into(), experiment.file.clone().into()]);
        words
    }

    fn say(&self, line: &str) {
        if !self.arguments.quiet {
            output::stderr(&(crate::diagnostic::clean::clean(line) + "\n"));
        }
    }
}

fn entry(experiment: &Chosen, attempts: Vec<Attempt>, left_out: Option<String>) -> Entry {
    Entry { file: experiment.file.display().to_string(), name: experiment.name.clone(), attempts, pool: None, left_out }
}

fn tell(arguments: &RunArguments, suite: &Suite, chosen: &[Chosen], reports: &Reports) {
    output::stdout(&match arguments.output {
        Output::Text => format!("\n{}", summary(suite, colour::style())),
        Output::Json => suite.render(Format::Json, Style { color: false, width: 80 }),
    });
    reports.write(|format| suite.render_file(format));
    told::summarise(|| suite.markdown_within(SUMMARY));
    for (entry, experiment) in suite.entries.iter().zip(chosen) {
        for told in entry.attempts.iter().filter_map(|attempt| attempt.told.as_ref().ok()) {
            told::annotate(&entry.file, Some(&experiment.lines), &told.run, &told.analysis);
        }
    }
}

//! `chaos run`: reads the files, runs the experiments, prints the reports. One file is one run in this process; more are a
//! suite, whose runs have a process each.

mod chosen;
mod one;
mod suite;
mod told;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Parser;

use super::arguments::{Arguments, RunArguments, Verb};
use super::experiment_file::{self, Lines};
use super::policy::Gate;
use super::{OUR_BUG, REFUSED, ci, prune, refused, run_folder};
use crate::guard::policy::Purpose;
use crate::host::output;
use crate::runner::Ending;
use one::{Admitted, Ran};
use told::Reports;

/// One run of a suite: the next word is its id, the others are those of `chaos run`. No verb: nobody types it.
pub(super) const COMMAND: &str = "__run";

pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<u8> {
    if arguments.ci {
        ci::force();
    }
    let reports = Reports::open(&arguments.reports)?;
    let Some(gate) = Gate::open(&arguments.policy)? else { return Ok(REFUSED) };
    match arguments.files.as_slice() {
        [file] if arguments.repeat == 1 && !file.is_dir() && !chosen::by_tags(arguments) => {
            single(arguments, file, gate, &reports)
        }
        _ => suite::run(arguments, &gate, reports),
    }
}

fn single(arguments: &RunArguments, file: &Path, gate: Gate, reports: &Reports) -> anyhow::Result<u8> {
    let Some((admitted, lines)) = admit(arguments, file, gate, arguments.quiet)? else { return Ok(REFUSED) };
    let ran = {
        let _group = ci::Group::begin("run", &format!("chaos: {}", admitted.experiment.name));
        one::run(arguments, admitted)?
    };
    // From here on something may have been touched: no failure of ours may end as a refusal.
    let Some((run, analysis)) = &ran.told else { return Ok(our_bug("the run told nothing")) };
    told::on_stdout(arguments.output, run, analysis);
    reports.write(|format| format.render_file(run, analysis));
    told::summarise(|| crate::report::markdown(run, analysis));
    told::annotate(&run.header.file, Some(&lines), run, analysis);
    prune(arguments)?;
    Ok(exit_code(&ran))
}

/// One run of a suite, which has judged its file and tells of it.
pub(super) fn one_of_suite(id: &OsStr, words: &[OsString]) -> u8 {
    let words = [OsString::from("chaos"), "run".into()].into_iter().chain(words.iter().cloned());
    let Ok(Arguments { verb: Verb::Run(arguments) }) = Arguments::try_parse_from(words) else { return OUR_BUG };
    let (Some(id), [file]) = (id.to_str(), arguments.files.as_slice()) else { return OUR_BUG };
    silent(&arguments, file, id).unwrap_or_else(|error| refused(&error))
}

fn silent(arguments: &RunArguments, file: &Path, id: &str) -> anyhow::Result<u8> {
    if arguments.ci {
        ci::force();
    }
    let Some(gate) = Gate::open(&arguments.policy)? else { return Ok(REFUSED) };
    let Some((admitted, _)) = admit(arguments, file, gate, true)? else { return Ok(REFUSED) };
    let ran = {
        let _group = ci::Group::begin(id, &format!("chaos: {}", admitted.experiment.name));
        one::run(arguments, Admitted { id: Some(id.to_owned()), ..admitted })?
    };
    let Some((run, analysis)) = &ran.told else { return Ok(our_bug("the run told nothing")) };
    told::on_stdout(arguments.output, run, analysis);
    prune(arguments)?;
    Ok(exit_code(&ran))
}

fn admit<'a>(
    arguments: &RunArguments,
    file: &'a Path,
    gate: Gate,
    quiet: bool,
) -> anyhow::Result<Option<(Admitted<'a>, Lines)>> {
    let read = experiment_file::read(file, &arguments.variables, experiment_file::REAL_SECRETS, quiet)?;
    let Some(loaded) = read else { return Ok(None) };
    let lines = loaded.lines();
    let purpose = Purpose::Run { approved: arguments.approve.as_deref() };
    let Some(admitted) = gate.admit(loaded, purpose)? else { return Ok(None) };
    let admitted = Admitted { experiment: admitted.experiment, file, policies: gate.into_policies(), id: None };
    Ok(Some((admitted, lines)))
}

fn prune(arguments: &RunArguments) -> anyhow::Result<()> {
    prune::prune(&run_folder::state(arguments.state_dir.as_deref())?, arguments.keep);
    Ok(())
}

fn exit_code(ran: &Ran) -> u8 {
    match (&ran.ending, &ran.told) {
        (Ending::Panicked(panic), _) => our_bug(&format!("{panic}; the report says what was rolled back")),
        (Ending::Complete, Some((_, analysis))) => analysis.verdict.exit_code(),
        (Ending::Complete, None) => OUR_BUG,
    }
}

fn our_bug(what: &str) -> u8 {
    output::stderr(&format!("error: our own bug: {what}\n"));
    OUR_BUG
}

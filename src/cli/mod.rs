//! Words on the command line -> rooms in order. One file a verb.

pub mod arguments;
mod catalogue;
mod ci;
mod claims;
mod colour;
mod compare;
mod completions;
mod demo;
mod doctor;
mod earlier;
mod examples;
mod experiment_file;
mod help;
mod history;
mod init;
mod listener;
mod man;
mod patience;
mod plan;
mod policy;
mod proxy;
mod prune;
mod report;
mod residue;
mod rollback;
mod run;
mod run_folder;
mod scan;
mod schema;
mod stop;
mod stored;
mod threads;
mod validate;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::host::{output, trial, workers};
use crate::journal::guardian;
use crate::worker;
use arguments::{Arguments, Verb};

/// Refused: bad usage, a bad file, a missing permission. Nothing was touched.
const REFUSED: u8 = 2;
/// Something could not be put back.
const RESIDUE: u8 = 7;
/// Our own bug.
const OUR_BUG: u8 = 70;

/// Runs one command; the exit code is as documented in `chaos run --help`.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = words.into_iter().collect();
    if let Some(code) = completions::answer(&words) {
        return ExitCode::from(code);
    }
    // Not verbs of the command line: neither help nor completions shall offer them.
    match words.as_slice() {
        [_, verb, job] if verb == workers::COMMAND => return worker::main(&job.to_string_lossy()),
        [_, verb] if verb == trial::COMMAND => return trial::main(),
        [_, verb, journal, longest] if verb == guardian::COMMAND => return guardian::main(journal, longest),
        [_, verb, id, words @ ..] if verb == run::COMMAND => return ExitCode::from(run::one_of_suite(id, words)),
        _ => {}
    }
    ExitCode::from(unless_lost(match Arguments::try_parse_from(words) {
        Ok(arguments) => dispatch(arguments.verb),
        Err(error) => tell_usage(&error),
    }))
}

/// An answer that could not be written, to a full disk for instance, is no answer: nobody may take a piece of it for the
/// whole. What ended in another way than well says that still.
fn unless_lost(code: u8) -> u8 {
    let Some(why) = output::lost() else { return code };
    output::stderr(&format!("error: cannot write to standard output: {why}\n"));
    if code == 0 { REFUSED } else { code }
}

fn dispatch(verb: Verb) -> u8 {
    // These look for themselves, and say more.
    if !matches!(verb, Verb::Run(_) | Verb::Rollback(_) | Verb::Doctor(_)) {
        residue::warn();
    }
    let outcome = match verb {
        Verb::Init(arguments) => init::init(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Rollback(arguments) => rollback::rollback(&arguments),
        Verb::Stop(arguments) => stop::stop(&arguments),
        Verb::Doctor(arguments) => doctor::doctor(&arguments),
        Verb::Plan(arguments) => plan::plan(&arguments),
        Verb::Validate(arguments) => validate::validate(&arguments),
        Verb::Report(arguments) => report::report(&arguments),
        Verb::History(arguments) => history::history(&arguments),
        Verb::Compare(arguments) => compare::compare(&arguments),
        Verb::Faults(arguments) => catalogue::faults(&arguments),
        Verb::Probes(arguments) => catalogue::probes(&arguments),
        Verb::Schema(arguments) => schema::schema(&arguments),
        Verb::Demo(arguments) => demo::demo(&arguments),
        Verb::Proxy(arguments) => proxy::proxy(&arguments),
        Verb::Completions { shell } => completions::completions(shell),
        Verb::Man(arguments) => man::man(&arguments),
        Verb::Help(arguments) => help::help(&arguments),
    };
    outcome.unwrap_or_else(|error| refused(&error))
}

fn refused(error: &anyhow::Error) -> u8 {
    output::stderr(&format!("error: {error:#}\n"));
    REFUSED
}

/// Help and version are answers, on stdout with code 0; anything else is a refusal.
fn tell_usage(error: &clap::Error) -> u8 {
    let text =
        if colour::wanted(output::Stream::Stderr) { error.render().ansi().to_string() } else { error.to_string() };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            output::stdout(&error.to_string());
            0
        }
        _ => {
            output::stderr(&text);
            REFUSED
        }
    }
}

//! YAML -> [`Experiment`], or diagnostics that point at a line. Floor 3.
//!
//! `parser` makes a `tree`, `interpolate` puts variables in, `decode` reads it into the structs of `file` and of the
//! `catalogue`, `build` judges what they say together, `expression` reads expectations and stop conditions. All
//! errors are reported in one go.

mod build;
mod catalogue;
mod decode;
mod expression;
mod file;
mod filled;
mod interpolate;
mod parser;
mod places;
mod policy;
mod scalar;
pub mod schema;
mod secrets;
pub mod suggest;
mod tree;

use std::collections::BTreeMap;

pub use places::Places;
pub use policy::read as read_policy;
pub use secrets::Secrets;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::experiment::Experiment;

/// A file's name, as the person calls it, and its text.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// For messages only.
    pub name: &'a str,
    /// What is read.
    pub text: &'a str,
}

/// Where `${NAME}` finds its values, beside the file itself.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// From `--var NAME=VALUE`.
    pub given: BTreeMap<String, String>,
    /// From the environment.
    pub environment: BTreeMap<String, String>,
    /// What secrets are.
    pub secrets: Secrets,
}

/// A file that has been read.
#[derive(Debug)]
pub struct Read {
    /// What it says.
    pub experiment: Experiment,
    /// What it probably should not say.
    pub warnings: Diagnostics,
    /// Where its parts stand.
    pub places: Places,
}

/// Reads an experiment.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn read(source: Source<'_>, variables: &Variables) -> Result<Read, Diagnostics> {
    let mut told = Diagnostics::new(source.name, source.text);
    if source.text.len() > parser::MOST_BYTES {
        let most = parser::MOST_BYTES / 1024;
        return refuse(
            told,
            [Diagnostic::error(format!("this file is too large: an experiment has at most {most} KiB"))
                .help("split it into several files")],
        );
    }
    let mut tree = match parser::parse(source.text) {
        Ok(tree) => tree,
        Err(errors) => return refuse(told, errors),
    };
    let interpolated = interpolate::interpolate(&mut tree, variables);
    interpolated.errors.into_iter().for_each(|error| told.push(error));
    let decoder = decode::Decoder::new(&tree, told, interpolated.unknown);
    let experiment = build::experiment(&decoder);
    let mut told = decoder.into_reported();
    filled::explain(&mut told, &tree, source.text, &interpolated.filled);
    told.sort();
    match experiment {
        Some(experiment) if told.errors() == 0 => Ok(Read { experiment, warnings: told, places: Places::of(&tree) }),
        _ => refuse(told, []),
    }
}

/// Reads an experiment from the bytes of a file.
///
/// # Errors
/// As [`read`], and when the bytes are no UTF-8.
pub fn read_bytes(name: &str, bytes: &[u8], variables: &Variables) -> Result<Read, Diagnostics> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read(Source { name, text }, variables),
        Err(error) => {
            let good = error.valid_up_to();
            let text = String::from_utf8_lossy(bytes.get(..good.saturating_add(64)).unwrap_or(bytes));
            let error = Diagnostic::error("this is not UTF-8 text")
                .at(good..good + char::REPLACEMENT_CHARACTER.len_utf8())
                .help("save the file as UTF-8");
            refuse(Diagnostics::new(name, text), [error])
        }
    }
}

fn refuse(mut told: Diagnostics, errors: impl IntoIterator<Item = Diagnostic>) -> Result<Read, Diagnostics> {
    errors.into_iter().for_each(|error| told.push(error));
    told.forget_warnings();
    told.sort();
    Err(told)
}

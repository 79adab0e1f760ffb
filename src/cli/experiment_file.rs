//! Reading an experiment file from disk, and telling its problems.

use std::collections::BTreeMap;
use std::path::Path;

use super::colour;
use crate::host::files;
use crate::host::output::{self, Stream};
use crate::model::experiment::Experiment;
use crate::spec::{self, Variables};

/// More is not read, however much the file would give; well above what the reader accepts, so that it can say so.
const MOST_BYTES: u64 = 1 << 20;

/// The experiment of a file, or None when its problems were told on stderr.
pub(super) fn read(path: &Path, given: &[(String, String)], quiet: bool) -> anyhow::Result<Option<Experiment>> {
    let bytes = files::read_start(path, MOST_BYTES)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?;
    let variables = Variables { given: given.iter().cloned().collect(), environment: environment() };
    match spec::read_bytes(&path.display().to_string(), &bytes, &variables) {
        Ok(read) => {
            if !quiet {
                output::stderr(&read.warnings.render(colour::wanted(Stream::Stderr)));
            }
            Ok(Some(read.experiment))
        }
        Err(problems) => {
            output::stderr(&problems.render(colour::wanted(Stream::Stderr)));
            Ok(None)
        }
    }
}

/// The environment; names and values that are not text are nobody's variables.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

//! Reading an experiment file from disk, and telling its problems.

use std::collections::BTreeMap;
use std::path::Path;

use super::colour;
use crate::diagnostic::Diagnostics;
use crate::host::files;
use crate::host::output::{self, Stream};
use crate::model::experiment::Experiment;
use crate::spec::{self, Places, Secrets, Variables};

/// More is not read, however much the file would give; well above what the reader accepts, so that it can say so.
const MOST_BYTES: u64 = 1 << 20;

/// The real secrets; whoever only looks at an experiment uses [`Secrets::Hidden`].
pub(super) const REAL_SECRETS: Secrets = Secrets::Read(files::read_start);

/// An experiment and the file it stands in.
pub(super) struct Loaded {
    pub experiment: Experiment,
    pub places: Places,
    name: String,
    text: String,
}

impl Loaded {
    /// No problems yet, to be drawn on the text of the file.
    pub fn problems(&self) -> Diagnostics {
        Diagnostics::new(self.name.clone(), self.text.clone())
    }
}

/// The experiment of a file, or None when its problems were told on stderr.
pub(super) fn read(
    path: &Path,
    given: &[(String, String)],
    secrets: Secrets,
    quiet: bool,
) -> anyhow::Result<Option<Loaded>> {
    let bytes = files::read_start(path, MOST_BYTES)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?;
    let variables = Variables { given: given.iter().cloned().collect(), environment: environment(), secrets };
    let name = path.display().to_string();
    match spec::read_bytes(&name, &bytes, &variables) {
        Ok(read) => {
            if !quiet {
                output::stderr(&read.warnings.render(colour::wanted(Stream::Stderr)));
            }
            let text = String::from_utf8(bytes).unwrap_or_default();
            Ok(Some(Loaded { experiment: read.experiment, places: read.places, name, text }))
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

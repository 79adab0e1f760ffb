//! Reading an experiment file from disk, and telling its problems.

use std::collections::BTreeMap;
use std::path::Path;

use super::colour;
use crate::analysis::risks::{Risk, risks};
use crate::diagnostic::{Diagnostic, Diagnostics};
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
    /// What is legal and probably not meant.
    pub warnings: Diagnostics,
    name: String,
    text: String,
}

impl Loaded {
    /// No problems yet, to be drawn on the text of the file.
    pub fn problems(&self) -> Diagnostics {
        Diagnostics::new(self.name.clone(), self.text.clone())
    }
}

/// The experiment of a file, or what is wrong with it.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn load(
    path: &Path,
    given: &[(String, String)],
    secrets: Secrets,
) -> anyhow::Result<Result<Loaded, Diagnostics>> {
    let bytes = files::read_start(path, MOST_BYTES)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?;
    let variables = Variables { given: given.iter().cloned().collect(), environment: environment(), secrets };
    let name = path.display().to_string();
    Ok(spec::read_bytes(&name, &bytes, &variables).map(|read| {
        let mut warnings = read.warnings;
        warnings.extend(risks(&read.experiment).into_iter().map(|risk| warning(risk, &read.places)));
        let text = String::from_utf8(bytes).unwrap_or_default();
        Loaded { experiment: read.experiment, places: read.places, warnings, name, text }
    }))
}

fn warning(risk: Risk, places: &Places) -> Diagnostic {
    let warning = Diagnostic::warning(risk.message).note(risk.note).help(risk.help);
    match places.at(&risk.path) {
        Some(place) => warning.at(place),
        None => warning,
    }
}

/// The experiment of a file, or None when its problems were told on stderr. Its warnings are told there too.
pub(super) fn read(
    path: &Path,
    given: &[(String, String)],
    secrets: Secrets,
    quiet: bool,
) -> anyhow::Result<Option<Loaded>> {
    let loaded = load(path, given, secrets)?;
    let told = loaded.as_ref().map_or_else(|problems| problems, |loaded| &loaded.warnings);
    if !quiet || loaded.is_err() {
        output::stderr(&told.render(colour::wanted(Stream::Stderr)));
    }
    Ok(loaded.ok())
}

/// The environment; names and values that are not text are nobody's variables.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

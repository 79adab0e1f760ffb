//! Reading an experiment file from disk, and telling its problems.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::ci;
use crate::analysis::risks::{Risk, risks};
use crate::diagnostic::lines::line_of;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::host::files;
use crate::model::experiment::Experiment;
use crate::spec::{self, Places, Secrets, Variables};

/// More is not read, however much the file would give; well above what the reader accepts, so that it can say so.
const MOST_BYTES: u64 = 1 << 20;

/// The real secrets; whoever only looks at an experiment uses [`Secrets::Hidden`].
pub(super) const REAL_SECRETS: Secrets = Secrets::Read(files::read_start);

/// Name and value of a variable.
pub(super) type Given = (String, String);

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
    /// Where its parts stand, for whoever marks them.
    pub fn lines(&self) -> Lines {
        Lines { places: self.places.clone(), text: self.text.clone() }
    }

    /// No problems yet, to be drawn on the text of the file.
    pub fn problems(&self) -> Diagnostics {
        Diagnostics::new(self.name.clone(), self.text.clone())
    }
}

/// The lines of a file by paths such as `faults[0].delay`.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    places: Places,
    text: String,
}

impl Lines {
    /// Counted from 1; that of the nearest part around what does not stand there.
    pub fn at(&self, path: &str) -> Option<usize> {
        self.places.at(path).map(|place| line_of(&self.text, place.start))
    }
}

/// The files of these paths: a file as it is; of a folder all YAML files, those of its folders too, in the order of
/// their names.
pub(super) fn collect(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        gather(path, &mut files)?;
    }
    anyhow::ensure!(!files.is_empty(), "no *.yaml or *.yml file in the given folders");
    Ok(files)
}

fn gather(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.with_context(|| format!("cannot read the folder {}", path.display()))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            gather(&path, files)?;
        } else if is_yaml {
            files.push(path);
        }
    }
    Ok(())
}

/// What `--var` gives to each of these files: one file gets everything, so that it can say what it has no use for; of
/// several each gets what it mentions, and an error tells of what none does.
pub(super) fn shared(given: &[Given], files: &[PathBuf]) -> anyhow::Result<Vec<Vec<Given>>> {
    if let [_] = files {
        return Ok(vec![given.to_vec()]);
    }
    let texts = files.iter().map(|file| files::read_start(file, MOST_BYTES).unwrap_or_default());
    let texts: Vec<String> = texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    let mentions = |text: &str, name: &str| ["}", ":"].iter().any(|end| text.contains(&format!("${{{name}{end}")));
    if let Some((name, _)) = given.iter().find(|(name, _)| !texts.iter().any(|text| mentions(text, name))) {
        anyhow::bail!("--var {name}: none of the {} files uses this variable", files.len());
    }
    let of = |text: &String| given.iter().filter(|(name, _)| mentions(text, name)).cloned().collect();
    Ok(texts.iter().map(of).collect())
}

/// The experiment of a file, or what is wrong with it.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn load(path: &Path, given: &[Given], secrets: Secrets) -> anyhow::Result<Result<Loaded, Diagnostics>> {
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
pub(super) fn read(path: &Path, given: &[Given], secrets: Secrets, quiet: bool) -> anyhow::Result<Option<Loaded>> {
    let loaded = load(path, given, secrets)?;
    let told = loaded.as_ref().map_or_else(|problems| problems, |loaded| &loaded.warnings);
    if !quiet || loaded.is_err() {
        ci::tell(told);
    }
    Ok(loaded.ok())
}

/// The environment; names and values that are not text are nobody's variables.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

//! Which experiments a suite runs. All files are read and judged before the first of them begins.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::arguments::RunArguments;
use super::super::experiment_file::{self, Given, Lines, Loaded};
use super::super::policy::Gate;
use crate::guard::policy::Purpose;
use crate::host::output;

/// An experiment that was let through.
pub(super) struct Chosen {
    pub file: PathBuf,
    pub name: String,
    pub variables: Vec<Given>,
    /// The digest of its plan: what was judged is what is run.
    pub digest: String,
    pub lines: Lines,
}

/// Whether tags choose.
pub(super) fn by_tags(arguments: &RunArguments) -> bool {
    !arguments.tags.is_empty() || !arguments.skip_tags.is_empty()
}

/// Those of the command line, in its order; None when what is wrong was told on stderr.
pub(super) fn choose(arguments: &RunArguments, gate: &Gate) -> anyhow::Result<Option<Vec<Chosen>>> {
    let files = experiment_file::collect(&arguments.files)?;
    anyhow::ensure!(
        arguments.approve.is_none() || files.len() == 1,
        "--approve names one plan, and there are {} files: run them one by one",
        files.len()
    );
    let variables = experiment_file::shared(&arguments.variables, &files)?;
    let mut loaded = Vec::new();
    for (file, variables) in files.iter().zip(variables) {
        match experiment_file::read(file, &variables, experiment_file::REAL_SECRETS, arguments.quiet) {
            Ok(read) => loaded.extend(read.map(|read| (file.clone(), variables, read))),
            Err(error) => drop(output::stderr(&format!("error: {error:#}\n"))),
        }
    }
    let bad = files.len() - loaded.len();
    let wanted = wanted(arguments, loaded, bad)?;
    let (selected, mut chosen) = (wanted.len(), Vec::new());
    for (file, variables, loaded) in wanted {
        chosen.extend(admitted(arguments, gate, file, variables, loaded)?);
    }
    let bad = bad + selected - chosen.len();
    if bad > 0 {
        output::stderr(&format!("{bad} of {} files cannot be run: nothing was run\n", files.len()));
        return Ok(None);
    }
    Ok(Some(chosen))
}

type Read = (PathBuf, Vec<Given>, Loaded);

/// Those that the tags ask for.
fn wanted(arguments: &RunArguments, loaded: Vec<Read>, bad: usize) -> anyhow::Result<Vec<Read>> {
    let all: BTreeSet<String> = loaded.iter().flat_map(|(.., read)| read.experiment.tags.iter().cloned()).collect();
    let known =
        if all.is_empty() { "none has any".to_owned() } else { all.iter().cloned().collect::<Vec<_>>().join(", ") };
    let has = |read: &Read, tags: &[String]| read.2.experiment.tags.iter().any(|tag| tags.contains(tag));
    if let Some(tag) = arguments.tags.iter().find(|tag| !all.contains(*tag)).filter(|_| bad == 0) {
        anyhow::bail!("--tag {tag}: no experiment has this tag; the tags are: {known}");
    }
    let is_wanted =
        |read: &Read| (arguments.tags.is_empty() || has(read, &arguments.tags)) && !has(read, &arguments.skip_tags);
    let wanted: Vec<Read> = loaded.into_iter().filter(is_wanted).collect();
    anyhow::ensure!(!wanted.is_empty() || bad > 0, "the tags leave no experiment; the tags are: {known}");
    Ok(wanted)
}

fn admitted(
    arguments: &RunArguments,
    gate: &Gate,
    file: PathBuf,
    variables: Vec<Given>,
    loaded: Loaded,
) -> anyhow::Result<Option<Chosen>> {
    let lines = loaded.lines();
    let purpose = Purpose::Run { approved: arguments.approve.as_deref() };
    let admitted = gate.admit(loaded, purpose)?;
    Ok(admitted.map(|admitted| Chosen {
        file,
        name: admitted.experiment.name,
        variables,
        digest: admitted.digest,
        lines,
    }))
}

//! `chaos validate FILE...`: all problems of all files, and nothing else.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::REFUSED;
use super::arguments::ValidateArguments;
use super::experiment_file::{self, Loaded};
use super::policy::Gate;
use crate::host::output;
use crate::spec::Secrets;

pub(super) fn validate(arguments: &ValidateArguments) -> anyhow::Result<u8> {
    let mut files = Vec::new();
    for path in &arguments.paths {
        collect(path, &mut files)?;
    }
    anyhow::ensure!(!files.is_empty(), "no *.yaml or *.yml file in the given folders");
    let Some(gate) = Gate::open(&arguments.policy)? else { return Ok(REFUSED) };
    let mut bad = 0;
    for file in &files {
        let read = experiment_file::read(file, &arguments.variables, Secrets::Hidden, false);
        let admit = |loaded: Option<Loaded>| match loaded {
            Some(loaded) => gate.approves(&loaded),
            None => Ok(false),
        };
        match read.and_then(admit) {
            Ok(true) => {
                output::stdout(&format!("{}: ok\n", file.display()));
            }
            Ok(false) => bad += 1,
            Err(error) => {
                output::stderr(&format!("error: {error:#}\n"));
                bad += 1;
            }
        }
    }
    if bad > 0 {
        output::stderr(&format!("{bad} of {} files cannot be run\n", files.len()));
    }
    Ok(if bad == 0 { 0 } else { REFUSED })
}

/// A file as it is; of a folder all YAML files, those of its folders too, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
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
            collect(&path, files)?;
        } else if is_yaml {
            files.push(path);
        }
    }
    Ok(())
}

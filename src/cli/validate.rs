//! `chaos validate FILE...`: all problems of all files, and nothing else.

use super::arguments::ValidateArguments;
use super::experiment_file::{self, Loaded};
use super::policy::Gate;
use super::{REFUSED, ci};
use crate::host::output;
use crate::spec::Secrets;

pub(super) fn validate(arguments: &ValidateArguments) -> anyhow::Result<u8> {
    if arguments.ci {
        ci::force();
    }
    let files = experiment_file::collect(&arguments.paths)?;
    let Some(gate) = Gate::open(&arguments.policy)? else { return Ok(REFUSED) };
    let mut bad = 0;
    let variables = experiment_file::shared(&arguments.variables, &files)?;
    for (file, variables) in files.iter().zip(variables) {
        let read = experiment_file::read(file, &variables, Secrets::Hidden, false);
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

//! `chaos completions SHELL`

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::arguments::Arguments;
use crate::host::output;

pub(super) fn completions(shell: Shell) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "chaos", &mut script);
    output::stdout(&String::from_utf8_lossy(&script));
    Ok(0)
}

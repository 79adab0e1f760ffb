//! `chaos man`: manual pages, made from the command line itself.

use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::arguments::{Arguments, ManArguments};
use crate::host::{files, output};

pub(super) fn man(arguments: &ManArguments) -> anyhow::Result<u8> {
    match &arguments.dir {
        Some(folder) => write_all(folder)?,
        None => drop(output::stdout(&page(&whole())?)),
    }
    Ok(0)
}

/// A page for the tool and one for each of its verbs.
fn write_all(folder: &Path) -> anyhow::Result<()> {
    let whole = whole();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set());
    for command in verbs.chain([&whole]) {
        let path = folder.join(format!("{}.1", name(command)));
        let written = files::write_atomic(&path, page(command)?.as_bytes());
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn whole() -> Command {
    let mut whole = Arguments::command();
    whole.build();
    whole
}

/// `chaos`, `chaos-run`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> anyhow::Result<String> {
    let version = concat!("chaos ", env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    Man::new(command.clone()).source(version).manual("User Commands").render(&mut page)?;
    Ok(String::from_utf8(page)?)
}

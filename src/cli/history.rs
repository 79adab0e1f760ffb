//! `chaos history`: the runs that are kept, each analysed anew from its events.

use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::{HistoryArguments, Output};
use super::run_folder::{self, RunFolder};
use super::{colour, stored};
use crate::analysis::{Run, analyse};
use crate::host::output;
use crate::journal::recover::Recovery;
use crate::journal::survey::Standing;
use crate::report;
use crate::report::history::{Entry, Past};

/// The time in an id, which is shown of it at least.
const SHORTEST: usize = 13;

pub(super) fn history(arguments: &HistoryArguments) -> anyhow::Result<u8> {
    let state = run_folder::state(arguments.state_dir.as_deref())?;
    let folders = RunFolder::with_events(&state)?;
    let ids: Vec<String> = folders.iter().map(RunFolder::run).collect();
    let bar = progress(folders.len());
    let entries: Vec<Entry> = bar.wrap_iter(folders.iter()).map(|folder| entry(folder, &ids)).collect();
    bar.finish_and_clear();
    output::stdout(&match arguments.output {
        Output::Text => report::history::text(&entries, colour::style()),
        Output::Json => report::history::json(&entries)?,
    });
    Ok(0)
}

/// On a terminal, and there only: many long runs take a while to analyse.
fn progress(runs: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("reading {pos} of {len} runs {wide_bar}");
    ProgressBar::new(runs as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn entry(folder: &RunFolder, ids: &[String]) -> Entry {
    let run = folder.run();
    let (told, trouble) = match stored::read(folder) {
        Ok(stored) => (Some(past(&stored.run)), stored.trouble),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    Entry { short: short(&run, ids), under_way: is_under_way(folder), run, told, trouble }
}

fn past(run: &Run) -> Past {
    let analysis = analyse(run);
    Past {
        started: run.header.started,
        experiment: run.experiment().name.clone(),
        verdict: analysis.verdict,
        exit_code: analysis.verdict.exit_code(),
        impact: analysis.impact.level,
        duration_s: run.last.as_secs_f64(),
    }
}

fn is_under_way(folder: &RunFolder) -> bool {
    let standing = Recovery::open(&folder.journal()).and_then(|recovery| recovery.survey());
    matches!(standing, Ok(Standing::Running(_)))
}

/// The beginning of an id that no other one has.
fn short(id: &str, ids: &[String]) -> String {
    let is_taken = |start: &str| ids.iter().any(|other| other != id && other.starts_with(start));
    let ends = id.char_indices().map(|(at, c)| at + c.len_utf8()).filter(|end| *end >= SHORTEST);
    let free = ends.map(|end| &id[..end]).find(|start| !is_taken(start) && !start.ends_with('-'));
    free.unwrap_or(id).to_owned()
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_short_id_is_nobody_elses() {
        let ids =
            ["01a1fc08-8999-710d-a0a1", "01a1fc08-8999-7abc-a0a1", "01a1fc08-9000-710d-a0a1", "x"].map(str::to_owned);
        let shown = ids.each_ref().map(|id| short(id, &ids));
        assert_eq!(shown, ["01a1fc08-8999-71", "01a1fc08-8999-7a", "01a1fc08-9000", "x"]);
    }
}

//! Runs that are kept: found by the beginning of their id, and read back from their events.

use std::path::Path;

use anyhow::Context;

use super::run_folder::RunFolder;
use crate::analysis::Run;
use crate::diagnostic::clean::clean;
use crate::host::{files, output};
use crate::model::event::Event;

/// The newest run, in place of its id.
const LATEST: &str = "latest";

/// A run that was read back.
pub(super) struct Stored {
    pub run: Run,
    /// What of its events could not be read.
    pub trouble: Option<String>,
}

/// Finds a run by its id, the beginning of it, or `latest`, and reads it; what of it is torn is told on stderr.
pub(super) fn named(state: &Path, wanted: &str) -> anyhow::Result<Run> {
    let Stored { run, trouble } = read(&find(state, wanted)?)?;
    if let Some(trouble) = trouble {
        output::stderr(&format!("warning: {}\n", clean(&trouble)));
    }
    Ok(run)
}

fn find(state: &Path, wanted: &str) -> anyhow::Result<RunFolder> {
    let mut folders = RunFolder::with_events(state)?;
    let place = state.display();
    if wanted == LATEST {
        return folders.pop().with_context(|| format!("no run is kept in {place}"));
    }
    folders.retain(|folder| !wanted.is_empty() && folder.run().starts_with(wanted));
    if let Some(exact) = folders.iter().position(|folder| folder.run() == wanted) {
        return Ok(folders.swap_remove(exact));
    }
    match folders.as_slice() {
        [] => anyhow::bail!("there is no run {} in {place}; `chaos history` lists them", clean(wanted)),
        [_] => Ok(folders.swap_remove(0)),
        several => {
            let ids: Vec<String> = several.iter().map(|folder| clean(&folder.run())).collect();
            anyhow::bail!("{} runs begin with {}: {}", several.len(), clean(wanted), ids.join(", "))
        }
    }
}

/// Reads a run back from its events, a line at a time: a long run has a million of them. The last line may be torn, as
/// the tool may have been killed while it wrote it; from the first line on that cannot be read nothing is believed.
pub(super) fn read(folder: &RunFolder) -> anyhow::Result<Stored> {
    let path = folder.events();
    let cannot = || format!("cannot read {}", path.display());
    let mut lines = files::read_lines(&path).with_context(cannot)?;
    let (mut run, mut read, mut trouble) = (None, 0, None);
    for line in &mut lines {
        match Event::read(&line.with_context(cannot)?) {
            Ok(event) => hear(&mut run, &event),
            Err(error) => {
                trouble = Some(error);
                break;
            }
        }
        read += 1;
    }
    let trouble = trouble.map(|why| {
        let (number, after) = (read + 1, lines.count());
        let what = if after == 0 { "is torn" } else { "cannot be read" };
        let more = if after == 0 { String::new() } else { format!(", nor are the {after} after it") };
        format!("line {number} of {} {what} ({why}): it is not in this report{more}", path.display())
    });
    let run = run.flatten().with_context(|| {
        let why = trouble.as_deref().unwrap_or("it does not begin with the start of a run");
        format!("{} is no record of a run: {why}", path.display())
    })?;
    Ok(Stored { run: run.complete(), trouble })
}

/// The first event begins the run, the others go on with it.
fn hear(run: &mut Option<Option<Run>>, event: &Event) {
    match run {
        None => *run = Some(Run::begin(event)),
        Some(Some(run)) => run.hear(event),
        Some(None) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{find, read};
    use crate::analysis::analyse;
    use crate::analysis::testing::Story;
    use crate::cli::run_folder::RunFolder;
    use crate::host::files;
    use crate::model::verdict::Verdict;

    fn keep(state: &Path, id: &str, events: &[u8]) -> RunFolder {
        let folder = RunFolder::create(state, id).expect("a folder");
        files::write_atomic(&folder.events(), events).expect("writes");
        folder
    }

    fn events() -> Vec<u8> {
        let events = Story::slow_generator().events();
        events.iter().flat_map(|event| serde_json::to_vec(event).expect("writes").into_iter().chain([b'\n'])).collect()
    }

    #[test]
    fn a_run_is_read_back_as_it_was() {
        let home = tempfile::tempdir().expect("a folder");
        let stored = read(&keep(home.path(), "a", &events())).expect("reads");
        assert_eq!((stored.run, stored.trouble), (Story::slow_generator().tell(), None));
    }

    #[test]
    fn a_torn_last_line_is_told_and_the_rest_is_analysed() {
        let home = tempfile::tempdir().expect("a folder");
        let events = events();
        let last = events[..events.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("lines") + 1;
        for end in last + 1..events.len() - 1 {
            let stored = read(&keep(home.path(), "a", &events[..end])).expect("reads");
            let trouble = stored.trouble.expect("is told");
            assert!(trouble.contains("is torn") && trouble.ends_with("it is not in this report"), "{trouble}");
            assert_eq!(analyse(&stored.run).verdict, Verdict::Inconclusive);
        }
    }

    #[test]
    fn nothing_is_believed_after_a_line_that_makes_no_sense() {
        let home = tempfile::tempdir().expect("a folder");
        let text = String::from_utf8(events()).expect("text");
        let mut lines: Vec<&str> = text.lines().collect();
        lines[400] = "\u{1b}[2J";
        let stored = read(&keep(home.path(), "a", lines.join("\n").as_bytes())).expect("reads");
        let trouble = stored.trouble.expect("is told");
        assert!(trouble.contains("line 401") && trouble.contains("nor are the"), "{trouble}");
        assert!(!stored.run.ended);
        for nothing in ["", "{}", "\n\n"] {
            assert!(read(&keep(home.path(), "b", nothing.as_bytes())).is_err(), "{nothing:?}");
        }
    }

    #[test]
    fn a_run_is_found_by_what_only_its_id_begins_with() {
        let home = tempfile::tempdir().expect("a folder");
        for id in ["0197-a", "0197-ab", "0198"] {
            keep(home.path(), id, b"");
        }
        let found = |wanted: &str| find(home.path(), wanted).map(|folder| folder.run()).map_err(|why| why.to_string());
        assert_eq!(found("0198").as_deref(), Ok("0198"));
        assert_eq!(found("latest").as_deref(), Ok("0198"));
        assert_eq!(found("0197-a").as_deref(), Ok("0197-a"), "the whole id is meant");
        assert!(found("0197").is_err_and(|why| why.contains("2 runs begin with 0197: 0197-a, 0197-ab")));
        for nobody in ["", "1", "../runs/0198"] {
            assert!(found(nobody).is_err_and(|why| why.contains("there is no run")), "{nobody}");
        }
    }
}

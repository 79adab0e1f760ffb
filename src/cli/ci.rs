//! Whether a CI server looks at the output, and which: told by what they all set in the environment, or by `--ci`.

use std::sync::atomic::{AtomicBool, Ordering};

use super::colour;
use crate::diagnostic::{Diagnostics, Level};
use crate::host::clock::Clock;
use crate::host::output;

/// Said with `--ci`.
static FORCED: AtomicBool = AtomicBool::new(false);

/// Who reads along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ci {
    /// GitHub Actions: groups, annotations and a summary.
    GitHub,
    /// GitLab CI: sections that fold.
    GitLab,
    /// Any other: no bars, no colour.
    Other,
}

/// A place in a file that a server can mark: its line, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark<'a> {
    pub file: &'a str,
    pub line: Option<usize>,
}

/// From now on there is a CI server, whatever the environment says.
pub(super) fn force() {
    FORCED.store(true, Ordering::Relaxed);
}

/// The CI server that reads along, if one does.
pub(super) fn server() -> Option<Ci> {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| says_yes(&value));
    detect(&set, FORCED.load(Ordering::Relaxed))
}

fn detect(set: &dyn Fn(&str) -> bool, forced: bool) -> Option<Ci> {
    if set("GITHUB_ACTIONS") {
        Some(Ci::GitHub)
    } else if set("GITLAB_CI") {
        Some(Ci::GitLab)
    } else {
        (forced || set("CI")).then_some(Ci::Other)
    }
}

fn says_yes(value: &str) -> bool {
    !["", "0", "false", "no", "off"].contains(&value.to_ascii_lowercase().as_str())
}

/// Tells all problems of a file on standard error, and marks them where the server can.
pub(super) fn tell(problems: &Diagnostics) {
    output::stderr(&problems.render(colour::wanted(output::Stream::Stderr)));
    for (problem, line) in problems.iter().zip(problems.lines()) {
        let help = problem.help.as_deref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let command = match problem.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        annotate(command, Mark { file: problems.name(), line }, "chaos", &format!("{}{help}", problem.message));
    }
}

/// Marks a place in a file as an `error`, `warning` or `notice`; nothing where no server does that.
pub(super) fn annotate(command: &str, mark: Mark<'_>, title: &str, message: &str) {
    if server() == Some(Ci::GitHub) {
        output::stderr(&annotation(command, mark, title, message));
    }
}

/// Source: "Workflow commands for GitHub Actions" in GitHub's documentation, and `toCommandValue` of its toolkit.
fn annotation(command: &str, mark: Mark<'_>, title: &str, message: &str) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let line = mark.line.map(|line| format!(",line={line}")).unwrap_or_default();
    format!("::{command} file={}{line},title={}::{}\n", property(mark.file), property(title), data(message))
}

/// Lines that belong together and that the server folds, until it is dropped.
#[must_use = "the group ends when this is dropped"]
pub(super) struct Group {
    server: Option<Ci>,
    section: String,
}

impl Group {
    /// Begins one with a title, on standard error. The name is of letters and digits, and nobody else's.
    pub fn begin(name: &str, title: &str) -> Self {
        let (server, section) = (server(), format!("chaos_{}", name.replace('-', "_")));
        let title = crate::diagnostic::clean::clean(title);
        match server {
            Some(Ci::GitHub) => drop(output::stderr(&format!("::group::{title}\n"))),
            Some(Ci::GitLab) => drop(output::stderr(&marker("start", &section, &format!("{title}\n")))),
            _ => {}
        }
        Self { server, section }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        match self.server {
            Some(Ci::GitHub) => drop(output::stderr("::endgroup::\n")),
            Some(Ci::GitLab) => drop(output::stderr(&marker("end", &self.section, "\n"))),
            _ => {}
        }
    }
}

/// Source: "Custom collapsible sections" in GitLab's documentation of job logs.
fn marker(which: &str, section: &str, rest: &str) -> String {
    format!("\u{1b}[0Ksection_{which}:{}:{section}\r\u{1b}[0K{rest}", Clock::Real.wall().timestamp())
}

#[cfg(test)]
mod tests {
    use super::{Ci, Mark, annotation, detect, says_yes};

    #[test]
    fn a_server_is_known_by_what_it_sets() {
        let with = |names: &'static [&str], forced| detect(&move |name: &str| names.contains(&name), forced);
        assert_eq!(with(&["CI", "GITHUB_ACTIONS"], false), Some(Ci::GitHub));
        assert_eq!(with(&["CI", "GITLAB_CI"], true), Some(Ci::GitLab));
        assert_eq!((with(&["CI"], false), with(&[], true), with(&[], false)), (Some(Ci::Other), Some(Ci::Other), None));
        assert!(says_yes("1") && says_yes("True") && !says_yes("") && !says_yes("FALSE"));
    }

    #[test]
    fn nothing_in_a_name_ends_an_annotation_or_begins_another() {
        let mark = Mark { file: "a,line=9::b.yaml", line: Some(3) };
        let told = annotation("error", mark, "x: y", "100%\n::set-output name=x::y");
        assert_eq!(told, "::error file=a%2Cline=9%3A%3Ab.yaml,line=3,title=x%3A y::100%25%0A::set-output name=x::y\n");
        assert_eq!(told.lines().count(), 1);
    }
}

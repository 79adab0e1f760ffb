//! What `chaos doctor` found -> text, JSON.

use serde::Serialize;

use super::layout::{Page, Style, Tone};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it belongs.
    pub section: Section,
    /// What was looked at.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// Why: what was measured, tried or read.
    pub why: String,
    /// What to do about it; none when nothing is to be done.
    pub fix: Option<String>,
    /// The exact command that does it, where there is one.
    pub command: Option<String>,
}

/// The parts of the list, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// What protects the machine.
    Safety,
    /// What the kernel has that faults use.
    Kernel,
    /// What runs left, and runs under way.
    LeftBehind,
    /// Which faults work here.
    Faults,
}

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Runs go on without it, with less protection or less choice.
    Warning,
    /// Something is left behind, or runs cannot do without it.
    Problem,
}

impl Finding {
    /// All is well.
    pub fn ok(section: Section, name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { section, name: name.into(), state: State::Ok, why: why.into(), fix: None, command: None }
    }

    /// The same, but all is not well, and this is to be done about it.
    #[must_use = "a finding does nothing by itself"]
    pub fn but(self, state: State, fix: impl Into<String>) -> Self {
        Self { state, fix: Some(fix.into()), ..self }
    }

    /// The same with the command to run.
    #[must_use = "a finding does nothing by itself"]
    pub fn command(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }
}

/// The exit code: 7 when something is left behind, 2 when something is missing that runs need, 0 otherwise.
pub fn exit_code(findings: &[Finding]) -> u8 {
    let problem = |left: bool| {
        let is_one = |finding: &Finding| finding.state == State::Problem;
        findings.iter().any(|finding| is_one(finding) && (finding.section == Section::LeftBehind) == left)
    };
    match (problem(true), problem(false)) {
        (true, _) => 7,
        (false, true) => 2,
        (false, false) => 0,
    }
}

/// All findings for machines. Version 1.
#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    exit_code: u8,
    findings: &'a [Finding],
}

/// The findings for machines, in their order.
pub fn json(findings: &[Finding]) -> serde_json::Result<String> {
    let document = Document { format: 1, exit_code: exit_code(findings), findings };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The findings for people, section by section.
pub fn text(findings: &[Finding], style: Style) -> String {
    let mut page = Page::new(style);
    for section in [Section::Safety, Section::Kernel, Section::LeftBehind, Section::Faults] {
        page.heading(title(section));
        let here: Vec<&Finding> = findings.iter().filter(|finding| finding.section == section).collect();
        if here.is_empty() {
            page.paragraph("nothing", 2, None);
        }
        here.into_iter().for_each(|finding| one(&mut page, finding));
    }
    page.gap();
    page.paragraph(&summary(findings), 0, Some(tone(worst(findings))));
    page.finish()
}

fn one(page: &mut Page, finding: &Finding) {
    let word = match finding.state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Problem => "PROBLEM",
    };
    let mut pairs = vec![(format!("{word:7}"), format!("{}: {}", finding.name, finding.why))];
    pairs.extend(finding.fix.as_ref().map(|fix| (format!("{:7}", ""), format!("-> {fix}"))));
    page.pairs(&pairs);
    if let Some(command) = &finding.command {
        page.command(command, 14);
    }
}

fn worst(findings: &[Finding]) -> State {
    findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
}

const fn tone(state: State) -> Tone {
    match state {
        State::Ok => Tone::Good,
        State::Warning => Tone::Doubtful,
        State::Problem => Tone::Bad,
    }
}

const fn title(section: Section) -> &'static str {
    match section {
        Section::Safety => "SAFETY: WHAT PROTECTS THIS MACHINE",
        Section::Kernel => "KERNEL: WHAT IT HAS THAT FAULTS USE",
        Section::LeftBehind => "LEFT BEHIND",
        Section::Faults => "FAULTS THAT WORK HERE",
    }
}

fn summary(findings: &[Finding]) -> String {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let words = match exit_code(findings) {
        7 => "RESIDUE: something is left behind",
        2 => "something is missing that runs need",
        _ => "runs may begin",
    };
    format!("{words} (problems: {}, warnings: {})", count(State::Problem), count(State::Warning))
}

#[cfg(test)]
mod tests {
    use super::{Finding, Section, State, exit_code, json, text};
    use crate::report::Style;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok(Section::Safety, "guardian", "it dies last"),
            Finding::ok(Section::LeftBehind, "run 1", "killed").but(State::Problem, "put it back").command("chaos x"),
        ]
    }

    #[test]
    fn what_is_left_outweighs_what_is_missing_and_warnings_weigh_nothing() {
        let of = |section, state| vec![Finding::ok(section, "a", "b").but(state, "c")];
        assert_eq!(exit_code(&[]), 0);
        assert_eq!(exit_code(&of(Section::Safety, State::Warning)), 0);
        assert_eq!(exit_code(&of(Section::LeftBehind, State::Warning)), 0);
        assert_eq!(exit_code(&of(Section::Faults, State::Problem)), 2);
        let both = [of(Section::Safety, State::Problem), of(Section::LeftBehind, State::Problem)].concat();
        assert_eq!(exit_code(&both), 7);
    }

    #[test]
    fn every_section_is_there_and_a_command_stands_on_a_line_of_its_own() {
        let text = text(&findings(), Style { color: false, width: 60 });
        for line in
            ["LEFT BEHIND", "  ok       guardian: it dies last", "           -> put it back", "              chaos x"]
        {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
        assert!(text.contains("FAULTS THAT WORK HERE\n  nothing\n"), "{text}");
        assert!(text.ends_with("RESIDUE: something is left behind (problems: 1, warnings: 0)\n"), "{text}");
    }

    #[test]
    fn machines_read_the_same() {
        let read: serde_json::Value = serde_json::from_str(&json(&findings()).expect("writes")).expect("reads");
        assert_eq!((&read["format"], &read["exit_code"]), (&1.into(), &7.into()));
        let left = &read["findings"][1];
        assert_eq!((&left["section"], &left["state"]), (&"left_behind".into(), &"problem".into()));
        assert_eq!((&left["command"], &read["findings"][0]["fix"]), (&"chaos x".into(), &serde_json::Value::Null));
    }
}

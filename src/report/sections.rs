//! The sections of the text report, top to bottom.

use super::layout::{Page, Tone};
use crate::analysis::findings::{
    Actual, Compared, DoseFindings, DoseStatus, ExpectationFindings, LatencyFindings, OutcomeCount, PhaseFindings,
    ProbeFindings, Standing,
};
use crate::analysis::{Analysis, Run, amount, subject};
use crate::diagnostic::clean::shell_word;
use crate::model::units::Timespan;
use crate::model::verdict::Verdict;

const RESULTS: [(&str, Tone); 4] =
    [("held", Tone::Good), ("DEVIATED", Tone::Bad), ("inconclusive", Tone::Doubtful), ("not measured", Tone::Doubtful)];

const LEVELS: [(&str, Tone); 6] = [
    ("none", Tone::Good),
    ("low", Tone::Doubtful),
    ("medium", Tone::Doubtful),
    ("high", Tone::Bad),
    ("critical", Tone::Bad),
    ("inconclusive", Tone::Doubtful),
];

/// What an error said is shown up to here, in characters.
const LONGEST_EXAMPLE: usize = 80;

/// What is left on the machine, and the commands to run by hand; nothing when nothing is left.
pub fn residue(page: &mut Page, run: &Run) {
    if run.residue.is_empty() {
        return;
    }
    let mut commands: Vec<&str> = run.residue.iter().filter_map(|left| left.command.as_deref()).collect();
    commands.dedup();
    page.paragraph("RUN THIS BY HAND:", 0, Some(Tone::Bad));
    commands.iter().for_each(|command| page.command(command, 4));
    page.command(&rollback(run), 4);
    for left in &run.residue {
        page.paragraph(&format!("left by step {}: {} ({})", left.step, left.what, left.why), 2, None);
        page.paragraph(&left.help, 4, None);
    }
}

/// Once the tool has ended, a rollback ends what carries the mark of the run, reads every step back and says what is
/// left.
fn rollback(run: &Run) -> String {
    let state = run.header.folder.as_deref().and_then(|folder| folder.parent()?.parent());
    let place = state.map(|state| format!(" --state-dir {}", shell_word(&state.display().to_string())));
    format!("chaos rollback {}{}", shell_word(&run.header.run), place.unwrap_or_default())
}

/// Expected against actual, before, during and after; and what the probes saw.
pub fn steady_state(page: &mut Page, run: &Run, analysis: &Analysis) {
    let samples = |probe: &ProbeFindings| probe.baseline.samples + probe.fault.samples + probe.recovery.samples;
    if analysis.probes.iter().all(|probe| samples(probe) == 0) {
        return;
    }
    page.heading("STEADY STATE");
    let during = if run.observes_only() { "watched" } else { "during" };
    let rows: Vec<Vec<String>> = analysis.probes.iter().flat_map(expectation_rows).collect();
    page.table(&["probe", "expected", "before", during, "after", "result"], &rows, &RESULTS);
    for line in analysis.probes.iter().flat_map(|probe| open_questions(probe, analysis.verdict)) {
        page.paragraph(&line, 2, None);
    }
    compared(page, during, analysis);
    page.heading(&format!("SAMPLES (before / {during} / after)"));
    let rows: Vec<Vec<String>> = analysis.probes.iter().map(sample_row).collect();
    page.table(&["probe", "count", "p50", "p99"], &rows, &[]);
    let errors: Vec<String> = analysis.probes.iter().flat_map(|probe| what_errors_said(probe, during)).collect();
    if errors.is_empty() {
        page.paragraph("no errors", 2, None);
    }
    errors.iter().for_each(|line| page.paragraph(line, 2, None));
}

/// The errors of every phase in the words of the probe: `ask, before: 120 refused ("connection refused")`.
fn what_errors_said(probe: &ProbeFindings, during: &str) -> Vec<String> {
    let phases = [("before", &probe.baseline), (during, &probe.fault), ("after", &probe.recovery)];
    let line = |(when, phase): (&str, &PhaseFindings)| {
        let said = phase.errors.iter().chain(&phase.blind).map(said).collect::<Vec<_>>().join(", ");
        (!said.is_empty()).then(|| format!("{}, {when}: {said}", probe.name))
    };
    phases.into_iter().filter_map(line).collect()
}

fn said(counted: &OutcomeCount) -> String {
    let words = format!("{} {}", counted.count, counted.outcome.word());
    match &counted.example {
        Some(example) => {
            let short: String = example.chars().take(LONGEST_EXAMPLE).collect();
            let cut = if short.len() < example.len() { "..." } else { "" };
            format!("{words} (\"{short}{cut}\")")
        }
        None => words,
    }
}

fn expectation_rows(probe: &ProbeFindings) -> impl Iterator<Item = Vec<String>> {
    probe.expectations.iter().enumerate().map(|(place, row)| {
        let name = if place == 0 { probe.name.clone() } else { String::new() };
        let [before, during, after] = [&row.baseline, &row.fault, &row.recovery].map(|actual| actual.shown.clone());
        vec![name, row.expected.clone(), before, during, after, row.result.word().to_owned()]
    })
}

/// How much worse every metric got, with the interval of that; nothing when nothing could be compared.
fn compared(page: &mut Page, during: &str, analysis: &Analysis) {
    let rows = analysis.probes.iter().flat_map(|probe| probe.expectations.iter().map(move |row| (probe, row)));
    let cells = rows.filter_map(|(probe, row)| Some(compared_row(probe, row, row.compared.as_ref()?)));
    let rows: Vec<Vec<String>> = cells.collect();
    if rows.is_empty() {
        return;
    }
    page.heading(&format!("WORSE THAN BEFORE ({during} against before; below zero is better)"));
    page.table(&["probe", "metric", "worse by", "95% sure", "would show", "impact"], &rows, &LEVELS);
    let open = analysis.probes.iter().flat_map(|probe| &probe.expectations).filter_map(|row| row.level_why.as_deref());
    for line in open.filter(|line| !analysis.impact.why.starts_with(line)) {
        page.paragraph(line, 2, None);
    }
}

fn compared_row(probe: &ProbeFindings, row: &ExpectationFindings, compared: &Compared) -> Vec<String> {
    let end = |end: Option<f64>, open: &str| end.map_or_else(|| open.to_owned(), amount);
    let sure = format!("{} to {}", end(compared.low, "any"), end(compared.high, "any"));
    let sign = if row.fault.at_least { ">= " } else { "" };
    vec![
        probe.name.clone(),
        subject(&row.expected).to_owned(),
        format!("{sign}{}", amount(compared.degradation)),
        sure,
        end(compared.smallest_visible, "-"),
        row.level.word().to_owned(),
    ]
}

/// Why results before and after the fault are open, or not as expected; those of the fault are among the reasons, and so
/// are those of before when they left the verdict open. What seems as expected after the fault needs no proof here:
/// whether the steady state is back was judged by the recovery.
fn open_questions(probe: &ProbeFindings, verdict: Verdict) -> impl Iterator<Item = String> {
    let before = verdict != Verdict::Inconclusive;
    probe.expectations.iter().flat_map(move |row| {
        let phases =
            [("before", &row.baseline, before), ("after", &row.recovery, row.recovery.seems != Standing::Held)];
        let told = phases.into_iter().filter(|(.., told)| *told);
        told.filter_map(move |(when, actual, _)| question(probe, row, when, actual))
    })
}

fn question(probe: &ProbeFindings, row: &ExpectationFindings, when: &str, actual: &Actual) -> Option<String> {
    let what = match actual.result {
        Standing::Deviated => "was not as expected",
        Standing::Inconclusive => "could not be judged",
        Standing::Held | Standing::NotMeasured => return None,
    };
    let why = actual.why.as_deref().unwrap_or(&actual.shown);
    Some(format!("{}: {} {what} {when} the fault: {why}", probe.name, row.expected))
}

fn sample_row(probe: &ProbeFindings) -> Vec<String> {
    let phases = [&probe.baseline, &probe.fault, &probe.recovery];
    let joined = |show: fn(&PhaseFindings) -> String| phases.map(show).join(" / ");
    let counted = phases.map(|phase| phase.samples.to_string()).join("/");
    vec![probe.name.clone(), counted, joined(|phase| latency(phase.p50)), joined(|phase| latency(phase.p99))]
}

fn latency(latency: Option<LatencyFindings>) -> String {
    latency.map_or_else(
        || "-".to_owned(),
        |latency| {
            let sign = if latency.at_least { ">= " } else { "" };
            let time = std::time::Duration::try_from_secs_f64(latency.seconds).unwrap_or_default();
            format!("{sign}{}", Timespan(time))
        },
    )
}

/// The dose asked for and the dose measured.
pub fn doses(page: &mut Page, run: &Run, analysis: &Analysis) {
    if analysis.doses.is_empty() || (run.first_applied().is_none() && no_attempt(&analysis.doses)) {
        return;
    }
    page.heading("DOSE");
    let rows: Vec<Vec<String>> = analysis.doses.iter().flat_map(dose_rows).collect();
    page.table(&["fault", "what", "asked", "measured", "effect"], &rows, &[("NOT EFFECTIVE", Tone::Bad)]);
}

fn no_attempt(doses: &[DoseFindings]) -> bool {
    doses.iter().all(|dose| dose.status == DoseStatus::NotApplied)
}

fn dose_rows(dose: &DoseFindings) -> Vec<Vec<String>> {
    let effect = match dose.status {
        DoseStatus::Effective => "effective",
        DoseStatus::Ineffective => "NOT EFFECTIVE",
        DoseStatus::Failed => "not applied: failed",
        DoseStatus::NotMeasured => "not measured",
        DoseStatus::NotApplied => "not applied",
        DoseStatus::Skipped => "left out (observer mode)",
    };
    let row = |place: usize, cells: [&str; 3]| {
        let (name, effect) = if place == 0 { (dose.fault.as_str(), effect) } else { ("", "") };
        [name, cells[0], cells[1], cells[2], effect].map(str::to_owned).to_vec()
    };
    if dose.parts.is_empty() {
        return vec![row(0, ["", "", ""])];
    }
    let parts = dose.parts.iter().enumerate();
    parts.map(|(place, part)| row(place, [&part.what, &part.asked, &part.measured])).collect()
}

/// What was done to this machine, and how it was undone.
pub fn machine(page: &mut Page, run: &Run) {
    if run.steps.is_empty() {
        return;
    }
    let undone = run.steps.iter().filter(|step| step.undone.is_some()).count();
    page.heading(&format!("DONE TO THIS MACHINE (steps: {} done, {undone} undone and read back)", run.steps.len()));
    let pairs: Vec<(String, String)> = run
        .steps
        .iter()
        .map(|step| {
            let undo = step.undo.as_ref().map_or_else(|| "NOT UNDONE".to_owned(), |undo| format!("undone: {undo}"));
            (step.number.to_string(), format!("{}; {undo}", step.act))
        })
        .collect();
    page.pairs(&pairs);
}

/// Things worth knowing that change nothing.
pub fn notes(page: &mut Page, run: &Run) {
    if !run.notes.is_empty() {
        page.heading("NOTES");
        run.notes.iter().for_each(|note| page.paragraph(note, 2, None));
    }
}

/// What to do next.
pub fn advice(page: &mut Page, run: &Run, analysis: &Analysis) {
    if analysis.advice.is_empty() {
        if run.first_applied().is_some() {
            page.heading("ADVICE");
            page.paragraph("nothing in the evidence calls for any", 2, None);
        }
        return;
    }
    page.heading("ADVICE");
    for advice in &analysis.advice {
        page.paragraph(&format!("{} {}", advice.rule, advice.title), 2, Some(Tone::Strong));
        page.paragraph(&advice.evidence, 6, None);
        page.paragraph(&format!("-> {}", advice.what_to_do), 6, None);
    }
}

/// Which run this was, and how to repeat it.
pub fn footer(page: &mut Page, run: &Run, analysis: &Analysis) {
    let header = &run.header;
    page.gap();
    let started = header.started.format("%Y-%m-%d %H:%M:%S UTC");
    let exit_code = analysis.verdict.exit_code();
    let line =
        format!("run {}, seed {}, exit code {exit_code}, chaos {}, {started}", header.run, header.seed, header.tool);
    page.paragraph(&line, 0, None);
    if let Some(folder) = &header.folder {
        page.paragraph("Events, journal and logs:", 0, None);
        page.command(&shell_word(&folder.display().to_string()), 2);
    }
    page.paragraph("Again:", 0, None);
    let variables: String =
        header.variables.iter().map(|name| format!(" --var {}", shell_word(&format!("{name}=...")))).collect();
    let observe = if run.observes_only() { " --dry-run" } else { "" };
    page.command(&format!("chaos run {}{variables} --seed {}{observe}", shell_word(&header.file), header.seed), 2);
}

#[cfg(test)]
mod tests {
    use super::said;
    use crate::analysis::findings::OutcomeCount;
    use crate::model::sample::Outcome;

    #[test]
    fn what_an_error_said_is_cut_where_it_gets_long() {
        let told = |example: Option<&str>| {
            said(&OutcomeCount { outcome: Outcome::Wrong, count: 7, example: example.map(str::to_owned) })
        };
        assert_eq!(told(Some("status 503, wanted 2xx")), "7 wrong answer (\"status 503, wanted 2xx\")");
        assert_eq!(told(Some(&"x".repeat(200))).len(), "7 wrong answer (\"...\")".len() + 80);
        assert_eq!(told(None), "7 wrong answer");
    }
}

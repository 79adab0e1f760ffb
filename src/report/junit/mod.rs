//! The report for CI servers: JUnit XML as Jenkins, GitLab and others read it. A test case for the end of the run, the
//! baseline, every expectation, every fault, the recovery and the rollback. What was not shown never passes: a run
//! whose verdict is not `held` has a failure or an error.

pub(super) mod xml;

use xml::{Case, Outcome, TestSuite};

use super::text;
use crate::analysis::findings::{DoseFindings, DoseStatus, ExpectationFindings, RecoveryStatus, Standing};
use crate::analysis::{Analysis, Run};
use crate::model::event::StopCause;
use crate::model::units::Timespan;
use crate::model::verdict::Verdict;

/// The test case of every run, whatever became of it.
pub(super) const END: &str = "the run comes to its end";

/// The whole report as XML.
pub fn junit(run: &Run, analysis: &Analysis) -> String {
    xml::document(&[suite(run, analysis)])
}

/// One run.
pub(super) fn suite(run: &Run, analysis: &Analysis) -> TestSuite {
    TestSuite {
        name: run.experiment().name.clone(),
        started: run.header.started,
        took: run.last,
        properties: properties(run, analysis),
        cases: cases(run, analysis),
        output: text(run, analysis, super::Style { color: false, width: 100 }),
    }
}

fn properties(run: &Run, analysis: &Analysis) -> Vec<(&'static str, String)> {
    let header = &run.header;
    vec![
        ("run", header.run.clone()),
        ("file", header.file.clone()),
        ("seed", header.seed.to_string()),
        ("chaos", header.tool.clone()),
        ("verdict", analysis.verdict.headline().to_owned()),
        ("exit code", analysis.verdict.exit_code().to_string()),
        ("impact", analysis.impact.level.word().to_owned()),
    ]
}

/// The same names for every run of an experiment, so that a CI server can show their history.
pub(super) fn cases(run: &Run, analysis: &Analysis) -> Vec<Case> {
    let case = |name: &str, outcome: Outcome| Case { name: name.to_owned(), outcome };
    let mut cases = vec![case(END, end(run, analysis)), case("the baseline is steady", baseline(run))];
    for probe in &analysis.probes {
        let rows = probe.expectations.iter();
        cases.extend(rows.map(|row| case(&expectation_name(&probe.name, &row.expected), expectation(row, analysis))));
    }
    let faults = analysis.doses.iter();
    cases.extend(faults.map(|dose| case(&format!("{} is effective", dose.fault), effect(dose, run))));
    let objective = Timespan(analysis.recovery.objective);
    cases.push(case(&format!("recovery within {objective}"), recovery(run, analysis)));
    cases.push(case("everything is put back", rollback(run)));
    let fails = |case: &Case| matches!(case.outcome, Outcome::Failed { .. } | Outcome::Unknown { .. });
    if analysis.verdict != Verdict::Held && !cases.iter().any(fails) {
        let why = analysis.reasons.join("\n");
        cases.push(case("the verdict is held", Outcome::Unknown { kind: "inconclusive", why }));
    }
    cases
}

/// The name of the case of an expectation.
pub(super) fn expectation_name(probe: &str, expected: &str) -> String {
    format!("{probe}: {expected}")
}

fn end(run: &Run, analysis: &Analysis) -> Outcome {
    let why = analysis.reasons.join("\n");
    match (&run.stop, &run.set_up_failure) {
        (_, Some(why)) => Outcome::Unknown { kind: "not_run", why: why.clone() },
        _ if run.interrupted.is_some() => Outcome::Unknown { kind: "interrupted", why },
        _ if !run.ended => Outcome::Unknown { kind: "breaks_off", why: "the record of this run breaks off".to_owned() },
        (Some(stop), None) => {
            let why = format!("stopped by {}: {}", stop.condition, stop.measured);
            match stop.cause {
                StopCause::Condition => Outcome::Failed { kind: "stopped", why },
                _ => Outcome::Unknown { kind: "stopped", why },
            }
        }
        (None, None) => Outcome::Passed,
    }
}

fn baseline(run: &Run) -> Outcome {
    match run.baseline_problems.as_deref() {
        Some([]) => Outcome::Passed,
        Some(problems) => Outcome::Failed { kind: "not_steady", why: problems.join("\n") },
        None => Outcome::Skipped("it was not judged".to_owned()),
    }
}

fn expectation(row: &ExpectationFindings, analysis: &Analysis) -> Outcome {
    let untested =
        matches!(analysis.verdict, Verdict::Invalid | Verdict::Interrupted | Verdict::NotRun | Verdict::NotSteady);
    let why = row.fault.why.clone();
    match row.result {
        Standing::Held if untested => Outcome::Skipped(format!("not tested: {}", analysis.reasons.join("; "))),
        Standing::Held => Outcome::Passed,
        Standing::Deviated => {
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            let before = &row.baseline.shown;
            let why = format!("expected {}, got {}{why}; before the fault {before}", row.expected, row.fault.shown);
            Outcome::Failed { kind: "deviated", why }
        }
        Standing::Inconclusive => {
            Outcome::Unknown { kind: "inconclusive", why: why.unwrap_or_else(|| "not enough samples".to_owned()) }
        }
        Standing::NotMeasured if untested => Outcome::Skipped(format!("not measured: {}", analysis.reasons.join("; "))),
        Standing::NotMeasured => Outcome::Unknown { kind: "not_measured", why: "there are no samples".to_owned() },
    }
}

fn effect(dose: &DoseFindings, run: &Run) -> Outcome {
    let why = dose.why.clone().unwrap_or_else(|| "its dose was not measured".to_owned());
    match dose.status {
        DoseStatus::Effective => Outcome::Passed,
        DoseStatus::Skipped => Outcome::Skipped("observer mode: it was left out".to_owned()),
        DoseStatus::NotApplied => Outcome::Skipped("the run was over before it began".to_owned()),
        DoseStatus::NotMeasured if run.stop.is_some() || run.interrupted.is_some() => {
            Outcome::Skipped("the run was ended before its dose was read".to_owned())
        }
        DoseStatus::NotMeasured => Outcome::Unknown { kind: "not_measured", why },
        DoseStatus::Ineffective => Outcome::Unknown { kind: "not_effective", why },
        DoseStatus::Failed => Outcome::Unknown { kind: "not_applied", why },
    }
}

fn recovery(run: &Run, analysis: &Analysis) -> Outcome {
    match analysis.recovery.status {
        RecoveryStatus::Recovered => Outcome::Passed,
        RecoveryStatus::NotRecovered => {
            Outcome::Failed { kind: "not_recovered", why: "the steady state was not back in time".to_owned() }
        }
        RecoveryStatus::NotMeasured if run.first_applied().is_none() => {
            Outcome::Skipped("nothing was injected".to_owned())
        }
        RecoveryStatus::NotMeasured => {
            Outcome::Unknown { kind: "not_measured", why: "recovery was not watched".to_owned() }
        }
    }
}

fn rollback(run: &Run) -> Outcome {
    if !run.residue.is_empty() {
        let command =
            |command: &Option<String>| command.as_ref().map(|it| format!("; by hand: {it}")).unwrap_or_default();
        let line = |left: &crate::analysis::ResidueRecord| {
            format!("{} ({}){}; {}", left.what, left.why, command(&left.command), left.help)
        };
        let lines: Vec<String> = run.residue.iter().map(line).collect();
        return Outcome::Failed { kind: "residue", why: lines.join("\n") };
    }
    if run.steps.iter().all(|step| step.undone.is_some()) {
        return Outcome::Passed;
    }
    Outcome::Unknown { kind: "not_on_record", why: "the undo of a step is not on record".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::junit;
    use super::xml::escape;
    use crate::analysis::testing::Story;
    use crate::analysis::{Analysis, analyse};
    use crate::model::event::StopCause;
    use crate::model::sample::Outcome;
    use crate::model::verdict::Verdict;

    fn report(story: &Story) -> (String, Analysis) {
        let run = story.tell();
        let analysis = analyse(&run);
        (junit(&run, &analysis), analysis)
    }

    fn slow(_: usize) -> (f64, Outcome) {
        (412.0, Outcome::Ok)
    }

    /// Every way in which a run can end.
    fn stories() -> Vec<Story> {
        let story = Story::slow_generator;
        vec![
            story(),
            story().observing(),
            story().fault(slow),
            story().observing().fault(slow),
            story().fault(slow).stopped_by("ask.p95 > 300ms", 14.0),
            story().stopped_by("the guardian is lost", 14.0).because_of(StopCause::GuardianLost),
            story().without_dose().stopped_by("x", 14.0),
            story().interrupted_by("SIGINT", 15.0),
            story().not_recovered(),
            story().unsteady(&["ask: p95 <= 250ms, measured 412ms"]),
            story().not_coming_up("demo: port 8080 is taken"),
            story().ineffective("no connection passed"),
            story().without_dose(),
            story().failing_to_apply("no such proxy"),
            story().leaving_residue(),
            story().breaking_off(),
            story().fault(|_| (2.0, Outcome::NoData)),
            story().fault(|_| (0.2, Outcome::Refused)),
            story().fault_seconds(0.1),
        ]
    }

    fn count(xml: &str, part: &str) -> usize {
        xml.matches(part).count()
    }

    #[test]
    fn only_a_run_that_held_passes() {
        for story in stories() {
            let (xml, analysis) = report(&story);
            let bad = count(&xml, "<failure ") + count(&xml, "<error ");
            assert_eq!(bad == 0, analysis.verdict == Verdict::Held, "{:?}\n{xml}", analysis.verdict);
        }
    }

    #[test]
    fn the_totals_are_those_of_the_cases() {
        for story in stories() {
            let (xml, _) = report(&story);
            let suite = xml.lines().find(|line| line.contains("<testsuite ")).expect("a suite");
            for (name, part) in
                [("tests", "<testcase "), ("failures", "<failure "), ("errors", "<error "), ("skipped", "<skipped ")]
            {
                let total = format!(" {name}=\"{}\"", count(&xml, part));
                assert!(suite.contains(&total), "{total} in {suite}");
            }
        }
    }

    #[test]
    fn a_deviation_is_a_failure_of_its_expectation_with_both_numbers() {
        let (xml, _) = report(&Story::slow_generator().fault(slow));
        assert!(
            xml.contains("name=\"ask: p95 &lt;= 250ms\">\n      <failure type=\"deviated\" message=\"expected p95")
        );
        assert!(xml.contains("got 412ms; before the fault 2ms"), "{xml}");
        assert!(xml.contains("name=\"ask: success_rate &gt;= 99%\"/>"), "the other passed\n{xml}");
        assert_eq!(count(&xml, "<failure "), 1, "{xml}");
    }

    #[test]
    fn what_was_not_tested_does_not_pass_even_where_it_held() {
        let (xml, _) = report(&Story::slow_generator().ineffective("no connection passed"));
        assert!(xml.contains("<error type=\"not_effective\" message=\"no connection passed\">"), "{xml}");
        assert!(xml.contains("name=\"ask: p95 &lt;= 250ms\">\n      <skipped message=\"not tested: "), "{xml}");
        let (xml, _) = report(&Story::slow_generator().fault(|_| (2.0, Outcome::NoData)));
        assert_eq!(count(&xml, "<error type=\"inconclusive\""), 2, "{xml}");
    }

    #[test]
    fn residue_fails_with_the_command_to_run_by_hand() {
        let (xml, _) = report(&Story::slow_generator().leaving_residue());
        let case = xml.split("<testcase ").find(|case| case.contains("everything is put back")).expect("the case");
        assert!(case.contains("<failure type=\"residue\"") && case.contains("by hand: kill -CONT 7"), "{case}");
    }

    #[test]
    fn every_run_of_an_experiment_has_the_same_cases() {
        let names = |story: &Story| -> Vec<String> {
            let (xml, _) = report(story);
            let cases = xml.split("<testcase ").skip(1).map(|case| case.split('>').next().unwrap_or_default());
            cases.map(|case| case.trim_end_matches('/').to_owned()).collect()
        };
        let held = names(&Story::slow_generator());
        assert_eq!(held.len(), 7, "{held:?}");
        for story in stories() {
            assert_eq!(names(&story)[..7], held, "a case more at most: that of the verdict");
        }
    }

    #[test]
    fn nothing_from_outside_is_markup_or_what_xml_cannot_carry() {
        assert_eq!(
            escape("<a b='\"'>&\u{0}\u{1b}\u{ffff}\nc"),
            "&lt;a b=&apos;&quot;&apos;&gt;&amp;\\u{0}\\u{1b}\\u{ffff}\nc"
        );
    }
}

//! The report for people: the verdict first, readable without colour and at 80 columns.

use super::layout::{Page, Style, Tone};
use super::sections;
use crate::analysis::findings::{Detection, Level, RecoveryFindings, RecoveryStatus};
use crate::analysis::{Analysis, Run};
use crate::model::units::Timespan;
use crate::model::verdict::Verdict;

/// The whole report as text.
pub fn text(run: &Run, analysis: &Analysis, style: Style) -> String {
    let mut page = Page::new(style);
    sections::residue(&mut page, run);
    headline(&mut page, run, analysis);
    key_numbers(&mut page, run, analysis);
    sections::steady_state(&mut page, run, analysis);
    sections::doses(&mut page, run, analysis);
    sections::machine(&mut page, run);
    sections::notes(&mut page, run);
    sections::advice(&mut page, run, analysis);
    sections::footer(&mut page, run, analysis);
    page.finish()
}

fn headline(page: &mut Page, run: &Run, analysis: &Analysis) {
    page.gap();
    let title = format!("{}: {}", analysis.verdict.headline(), run.experiment().name);
    page.paragraph(&title, 0, Some(tone(analysis.verdict)));
    if run.observes_only() {
        page.paragraph("OBSERVER MODE: NOTHING WAS INJECTED", 2, Some(Tone::Strong));
    }
    analysis.reasons.iter().for_each(|reason| page.paragraph(reason, 2, None));
}

pub(super) const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Held => Tone::Good,
        Verdict::Deviated | Verdict::NotRecovered | Verdict::Residue | Verdict::NotSteady => Tone::Bad,
        Verdict::Stopped | Verdict::Inconclusive | Verdict::Invalid | Verdict::Interrupted | Verdict::NotRun => {
            Tone::Doubtful
        }
    }
}

pub(super) fn key_numbers(page: &mut Page, run: &Run, analysis: &Analysis) {
    let watched = !analysis.probes.iter().all(|probe| probe.fault.samples == 0);
    let mut pairs = if watched { measured(run, analysis) } else { Vec::new() };
    if run.stop.is_some() {
        let time = analysis.breach_to_rollback.map_or_else(|| "not verified".to_owned(), |t| Timespan(t).to_string());
        let words = format!("{time} from the first bad event to the verified undo");
        pairs.push(("Breach to rollback".to_owned(), words));
    }
    if !pairs.is_empty() {
        page.gap();
        page.pairs(&pairs);
    }
}

fn measured(run: &Run, analysis: &Analysis) -> Vec<(String, String)> {
    let impact = if run.observes_only() { "Drift" } else { "Impact" };
    let mut pairs = vec![
        (impact.to_owned(), impact_words(analysis)),
        ("Noticed".to_owned(), analysis.detection.as_ref().map_or_else(|| "never".to_owned(), noticed)),
    ];
    if !run.observes_only() {
        pairs.push(("Time to recover".to_owned(), recovery(analysis)));
    }
    if analysis.lost_requests > 0 {
        let samples = if analysis.lost_requests == 1 { "sample" } else { "samples" };
        let words = format!("{} {samples} failed, {} of downtime", analysis.lost_requests, Timespan(analysis.downtime));
        pairs.push(("Lost".to_owned(), words));
    }
    if let Some(users) = run.affected_users {
        pairs.push(("Affected users".to_owned(), users.to_string()));
    }
    pairs
}

/// What is confirmed; and, where that is less, what the numbers alone would say.
fn impact_words(analysis: &Analysis) -> String {
    let (impact, point) = (&analysis.impact, &analysis.impact_point);
    let told = format!("{}: {}", impact.level.word(), impact.why);
    if impact.level == Level::Inconclusive && point.level > Level::None {
        return format!("{told} (by the numbers alone: {})", point.level.word());
    }
    told
}

fn noticed(detection: &Detection) -> String {
    let since = detection.onset.saturating_sub(detection.alarm.saturating_sub(detection.time_to_detect));
    format!(
        "after {} by {} (first bad event after {})",
        Timespan(detection.time_to_detect),
        detection.probe,
        Timespan(since)
    )
}

fn recovery(analysis: &Analysis) -> String {
    let RecoveryFindings { status, objective, time_to_recover, .. } = &analysis.recovery;
    let objective = Timespan(*objective);
    let flapping = match analysis.recovery.relapses {
        0 => String::new(),
        1 => "; flapping: one relapse".to_owned(),
        n => format!("; flapping: {n} relapses"),
    };
    match (status, time_to_recover) {
        (RecoveryStatus::NotMeasured, _) => "not measured".to_owned(),
        (RecoveryStatus::NotRecovered, _) => not_recovered(&analysis.recovery) + &flapping,
        (RecoveryStatus::Recovered, _) if analysis.recovery.self_healed => {
            format!("healed by itself while the fault was active{}", since_onset(&analysis.recovery))
        }
        (RecoveryStatus::Recovered, Some(_)) if analysis.detection.is_none() => {
            "nothing to recover from: no probe raised the alarm".to_owned()
        }
        (RecoveryStatus::Recovered, Some(time)) => {
            let since = since_onset(&analysis.recovery);
            format!("{} from the verified undo, objective {objective}{since}{flapping}", Timespan(*time))
        }
        (RecoveryStatus::Recovered, None) => format!("steady again, but the undo is not verified{flapping}"),
    }
}

/// From the first bad event to the recovery.
fn since_onset(recovery: &RecoveryFindings) -> String {
    recovery.rto.map(|rto| format!("; bad for {} in all", Timespan(rto))).unwrap_or_default()
}

/// Longer than it was watched: the objective is never given as a time that was measured.
fn not_recovered(recovery: &RecoveryFindings) -> String {
    let longer = recovery.time_to_recover_longer_than.unwrap_or(recovery.objective);
    let what = if longer == recovery.objective { "the objective" } else { "watched no longer" };
    let since = recovery.rto_longer_than.map(|rto| format!("; bad for > {} in all", Timespan(rto)));
    format!("> {} ({what}){}", Timespan(longer), since.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Style, text};
    use crate::analysis::analyse;
    use crate::analysis::testing::{Story, expecting, http_at, prometheus};
    use crate::model::sample::Outcome;

    fn report(story: &Story) -> String {
        let run = story.tell();
        text(&run, &analyse(&run), Style { color: false, width: 80 })
    }

    fn slow(_: usize) -> (f64, Outcome) {
        (412.0, Outcome::Ok)
    }

    /// The report has this line, whatever the number of spaces in it.
    fn has(report: &str, line: &str) {
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(report.lines().any(|found| squeezed(found) == line), "no line `{line}` in\n{report}");
    }

    #[test]
    fn a_deviation_is_told_from_the_verdict_to_the_advice() {
        let report = report(&Story::slow_generator().fault(slow));
        assert!(report.starts_with("DEVIATED: answers keep flowing when the generator is slow\n"), "{report}");
        has(&report, "ask: expected p95 <= 250ms, got 412ms during the fault");
        has(&report, "ask | success_rate >= 99% | 100% | 100% | 100% | held");
        has(&report, "| p95 <= 250ms | 2ms | 412ms | 2ms | DEVIATED");
        has(&report, "slow generator | added delay | 400ms | 400ms | effective");
        has(&report, "2 add a toxic to proxy generator; undone: remove the toxic");
        has(&report, "R00 The whole delay reaches the caller: nothing cuts it off");
        has(&report, "chaos run experiments/slow.yaml --seed 42");
    }

    #[test]
    fn a_report_fits_on_a_screen_of_fifty_lines_by_eighty_columns() {
        let report = report(&Story::slow_generator().often().fault(slow));
        assert!(report.lines().count() <= 50, "{} lines\n{report}", report.lines().count());
        for line in report.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn how_much_worse_it_got_is_told_with_how_sure_that_is() {
        let noisy = |base: f64| move |i: usize| (base + (i * 7919 % 1009) as f64 * base / 2018.0, Outcome::Ok);
        let story = Story::slow_generator().often().baseline(noisy(2.0)).fault(noisy(2.5));
        let sure = report(&story);
        has(&sure, "ask | success_rate | 0% | -0.2% to 0.2% | 0.2% | none");
        assert!(sure.contains("Impact           medium: ask: p95 25% worse (95% sure: 24"), "{sure}");
        let few = report(&Story::slow_generator().fault(slow));
        assert!(few.contains("Impact           inconclusive: ask: p95 needs 1000 samples before"), "{few}");
        has(&few, "there were 450 (by the numbers alone: high)");
    }

    #[test]
    fn a_recovery_is_told_from_the_undo_and_from_the_first_bad_event() {
        let refused =
            |samples: usize| move |i: usize| if i < samples { (0.2, Outcome::Refused) } else { (2.0, Outcome::Ok) };
        let story = Story::slow_generator().fault(refused(500)).after(10.0, refused(100));
        has(&report(&story), "Time to recover 1.99s from the verified undo, objective 15s; bad for 12s in");
        let never = Story::slow_generator().fault(refused(500)).after(20.0, refused(2000)).not_recovered();
        has(&report(&never), "Time to recover > 15s (the objective); bad for > 25s in all");
    }

    #[test]
    fn long_names_are_wrapped_at_any_width() {
        let name = "an uncommonly long name of a probe that nobody would want to type twice";
        let story = Story::slow_generator().fault(slow).with(|experiment| {
            experiment.name = "x".repeat(300);
            experiment.steady_state[0].name = name.to_owned();
            experiment.faults[0].name = name.replace(' ', "_");
        });
        let run = story.tell();
        for width in [60, 80, 120] {
            let report = text(&run, &analyse(&run), Style { color: false, width });
            assert!(report.lines().all(|line| line.chars().count() <= width), "{report}");
        }
    }

    #[test]
    fn residue_begins_with_the_command_to_run_by_hand() {
        let report = report(&Story::slow_generator().leaving_residue());
        let mut lines = report.lines();
        assert_eq!(lines.next(), Some("RUN THIS BY HAND:"));
        assert_eq!(lines.next().map(str::trim), Some("kill -CONT 7"));
        let rollback = lines.next().map(str::trim);
        assert_eq!(rollback, Some("chaos rollback 0197-run --state-dir /var/lib/chaos"));
        has(&report, "it ends with the tool's process");
        has(&report, "RESIDUE: answers keep flowing when the generator is slow");
        has(&report, "2 add a toxic to proxy generator; NOT UNDONE");
    }

    #[test]
    fn a_stop_tells_how_long_it_took_to_undo() {
        let report = report(&Story::slow_generator().fault(slow).stopped_by("ask.p95 > 300ms", 14.0));
        has(&report, "STOPPED: answers keep flowing when the generator is slow");
        has(&report, "Breach to rollback 1.01s from the first bad event to the verified undo");
    }

    #[test]
    fn observer_mode_says_that_nothing_was_injected() {
        let report = report(&Story::slow_generator().observing());
        assert_eq!(report.lines().nth(1), Some("  OBSERVER MODE: NOTHING WAS INJECTED"));
        has(&report, "chaos run experiments/slow.yaml --seed 42 --dry-run");
        has(&report, "slow generator | | | | left out (observer mode)");
    }

    #[test]
    fn the_footer_says_where_the_run_is_kept_and_how_to_repeat_it() {
        let mut run = Story::slow_generator().tell();
        run.header.variables = vec!["GATEWAY".into(), "TOKEN".into()];
        let told = text(&run, &analyse(&run), Style { color: false, width: 80 });
        has(&told, "/var/lib/chaos/runs/0197-run");
        has(&told, "chaos run experiments/slow.yaml --var GATEWAY=... --var TOKEN=... --seed 42");
        run.header.folder = None;
        assert!(!text(&run, &analyse(&run), Style { color: false, width: 80 }).contains("Events, journal"));
    }

    #[test]
    fn an_unsteady_baseline_shows_what_failed() {
        let before = "ask: p95 <= 250ms, measured 412ms over 450 samples";
        let report = report(&Story::slow_generator().baseline(slow).unsteady(&[before]));
        has(&report, "BASELINE NOT STEADY: answers keep flowing when the generator is slow");
        has(&report, before);
        has(&report, "nothing was injected: the steady state did not hold before");
        has(&report, "| p95 <= 250ms | 412ms | - | - | not measured");
        assert!(!report.contains("Impact"), "there is nothing to tell of it\n{report}");
    }

    #[test]
    fn every_phase_tells_its_errors_and_a_phase_without_any_is_silent() {
        let refused = |_| (0.2, Outcome::Refused);
        let unsteady = report(&Story::slow_generator().baseline(refused).unsteady(&["ask: success_rate >= 99%"]));
        has(&unsteady, "ask, before: 450 refused");
        assert!(!unsteady.contains("no errors"), "{unsteady}");
        let one = |i: usize| if i == 60 { (0.2, Outcome::Refused) } else { (2.0, Outcome::Ok) };
        let during = report(&Story::slow_generator().fault(one));
        has(&during, "ask, during: 1 refused");
        has(&during, "Lost 1 sample failed, 20ms of downtime");
        has(&report(&Story::slow_generator()), "no errors");
    }

    #[test]
    fn not_recovered_never_prints_the_objective_as_a_time() {
        let story = Story::failing_generator(1.0).after(20.0, |_| (2.0, Outcome::Wrong)).not_recovered();
        has(&report(&story), "Time to recover > 15s (the objective)");
    }

    #[test]
    fn timeouts_are_shown_as_at_least() {
        let hang = |_| (1000.0, Outcome::Timeout);
        has(&report(&Story::slow_generator().fault(hang)), "| p95 <= 250ms | 2ms | >= 1s | 2ms | DEVIATED");
    }

    #[test]
    fn what_could_not_be_judged_says_why() {
        let probe = expecting(prometheus("depth"), &["value <= 10"]);
        let report = report(&Story::slow_generator().fault_seconds(3.0).also(probe, |_| 1.0));
        has(&report, "depth: value <= 10 could not be judged during the fault: 2 of at least 3");
    }

    #[test]
    fn hostile_names_can_not_steer_the_terminal() {
        let evil = "evil\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\r\nHELD: forged";
        let story = Story::slow_generator().fault(slow).also_answering(http_at(evil, evil), slow).with(|experiment| {
            experiment.name = evil.to_owned();
            experiment.faults[0].name = evil.to_owned();
        });
        let mut run = story.tell();
        run.header.file = evil.to_owned();
        run.notes.push(evil.to_owned());
        let report = text(&run, &analyse(&run), Style { color: false, width: 80 });
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!report.contains(steers), "{report:?}");
        assert!(!report.lines().any(|line| line.starts_with("HELD")), "{report}");
    }
}

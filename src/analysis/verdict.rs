//! How a run ended. Residue is told before anything else; then what ended the run from outside; then, of what was
//! measured, the most serious.

use super::findings::{
    Actual, DoseFindings, DoseStatus, ExpectationFindings, ProbeFindings, RecoveryFindings, RecoveryStatus, Standing,
};
use super::run::Run;
use crate::model::event::StopCause;
use crate::model::units::Timespan;
use crate::model::verdict::Verdict;

/// What the verdict is made from.
pub struct Facts<'a> {
    /// The run.
    pub run: &'a Run,
    /// What the probes saw.
    pub probes: &'a [ProbeFindings],
    /// What the faults did.
    pub doses: &'a [DoseFindings],
    /// Whether the steady state came back.
    pub recovery: &'a RecoveryFindings,
}

impl Facts<'_> {
    /// The verdict, and why, the decisive reason first.
    pub fn verdict(&self) -> (Verdict, Vec<String>) {
        let found = self.ended_from_outside().or_else(|| self.not_tested()).unwrap_or_else(|| self.tested());
        debug_assert!(!found.1.is_empty(), "a verdict has a reason");
        found
    }

    fn ended_from_outside(&self) -> Option<(Verdict, Vec<String>)> {
        let run = self.run;
        if !run.residue.is_empty() {
            let left = run.residue.iter().map(|left| format!("could not be put back: {}: {}", left.what, left.why));
            return Some((Verdict::Residue, left.collect()));
        }
        if let Some(signal) = &run.interrupted {
            return Some((Verdict::Interrupted, vec![format!("ended by {signal}; {}", self.rolled_back())]));
        }
        if let Some(lost) = self.stopped().filter(|_| self.stop_cause() == Some(StopCause::GuardianLost)) {
            return Some((Verdict::Stopped, vec![format!("{lost}; {}", self.rolled_back())]));
        }
        if let Some(why) = &run.set_up_failure {
            return Some((
                Verdict::NotRun,
                vec![format!("the run could not begin: {why}"), "nothing was injected".into()],
            ));
        }
        None
    }

    /// Why nothing can be said about the hypothesis.
    fn not_tested(&self) -> Option<(Verdict, Vec<String>)> {
        if !self.run.ended {
            let why = format!("the record of this run breaks off; {}", self.rolled_back());
            return Some((Verdict::Inconclusive, vec![why]));
        }
        match self.run.baseline_problems.as_deref() {
            None => return Some((Verdict::Inconclusive, vec!["the baseline was not judged".to_owned()])),
            Some([]) => {}
            Some(problems) => {
                let before = "nothing was injected: the steady state did not hold before".to_owned();
                return Some((Verdict::NotSteady, std::iter::once(before).chain(problems.iter().cloned()).collect()));
            }
        }
        let mut without_dose = self.without_dose();
        if without_dose.is_empty() {
            return None;
        }
        without_dose.extend(self.stopped());
        Some((Verdict::Invalid, without_dose))
    }

    /// Faults that did not do what the file says. A run that was stopped early may end before a fault began or before
    /// its dose could be read.
    fn without_dose(&self) -> Vec<String> {
        let stopped = self.run.stop.is_some();
        // What is gone cannot show its dose, and that is no fault of the fault.
        let target_gone = self.stop_cause() == Some(StopCause::TargetGone);
        let why = |dose: &DoseFindings| match (dose.status, &dose.why) {
            (DoseStatus::Ineffective, Some(why)) if !target_gone => Some(format!("was not effective: {why}")),
            (DoseStatus::Failed, Some(why)) => Some(format!("could not be applied: {why}")),
            (DoseStatus::NotMeasured, _) if !stopped => Some("has no measured dose".to_owned()),
            (DoseStatus::NotApplied, _) if !stopped => Some("was never applied".to_owned()),
            _ => None,
        };
        if self.run.observes_only() {
            return Vec::new();
        }
        self.doses.iter().filter_map(|dose| why(dose).map(|why| format!("{} {why}", dose.fault))).collect()
    }

    fn tested(&self) -> (Verdict, Vec<String>) {
        let deviated = self.deviated();
        if self.run.observes_only() {
            return self.observed(deviated);
        }
        let stopped = self.stopped();
        match self.recovery.status {
            RecoveryStatus::NotRecovered => (Verdict::NotRecovered, joined(self.not_recovered(), stopped, deviated)),
            _ if stopped.is_some() => (Verdict::Stopped, stopped.into_iter().chain(deviated).collect()),
            RecoveryStatus::NotMeasured => {
                (Verdict::Inconclusive, joined("recovery was not watched".to_owned(), None, deviated))
            }
            RecoveryStatus::Recovered if !deviated.is_empty() => (Verdict::Deviated, deviated),
            RecoveryStatus::Recovered => self.held(),
        }
    }

    /// Observer mode: there is no fault to recover from, so a steady state that is lost is a deviation.
    fn observed(&self, mut deviated: Vec<String>) -> (Verdict, Vec<String>) {
        if let Some(stopped) = self.stopped() {
            return (Verdict::Stopped, std::iter::once(stopped).chain(deviated).collect());
        }
        if self.recovery.status == RecoveryStatus::NotRecovered {
            deviated.push("the steady state was gone at the end, though nothing was injected".to_owned());
        }
        if deviated.is_empty() { self.held() } else { (Verdict::Deviated, deviated) }
    }

    /// Held before and during, for sure; or nothing is sure.
    fn held(&self) -> (Verdict, Vec<String>) {
        let when = if self.run.observes_only() { "while it was watched" } else { "during the fault" };
        let phases = self
            .rows()
            .flat_map(|(probe, row)| [(probe, row, &row.fault, when), (probe, row, &row.baseline, "before the fault")]);
        let undecided: Vec<String> = phases
            .filter(|(.., actual, _)| actual.result != Standing::Held)
            .map(|(probe, row, actual, when)| {
                let why = actual.why.as_deref().unwrap_or("not enough samples");
                format!("{}: {} could not be judged {when}: {why}", probe.name, row.expected)
            })
            .collect();
        if !undecided.is_empty() {
            return (Verdict::Inconclusive, undecided);
        }
        let why = if self.run.observes_only() || self.doses.is_empty() {
            "the steady state held while it was watched; nothing was injected"
        } else {
            "every expectation held while the fault was active, and after it"
        };
        (Verdict::Held, vec![why.to_owned()])
    }

    fn deviated(&self) -> Vec<String> {
        let when = if self.run.observes_only() { "while it was watched" } else { "during the fault" };
        let rows = self.rows().filter(|(_, row)| row.result == Standing::Deviated);
        rows.map(|(probe, row)| deviation(&probe.name, row, when)).collect()
    }

    fn stopped(&self) -> Option<String> {
        self.run.stop.as_ref().map(|stop| {
            let by = match stop.cause {
                StopCause::Condition | StopCause::NoData => format!("`{}`", stop.condition),
                StopCause::BlastRadius | StopCause::TargetGone | StopCause::GuardianLost => {
                    format!("a hard limit: {}", stop.condition)
                }
            };
            format!("stopped by {by}: {}", stop.measured)
        })
    }

    fn stop_cause(&self) -> Option<StopCause> {
        self.run.stop.as_ref().map(|stop| stop.cause)
    }

    fn not_recovered(&self) -> String {
        let objective = Timespan(self.recovery.objective);
        format!("the steady state was not back within {objective} of the verified undo")
    }

    fn rolled_back(&self) -> &'static str {
        match (self.run.first_applied(), self.run.rolled_back_at) {
            (_, Some(_)) => "rolled back, and read back",
            (None, None) => "nothing was injected",
            (Some(_), None) => "the rollback is not on record",
        }
    }

    fn rows(&self) -> impl Iterator<Item = (&ProbeFindings, &ExpectationFindings)> {
        self.probes.iter().flat_map(|probe| probe.expectations.iter().map(move |row| (probe, row)))
    }
}

/// `ask: expected p95 <= 250ms, got 447ms (95% sure: 446ms to 450ms) during the fault`
pub(super) fn deviation(probe: &str, row: &ExpectationFindings, when: &str) -> String {
    let why = row.fault.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{probe}: expected {}, got {}{why}{} {when}", row.expected, row.fault.shown, sure(&row.fault))
}

/// ` (95% sure: 441ms to 452ms)`; nothing where the interval has no width or is told by `>=` already.
fn sure(actual: &Actual) -> String {
    let interval = actual.shown_interval.as_deref().filter(|_| !actual.at_least);
    interval.map(|interval| format!(" (95% sure: {interval})")).unwrap_or_default()
}

fn joined(first: String, second: Option<String>, rest: Vec<String>) -> Vec<String> {
    std::iter::once(first).chain(second).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use crate::analysis::analyse;
    use crate::analysis::testing::{Story, expecting, prometheus};
    use crate::model::event::StopCause;
    use crate::model::sample::Outcome;
    use crate::model::verdict::Verdict;

    fn slow(_: usize) -> (f64, Outcome) {
        (412.0, Outcome::Ok)
    }

    fn refused(_: usize) -> (f64, Outcome) {
        (0.2, Outcome::Refused)
    }

    /// The verdict and the decisive reason.
    fn verdict(story: &Story) -> (Verdict, String) {
        let analysis = analyse(&story.tell());
        (analysis.verdict, analysis.reasons[0].clone())
    }

    #[test]
    fn a_steady_state_that_held_is_held() {
        let (verdict, why) = verdict(&Story::slow_generator());
        assert_eq!((verdict, verdict.exit_code()), (Verdict::Held, 0));
        assert_eq!(why, "every expectation held while the fault was active, and after it");
    }

    #[test]
    fn an_expectation_that_did_not_hold_is_a_deviation_with_both_numbers() {
        let found = verdict(&Story::slow_generator().fault(slow));
        assert_eq!(found, (Verdict::Deviated, "ask: expected p95 <= 250ms, got 412ms during the fault".to_owned()));
    }

    #[test]
    fn timeouts_deviate_as_at_least() {
        let (_, why) = verdict(&Story::slow_generator().fault(|_| (1000.0, Outcome::Timeout)));
        assert_eq!(why, "ask: expected success_rate >= 99%, got 0% (95% sure: 0% to 0.85%) during the fault");
        let reasons = analyse(&Story::slow_generator().fault(|_| (1000.0, Outcome::Timeout)).tell()).reasons;
        assert_eq!(reasons[1], "ask: expected p95 <= 250ms, got >= 1s during the fault");
    }

    #[test]
    fn a_stop_condition_that_fired_is_stopped() {
        let stopped = Story::slow_generator().fault(slow).stopped_by("ask.p95 > 300ms", 14.0);
        let (verdict, why) = verdict(&stopped);
        assert_eq!((verdict, why.as_str()), (Verdict::Stopped, "stopped by `ask.p95 > 300ms`: p99 2.4s"));
        let breach = analyse(&stopped.tell()).breach_to_rollback.expect("stopped");
        assert_eq!(breach.as_millis(), 1010, "a second to the stop, ten milliseconds to the verified undo");
    }

    #[test]
    fn a_stop_without_recovery_is_the_more_serious_not_recovered() {
        let story = Story::slow_generator().stopped_by("ask.error_rate > 20%", 14.0).fault(refused);
        let story = story.after(20.0, refused).not_recovered();
        assert_eq!(verdict(&story).0, Verdict::NotRecovered);
        let reasons = analyse(&story.tell()).reasons;
        assert!(reasons[1].contains("ask.error_rate > 20%"), "{reasons:?}");
    }

    #[test]
    fn a_recovery_after_the_objective_is_not_recovered_whoever_says_so() {
        let late = |i: usize| if i < 800 { refused(i) } else { (2.0, Outcome::Ok) };
        let story = Story::slow_generator().fault(refused).after(20.0, late);
        assert_eq!(
            verdict(&story),
            (Verdict::NotRecovered, "the steady state was not back within 15s of the verified undo".to_owned())
        );
        assert_eq!(analyse(&story.tell()).recovery.time_to_recover, None, "never the objective as a value");
    }

    #[test]
    fn the_runner_is_believed_when_it_saw_no_recovery() {
        assert_eq!(verdict(&Story::slow_generator().not_recovered()).0, Verdict::NotRecovered);
    }

    #[test]
    fn an_unsteady_baseline_says_what_failed_and_that_nothing_was_injected() {
        let problem = "ask: p95 <= 250ms, measured 412ms over 450 samples";
        let analysis = analyse(&Story::slow_generator().unsteady(&[problem]).tell());
        assert_eq!(analysis.verdict, Verdict::NotSteady);
        assert_eq!(analysis.reasons, ["nothing was injected: the steady state did not hold before", problem]);
    }

    #[test]
    fn a_fault_that_did_not_bite_makes_the_run_invalid_however_good_it_looks() {
        let found = verdict(&Story::slow_generator().ineffective("no connection passed"));
        assert_eq!(found, (Verdict::Invalid, "slow generator was not effective: no connection passed".to_owned()));
        let unmeasured = verdict(&Story::slow_generator().without_dose());
        assert_eq!(unmeasured, (Verdict::Invalid, "slow generator has no measured dose".to_owned()));
        let failed = verdict(&Story::slow_generator().failing_to_apply("no such proxy"));
        assert_eq!(failed, (Verdict::Invalid, "slow generator could not be applied: no such proxy".to_owned()));
    }

    #[test]
    fn a_run_that_was_stopped_needs_no_dose() {
        assert_eq!(verdict(&Story::slow_generator().without_dose().stopped_by("x", 14.0)).0, Verdict::Stopped);
    }

    #[test]
    fn a_target_that_is_gone_is_a_stop_and_no_fault_that_did_not_bite() {
        let story = Story::slow_generator().stopped_by("slow generator: the target is gone", 14.0);
        let (verdict, why) = verdict(&story.ineffective("it was gone").because_of(StopCause::TargetGone));
        assert_eq!((verdict, verdict.exit_code()), (Verdict::Stopped, 4));
        assert_eq!(why, "stopped by a hard limit: slow generator: the target is gone: p99 2.4s");
    }

    #[test]
    fn a_lost_guardian_is_a_stop_in_any_phase() {
        let story =
            Story::slow_generator().stopped_by("the guardian is lost", 14.0).because_of(StopCause::GuardianLost);
        let (verdict, why) = verdict(&story);
        assert_eq!(verdict, Verdict::Stopped);
        assert!(why.ends_with("rolled back, and read back"), "{why}");
    }

    #[test]
    fn a_signal_ends_a_run_whatever_was_measured() {
        let (verdict, why) = verdict(&Story::slow_generator().fault(slow).interrupted_by("SIGINT", 15.0));
        assert_eq!((verdict, why.as_str()), (Verdict::Interrupted, "ended by SIGINT; rolled back, and read back"));
    }

    #[test]
    fn residue_wins_over_everything() {
        let story = Story::slow_generator().leaving_residue().interrupted_by("SIGTERM", 15.0);
        let (verdict, why) = verdict(&story);
        assert_eq!((verdict, verdict.exit_code()), (Verdict::Residue, 7));
        assert_eq!(why, "could not be put back: a toxic on proxy generator: the proxy does not answer");
    }

    #[test]
    fn a_run_that_could_not_begin_was_not_run() {
        let (verdict, why) = verdict(&Story::slow_generator().not_coming_up("demo: port 8080 is taken"));
        assert_eq!((verdict, why.as_str()), (Verdict::NotRun, "the run could not begin: demo: port 8080 is taken"));
    }

    #[test]
    fn observer_mode_judges_the_hypothesis_and_needs_no_dose() {
        let (held, why) = verdict(&Story::slow_generator().observing());
        assert_eq!(held, Verdict::Held);
        assert!(why.contains("nothing was injected"), "{why}");
        assert_eq!(verdict(&Story::slow_generator().observing().fault(slow)).0, Verdict::Deviated);
    }

    #[test]
    fn without_data_nothing_is_decided() {
        let blind = |_| (2.0, Outcome::NoData);
        let (verdict, why) = verdict(&Story::slow_generator().fault(blind));
        assert_eq!(verdict, Verdict::Inconclusive);
        assert_eq!(
            why,
            "ask: success_rate >= 99% could not be judged during the fault: 100% of the samples are no evidence"
        );
    }

    #[test]
    fn a_probe_that_never_spoke_during_the_fault_is_no_pass() {
        let story = Story::slow_generator().also(expecting(prometheus("depth"), &["value <= 10"]), |_| 1.0);
        assert_eq!(verdict(&story.fault_seconds(2.0)).0, Verdict::Inconclusive, "two samples, three needed");
    }

    #[test]
    fn what_only_seems_to_hold_is_no_pass() {
        let short = Story::slow_generator().fault_seconds(5.0);
        let (verdict, why) = verdict(&short);
        assert_eq!(verdict, Verdict::Inconclusive);
        let open = "200 samples leave 98.12% to 100% open; about 381 samples like these would say";
        assert_eq!(why, format!("ask: success_rate >= 99% could not be judged during the fault: {open}"));
    }

    #[test]
    fn a_record_that_breaks_off_decides_nothing() {
        let (verdict, why) = verdict(&Story::slow_generator().breaking_off());
        assert_eq!(verdict, Verdict::Inconclusive);
        assert!(why.contains("breaks off"), "{why}");
    }
}

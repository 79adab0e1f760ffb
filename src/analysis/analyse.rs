//! From a run to its findings.

use std::time::Duration;

use super::advice::{self, Case};
use super::bad::BadEvents;
use super::degradation::Phases;
use super::findings::{
    Analysis, Detection, ExpectationFindings, LatencyFindings, Level, PhaseFindings, ProbeFindings, RecoveryFindings,
    RecoveryStatus, Standing,
};
use super::impact::{self, DRIFT};
use super::impact_point::degradation;
use super::injected::{Injected, doses};
use super::judge::judge;
use super::recovery::RecoveryWatch;
use super::run::Run;
use super::tally::{Estimate, Tally};
use super::verdict::Facts;
use super::window::{self, Window, samples_in};
use crate::model::expectation::Expectation;
use crate::model::phase::Phase;
use crate::model::probe::ProbeSpec;
use crate::model::sample::Sample;

/// One probe, and what it saw in each phase.
pub(super) struct Seen<'a> {
    run: &'a Run,
    pub(super) place: usize,
    pub(super) probe: &'a ProbeSpec,
    pub(super) bad: BadEvents,
    pub(super) baseline: Tally,
    pub(super) fault: Tally,
    pub(super) after: Tally,
    /// When the samples behind `baseline` and `fault` were to be taken.
    windows: [Vec<Window>; 2],
    /// The rates at which samples were taken before and during, a second.
    pub(super) rates: [f64; 2],
}

impl<'a> Seen<'a> {
    /// The samples behind `baseline` and `fault`, in their order. They are looked up each time: to keep a list of a million
    /// of them would take as much memory as a third of the samples themselves.
    pub(super) fn samples(&self) -> [Vec<&'a Sample>; 2] {
        samples(self.run, self.place, &self.windows)
    }

    /// The load was not the same before and during, as far as that can be told.
    pub(super) fn drifted(&self) -> bool {
        let enough = self.baseline.total >= 30 && self.fault.total >= 30;
        enough && (self.rates[1] / self.rates[0] - 1.0).abs() > DRIFT
    }
}

/// Analyses a finished run, or what is there of one that broke off.
pub fn analyse(run: &Run) -> Analysis {
    let baseline = window::baseline(run).map(Window::settled);
    let bad = learn(run);
    let detection = super::detection::detect(run, &bad);
    let recovery = recovery(run, &bad, detection.as_ref());
    let seen = look(run, baseline, bad, &recovery);
    let mut probes: Vec<ProbeFindings> = seen.iter().map(findings).collect();
    impact::confirm(&mut probes);
    let doses = doses(run);
    let (lost, downtimes): (Vec<usize>, Vec<Duration>) = seen.iter().map(|seen| lost(run, seen)).unzip();
    let (verdict, reasons) = Facts { run, probes: &probes, doses: &doses, recovery: &recovery }.verdict();
    let (impact, impact_point) = impact::impact(run, &probes, recovery.status, verdict);
    let mut analysis = Analysis {
        verdict,
        reasons,
        impact,
        impact_point,
        probes,
        detection,
        downtime: downtimes.into_iter().max().unwrap_or_default(),
        lost_requests: lost.into_iter().sum(),
        breach_to_rollback: breach_to_rollback(run),
        recovery,
        doses,
        advice: Vec::new(),
    };
    let injected = Injected::of(run, &analysis.doses);
    analysis.advice = advice::all(&Case { run, seen: &seen, injected, analysis: &analysis });
    analysis
}

/// What the probes of a run saw.
pub(super) fn seen(run: &Run) -> Vec<Seen<'_>> {
    let baseline = window::baseline(run).map(Window::settled);
    let bad = learn(run);
    let recovery = recovery(run, &bad, super::detection::detect(run, &bad).as_ref());
    look(run, baseline, bad, &recovery)
}

/// From the whole baseline, as the runner's watch does: the margin is left out of estimates only.
fn learn(run: &Run) -> Vec<BadEvents> {
    let windows: Vec<Window> = window::baseline(run).into_iter().collect();
    let probes = run.experiment().steady_state.iter().enumerate();
    let learn = |(place, probe): (usize, &ProbeSpec)| {
        BadEvents::learn(probe, &run.baseline_in(place, &windows).collect::<Vec<_>>())
    };
    probes.map(learn).collect()
}

fn look<'a>(run: &'a Run, baseline: Option<Window>, bad: Vec<BadEvents>, recovery: &RecoveryFindings) -> Vec<Seen<'a>> {
    let baseline: Vec<Window> = baseline.into_iter().collect();
    let fault: Vec<Window> = window::faults(run).into_iter().map(Window::settled).collect();
    let after: Vec<Window> = window::recovery(run).map(|window| settled_since(window, recovery)).into_iter().collect();
    let probes = run.experiment().steady_state.iter().zip(bad).enumerate();
    let seconds = |windows: &[Window]| windows.iter().map(|window| window.length().as_secs_f64()).sum::<f64>();
    let windows = [baseline, fault];
    let look = |(place, (probe, bad)): (usize, (&'a ProbeSpec, BadEvents))| {
        let samples = samples(run, place, &windows);
        let rates = [0, 1].map(|phase: usize| samples[phase].len() as f64 / seconds(&windows[phase]));
        let [before, during] = [0, 1].map(|phase: usize| Tally::of(probe, samples[phase].iter().copied()));
        let after = Tally::of(probe, samples_in(&run.samples, place, &after));
        Seen { run, place, probe, bad, baseline: before, fault: during, after, windows: windows.clone(), rates }
    };
    probes.map(look).collect()
}

fn samples<'a>(run: &'a Run, place: usize, [baseline, fault]: &[Vec<Window>; 2]) -> [Vec<&'a Sample>; 2] {
    [run.baseline_in(place, baseline).collect(), samples_in(&run.samples, place, fault).collect()]
}

/// What counts as "after": from the recovery on; all of it where there was none.
fn settled_since(window: Window, recovery: &RecoveryFindings) -> Window {
    Window { from: recovery.recovered_at.map_or(window.from, |at| at.clamp(window.from, window.to)), ..window }
}

fn findings(seen: &Seen<'_>) -> ProbeFindings {
    let mut expectations: Vec<ExpectationFindings> =
        seen.probe.expect.iter().map(|expectation| row(seen, expectation)).collect();
    let [baseline, fault] = seen.samples();
    let phases = Phases { baseline: &baseline, fault: &fault };
    impact::rows(seen.probe, &mut expectations, phases, seen.drifted());
    ProbeFindings {
        name: seen.probe.name.clone(),
        kind: seen.probe.kind.word().to_owned(),
        expectations,
        baseline: phase(&seen.baseline),
        fault: phase(&seen.fault),
        recovery: phase(&seen.after),
    }
}

fn row(seen: &Seen<'_>, expectation: &Expectation) -> ExpectationFindings {
    let [baseline, fault, recovery] = [&seen.baseline, &seen.fault, &seen.after].map(|tally| judge(expectation, tally));
    let comparable = |seems| matches!(seems, Standing::Held | Standing::Deviated);
    let degradation = (comparable(baseline.seems) && comparable(fault.seems))
        .then(|| degradation(expectation, &baseline, &fault))
        .flatten();
    ExpectationFindings {
        expected: expectation.text.clone(),
        result: fault.result,
        degradation,
        compared: None,
        level: Level::Inconclusive,
        level_why: None,
        baseline,
        fault,
        recovery,
    }
}

fn phase(tally: &Tally) -> PhaseFindings {
    let latency =
        |q| tally.latency(q).map(|Estimate { number, at_least, .. }| LatencyFindings { seconds: number, at_least });
    PhaseFindings {
        samples: tally.total,
        errors: tally.errors.clone(),
        blind: tally.blind.clone(),
        p50: latency(0.5),
        p95: latency(0.95),
        p99: latency(0.99),
    }
}

fn recovery(run: &Run, bad: &[BadEvents], detection: Option<&Detection>) -> RecoveryFindings {
    let objective = run.experiment().recovery.within.0;
    let verified_undo = run.verified_undo();
    let mut findings = RecoveryFindings {
        status: RecoveryStatus::NotMeasured,
        objective,
        verified_undo,
        recovered_at: None,
        time_to_recover: None,
        rto: None,
        time_to_recover_longer_than: None,
        rto_longer_than: None,
        self_healed: false,
        relapses: 0,
    };
    let Some(window) = window::recovery(run) else { return findings };
    let watch = watch(run, bad, window);
    findings.relapses = watch.relapses();
    // The runner may know of a failure that no sample shows, and may have had to end the wait.
    let accepted = run.recovery_ended.is_some_and(|end| end.recovered);
    let recovered = watch.recovered().filter(|at| accepted && *at <= window.from + objective);
    findings.status = if recovered.is_some() { RecoveryStatus::Recovered } else { RecoveryStatus::NotRecovered };
    let healed = recovered.filter(|_| watch.relapses() == 0).and(healed_before(run, bad, detection));
    findings.self_healed = healed.is_some();
    findings.recovered_at = healed.or(recovered);
    findings.time_to_recover = findings.recovered_at.zip(verified_undo).map(|(at, undo)| at.saturating_sub(undo));
    findings.rto = findings.recovered_at.zip(detection).map(|(at, detection)| at.saturating_sub(detection.onset));
    if findings.status == RecoveryStatus::NotRecovered {
        // What was asked for, or what was watched of it: never a moment at which nobody looked.
        let watched = window.length().min(objective);
        findings.time_to_recover_longer_than = Some(watched);
        let until = window.from + watched;
        findings.rto_longer_than = detection.map(|detection| until.saturating_sub(detection.onset));
    }
    findings
}

fn watch(run: &Run, bad: &[BadEvents], window: Window) -> RecoveryWatch {
    let mut watch = RecoveryWatch::knowing(&run.experiment().steady_state, bad.to_vec());
    run.samples.iter().filter(|sample| window.contains(sample.intended())).for_each(|sample| watch.see(sample));
    watch
}

/// When the system was good again while a fault was still active, after it had been bad; none without both.
fn healed_before(run: &Run, bad: &[BadEvents], detection: Option<&Detection>) -> Option<Duration> {
    let end = window::faults(run).last()?.to;
    let onset = detection?.onset;
    watch(run, bad, Window::new(onset, end)).recovered().filter(|at| *at > onset)
}

/// The failed samples of a probe from the first fault to the end of recovery, and the time they stand for.
fn lost(run: &Run, seen: &Seen<'_>) -> (usize, Duration) {
    let Some(first) = window::faults(run).first().copied() else { return (0, Duration::ZERO) };
    let end = run.phase(Phase::Recovery).map_or(run.last, |span| span.end);
    let failed = |sample: &&Sample| sample.outcome().is_error();
    let count = samples_in(&run.samples, seen.place, &[Window::new(first.from, end)]).filter(failed).count();
    (count, seen.probe.interval.0.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)))
}

fn breach_to_rollback(run: &Run) -> Option<Duration> {
    let stop = run.stop.as_ref()?;
    run.rolled_back_at.map(|at| at.saturating_sub(stop.first_bad))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::analyse;
    use crate::analysis::findings::{RecoveryStatus, Standing};
    use crate::analysis::testing::Story;
    use crate::analysis::{Run, baseline_problems};
    use crate::model::event::{Event, EventKind};
    use crate::model::phase::Phase;
    use crate::model::sample::{Measurement, Outcome, Sample};

    fn outage_for(samples: usize) -> impl Fn(usize) -> (f64, Outcome) {
        move |i| if i < samples { (0.2, Outcome::Refused) } else { (2.0, Outcome::Ok) }
    }

    #[test]
    fn each_phase_has_its_own_numbers() {
        let analysis = analyse(&Story::slow_generator().fault(|_| (412.0, Outcome::Ok)).tell());
        let row = &analysis.probes[0].expectations[1];
        let shown = [&row.baseline, &row.fault, &row.recovery].map(|actual| actual.shown.as_str());
        assert_eq!(shown, ["2ms", "412ms", "2ms"]);
        let results = [&row.baseline, &row.fault, &row.recovery].map(|actual| actual.result);
        assert_eq!(results, [Standing::Held, Standing::Deviated, Standing::Held]);
        assert!(row.degradation.is_some_and(|d| (d - 205.0).abs() < 1e-9), "{row:?}");
    }

    /// The fault broke what was still under way when the baseline had been judged.
    #[test]
    fn before_is_what_was_known_when_the_baseline_was_judged() {
        let mut events = Story::slow_generator().events();
        let judged = events.iter().position(|event| matches!(event.kind, EventKind::BaselineJudged { .. }));
        let judged = judged.expect("it was judged");
        let late = (0..30_u64).map(|n| {
            let due = Duration::from_millis(10_901 + 2 * n);
            let done = due + Duration::from_millis(200);
            let broken = Measurement::failed(Outcome::Broken, "broken");
            Event { at: done, kind: EventKind::Sample(Sample::new(0, Phase::Baseline, [due, due, done], broken)) }
        });
        events.splice(judged + 1..judged + 1, late);
        let run = Run::fold(&events).expect("it has its header");
        let before = &analyse(&run).probes[0].baseline;
        assert_eq!((before.samples, before.errors.len()), (450, 0));
        let window = (Duration::from_secs(1), Duration::from_secs(11));
        let judged_again =
            baseline_problems(run.experiment(), &run.baseline().cloned().collect::<Vec<_>>(), window.0, window.1);
        assert_eq!(Some(judged_again), run.baseline_problems, "the same as live");
    }

    #[test]
    fn time_to_recover_counts_from_the_verified_undo_and_the_rto_from_the_first_bad_event() {
        let story = Story::slow_generator().fault(outage_for(500)).after(10.0, outage_for(100));
        let recovery = analyse(&story.tell()).recovery;
        assert_eq!(recovery.status, RecoveryStatus::Recovered);
        assert_eq!(recovery.time_to_recover.map(|time| time.as_millis()), Some(1990), "2 s from the start of the undo");
        assert_eq!(recovery.rto.map(|time| time.as_millis()), Some(12_000));
        assert!(!recovery.self_healed);
    }

    #[test]
    fn what_did_not_recover_took_longer_than_it_was_watched() {
        let story = Story::slow_generator().fault(outage_for(500)).after(20.0, outage_for(2000)).not_recovered();
        let recovery = analyse(&story.tell()).recovery;
        assert_eq!((recovery.time_to_recover, recovery.rto), (None, None));
        assert_eq!(recovery.time_to_recover_longer_than.map(|time| time.as_secs()), Some(15), "the objective");
        assert_eq!(recovery.rto_longer_than.map(|time| time.as_millis()), Some(25_010), "and ten seconds of fault");
    }

    #[test]
    fn a_system_that_is_good_again_before_the_undo_healed_itself() {
        let recovery = analyse(&Story::slow_generator().fault(outage_for(100)).tell()).recovery;
        assert!(recovery.self_healed);
        assert_eq!(recovery.time_to_recover.map(|time| time.as_millis()), Some(0));
        assert_eq!(recovery.rto.map(|time| time.as_millis()), Some(2000));
    }

    #[test]
    fn lost_requests_and_downtime_are_counted_until_recovery() {
        let story = Story::slow_generator().fault(outage_for(50)).after(5.0, outage_for(25));
        let analysis = analyse(&story.tell());
        assert_eq!((analysis.lost_requests, analysis.downtime.as_millis()), (75, 1500));
    }

    #[test]
    fn after_means_since_the_recovery() {
        let story = Story::slow_generator().fault(outage_for(500)).after(10.0, outage_for(100));
        let after = &analyse(&story.tell()).probes[0].recovery;
        assert_eq!((after.samples, after.errors.len()), (400, 0));
    }

    #[test]
    fn an_error_is_told_in_the_words_of_the_probe() {
        let mut events = Story::slow_generator().events();
        let words = ["connection reset", "connection refused", "connection refused"];
        let samples = events.iter_mut().filter_map(|event| match &mut event.kind {
            EventKind::Sample(sample) if sample.phase() == Phase::Baseline => Some(sample),
            _ => None,
        });
        for (sample, words) in samples.skip(100).zip(words) {
            *sample = sample.but(Measurement::failed(Outcome::Refused, words));
        }
        let analysis = analyse(&Run::fold(&events).expect("it has its header"));
        let errors = &analysis.probes[0].baseline.errors;
        assert_eq!((errors[0].count, errors[0].example.as_deref()), (3, Some("connection refused")));
    }

    #[test]
    fn a_stream_cut_at_any_event_is_analysed_without_complaint() {
        let events: Vec<Event> = Story::slow_generator().fault(outage_for(30)).events();
        for length in (1..events.len()).step_by(97).chain(events.len() - 20..events.len()) {
            let run = Run::fold(&events[..length]).expect("it has its header");
            assert_eq!(analyse(&run).verdict.exit_code(), 6, "after {length} events");
        }
    }
}

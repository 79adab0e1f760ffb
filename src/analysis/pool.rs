//! Several runs of one experiment, judged together.
//!
//! Each run is a block of its own: its fault is compared with its own baseline, batches never span two runs, and nothing
//! is taken for granted about how much one run is like the next. That is measured ([`super::batches::over_runs`],
//! [`super::judge::judge_runs`]), and of the two intervals, from the samples within the runs and from the differences
//! between the runs, the wider one counts. So runs that agree give a tighter interval than one of them, and runs that do
//! not agree a wider one.
//!
//! What every run showed alone is shown. What one run showed not to hold did not hold: more runs make more certain, they
//! forgive nothing. What no run could show alone is shown by all of them together, if they agree.

use super::analyse::{Seen, seen};
use super::degradation::Phases;
use super::findings::{Analysis, ExpectationFindings, Impact, Level, RecoveryStatus, Standing};
use super::judge::judge_runs;
use super::run::Run;
use super::tally::Tally;
use super::{impact, verdict};
use crate::model::expectation::Expectation;
use crate::model::sample::Sample;
use crate::model::verdict::{Verdict, worst_code};

/// What runs of one experiment say together.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Pool {
    /// The verdict of all runs.
    pub verdict: Verdict,
    /// Why, the decisive reason first; never empty.
    pub reasons: Vec<String>,
    /// How hard it hit, as far as the samples of all runs confirm it.
    pub impact: Impact,
    /// How many runs were pooled: those that came to their end with their fault in effect.
    pub pooled: usize,
    /// How many there were.
    pub of: usize,
    /// The expectations of each probe, in the order of the file; empty where fewer than two runs could be pooled.
    pub probes: Vec<PooledProbe>,
}

/// One probe over all runs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PooledProbe {
    /// Its name.
    pub name: String,
    /// One row for each expectation.
    pub expectations: Vec<PooledRow>,
}

/// One expectation over all runs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PooledRow {
    /// Over all runs; nothing is told of recovery, which each run has its own of.
    #[serde(flatten)]
    pub all: ExpectationFindings,
    /// What each run measured during the fault, for people.
    pub runs: Vec<String>,
    /// What each run said alone.
    pub alone: Vec<Standing>,
}

/// Judges runs of one experiment together. None of no run.
pub fn pool(runs: &[(&Run, &Analysis)]) -> Option<Pool> {
    let (first, _) = runs.first()?;
    let ended =
        |analysis: &Analysis| matches!(analysis.verdict, Verdict::Held | Verdict::Deviated | Verdict::Inconclusive);
    let pooled: Vec<&Run> = runs.iter().filter(|(run, found)| run.ended && ended(found)).map(|(run, _)| *run).collect();
    let probes = if pooled.len() < 2 { Vec::new() } else { probes(first, &pooled) };
    let (verdict, reasons) = judged(runs, &pooled, &probes);
    let impact = of_all(runs, &probes);
    Some(Pool { verdict, reasons, impact, pooled: pooled.len(), of: runs.len(), probes })
}

fn probes(first: &Run, runs: &[&Run]) -> Vec<PooledProbe> {
    let seen: Vec<Vec<Seen<'_>>> = runs.iter().map(|run| seen(run)).collect();
    let specs = first.experiment().steady_state.iter().enumerate();
    let mut probes: Vec<PooledProbe> = specs
        .map(|(place, probe)| {
            let blocks: Vec<&Seen<'_>> = seen.iter().filter_map(|run| run.get(place)).collect();
            let expectations = probe.expect.iter().map(|expectation| row(expectation, &blocks)).collect();
            PooledProbe { name: probe.name.clone(), expectations }
        })
        .collect();
    confirm(&mut probes);
    probes
}

fn row(expectation: &Expectation, blocks: &[&Seen<'_>]) -> PooledRow {
    let samples: Vec<[Vec<&Sample>; 2]> = blocks.iter().map(|seen| seen.samples()).collect();
    let [before, during] = [0, 1].map(|phase: usize| {
        let runs: Vec<&Tally> = blocks.iter().map(|seen| [&seen.baseline, &seen.fault][phase]).collect();
        let all = samples.iter().flat_map(|samples| samples[phase].iter().copied());
        judge_runs(expectation, &together(Tally::of(blocks[0].probe, all), &runs), &runs)
    });
    let phases: Vec<Phases<'_>> = samples.iter().map(|[baseline, fault]| Phases { baseline, fault }).collect();
    let drifted = blocks.iter().any(|seen| seen.drifted());
    let alone: Vec<_> = blocks.iter().map(|seen| super::judge::judge(expectation, &seen.fault)).collect();
    PooledRow {
        runs: alone.iter().map(|actual| actual.shown.clone()).collect(),
        alone: alone.iter().map(|actual| actual.result).collect(),
        all: ExpectationFindings {
            expected: expectation.text.clone(),
            result: during.result,
            degradation: None,
            compared: impact::compared(blocks[0].probe, expectation, &phases, drifted),
            level: Level::Inconclusive,
            level_why: None,
            recovery: super::findings::Actual::missing(Standing::NotMeasured, "each run has its own"),
            baseline: before,
            fault: during,
        },
    }
}

/// The samples of all runs. The spread of a mean is made of those of the runs, as no batch spans two of them.
fn together(mut pooled: Tally, runs: &[&Tally]) -> Tally {
    let spread = |of: fn(&Tally) -> (usize, f64)| {
        let all: usize = runs.iter().map(|run| of(run).0).sum();
        let parts = runs.iter().map(|run| of(run)).filter(|(count, _)| *count > 0);
        parts.map(|(count, half)| (half * count as f64 / all as f64).powi(2)).sum::<f64>().sqrt()
    };
    pooled.latency_spread = spread(|run| (run.latencies.len(), run.latency_spread));
    pooled.value_spread = spread(|run| (run.values.len(), run.value_spread));
    pooled
}

/// Levels, with all metrics taken together.
fn confirm(probes: &mut [PooledProbe]) {
    let rows = |probe: &PooledProbe| probe.expectations.iter().map(|row| row.all.clone()).collect();
    let mut findings: Vec<super::findings::ProbeFindings> =
        probes.iter().map(|probe| super::findings::ProbeFindings::of_rows(&probe.name, rows(probe))).collect();
    impact::confirm(&mut findings);
    for (probe, found) in probes.iter_mut().zip(findings) {
        for (row, all) in probe.expectations.iter_mut().zip(found.expectations) {
            row.all = all;
        }
    }
}

/// The worst of what the runs showed alone and of what they show together.
fn judged(runs: &[(&Run, &Analysis)], pooled: &[&Run], probes: &[PooledProbe]) -> (Verdict, Vec<String>) {
    let decides = |verdict: Verdict| !matches!(verdict, Verdict::Held | Verdict::Inconclusive);
    let worst =
        worst_code(runs.iter().filter(|(_, found)| decides(found.verdict)).map(|(_, found)| found.verdict.exit_code()));
    let alone =
        runs.iter().zip(1..).find(|((_, found), _)| decides(found.verdict) && found.verdict.exit_code() == worst);
    if let Some(((_, found), number)) = alone {
        let of = format!("run {number} of {}: ", runs.len());
        return (found.verdict, found.reasons.iter().map(|reason| format!("{of}{reason}")).collect());
    }
    if pooled.len() < 2 {
        let why = format!("{} of {} runs can be judged, which is too few to judge together", pooled.len(), runs.len());
        return match runs {
            [(_, found)] => (found.verdict, found.reasons.clone()),
            _ => (Verdict::Inconclusive, vec![why]),
        };
    }
    let rows = || probes.iter().flat_map(|probe| probe.expectations.iter().map(move |row| (probe, &row.all)));
    let deviated = rows().filter(|(_, row)| row.result == Standing::Deviated);
    let deviated: Vec<String> =
        deviated.map(|(probe, row)| verdict::deviation(&probe.name, row, "over all runs")).collect();
    if !deviated.is_empty() {
        return (Verdict::Deviated, deviated);
    }
    let phases = rows().flat_map(|(probe, row)| {
        [(probe, row, &row.fault, "during the fault"), (probe, row, &row.baseline, "before the fault")]
    });
    let open = phases.filter(|(.., actual, _)| actual.result != Standing::Held);
    let open: Vec<String> = open
        .map(|(probe, row, actual, when)| {
            let why = actual.why.as_deref().unwrap_or("not enough samples");
            format!("{}: {} could not be judged {when}, over all runs: {why}", probe.name, row.expected)
        })
        .collect();
    match open.is_empty() {
        true => (Verdict::Held, vec![format!("every expectation held in {} runs judged together", pooled.len())]),
        false => (Verdict::Inconclusive, open),
    }
}

/// The worst of a run alone where that is critical, else what all together confirm.
fn of_all(runs: &[(&Run, &Analysis)], probes: &[PooledProbe]) -> Impact {
    let critical = runs.iter().zip(1..).find(|((_, found), _)| {
        found.impact.level == Level::Critical || found.recovery.status == RecoveryStatus::NotRecovered
    });
    if let Some(((_, found), number)) = critical {
        return Impact { why: format!("run {number} of {}: {}", runs.len(), found.impact.why), ..found.impact.clone() };
    }
    let rows = |probe: &PooledProbe| probe.expectations.iter().map(|row| row.all.clone()).collect();
    let findings: Vec<_> =
        probes.iter().map(|probe| super::findings::ProbeFindings::of_rows(&probe.name, rows(probe))).collect();
    impact::measured(&findings)
}

#[cfg(test)]
mod tests {
    use super::{Pool, pool};
    use crate::analysis::findings::{Analysis, Level, Standing};
    use crate::analysis::testing::Story;
    use crate::analysis::{Run, analyse};
    use crate::model::sample::Outcome;
    use crate::model::verdict::Verdict;

    fn pooled(stories: &[Story]) -> Pool {
        let runs: Vec<Run> = stories.iter().map(Story::tell).collect();
        let analyses: Vec<Analysis> = runs.iter().map(analyse).collect();
        pool(&runs.iter().zip(&analyses).collect::<Vec<_>>()).expect("runs")
    }

    fn slow(millis: f64) -> Story {
        Story::slow_generator().fault(move |i| (millis * (1.0 + (i * 7919 % 1009) as f64 / 5045.0), Outcome::Ok))
    }

    #[test]
    fn runs_that_agree_show_together_what_none_shows_alone() {
        let short = || Story::slow_generator().fault_seconds(5.0);
        assert_eq!(analyse(&short().tell()).verdict, Verdict::Inconclusive, "200 samples are too few for 99%");
        let found = pooled(&[short(), short()]);
        assert_eq!((found.verdict, found.pooled, found.of), (Verdict::Held, 2, 2), "{:?}", found.reasons);
        let row = &found.probes[0].expectations[0];
        assert_eq!((row.alone.as_slice(), row.all.fault.samples), ([Standing::Inconclusive; 2].as_slice(), 400));
    }

    #[test]
    fn a_run_that_deviated_is_not_made_good_by_the_others() {
        let mut stories: Vec<Story> = (0..5).map(|_| Story::slow_generator()).collect();
        stories.insert(3, slow(412.0));
        let found = pooled(&stories);
        assert_eq!(found.verdict, Verdict::Deviated);
        let why = &found.reasons[0];
        assert!(why.starts_with("run 4 of 6: ask: expected p95 <= 250ms, got 4"), "{why}");
        assert_eq!(found.probes[0].expectations[1].all.result, Standing::Deviated);
    }

    #[test]
    fn what_the_runs_differ_by_widens_the_interval() {
        let interval = |found: &Pool| {
            let compared = found.probes[0].expectations[1].all.compared.as_ref().expect("compared");
            (compared.low.expect("a bound"), compared.high.expect("a bound"))
        };
        let alike = pooled(&[slow(8.0), slow(8.0), slow(8.0)]);
        let unlike = pooled(&[slow(4.0), slow(8.0), slow(16.0)]);
        let ((low, high), (lower, higher)) = (interval(&alike), interval(&unlike));
        assert!(high - low < 0.5 && low > 2.0, "{low} to {high}");
        assert!(lower < 1.0 && higher > 10.0, "three runs like these leave more open: {lower} to {higher}");
        let p95 = &unlike.probes[0].expectations[1].all.fault;
        assert_eq!(p95.result, Standing::Held, "it held in each of them");
        assert!(p95.high.is_some_and(|high| high > 0.05), "and the next one may differ: {p95:?}");
    }

    #[test]
    fn runs_that_showed_nothing_are_told_and_not_pooled() {
        let unsteady = || Story::slow_generator().unsteady(&["ask: p95 <= 250ms, measured 412ms"]);
        let found = pooled(&[Story::slow_generator(), unsteady(), Story::slow_generator()]);
        assert_eq!((found.verdict, found.pooled, found.of), (Verdict::NotSteady, 2, 3));
        assert!(found.reasons[0].starts_with("run 2 of 3: nothing was injected"), "{:?}", found.reasons);
        let one = pooled(&[Story::slow_generator()]);
        assert_eq!((one.verdict, one.probes.len()), (Verdict::Held, 0));
        assert!(pool(&[]).is_none());
    }

    #[test]
    fn one_critical_run_is_a_critical_impact() {
        let lost = |_| (0.2, Outcome::Refused);
        let found =
            pooled(&[Story::slow_generator(), Story::slow_generator().fault(lost).after(20.0, lost).not_recovered()]);
        assert_eq!((found.verdict, found.impact.level), (Verdict::NotRecovered, Level::Critical));
        assert!(found.impact.why.starts_with("run 2 of 2: "), "{}", found.impact.why);
    }
}

//! What changed from one run to another: expectation by expectation, and as a whole.

use serde::Serialize;

use super::findings::{Actual, Analysis, ExpectationFindings, Level, ProbeFindings, RecoveryStatus, Standing};
use super::run::Run;
use crate::model::expectation::{Expectation, Must, Operator};
use crate::model::verdict::Verdict;

/// A finished run and what it says.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The run.
    pub run: &'a Run,
    /// What it says.
    pub analysis: &'a Analysis,
}

/// What changed from run `a` to run `b`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The run that is compared with.
    pub a: Side,
    /// The run that is compared.
    pub b: Side,
    /// What makes the two hard to compare; empty when nothing does.
    pub doubts: Vec<String>,
    /// Every expectation before and during the fault, in the order of the files.
    pub metrics: Vec<MetricChange>,
    /// What got worse for sure, a line each.
    pub regressions: Vec<String>,
    /// What got better for sure, a line each.
    pub improvements: Vec<String>,
}

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Its id.
    pub run: String,
    /// The experiment's name.
    pub experiment: String,
    /// How it ended.
    pub verdict: Verdict,
    /// How hard it hit.
    pub impact: Level,
    /// From the verified undo, in seconds.
    pub time_to_recover_s: Option<f64>,
}

/// One expectation in one phase of both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricChange {
    /// The probe.
    pub probe: String,
    /// The expectation as written.
    pub expected: String,
    /// Which phase.
    pub when: When,
    /// In the run that is compared with; absent when it has no such expectation.
    pub a: Option<Measured>,
    /// In the run that is compared.
    pub b: Option<Measured>,
    /// What became of it.
    pub change: Change,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// For people.
    pub shown: String,
    /// Seconds, share, bytes or the value's own unit.
    pub number: Option<f64>,
    /// The lower end of its 95 % interval, where it has one.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// Whether it was as expected.
    pub result: Standing,
}

/// A phase that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before the fault.
    Before,
    /// While it was active.
    During,
}

/// What became of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The same number.
    Same,
    /// Better for sure: the intervals do not meet, or it holds now.
    Better,
    /// Worse for sure: the intervals do not meet, or it does not hold any more.
    Worse,
    /// Another number, and that may be chance.
    Unclear,
    /// One of the runs has no number for it.
    Unknown,
}

impl Change {
    /// The word people read.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Unclear => "may be chance",
            Self::Unknown => "not comparable",
        }
    }
}

/// Compares two runs; `a` is the one from before.
pub fn compare(a: Told<'_>, b: Told<'_>) -> Comparison {
    let metrics = metrics(a, b);
    let mut comparison = Comparison {
        a: side(a),
        b: side(b),
        doubts: doubts(a, b),
        metrics,
        regressions: Vec::new(),
        improvements: Vec::new(),
    };
    comparison.regressions = sure(a, b, &comparison.metrics, Change::Worse);
    comparison.improvements = sure(b, a, &comparison.metrics, Change::Better);
    comparison
}

fn side(told: Told<'_>) -> Side {
    Side {
        run: told.run.header.run.clone(),
        experiment: told.run.experiment().name.clone(),
        verdict: told.analysis.verdict,
        impact: told.analysis.impact.level,
        time_to_recover_s: told.analysis.recovery.time_to_recover.map(|time| time.as_secs_f64()),
    }
}

fn doubts(a: Told<'_>, b: Told<'_>) -> Vec<String> {
    let (one, other) = (a.run.experiment(), b.run.experiment());
    let different = [
        (one.name != other.name, "the experiments have different names"),
        (one.faults != other.faults, "the faults are not the same"),
        (a.run.header.mode != b.run.header.mode, "one of them only observed"),
        (a.run.header.tool != b.run.header.tool, "the versions of chaos are not the same"),
        (!a.run.ended || !b.run.ended, "the record of one of them breaks off"),
    ];
    different.into_iter().filter(|(so, _)| *so).map(|(_, why)| why.to_owned()).collect()
}

type Row<'a> = (&'a ProbeFindings, &'a ExpectationFindings);

fn rows(analysis: &Analysis) -> impl Iterator<Item = Row<'_>> {
    analysis.probes.iter().flat_map(|probe| probe.expectations.iter().map(move |row| (probe, row)))
}

fn is_same(one: &Row<'_>, other: &Row<'_>) -> bool {
    one.0.name == other.0.name && one.1.expected == other.1.expected
}

fn metrics(a: Told<'_>, b: Told<'_>) -> Vec<MetricChange> {
    let both = rows(b.analysis).map(|row| (rows(a.analysis).find(|other| is_same(other, &row)), Some(row)));
    let gone = rows(a.analysis).filter(|row| !rows(b.analysis).any(|other| is_same(&other, row)));
    let pairs = both.chain(gone.map(|row| (Some(row), None)));
    pairs
        .flat_map(|(one, other)| [When::Before, When::During].map(|when| change(a.run, b.run, one, other, when)))
        .collect()
}

fn change(run_a: &Run, run_b: &Run, a: Option<Row<'_>>, b: Option<Row<'_>>, when: When) -> MetricChange {
    let (probe, row) = b.or(a).map_or_else(Default::default, |(probe, row)| (probe.name.clone(), row.expected.clone()));
    let run = if b.is_some() { run_b } else { run_a };
    let expectation = expectation(run, &probe, &row);
    let of = |side: Option<Row<'_>>| side.map(|(_, row)| measured(actual(row, when)));
    let (a, b) = (of(a), of(b));
    let change = match (&a, &b, expectation) {
        (Some(a), Some(b), Some(expectation)) => judge(&expectation.must, a, b),
        _ => Change::Unknown,
    };
    MetricChange { probe, expected: row, when, a, b, change }
}

fn actual(row: &ExpectationFindings, when: When) -> &Actual {
    match when {
        When::Before => &row.baseline,
        When::During => &row.fault,
    }
}

fn expectation<'a>(run: &'a Run, probe: &str, text: &str) -> Option<&'a Expectation> {
    let probe = run.experiment().steady_state.iter().find(|spec| spec.name == probe)?;
    probe.expect.iter().find(|expectation| expectation.text == text)
}

fn measured(actual: &Actual) -> Measured {
    let Actual { shown, number, low, high, result, .. } = actual;
    Measured { shown: shown.clone(), number: *number, low: *low, high: *high, result: *result }
}

fn judge(must: &Must, a: &Measured, b: &Measured) -> Change {
    match (a.result, b.result) {
        (Standing::Held, Standing::Deviated) => return Change::Worse,
        (Standing::Deviated, Standing::Held) => return Change::Better,
        _ => {}
    }
    let (Some(one), Some(other)) = (a.number, b.number) else { return Change::Unknown };
    if one == other {
        return Change::Same;
    }
    let apart = |low: &Measured, high: &Measured| low.high.zip(high.low).is_some_and(|(high, low)| high < low);
    if !apart(a, b) && !apart(b, a) {
        return Change::Unclear;
    }
    if is_worse(must, one, other) { Change::Worse } else { Change::Better }
}

fn is_worse(must: &Must, before: f64, after: f64) -> bool {
    match must {
        Must::Compare { operator: Operator::Less | Operator::AtMost, .. } => after > before,
        Must::Compare { .. } => after < before,
        Must::Within { centre, .. } => (after - centre.number()).abs() > (before - centre.number()).abs(),
    }
}

/// What is worse in `after` than in `before`, beside the metrics that changed so.
fn sure(before: Told<'_>, after: Told<'_>, metrics: &[MetricChange], change: Change) -> Vec<String> {
    let (one, other) = (before.analysis, after.analysis);
    let arrow = |from: &str, to: &str| match change {
        Change::Better => format!("{to} -> {from}"),
        _ => format!("{from} -> {to}"),
    };
    let mut lines = Vec::new();
    if rank(other.verdict) > rank(one.verdict) {
        lines.push(format!("verdict: {}", arrow(one.verdict.headline(), other.verdict.headline())));
    }
    let recovered = |analysis: &Analysis| analysis.recovery.status;
    if recovered(one) == RecoveryStatus::Recovered && recovered(other) == RecoveryStatus::NotRecovered {
        lines.push(format!("recovery: {}", arrow("recovered", "not recovered")));
    }
    let during = metrics.iter().filter(|metric| metric.when == When::During && metric.change == change);
    lines.extend(during.filter_map(|metric| {
        let (a, b) = (metric.a.as_ref()?, metric.b.as_ref()?);
        Some(format!("{}: {}: {} -> {}", metric.probe, metric.expected, a.shown, b.shown))
    }));
    lines
}

/// How bad it is; what says nothing is worse than what held.
const fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Held => 0,
        Verdict::Inconclusive | Verdict::Invalid | Verdict::Interrupted | Verdict::NotRun => 1,
        Verdict::NotSteady | Verdict::Deviated => 2,
        Verdict::Stopped => 3,
        Verdict::NotRecovered => 4,
        Verdict::Residue => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Comparison, Told, When, compare};
    use crate::analysis::analyse;
    use crate::analysis::testing::Story;
    use crate::model::sample::Outcome;

    fn compared(a: &Story, b: &Story) -> Comparison {
        let (a, b) = (a.tell(), b.tell());
        let (of_a, of_b) = (analyse(&a), analyse(&b));
        compare(Told { run: &a, analysis: &of_a }, Told { run: &b, analysis: &of_b })
    }

    fn slow() -> Story {
        Story::slow_generator().fault(|_| (412.0, Outcome::Ok))
    }

    /// Every so many-th answer is wrong.
    fn failing(every: usize) -> Story {
        Story::slow_generator().fault(move |i| (2.0, if i % every == 0 { Outcome::Wrong } else { Outcome::Ok }))
    }

    #[test]
    fn a_run_compared_with_itself_changed_in_nothing() {
        let same = compared(&slow(), &slow());
        assert!(same.metrics.iter().all(|metric| metric.change == Change::Same), "{same:?}");
        assert!(same.regressions.is_empty() && same.improvements.is_empty() && same.doubts.is_empty());
    }

    #[test]
    fn an_expectation_that_does_not_hold_any_more_is_a_regression_and_the_way_back_is_none() {
        let worse = compared(&Story::slow_generator(), &slow());
        assert_eq!(worse.regressions, ["verdict: HELD -> DEVIATED", "ask: p95 <= 250ms: 2ms -> 412ms"]);
        assert!(worse.improvements.is_empty(), "{worse:?}");
        let better = compared(&slow(), &Story::slow_generator());
        assert_eq!(better.improvements, ["verdict: DEVIATED -> HELD", "ask: p95 <= 250ms: 412ms -> 2ms"]);
        assert!(better.regressions.is_empty(), "{better:?}");
    }

    #[test]
    fn shares_change_for_sure_only_where_their_intervals_are_apart() {
        let change = |a: usize, b: usize| {
            let rate = |metric: &&super::MetricChange| metric.when == When::During && metric.expected.contains("rate");
            compared(&failing(a), &failing(b)).metrics.iter().find(rate).expect("the rate").clone()
        };
        let clear = change(20, 3);
        assert_eq!(clear.change, Change::Worse, "{clear:?}");
        let (a, b) = (clear.a.expect("measured"), clear.b.expect("measured"));
        assert!(a.low < a.number && a.number < a.high && b.high < a.low, "{a:?} {b:?}");
        assert_eq!(change(20, 19).change, Change::Unclear);
        assert_eq!(change(3, 20).change, Change::Better);
    }

    #[test]
    fn a_run_that_shows_nothing_is_no_proof_that_it_still_holds() {
        let blind = compared(&Story::slow_generator(), &Story::slow_generator().fault(|_| (2.0, Outcome::NoData)));
        assert_eq!(blind.regressions, ["verdict: HELD -> INCONCLUSIVE"]);
        assert!(blind.metrics.iter().any(|metric| metric.change == Change::Unknown));
    }

    #[test]
    fn an_expectation_of_one_run_only_is_shown_and_not_judged() {
        let more = Story::slow_generator().with(|experiment| experiment.steady_state[0].name = "other".into());
        let metrics = compared(&Story::slow_generator(), &more).metrics;
        assert_eq!(metrics.len(), 8);
        assert!(
            metrics.iter().all(|metric| metric.change == Change::Unknown && metric.a.is_some() != metric.b.is_some())
        );
    }

    #[test]
    fn what_makes_runs_hard_to_compare_is_told() {
        let doubts =
            compared(&Story::slow_generator(), &Story::failing_generator(1.0).observing().breaking_off()).doubts;
        assert_eq!(doubts.len(), 3, "{doubts:?}");
    }
}

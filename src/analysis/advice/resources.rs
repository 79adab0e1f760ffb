//! Rules about what a process uses.

use super::super::formulas::Z95;
use super::super::tally::{Tally, mean};
use super::{Case, Found, Seen, advice};
use crate::model::probe::{ProbeKind, ProcessMeasure};
use crate::model::statistics::wilson;
use crate::model::units::Share;

/// So many times the CPU time of before.
const BUSIER: f64 = 1.5;
/// Less of a core than this burns nothing.
const IDLE: f64 = 0.05;
/// Fewer readings than this show no level.
const ENOUGH: usize = 5;

/// R22: a process burns at least half as much CPU again while fewer requests are answered.
pub(super) fn r22_busy_for_nothing(case: &Case<'_>) -> Option<Found> {
    let (seen, before, during) = case.seen.iter().filter(|seen| reads_cpu(seen)).find_map(busier)?;
    let starved = case.seen.iter().filter(|seen| !seen.probe.kind.has_value()).find(|seen| {
        let answered = |tally: &Tally| wilson(tally.ok as u64, tally.evidence() as u64, Z95);
        seen.fault.evidence() > 0 && answered(&seen.fault).1 < answered(&seen.baseline).0
    })?;
    advice(
        "It works harder and answers less",
        format!(
            "{}: {} of a core before, {} during the fault; {}: {} of {} samples failed",
            seen.probe.name,
            shown(before),
            shown(during),
            starved.probe.name,
            starved.fault.failed(),
            starved.fault.evidence()
        ),
        "A hot retry loop, or a storm of logs: back off between attempts with jitter, cap them by a budget, and limit the \
         rate of what is logged.",
    )
}

fn reads_cpu(seen: &Seen<'_>) -> bool {
    matches!(&seen.probe.kind, ProbeKind::Process(process) if process.measure == ProcessMeasure::Cpu)
}

/// The mean CPU time before and during, where it surely rose by half.
fn busier<'a>(seen: &'a Seen<'a>) -> Option<(&'a Seen<'a>, f64, f64)> {
    let (before, during) = (mean(&seen.baseline.values)?, mean(&seen.fault.values)?);
    let enough = seen.baseline.values.len() >= ENOUGH && seen.fault.values.len() >= ENOUGH;
    let sure = during - seen.fault.value_spread >= BUSIER * (before + seen.baseline.value_spread);
    (enough && sure && during >= IDLE).then_some((seen, before, during))
}

fn shown(cores: f64) -> Share {
    Share((cores * 1e3).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised, cpu, every};
    use crate::model::sample::Outcome;

    fn story(fails: bool, cores: f64) -> Story {
        let outcome = if fails { Outcome::Wrong } else { Outcome::Ok };
        Story::failing_generator(1.0)
            .fault(move |_| (2.0, outcome))
            .also(every(0.5, cpu("gateway")), move |n| cores + (n % 2) as f64 * 0.01)
    }

    #[test]
    fn more_cpu_for_fewer_answers_is_a_hot_loop() {
        let run = story(true, 0.9).tell();
        let evidence = advice_of(&run, "R22").evidence;
        assert!(
            evidence.starts_with("cpu: 0% of a core before, 90.5% during the fault; ask: 450 of 450"),
            "{evidence}"
        );
    }

    #[test]
    fn more_cpu_for_as_many_answers_and_fewer_answers_for_no_more_cpu_are_not() {
        assert!(!advised(&story(false, 0.9).tell()).contains(&"R22".to_owned()));
        assert!(!advised(&story(true, 0.0).tell()).contains(&"R22".to_owned()));
    }
}

//! What is legal in an experiment and probably not meant: said before a run, so that nobody waits for an answer that
//! the run cannot give. Pure: the numbers are those of [`foresight`](super::foresight) and of what stops a run.

use std::time::Duration;

use super::foresight::{Foresight, foresee};
use crate::model::expectation::{Limit, Metric, Must, Operator, StopCondition, Subject};
use crate::model::experiment::Experiment;
use crate::model::fault::{Amount, FaultKind, Target};
use crate::model::probe::{ProbeKind, ProbeSpec};
use crate::model::units::{Share, Timespan};

/// More requests of one probe under way at once than this are a load of their own.
const MANY_REQUESTS: u128 = 1000;
/// The same of programs.
const MANY_PROGRAMS: u128 = 100;
/// Faults that last so many times as long as the baseline outlast what they can be compared with.
const OUTLASTING: u32 = 3;
/// This share of the free memory and more leaves the kernel no choice but to kill.
const NEARLY_ALL: f64 = 0.95;
/// Starting workers, setting limits and signalling may take so long on a busy machine.
const TO_APPLY: Timespan = Timespan::seconds(1);
/// Good samples in a row that end a recovery of a slow probe.
const STREAK: u32 = 3;
/// Bad samples in a row that stop a run at the soonest: of shares, and of values.
const SOONEST: (u32, u32) = (5, 3);

/// Something risky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// The part of the file, such as `steady_state[0].expect[1]`.
    pub path: String,
    /// What is risky, in one sentence without a final full stop.
    pub message: String,
    /// What follows from it.
    pub note: String,
    /// What to try.
    pub help: String,
}

/// Everything risky of an experiment, in no order.
pub fn risks(experiment: &Experiment) -> Vec<Risk> {
    let mut risks = expectations(experiment);
    let window = experiment.fault_window();
    for (place, probe) in experiment.steady_state.iter().enumerate() {
        risks.extend(crowd(place, probe));
        risks.extend(slow_to_recover(place, probe, experiment.recovery.within));
        risks.extend(late(place, probe, window));
    }
    for (place, condition) in experiment.stop_conditions.iter().enumerate() {
        risks.extend(toothless(place, condition, experiment));
        risks.extend(of_timeouts(place, condition, experiment));
    }
    // They start in order, and the baseline awaits the last of those that say when they are ready.
    let awaited = experiment.services.iter().rposition(|service| service.ready.is_some()).map_or(0, |last| last + 1);
    for (place, service) in experiment.services.iter().enumerate().skip(awaited) {
        risks.push(Risk {
            path: format!("services[{place}].name"),
            message: format!("nothing says when the service `{}` is ready", service.name),
            note: "the baseline begins at once, and what fails while it starts counts against it".into(),
            help: "add `ready:` with a URL that answers 2xx, or `HOST:PORT` that accepts".into(),
        });
    }
    for (place, fault) in experiment.faults.iter().enumerate() {
        if let FaultKind::MemoryStress(memory) = &fault.kind
            && let Amount::Available(share) = memory.size
            && share.0 >= NEARLY_ALL
        {
            risks.push(Risk {
                path: format!("faults[{place}].size"),
                message: format!("{share} of the free memory leaves nearly none"),
                note: "the kernel may end any process then, this tool's own among them".into(),
                help: "write `90%` or less".into(),
            });
        }
    }
    risks.extend(short_baseline(experiment, window));
    risks.extend(no_room(experiment));
    risks
}

/// Expectations that the run cannot show to hold, or compare.
fn expectations(experiment: &Experiment) -> Vec<Risk> {
    let probes = experiment.steady_state.iter().enumerate();
    let rows = probes.flat_map(|(at, probe)| (0..probe.expect.len()).map(move |row| (at, probe, row)));
    let foreseen = foresee(experiment, None);
    rows.zip(foreseen).filter_map(|((at, probe, row), foresight)| cannot_show(at, probe, row, &foresight)).collect()
}

fn cannot_show(at: usize, probe: &ProbeSpec, row: usize, foresight: &Foresight) -> Option<Risk> {
    let (expected, name) = (&foresight.expected, &foresight.probe);
    let path = format!("steady_state[{at}].expect[{row}]");
    let Some(needed) = foresight.needed else {
        return Some(Risk {
            path,
            message: format!("no number of samples can show that `{expected}` of `{name}` holds"),
            note: "the run ends inconclusive (exit code 6) at best".into(),
            help: "leave room for one bad sample, such as `success_rate >= 99%`".into(),
        });
    };
    let (phase, has, key) = match () {
        () if foresight.before < needed => ("baseline", foresight.before, "baseline"),
        () if foresight.during < needed => ("fault", foresight.during, "duration"),
        () => return None,
    };
    Some(Risk {
        path,
        message: format!("the {phase} is too short for `{expected}` of `{name}`"),
        note: format!(
            "it takes {needed} samples, and {has} will count there: the run ends inconclusive (exit code 6) at best"
        ),
        help: format!("write `{key}: {}` or more, or raise the `rate` of `{name}`", lasting(needed, probe)),
    })
}

/// So long must a phase be for so many samples, the margin at its start included; in whole seconds.
fn lasting(samples: usize, probe: &ProbeSpec) -> Timespan {
    let time = probe.interval.0.saturating_mul(u32::try_from(samples).unwrap_or(u32::MAX)) + Duration::from_secs(1);
    Timespan(Duration::from_secs(time.as_secs_f64().ceil() as u64))
}

/// A probe whose samples pile up when nothing answers.
fn crowd(place: usize, probe: &ProbeSpec) -> Option<Risk> {
    let (most, what) = match probe.kind {
        ProbeKind::Command(_) => (MANY_PROGRAMS, "programs"),
        ProbeKind::Http(_) | ProbeKind::Tcp(_) | ProbeKind::Prometheus(_) => (MANY_REQUESTS, "requests"),
        _ => return None,
    };
    let at_once = probe.timeout.0.as_nanos().div_ceil(probe.interval.0.as_nanos().max(1));
    (at_once > most).then(|| Risk {
        path: format!("steady_state[{place}].timeout"),
        message: format!("`{}` has {at_once} {what} under way at once when nothing answers", probe.name),
        note: format!("its timeout ({}) is {at_once} times the time between two samples", probe.timeout),
        help: "shorten its `timeout`, or lower its `rate`".into(),
    })
}

/// A probe whose hanging samples are known to be bad only after the fault.
fn late(place: usize, probe: &ProbeSpec, window: Timespan) -> Option<Risk> {
    // What is read from the kernel does not hang.
    let hangs = !matches!(probe.kind, ProbeKind::Host(_) | ProbeKind::Process(_));
    let late = hangs && window > Timespan::ZERO && probe.timeout >= window;
    late.then(|| Risk {
        path: format!("steady_state[{place}].timeout"),
        message: format!("the timeout of `{}` ({}) is as long as the faults ({window})", probe.name, probe.timeout),
        note: "a request that hangs is known to have failed only when the fault is over".into(),
        help: "shorten its `timeout`".into(),
    })
}

fn slow_to_recover(place: usize, probe: &ProbeSpec, within: Timespan) -> Option<Risk> {
    let least = Timespan(probe.interval.0.saturating_mul(STREAK));
    (within < least).then(|| Risk {
        path: "recovery.within".into(),
        message: format!("`{}` cannot show a recovery within {within}", probe.name),
        note: format!("a recovery takes {STREAK} good samples in a row, and there is one every {}", probe.interval),
        help: format!("write `within: {least}` or more, or raise the `rate` of `steady_state[{place}]`"),
    })
}

/// A stop condition that has no time to stop anything.
fn toothless(place: usize, condition: &StopCondition, experiment: &Experiment) -> Option<Risk> {
    let Subject::Probe { probe, metric } = condition.subject else { return None };
    let (probe, window) = (experiment.steady_state.get(probe)?, experiment.fault_window());
    let bad = if metric == Metric::Value { SOONEST.1 } else { SOONEST.0 };
    let soonest = Timespan(probe.interval.0.saturating_mul(bad));
    let (least, why) = match condition.hold {
        Some(hold) if hold >= soonest => (hold, format!("it must hold for {hold}")),
        _ => (soonest, format!("it takes {bad} bad samples, and there is one every {}", probe.interval)),
    };
    (window > Timespan::ZERO && least >= window).then(|| Risk {
        path: format!("stop_conditions[{place}]"),
        message: format!("`{}` cannot stop faults that last {window}", condition.text),
        note: why,
        help: format!("raise the `rate` of `{}`, shorten the `for`, or let the faults last longer", probe.name),
    })
}

/// A stop condition on a quantile whose limit no answer can be above, since it is given up before: only timeouts are.
fn of_timeouts(place: usize, condition: &StopCondition, experiment: &Experiment) -> Option<Risk> {
    let Subject::Probe { probe, metric: metric @ Metric::Quantile(q) } = condition.subject else { return None };
    let Must::Compare { operator: Operator::More | Operator::AtLeast, limit: Limit::Time(limit) } = condition.breach
    else {
        return None;
    };
    let (name, timeout) = experiment.steady_state.get(probe).map(|probe| (&probe.name, probe.timeout))?;
    (limit > timeout).then(|| Risk {
        path: format!("stop_conditions[{place}]"),
        message: format!("`{}` counts timeouts and nothing else", condition.text),
        note: format!(
            "`{name}` gives up after {timeout}, and what was given up counts as slower than any limit: it stops when more than \
             {} of the requests time out",
            Share(1.0 - q)
        ),
        help: format!("write `{name}.{metric} > {timeout}` or less, or raise the `timeout` of `{name}` above {limit}"),
    })
}

/// Faults of this machine that must be over when the blast radius ends, with no time to begin late.
fn no_room(experiment: &Experiment) -> Option<Risk> {
    // What a proxy does begins within milliseconds.
    let slow = experiment.faults.iter().filter(|fault| !matches!(fault.target, Target::Proxy(_)));
    let last = slow.max_by_key(|fault| fault.end())?;
    let first = experiment.faults.iter().map(|fault| fault.start).min().unwrap_or_default();
    let limit = experiment.blast_radius.duration;
    let needed = Timespan((last.end().0 + TO_APPLY.0).saturating_sub(first.0));
    (limit < needed).then(|| Risk {
        path: "blast_radius.duration".into(),
        message: format!("the blast radius leaves `{}` no time to begin late", last.name),
        note: format!(
            "to start a worker, set a limit or signal a process may take {TO_APPLY} on a busy machine, and what is not \
             over when the blast radius ends is stopped"
        ),
        help: format!(
            "write `blast_radius: {{ duration: {needed} }}`, and `duration: {}` for `{}`",
            last.duration, last.name
        ),
    })
}

/// Faults that outlast what they are compared with.
fn short_baseline(experiment: &Experiment, window: Timespan) -> Option<Risk> {
    let least = Timespan(window.0 / OUTLASTING);
    (least > experiment.baseline).then(|| Risk {
        path: "baseline".into(),
        message: format!("the faults last {window}, the baseline only {}", experiment.baseline),
        note: "how the system changes by itself over such a time is not known then".into(),
        help: format!("write `baseline: {least}` or more"),
    })
}

#[cfg(test)]
mod tests {
    use super::risks;
    use crate::analysis::testing::{Story, every, expecting, http};
    use crate::model::expectation::{Limit, Metric, Must, Operator, StopCondition, Subject};
    use crate::model::experiment::Experiment;
    use crate::model::fault::{FaultKind, ProcessPause, Target};
    use crate::model::units::Timespan;

    fn told(change: impl FnOnce(&mut Experiment)) -> Vec<(String, String)> {
        let run = Story::slow_generator()
            .with(|experiment| {
                experiment.baseline = Timespan::seconds(20);
                experiment.steady_state = vec![every(0.01, expecting(http("ask"), &["p95 <= 250ms"]))];
                experiment.stop_conditions.clear();
                change(experiment);
            })
            .tell();
        risks(run.experiment()).into_iter().map(|risk| (risk.path, risk.message)).collect()
    }

    #[test]
    fn a_sound_experiment_has_none() {
        assert_eq!(told(|_| {}), Vec::new());
    }

    #[test]
    fn a_phase_without_enough_samples_is_told_with_its_expectation() {
        let short = told(|experiment| experiment.baseline = Timespan::seconds(1));
        let of_expectation = short.iter().find(|(path, _)| path == "steady_state[0].expect[0]").expect("told");
        assert_eq!(of_expectation.1, "the baseline is too short for `p95 <= 250ms` of `ask`");
        assert!(short.iter().any(|(path, _)| path == "baseline"), "{short:?}");
    }

    #[test]
    fn a_probe_that_piles_up_or_learns_too_late_is_told() {
        let slow = told(|experiment| experiment.steady_state[0].timeout = Timespan::seconds(60));
        let messages: Vec<&str> = slow.iter().map(|(_, message)| message.as_str()).collect();
        assert!(messages.iter().any(|message| message.contains("6000 requests under way")), "{messages:?}");
        assert!(messages.iter().any(|message| message.contains("as long as the faults")), "{messages:?}");
    }

    #[test]
    fn faults_of_the_machine_need_a_second_to_begin_in_and_those_of_proxies_none() {
        let with = |limit: u64, target: Target| {
            told(|experiment| {
                experiment.blast_radius.duration = Timespan::millis(limit);
                experiment.faults[0].kind = FaultKind::ProcessPause(ProcessPause {});
                experiment.faults[0].target = target;
            })
        };
        let message = "the blast radius leaves `slow generator` no time to begin late".to_owned();
        let risk = vec![("blast_radius.duration".to_owned(), message)];
        assert_eq!((with(10_000, Target::service("a")), with(10_999, Target::Host)), (risk.clone(), risk));
        assert_eq!(with(11_000, Target::service("a")), Vec::new());
        assert_eq!(with(10_000, Target::Proxy("a".into())), Vec::new());
    }

    #[test]
    fn a_quantile_that_no_answer_can_be_above_is_told_to_count_timeouts() {
        let with = |seconds| {
            told(|experiment| {
                experiment.steady_state[0].timeout = Timespan::seconds(1);
                let limit = Limit::Time(Timespan::seconds(seconds));
                experiment.stop_conditions = vec![StopCondition {
                    text: "ask.p50 > 2s".into(),
                    subject: Subject::Probe { probe: 0, metric: Metric::Quantile(0.5) },
                    breach: Must::Compare { operator: Operator::More, limit },
                    hold: None,
                }];
            })
        };
        let message = "`ask.p50 > 2s` counts timeouts and nothing else".to_owned();
        assert_eq!(with(2), [("stop_conditions[0]".to_owned(), message)]);
        assert_eq!(with(1), Vec::new(), "then what takes a second is a timeout");
    }
}

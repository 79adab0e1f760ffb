//! The rule about what stays behind once the system is back.

use std::time::Duration;

use super::super::run::TrafficLook;
use super::super::window::{self, Window, samples_in};
use super::{Case, Found, Seen, advice};
use crate::model::probe::{ProbeKind, ProcessMeasure};
use crate::model::units::{Bytes, Timespan};

/// So many times as much as before is left.
const LEFT: f64 = 1.2;
/// What is released within this time was no leak.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Fewer readings than this show no level.
const ENOUGH: usize = 3;
/// Less memory than this is an allocator's.
const MEMORY: f64 = (8 << 20) as f64;
/// Fewer descriptors, threads or connections than this are a pool's first ones.
const FEW: f64 = 10.0;
/// What one request under way may keep open afterwards in a pool: the caller's connection, ours, and one to spare.
const EACH: f64 = 3.0;

/// What is left of something.
struct Left {
    name: String,
    what: &'static str,
    before: String,
    after: String,
}

/// R21: long after the system is back, it holds more than before the fault.
///
/// "Long after" is a minute, or as long as the fault lasted where that was shorter: what a failure path may rightly keep
/// for a while (calls that run into their timeouts, what is sent again) was begun during the fault and comes back within
/// its length. Pools that grew with the requests under way are no leak, so what these explain is allowed for.
pub(super) fn r21_leak(case: &Case<'_>) -> Option<Found> {
    let fault: Duration = window::faults(case.run).iter().map(|window| window.length()).sum();
    let back = case.analysis.recovery.recovered_at?.max(case.analysis.recovery.verified_undo?);
    let wait = fault.min(LONGEST_WAIT);
    let late = Window::new(back + wait, window::recovery(case.run)?.to);
    let of_processes = case.seen.iter().find_map(|seen| in_process(case, seen, late));
    let left =
        of_processes.or_else(|| case.run.traffic.iter().find_map(|(proxy, looks)| open(case, proxy, looks, late)))?;
    advice(
        "Something leaks when the dependency fails",
        format!(
            "{}: at most {} {} before the fault, still {} or more {} after the system was back",
            left.name,
            left.before,
            left.what,
            left.after,
            Timespan(wait)
        ),
        "The failure path opens something and does not close it: look at what happens to connections, bodies, tasks and \
         buffers when a call fails or is given up.",
    )
}

/// Every late reading is above every reading of before, by a fifth and by more than requests under way explain.
fn in_process(case: &Case<'_>, seen: &Seen<'_>, late: Window) -> Option<Left> {
    let ProbeKind::Process(process) = &seen.probe.kind else { return None };
    let pools = EACH * case.run.traffic.values().filter_map(|looks| most_under_way(looks)).sum::<u64>() as f64;
    let (what, least) = match process.measure {
        ProcessMeasure::Memory => ("", MEMORY),
        ProcessMeasure::OpenFiles => ("open files", FEW + pools),
        ProcessMeasure::Threads => ("threads", FEW + pools),
        ProcessMeasure::Alive | ProcessMeasure::Cpu | ProcessMeasure::Restarts => return None,
    };
    let before = seen.baseline.values.iter().copied().max_by(f64::total_cmp)?;
    let windows = [late];
    let late = samples_in(&case.run.samples, seen.place, &windows);
    let after = lowest(late.filter_map(|sample| sample.value()))?;
    let shown = |number: f64| match process.measure {
        ProcessMeasure::Memory => Bytes(number as u64).to_string(),
        _ => format!("{number}"),
    };
    let leaks = after >= LEFT * before && after - before >= least;
    leaks.then(|| Left { name: seen.probe.name.clone(), what, before: shown(before), after: shown(after) })
}

/// The same of the connections through an HTTP proxy: a pool needs no more of them than requests were ever under way.
fn open(case: &Case<'_>, proxy: &str, looks: &[TrafficLook], late: Window) -> Option<Left> {
    let baseline = window::baseline(case.run)?;
    let count = |window: Window| looks.iter().filter(move |look| window.contains(look.at)).map(|look| look.open as f64);
    let before = count(baseline).max_by(f64::total_cmp)?;
    let after = lowest(count(late))?;
    let leaks = after >= LEFT * before && after - before >= FEW && after > most_under_way(looks)? as f64;
    leaks.then(|| Left {
        name: format!("proxy {proxy}"),
        what: "connections",
        before: format!("{before}"),
        after: format!("{after}"),
    })
}

/// The most requests that were seen under way at once.
fn most_under_way(looks: &[TrafficLook]) -> Option<u64> {
    looks.iter().filter_map(|look| Some(look.requests?.in_flight)).max()
}

/// The lowest of enough numbers.
fn lowest(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let numbers: Vec<f64> = numbers.collect();
    numbers.iter().copied().min_by(f64::total_cmp).filter(|_| numbers.len() >= ENOUGH)
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Passing, Story, advice_of, advised, every, measuring};
    use crate::model::probe::ProcessMeasure;
    use crate::model::sample::Outcome;

    /// Ten seconds of fault, and so many afterwards, with what a process held before, at the end of the fault, and after.
    fn holding(measure: ProcessMeasure, seconds: f64, [before, after]: [f64; 2]) -> Story {
        let good = |_| (2.0, Outcome::Ok);
        let story = Story::failing_generator(1.0).after(seconds, good);
        story.also_reading(every(0.5, measuring("gateway", measure)), move |_| before, move |_| after)
    }

    fn leaks(story: &Story) -> bool {
        advised(&story.tell()).contains(&"R21".to_owned())
    }

    #[test]
    fn what_is_still_held_long_after_is_a_leak() {
        let story = holding(ProcessMeasure::OpenFiles, 15.0, [40.0, 240.0]);
        let evidence = advice_of(&story.tell(), "R21").evidence;
        assert!(evidence.contains("at most 40 open files before the fault, still 240 or more 10s after"), "{evidence}");
        assert!(leaks(&holding(ProcessMeasure::Memory, 15.0, [50e6, 70e6])));
        assert!(leaks(&holding(ProcessMeasure::Threads, 15.0, [8.0, 80.0])));
    }

    #[test]
    fn too_early_to_say_a_fifth_less_and_small_things_are_no_leak() {
        assert!(!leaks(&holding(ProcessMeasure::OpenFiles, 10.0, [40.0, 240.0])), "not watched for long enough");
        assert!(!leaks(&holding(ProcessMeasure::OpenFiles, 15.0, [400.0, 470.0])));
        assert!(!leaks(&holding(ProcessMeasure::OpenFiles, 15.0, [10.0, 18.0])));
        assert!(!leaks(&holding(ProcessMeasure::Memory, 15.0, [10e6, 15e6])));
        assert!(!leaks(&holding(ProcessMeasure::Cpu, 15.0, [0.1, 100.0])), "CPU is not kept");
    }

    fn connections(open: u64, under_way: u64) -> Story {
        let usual = Passing { per_second: 50.0, in_flight: 1, open: 2, ..Passing::default() };
        let during = Passing { in_flight: under_way, open, ..usual };
        let after = Passing { open, ..usual };
        Story::failing_generator(1.0).after(15.0, |_| (2.0, Outcome::Ok)).passing(usual, during, after)
    }

    #[test]
    fn connections_that_stay_open_are_a_leak_unless_a_pool_once_needed_them() {
        let evidence = advice_of(&connections(200, 3).tell(), "R21").evidence;
        assert!(evidence.contains("proxy generator: at most 2 connections before the fault, still 200"), "{evidence}");
        assert!(!leaks(&connections(40, 40)), "a pool that grew with its load");
        assert!(!leaks(&connections(8, 3)));
    }
}

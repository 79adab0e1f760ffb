//! What is critical whatever the degradation: unavailable, not recovered, crash-looping, or not put back.

use std::time::Duration;

use super::findings::RecoveryStatus;
use super::run::Run;
use super::window::{self, Window};
use crate::model::probe::{ProbeKind, ProcessMeasure};
use crate::model::sample::Sample;
use crate::model::units::Share;

/// The stretch over which half of the availability must be lost to be critical.
const STRETCH: Duration = Duration::from_secs(10);
/// So many samples make a stretch.
const ENOUGH: usize = 10;
/// So many restarts are a crash loop.
pub(super) const CRASH_LOOP: f64 = 3.0;

/// The largest rise of a process probe's count of restarts above what it was before the fault, and the probe's name.
pub fn restarts(run: &Run) -> Option<(&str, f64)> {
    let from = run.first_applied()?;
    let rises = run.experiment().steady_state.iter().enumerate().filter_map(|(place, probe)| {
        let ProbeKind::Process(process) = &probe.kind else { return None };
        if process.measure != ProcessMeasure::Restarts {
            return None;
        }
        let counts = run.samples.iter().filter(|sample| sample.probe() == place);
        let (before, after): (Vec<&Sample>, Vec<&Sample>) = counts.partition(|sample| sample.intended() < from);
        let most = |samples: &[&Sample]| samples.iter().filter_map(|sample| sample.value()).max_by(f64::total_cmp);
        Some((probe.name.as_str(), most(&after)? - most(&before).unwrap_or(0.0)))
    });
    rises.filter(|(_, rise)| *rise > 0.0).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Why the impact is critical, if it is.
pub fn critical(run: &Run, recovery: RecoveryStatus) -> Option<String> {
    if !run.residue.is_empty() {
        return Some("not everything could be put back".to_owned());
    }
    if recovery == RecoveryStatus::NotRecovered && !run.observes_only() {
        return Some("the system did not recover in time".to_owned());
    }
    if let Some((probe, rise)) = restarts(run).filter(|(_, rise)| *rise >= CRASH_LOOP) {
        return Some(format!("{probe}: restarted {rise} times"));
    }
    let from = window::faults(run).first()?.from;
    let watched = [Window::new(from, run.last)];
    run.experiment().steady_state.iter().enumerate().find_map(|(place, probe)| {
        let samples: Vec<&Sample> = window::samples_in(&run.samples, place, &watched).collect();
        let lowest = lowest_availability(&samples)?;
        (lowest < 0.5).then(|| format!("{}: only {} available over 10 s", probe.name, Share(lowest)))
    })
}

/// The lowest share of good answers over any ten seconds that are wholly covered by samples.
fn lowest_availability(samples: &[&Sample]) -> Option<f64> {
    let evidence: Vec<&&Sample> = samples.iter().filter(|sample| sample.outcome().is_data()).collect();
    let last = evidence.last()?.intended();
    let mut lowest: Option<f64> = None;
    let (mut end, mut failed) = (0, 0_usize);
    let fails = |sample: &Sample| usize::from(sample.outcome().is_error());
    for (start, first) in evidence.iter().enumerate() {
        let until = first.intended() + STRETCH;
        while end < evidence.len() && evidence[end].intended() < until {
            failed += fails(evidence[end]);
            end += 1;
        }
        let count = end - start;
        // A stretch is covered when samples go on up to its end, give or take the time from one to the next.
        let gap = STRETCH / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        if last + gap < until {
            break;
        }
        if count >= ENOUGH {
            let availability = 1.0 - failed as f64 / count as f64;
            lowest = Some(lowest.map_or(availability, |lowest| lowest.min(availability)));
        }
        failed -= fails(first);
    }
    lowest
}

#[cfg(test)]
mod tests {
    use crate::analysis::analyse;
    use crate::analysis::findings::Level;
    use crate::analysis::testing::Story;
    use crate::model::sample::Outcome;

    #[test]
    fn an_outage_of_ten_seconds_is_critical_and_a_shorter_one_is_not() {
        let outage = |seconds: usize| {
            let refused = move |i: usize| (1.0, if i < seconds * 50 { Outcome::Refused } else { Outcome::Ok });
            analyse(&Story::slow_generator().fault(refused).tell())
        };
        assert_eq!(outage(6).impact.level, Level::Critical, "6 of 10 s");
        assert_eq!(outage(6).impact_point.level, Level::Critical);
        assert!(outage(4).impact.level < Level::Critical, "4 of 10 s");
    }
}

//! The rule about the user's own alert.

use std::time::Duration;

use super::super::analyse::Seen;
use super::super::window::{self, Window, samples_in};
use super::{Case, Found, advice};
use crate::model::probe::ProbeKind;
use crate::model::sample::Sample;
use crate::model::units::Timespan;

/// So much later than our own detection is late.
const LATE: Duration = Duration::from_secs(60);
/// Fewer answers than this during the fault say nothing of an alert.
const ENOUGH: usize = 3;

/// R17: the alert fires long after the probes were sure, or not at all while the fault goes on.
pub(super) fn r17_late_alert(case: &Case<'_>) -> Option<Found> {
    let detection = case.analysis.detection.as_ref()?;
    let faults = window::faults(case.run);
    let (from, to) = (faults.first()?.from, faults.last()?.to);
    let (seen, fired) = case.seen.iter().filter(|seen| watches_alerts(seen)).find_map(|seen| {
        let answers: Vec<&Sample> = samples_in(&case.run.samples, seen.place, &[Window::new(from, to)])
            .filter(|sample| sample.value().is_some())
            .collect();
        let quiet_before = !seen.baseline.values.is_empty() && seen.baseline.values.iter().all(|value| *value < 1.0);
        let fired = answers.iter().find(|sample| sample.value() >= Some(1.0)).map(|sample| sample.intended());
        let late = fired.unwrap_or(to).saturating_sub(detection.alarm) > LATE;
        (quiet_before && answers.len() >= ENOUGH && late).then_some((seen, fired))
    })?;
    let since = |moment: Duration| Timespan(moment.saturating_sub(detection.alarm));
    let (title, what) = match fired {
        Some(fired) => ("The alert comes late", format!("it fired {} later", since(fired))),
        None => ("The alert does not fire", format!("it did not fire in the {} that the fault went on", since(to))),
    };
    advice(
        title,
        format!(
            "{} was sure {} after the fault began; {}: {what}",
            detection.probe,
            Timespan(detection.time_to_detect),
            seen.probe.name
        ),
        "Alert on how fast the error budget burns, over a short and a long window, and on what users feel rather than \
         on its cause.",
    )
}

fn watches_alerts(seen: &Seen<'_>) -> bool {
    matches!(&seen.probe.kind, ProbeKind::Prometheus(query) if query.query.contains("ALERTS"))
}

#[cfg(test)]
mod tests {
    use crate::analysis::testing::{Story, advice_of, advised, prometheus};
    use crate::model::probe::ProbeKind;
    use crate::model::sample::Outcome;
    use crate::model::units::Timespan;

    /// An outage of so many seconds, and an alert that fires that many seconds after it began.
    fn outage(seconds: f64, fires_after: usize) -> Story {
        let mut alerts = prometheus("alert");
        if let ProbeKind::Prometheus(query) = &mut alerts.kind {
            query.query = "count(ALERTS{alertstate=\"firing\"}) or vector(0)".into();
        }
        let firing = move |second: usize| f64::from(u8::from(second >= fires_after));
        let story = Story::slow_generator().fault_seconds(seconds).fault(|_| (0.5, Outcome::Refused));
        story.also(alerts, firing).with(|it| it.blast_radius.duration = Timespan::seconds(300))
    }

    fn fires(story: &Story) -> bool {
        advised(&story.tell()).contains(&"R17".to_owned())
    }

    #[test]
    fn an_alert_that_fires_late_or_never_is_told() {
        let late = advice_of(&outage(120.0, 90).tell(), "R17");
        assert_eq!(late.title, "The alert comes late");
        assert!(late.evidence.contains("alert: it fired 89.9s later"), "{late:?}");
        let never = advice_of(&outage(120.0, 1000).tell(), "R17");
        assert_eq!(never.title, "The alert does not fire");
    }

    #[test]
    fn an_alert_in_time_and_a_fault_too_short_to_wait_for_one_are_not() {
        assert!(!fires(&outage(120.0, 45)));
        assert!(!fires(&outage(50.0, 1000)));
    }

    #[test]
    fn a_query_of_something_else_is_no_alert() {
        let story = Story::slow_generator().fault_seconds(120.0).fault(|_| (0.5, Outcome::Refused));
        assert!(!fires(&story.also(prometheus("depth"), |_| 0.0)));
    }
}

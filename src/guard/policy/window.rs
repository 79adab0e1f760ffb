//! When faults may be active. The whole time in which they may must lie within windows that are open one after the other.

use chrono::{DateTime, Datelike, Days, Duration, NaiveTime, Utc};

use super::{Bench, Purpose};
use crate::model::policy::{Day, Window};

pub(super) fn judge(bench: &mut Bench<'_, '_>) {
    let Some(rule) = &bench.policy.windows else { return };
    let experiment = bench.request.experiment;
    if experiment.faults.is_empty() || bench.request.purpose == Purpose::Look {
        return;
    }
    let now = bench.request.surroundings.now;
    let under_way = experiment.baseline.0 + experiment.fault_window().0.max(experiment.blast_radius.duration.0);
    let end = now + Duration::from_std(under_way).unwrap_or(Duration::MAX);
    let message = match open_until(&rule.value, now) {
        None => format!("faults are not allowed now ({} UTC)", now.format("%a %H:%M")),
        Some(closes) if closes < end => {
            format!(
                "the window closes at {} UTC, and faults may be active until {}",
                closes.format("%a %H:%M"),
                end.format("%H:%M:%S")
            )
        }
        Some(_) => return,
    };
    bench.refuse(("windows", rule.line), "", message);
}

/// When the window that is open now closes, counting those that open before it does; none when none is open.
fn open_until(windows: &[Window], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut stretches: Vec<_> = (0..=9).flat_map(|day| stretches_of(windows, now, day)).collect();
    stretches.sort_unstable();
    let mut closes = None;
    for (opens, end) in stretches {
        let reached = closes.unwrap_or(now);
        if opens <= reached && reached < end {
            closes = Some(end);
        }
    }
    closes
}

/// The stretches that begin on a day, counted from yesterday.
fn stretches_of(windows: &[Window], now: DateTime<Utc>, day: u64) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let Some(date) = now.date_naive().pred_opt().and_then(|date| date.checked_add_days(Days::new(day))) else {
        return Vec::new();
    };
    let weekday = Day::ALL[date.weekday().num_days_from_monday() as usize];
    let midnight = date.and_time(NaiveTime::MIN).and_utc();
    let open = windows.iter().filter(|window| window.days.contains(&weekday));
    let stretch = |window: &Window| {
        let to = if window.to > window.from { window.to } else { window.to + 24 * 60 };
        (midnight + Duration::minutes(window.from.into()), midnight + Duration::minutes(to.into()))
    };
    open.map(stretch).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::open_until;
    use crate::model::policy::{Day, Window};

    /// When it closes, if it is open at that time. 2026-06-01 is a Monday.
    fn closes(windows: &[Window], at: &str) -> Option<String> {
        let at: DateTime<Utc> = format!("2026-06-{at}:00Z").parse().expect("a time");
        open_until(windows, at).map(|end| end.format("%d %H:%M").to_string())
    }

    fn window(days: &[Day], from: u32, to: u32) -> Window {
        Window { days: days.to_vec(), from: from * 60, to: to * 60 }
    }

    #[test]
    fn a_window_is_open_from_its_first_minute_to_before_its_last() {
        let office = [window(&Day::ALL[..5], 9, 16)];
        assert_eq!(closes(&office, "01T09:00"), Some("01 16:00".into()));
        for shut in ["01T08:59", "01T16:00", "06T12:00"] {
            assert_eq!(closes(&office, shut), None, "{shut}");
        }
    }

    #[test]
    fn a_window_may_pass_midnight_also_at_the_end_of_the_week() {
        let night = [window(&[Day::Sun], 22, 6)];
        assert_eq!(closes(&night, "07T23:00"), Some("08 06:00".into()));
        assert_eq!(closes(&night, "08T05:59"), Some("08 06:00".into()));
        assert_eq!(closes(&night, "08T23:00"), None);
    }

    #[test]
    fn windows_that_follow_each_other_are_one() {
        let days = [window(&[Day::Mon, Day::Tue], 0, 24), window(&[Day::Wed], 0, 1)];
        assert_eq!(closes(&days, "01T12:00"), Some("03 01:00".into()));
        assert_eq!(closes(&[window(&Day::ALL, 5, 5)], "01T00:00"), Some("10 05:00".into()), "always");
    }
}

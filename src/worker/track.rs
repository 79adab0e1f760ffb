//! Keeps the moment in which a worker strayed furthest from what was asked. Pure: looks in, the worst one out.

use std::time::Duration;

use crate::model::dose::Strayed;
use crate::model::profile::Profile;

/// Shorter windows would show the scheduler, longer ones hide what happened.
const WINDOW: Duration = Duration::from_secs(1);

/// Windows of a counter that grows with the dose, such as CPU time or operations.
#[derive(Debug, Clone)]
pub struct Track {
    profile: Profile,
    /// What it grows by in a second of the whole dose.
    rate: f64,
    /// When the current window began, and the counter then.
    begun: (Duration, f64),
    worst: Option<Strayed>,
}

impl Track {
    /// Nothing was looked at yet.
    pub const fn new(profile: Profile, rate: f64) -> Self {
        Self { profile, rate, begun: (Duration::ZERO, 0.0), worst: None }
    }

    /// The counter so long after the beginning; a window ends when it is a second old.
    pub fn see(&mut self, at: Duration, counter: f64) {
        let (from, before) = self.begun;
        // Looks are due every tenth of a second: the last of a window may come a little early.
        if at + WINDOW / 50 < from + WINDOW {
            return;
        }
        let asked = self.rate * self.profile.mean(from, at);
        let measured = (counter - before) / (at - from).as_secs_f64();
        self.begun = (at, counter);
        keep(&mut self.worst, Strayed { at, asked, measured });
    }

    /// The worst window so far.
    pub const fn worst(&self) -> Option<Strayed> {
        self.worst
    }
}

/// Keeps the one that is further from what was asked.
pub fn keep(worst: &mut Option<Strayed>, seen: Strayed) {
    let off = |one: &Strayed| (one.measured - one.asked).abs();
    if worst.as_ref().is_none_or(|worst| off(&seen) > off(worst)) {
        *worst = Some(seen);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Track;
    use crate::model::dose::Strayed;
    use crate::model::profile::Profile;
    use crate::model::units::Timespan;

    const fn tenths(count: u64) -> Duration {
        Duration::from_millis(100 * count)
    }

    #[test]
    fn the_second_that_strayed_most_is_kept() {
        let mut track = Track::new(Profile::Constant, 100.0);
        let mut counter = 0.0;
        for look in 1..=30 {
            counter += if (11..=20).contains(&look) { 9.0 } else { 10.0 };
            track.see(tenths(look), counter);
        }
        assert_eq!(track.worst(), Some(Strayed { at: tenths(20), asked: 100.0, measured: 90.0 }));
    }

    #[test]
    fn nothing_is_said_of_less_than_a_second() {
        let mut track = Track::new(Profile::Constant, 100.0);
        (1..=9).for_each(|look| track.see(tenths(look), 0.0));
        assert_eq!(track.worst(), None);
    }

    #[test]
    fn in_a_ramp_each_second_is_held_against_its_own_part_of_it() {
        let mut track = Track::new(Profile::Ramp(Timespan::seconds(10)), 100.0);
        for look in 1..=50_u64 {
            let seconds = look as f64 / 10.0;
            track.see(tenths(look), 100.0 * seconds * seconds / 20.0);
        }
        let worst = track.worst().expect("five windows");
        assert!((worst.asked - worst.measured).abs() < 1e-9, "{worst:?}");
    }
}

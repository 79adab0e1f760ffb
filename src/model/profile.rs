//! How a dose changes while a fault lasts: a pure function of time, so that what was asked is known for any moment and
//! any stretch of it.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{Share, Timespan};

/// What part of the whole dose is asked at a moment: `constant`, `{ ramp: 10s }`, `{ steps: { count: 4, every: 5s } }` or
/// `{ spikes: { every: 5s, for: 1s } }`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// All of it, all the time.
    #[default]
    Constant,
    /// Evenly from nothing to all of it within this time, and all of it from then on.
    Ramp(Timespan),
    /// Up in equal steps, and all of it from the last one on.
    Steps(Steps),
    /// All of it for moments, and little between them.
    Spikes(Spikes),
}

/// Settings of `steps`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Steps {
    /// How many: of 4, the first is a quarter of the dose. From 2 to 1000.
    pub count: u32,
    /// How long each lasts; greater than zero.
    pub every: Timespan,
}

/// Settings of `spikes`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spikes {
    /// The time from the beginning of one to that of the next; the first begins with the fault.
    pub every: Timespan,
    /// How long each lasts; greater than zero and less than `every`.
    #[serde(rename = "for")]
    pub lasting: Timespan,
    /// What part of the dose there is between them; nothing by default.
    #[serde(default)]
    pub between: Share,
}

impl Profile {
    /// The part of the whole dose that is asked `at` so long after the beginning, 0 to 1.
    pub fn level(self, at: Duration) -> f64 {
        let at = at.as_secs_f64();
        match self {
            Self::Constant => 1.0,
            Self::Ramp(length) => (at / seconds(length)).min(1.0),
            Self::Steps(steps) => {
                ((at / seconds(steps.every)).floor() + 1.0).min(steps.count.into()) / f64::from(steps.count)
            }
            Self::Spikes(spikes) if at % seconds(spikes.every) < seconds(spikes.lasting) => 1.0,
            Self::Spikes(spikes) => spikes.between.0,
        }
    }

    /// What was asked in all `until` then, as seconds of the whole dose.
    pub fn area(self, until: Duration) -> f64 {
        let until = until.as_secs_f64();
        match self {
            Self::Constant => until,
            Self::Ramp(length) => {
                let length = seconds(length);
                let rising = until.min(length);
                rising * rising / (2.0 * length) + (until - rising)
            }
            Self::Steps(Steps { count, every }) => {
                let (count, every) = (f64::from(count), seconds(every));
                let done = (until / every).floor().min(count);
                done * (done + 1.0) / (2.0 * count) * every + (until - done * every) * ((done + 1.0) / count).min(1.0)
            }
            Self::Spikes(spikes) => {
                let (every, lasting) = (seconds(spikes.every), seconds(spikes.lasting));
                let done = (until / every).floor();
                let rest = until - done * every;
                done * spikes.area_of_one() + rest.min(lasting) + spikes.between.0 * (rest - lasting).max(0.0)
            }
        }
    }

    /// The mean part of the whole dose that is asked between two moments; that of the moment when they are one.
    pub fn mean(self, from: Duration, to: Duration) -> f64 {
        if to <= from { self.level(from) } else { (self.area(to) - self.area(from)) / (to - from).as_secs_f64() }
    }

    /// When so much has been asked in all, in seconds of the whole dose: the other way round than [`Self::area`].
    pub fn when(self, area: f64) -> Duration {
        let moment = match self {
            Self::Constant => area,
            Self::Ramp(length) => {
                let length = seconds(length);
                if area < length / 2.0 { (2.0 * length * area).sqrt() } else { area + length / 2.0 }
            }
            Self::Steps(Steps { count, every }) => {
                let (count, every) = (f64::from(count), seconds(every));
                // The greatest n whose first n steps ask no more: every n (n + 1) / 2 / count <= area.
                let done = ((((8.0 * area * count / every) + 1.0).sqrt() - 1.0) / 2.0).floor().min(count);
                let rest = area - done * (done + 1.0) / (2.0 * count) * every;
                done * every + rest / ((done + 1.0) / count).min(1.0)
            }
            Self::Spikes(spikes) => {
                let done = (area / spikes.area_of_one()).floor();
                let (rest, lasting) = (area - done * spikes.area_of_one(), seconds(spikes.lasting));
                let slow = if rest > lasting { (rest - lasting) / spikes.between.0 } else { 0.0 };
                done * seconds(spikes.every) + rest.min(lasting) + slow
            }
        };
        Duration::try_from_secs_f64(moment).unwrap_or(Duration::MAX)
    }

    /// The first moment from which on all of the dose is asked; none where that never lasts.
    pub fn complete(self) -> Option<Duration> {
        match self {
            Self::Constant => Some(Duration::ZERO),
            Self::Ramp(length) => Some(length.0),
            Self::Steps(steps) => Some(steps.every.0 * (steps.count - 1)),
            Self::Spikes(_) => None,
        }
    }
}

impl Spikes {
    fn area_of_one(self) -> f64 {
        let lasting = seconds(self.lasting);
        lasting + self.between.0 * (seconds(self.every) - lasting)
    }
}

fn seconds(time: Timespan) -> f64 {
    time.0.as_secs_f64()
}

impl fmt::Display for Profile {
    /// What follows a dose in words: nothing, or ", reached in a ramp of 10s".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => Ok(()),
            Self::Ramp(length) => write!(f, ", reached in a ramp of {length}"),
            Self::Steps(Steps { count, every }) => write!(f, ", reached in {count} steps of {every}"),
            Self::Spikes(Spikes { every, lasting, between }) => {
                write!(f, ", in spikes of {lasting} every {every} with {between} of it between them")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Profile, Spikes, Steps};
    use crate::model::units::{Share, Timespan};

    fn ramp() -> Profile {
        Profile::Ramp(Timespan::seconds(10))
    }

    fn steps() -> Profile {
        Profile::Steps(Steps { count: 4, every: Timespan::seconds(2) })
    }

    fn spikes(between: f64) -> Profile {
        let (every, lasting) = (Timespan::seconds(5), Timespan::seconds(1));
        Profile::Spikes(Spikes { every, lasting, between: Share(between) })
    }

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn levels(profile: Profile, moments: &[f64]) -> Vec<f64> {
        moments.iter().map(|moment| profile.level(at(*moment))).collect()
    }

    #[test]
    fn every_profile_asks_what_its_name_says() {
        assert_eq!(levels(Profile::Constant, &[0.0, 99.0]), [1.0, 1.0]);
        assert_eq!(levels(ramp(), &[0.0, 2.5, 10.0, 11.0]), [0.0, 0.25, 1.0, 1.0]);
        assert_eq!(levels(steps(), &[0.0, 1.9, 2.0, 6.0, 99.0]), [0.25, 0.25, 0.5, 1.0, 1.0]);
        assert_eq!(levels(spikes(0.2), &[0.0, 0.9, 1.0, 4.9, 5.0, 6.5]), [1.0, 1.0, 0.2, 0.2, 1.0, 0.2]);
    }

    #[test]
    fn what_was_asked_in_all_is_the_sum_of_what_was_asked_at_each_moment() {
        for profile in [Profile::Constant, ramp(), steps(), spikes(0.0), spikes(0.3)] {
            let (mut sum, step) = (0.0, 1e-4);
            for index in 0..130_000_u32 {
                sum += profile.level(at(f64::from(index) * step)) * step;
            }
            let area = profile.area(at(13.0));
            assert!((area - sum).abs() < 2e-3, "{profile:?}: {area}, summed {sum}");
            assert!((profile.mean(at(0.0), at(13.0)) - sum / 13.0).abs() < 1e-3, "{profile:?}");
        }
    }

    #[test]
    fn the_moment_of_a_part_of_the_dose_is_found_back() {
        for profile in [Profile::Constant, ramp(), steps(), spikes(0.3)] {
            for index in 1..200_u32 {
                let moment = at(f64::from(index) * 0.1);
                let found = profile.when(profile.area(moment));
                assert!(found.abs_diff(moment) < Duration::from_micros(1), "{profile:?}: {found:?} for {moment:?}");
            }
        }
        assert_eq!(spikes(0.0).when(1.5), at(5.5), "between spikes nothing is due");
        assert_eq!(Profile::Constant.when(f64::INFINITY), Duration::MAX);
    }

    #[test]
    fn it_is_written_and_read_as_in_a_file() {
        for (profile, text) in [
            (Profile::Constant, r#""constant""#),
            (ramp(), r#"{"ramp":"10s"}"#),
            (steps(), r#"{"steps":{"count":4,"every":"2s"}}"#),
            (spikes(0.5), r#"{"spikes":{"every":"5s","for":"1s","between":"50%"}}"#),
        ] {
            assert_eq!(serde_json::to_string(&profile).expect("writes"), text);
            assert_eq!(serde_json::from_str::<Profile>(text).expect("reads"), profile);
        }
    }
}

//! `latency`: every chunk is delivered so much later than it arrived. The delay limits no throughput, as what is held
//! has deadlines of its own.

use std::f64::consts::TAU;
use std::time::Duration;

use tokio::time::Instant;

use super::Effect;
use crate::model::fault::Distribution;
use crate::model::step::ToxicKind;
use crate::model::units::Timespan;
use crate::proxy::dice::Dice;

/// No delay is longer, however long the tail of its distribution.
const LONGEST: f64 = 86_400.0;

#[derive(Default)]
pub(super) struct Latency {
    delay: Timespan,
    jitter: Timespan,
    distribution: Distribution,
}

impl Effect for Latency {
    fn change(&mut self, kind: &ToxicKind) {
        if let ToxicKind::Latency { delay, jitter, distribution } = *kind {
            *self = Self { delay, jitter, distribution };
        }
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    fn delay(&mut self, _: usize, _: Instant, dice: &mut Dice) -> Duration {
        draw(self.delay, self.jitter, self.distribution, dice)
    }

    fn delay_of_close(&self) -> Option<Duration> {
        Some(self.delay.0)
    }
}

/// One delay. What would be less than nothing is nothing.
pub(in crate::proxy) fn draw(
    delay: Timespan,
    jitter: Timespan,
    distribution: Distribution,
    dice: &mut Dice,
) -> Duration {
    if jitter == Timespan::ZERO {
        return delay.0;
    }
    let stray = match distribution {
        Distribution::Uniform => 2.0 * dice.roll() - 1.0,
        Distribution::Normal => normal(dice.roll(), dice.roll()),
        Distribution::Pareto => pareto(dice.roll()),
    };
    let seconds = delay.0.as_secs_f64() + jitter.0.as_secs_f64() * stray;
    Duration::from_secs_f64(seconds.clamp(0.0, LONGEST))
}

/// A standard normal number from two uniform ones (Box and Muller, 1958).
fn normal(first: f64, second: f64) -> f64 {
    (-2.0 * (1.0 - first).ln()).sqrt() * (TAU * second).cos()
}

/// A number of mean 0 and standard deviation 1 with a Pareto tail: the Pareto distribution of shape 3 from 1 has the
/// mean 3/2 and the variance 3/4. It is at least -0.577, and its 99.9th percentile is 9.8.
fn pareto(uniform: f64) -> f64 {
    ((1.0 - uniform).powf(-1.0 / 3.0) - 1.5) / 0.75_f64.sqrt()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::draw;
    use crate::model::fault::Distribution;
    use crate::model::units::Timespan;
    use crate::proxy::dice::Dice;

    /// Mean and standard deviation in milliseconds, and the sorted delays.
    fn drawn(distribution: Distribution) -> (f64, f64, Vec<Duration>) {
        let mut dice = Dice::new(1, "p", "t", 1);
        let draw = || draw(Timespan::millis(100), Timespan::millis(20), distribution, &mut dice);
        let mut all: Vec<Duration> = std::iter::repeat_with(draw).take(100_000).collect();
        let millis = |time: &Duration| time.as_secs_f64() * 1e3;
        let mean = all.iter().map(millis).sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|time| (millis(time) - mean).powi(2)).sum::<f64>() / all.len() as f64;
        all.sort();
        (mean, variance.sqrt(), all)
    }

    #[test]
    fn every_distribution_keeps_the_mean() {
        for distribution in [Distribution::Uniform, Distribution::Normal, Distribution::Pareto] {
            let (mean, ..) = drawn(distribution);
            assert!((mean - 100.0).abs() < 0.4, "five standard errors: {distribution} {mean}");
        }
    }

    #[test]
    fn uniform_delays_stay_within_the_jitter() {
        let (_, deviation, all) = drawn(Distribution::Uniform);
        assert!(all[0] >= Duration::from_millis(80) && all[99_999] <= Duration::from_millis(120));
        assert!((deviation - 20.0 / 3.0_f64.sqrt()).abs() < 0.2, "{deviation}");
    }

    #[test]
    fn normal_delays_stray_by_the_jitter_to_both_sides() {
        let (_, deviation, all) = drawn(Distribution::Normal);
        assert!((deviation - 20.0).abs() < 0.3, "{deviation}");
        let within = all.iter().filter(|time| (80..120).contains(&time.as_millis())).count();
        assert!((67_500..69_100).contains(&within), "68.3 % are within one standard deviation: {within}");
    }

    #[test]
    fn pareto_delays_have_a_floor_and_a_long_tail() {
        let (_, deviation, all) = drawn(Distribution::Pareto);
        assert!((14.0..30.0).contains(&deviation), "its fourth moment is infinite: {deviation}");
        assert!(all[0] >= Duration::from_micros(88_400), "{:?}", all[0]);
        assert!(all[50_000] < Duration::from_millis(100), "the median is below the mean");
        assert!(all[99_900] > Duration::from_millis(250), "one in a thousand is far out: {:?}", all[99_900]);
    }
}

//! A sequential test on good and bad events: Page's CUSUM ("Continuous Inspection Schemes", Biometrika 41, 1954) with
//! the log likelihood ratio of a Bernoulli variable.

/// What one event adds to the sum: the evidence for one share of bad events against another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cusum {
    good: f64,
    bad: f64,
}

impl Cusum {
    /// Evidence for the share `to` against the share `from`; both between 0 and 1, exclusive.
    pub fn towards(to: f64, from: f64) -> Self {
        Self { good: ((1.0 - to) / (1.0 - from)).ln(), bad: (to / from).ln() }
    }

    /// From 2 % of bad events to 20 %; scaled up where `background`, the share before the fault, is higher than 2 %.
    pub fn breakdown(background: f64) -> Self {
        let from = background.clamp(0.02, 0.9);
        Self::towards(nearer_all(from, 10.0), from)
    }

    /// From 8 % of bad events to 1 %; scaled up where `background`, the share before the fault, is higher than 1 %.
    pub fn recovery(background: f64) -> Self {
        let to = background.clamp(0.01, 0.9);
        Self::towards(to, nearer_all(to, 8.0))
    }

    /// The sum after one more event; never below zero.
    pub fn next(self, sum: f64, is_bad: bool) -> f64 {
        (sum + if is_bad { self.bad } else { self.good }).max(0.0)
    }

    /// How many good events in a row take the sum from zero to this; none where good events lower it.
    pub fn good_events_to(self, sum: f64) -> Option<u32> {
        (self.good > 0.0).then(|| (sum / self.good).ceil() as u32)
    }
}

/// Whether the sum says that the odds are 10 to the power of `decades`, give or take a rounding error.
pub fn reaches(sum: f64, decades: f64) -> bool {
    sum >= decades * std::f64::consts::LN_10 - 1e-9
}

/// So many times the share, but no more than half of the way from it to everything.
fn nearer_all(share: f64, times: f64) -> f64 {
    (share * times).min((1.0 + share) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::{Cusum, reaches};

    #[test]
    fn four_bad_events_in_a_row_raise_the_alarm_and_three_do_not() {
        let cusum = Cusum::breakdown(0.0);
        let after = |bad| (0..bad).fold(0.0, |sum, _| cusum.next(sum, true));
        assert!(!reaches(after(3), 4.0));
        assert!(reaches(after(4), 4.0), "4 ln(10) is ln(10^4), whatever the last digit says");
    }

    #[test]
    fn ninety_five_good_events_in_a_row_accept_a_recovery() {
        assert_eq!(Cusum::recovery(0.0).good_events_to(1000_f64.ln()), Some(95));
    }

    #[test]
    fn at_the_background_the_evidence_grows_whatever_the_background() {
        for background in [0.0, 0.01, 0.05, 0.2, 0.5, 1.0_f64] {
            let share = background.clamp(0.01, 0.9);
            let drift = |cusum: Cusum| share * cusum.bad + (1.0 - share) * cusum.good;
            assert!(drift(Cusum::recovery(background)) > 0.0, "{background}");
            assert!(drift(Cusum::breakdown(background)) < 0.0, "{background}");
        }
    }
}

//! When the guardian acts. Pure: it is told what was heard and when.

use std::time::Duration;

use super::{GOODBYE, LEASE, SECOND_CHANCE};
use crate::host::pulse::Heard;

/// Why the guardian acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The tool is dead, or dying.
    Dead,
    /// It gives no sign of life.
    Hangs,
    /// It is not done although its time is long over.
    Overdue,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Give a sign of life back, and listen on.
    Answer,
    /// Listen on.
    Listen,
    /// The tool came to its end by itself.
    GoHome,
    /// Put everything back.
    Act(Alarm),
}

/// The guardian's patience with one tool. Moments are on the monotonic clock, which no change of the date moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vigil {
    deadline: Duration,
    patience: Duration,
}

impl Vigil {
    /// Begins now, over a tool that may take so long.
    pub fn new(now: Duration, longest: Duration) -> Self {
        Self { deadline: now + longest, patience: LEASE }
    }

    /// How long to listen for the next sign of life.
    pub fn patience(&self, now: Duration) -> Duration {
        self.deadline.saturating_sub(now).min(self.patience)
    }

    /// What to do about what was heard, having listened for [`Self::patience`] at most.
    pub fn hear(&mut self, now: Duration, heard: Heard) -> Next {
        let is_over = now >= self.deadline;
        match heard {
            Heard::Sign(GOODBYE) => Next::GoHome,
            Heard::End => Next::Act(Alarm::Dead),
            _ if is_over => Next::Act(Alarm::Overdue),
            Heard::Sign(_) => {
                self.patience = LEASE;
                Next::Answer
            }
            // The whole machine may have stood still, us included: then the tool needs a moment to say so.
            Heard::Silence if self.patience == LEASE => {
                self.patience = SECOND_CHANCE;
                Next::Listen
            }
            Heard::Silence => Next::Act(Alarm::Hangs),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{ALIVE, GOODBYE, LEASE, SECOND_CHANCE};
    use super::{Alarm, Next, Vigil};
    use crate::host::pulse::Heard;

    const LONGEST: Duration = Duration::from_secs(100);
    const SIGN: Heard = Heard::Sign(ALIVE);

    #[test]
    fn a_tool_that_beats_is_answered_until_it_says_goodbye() {
        let mut vigil = Vigil::new(Duration::ZERO, LONGEST);
        for second in 0..99 {
            assert_eq!(vigil.hear(Duration::from_secs(second), SIGN), Next::Answer);
        }
        assert_eq!(vigil.hear(LONGEST, Heard::Sign(GOODBYE)), Next::GoHome, "however late");
    }

    #[test]
    fn a_pipe_that_ends_is_acted_on_at_once() {
        let mut vigil = Vigil::new(Duration::ZERO, LONGEST);
        assert_eq!(vigil.hear(Duration::ZERO, Heard::End), Next::Act(Alarm::Dead));
    }

    #[test]
    fn silence_gets_a_second_chance_and_no_third() {
        let mut vigil = Vigil::new(Duration::ZERO, LONGEST);
        assert_eq!(vigil.patience(Duration::ZERO), LEASE);
        assert_eq!(vigil.hear(LEASE, Heard::Silence), Next::Listen);
        assert_eq!(vigil.patience(LEASE), SECOND_CHANCE);
        let (mut late, mut never) = (vigil.clone(), vigil);
        assert_eq!(never.hear(LEASE + SECOND_CHANCE, Heard::Silence), Next::Act(Alarm::Hangs));
        assert_eq!(late.hear(LEASE + SECOND_CHANCE / 2, SIGN), Next::Answer);
        assert_eq!(late.patience(LEASE + SECOND_CHANCE / 2), LEASE, "its whole lease again");
    }

    #[test]
    fn a_tool_that_lives_and_beats_beyond_its_time_is_overdue() {
        let mut vigil = Vigil::new(Duration::from_secs(7), LONGEST);
        let deadline = Duration::from_secs(7) + LONGEST;
        let just_before = deadline - Duration::from_millis(100);
        assert_eq!(vigil.hear(just_before, SIGN), Next::Answer);
        assert_eq!(vigil.patience(just_before), Duration::from_millis(100), "it wakes in time");
        assert_eq!(vigil.hear(deadline, Heard::Silence), Next::Act(Alarm::Overdue));
        assert_eq!(vigil.hear(deadline, SIGN), Next::Act(Alarm::Overdue));
        assert_eq!(vigil.patience(deadline + LEASE), Duration::ZERO);
    }
}

//! How long `chaos stop` waits for a tool that lives: is it about to end, slow, or does it hang? Pure: the switch tells
//! what it sees, and acts.

use std::time::Duration;

/// Whoever does not so much as begin to roll back within this time hangs.
const REACTION: Duration = Duration::from_secs(5);
/// A rollback that writes nothing down for so long is asked to hurry,
const HURRY: Duration = Duration::from_secs(10);
/// and then it hangs: no single undo takes longer.
const HANGS: Duration = Duration::from_secs(60);

/// What is to be done about a tool that was asked to end and lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urge {
    /// It gets its time.
    Wait,
    /// It rolls back slowly: it is asked once more.
    Hurry,
    /// SIGSTOP or a debugger holds it: it will not do anything.
    KillStopped,
    /// It has shown no sign for so long.
    KillSilent(Duration),
}

/// How a tool that was asked to end has behaved since.
#[derive(Debug)]
pub(super) struct Patience {
    /// When something was last written into the journal, and how long it was then.
    grew: (Duration, u64),
    reacted: bool,
    hurried: bool,
    killed: Option<Duration>,
}

impl Patience {
    /// Of a tool asked at `since`, when its journal had `length` bytes.
    pub(super) const fn new(since: Duration, length: u64) -> Self {
        Self { grew: (since, length), reacted: false, hurried: false, killed: None }
    }

    /// When it was killed; none while it was not.
    pub(super) const fn killed(&self) -> Option<Duration> {
        self.killed
    }

    /// What to do at `now`, when the journal has `length` bytes. Each but [`Urge::Wait`] comes once.
    pub(super) fn urge(&mut self, now: Duration, length: u64, stopped: bool) -> Urge {
        if length != self.grew.1 {
            self.grew = (now, length);
            self.reacted = true;
        }
        let silent = now.saturating_sub(self.grew.0);
        let limit = if self.reacted { HANGS } else { REACTION };
        if self.killed.is_some() {
            Urge::Wait
        } else if stopped || silent >= limit {
            self.killed = Some(now);
            if stopped { Urge::KillStopped } else { Urge::KillSilent(limit) }
        } else if silent >= HURRY && !self.hurried {
            self.hurried = true;
            Urge::Hurry
        } else {
            Urge::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done, and after how many milliseconds, when the journal grows at the given moments.
    fn history(grows: &[u64], until: u64) -> Vec<(u64, Urge)> {
        let mut patience = Patience::new(Duration::ZERO, 100);
        let urge = |at: u64| {
            let length = 100 + grows.iter().filter(|grown| **grown <= at).count() as u64;
            (at, patience.urge(Duration::from_millis(at), length, false))
        };
        (0..=until).step_by(100).map(urge).filter(|(_, urge)| *urge != Urge::Wait).collect()
    }

    #[test]
    fn a_tool_that_shows_no_reaction_is_killed_after_five_seconds_and_once() {
        assert_eq!(history(&[], 30_000), [(5_000, Urge::KillSilent(REACTION))]);
    }

    #[test]
    fn a_tool_that_writes_its_journal_gets_its_time_however_long_that_is() {
        let steady: Vec<u64> = (1..100).map(|at| at * 4_000).collect();
        assert_eq!(history(&steady, 396_000), []);
    }

    #[test]
    fn a_rollback_that_is_stuck_is_asked_to_hurry_and_then_killed() {
        let expected = [(11_000, Urge::Hurry), (61_000, Urge::KillSilent(HANGS))];
        assert_eq!(history(&[1_000], 120_000), expected);
    }

    #[test]
    fn what_goes_on_after_it_was_asked_to_hurry_is_not_killed() {
        let steady: Vec<u64> = std::iter::once(1_000).chain((2..10).map(|at| at * 10_000)).collect();
        assert_eq!(history(&steady, 100_000), [(11_000, Urge::Hurry)]);
    }

    #[test]
    fn a_tool_that_is_stopped_is_killed_at_once() {
        let mut patience = Patience::new(Duration::ZERO, 100);
        assert_eq!(patience.urge(Duration::from_millis(10), 100, true), Urge::KillStopped);
        assert_eq!(patience.killed(), Some(Duration::from_millis(10)));
        assert_eq!(patience.urge(Duration::from_millis(20), 100, true), Urge::Wait);
    }
}

//! What an error on the way says about the system under test: refused, broken, or nothing at all because it is ours.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::host::clock::Clock;
use crate::model::sample::{Measurement, Outcome};

/// Longer details are cut.
const LONGEST_DETAIL: usize = 200;

/// Waits for the end of `work`, at most for the probe's timeout.
pub(super) async fn within<T>(
    clock: Clock,
    timeout: Duration,
    work: impl Future<Output = Result<T, Measurement>>,
) -> Result<T, Measurement> {
    let deadline = clock.now() + timeout;
    tokio::select! {
        biased;
        done = work => done,
        () = clock.patience_until(deadline) => Err(Measurement::failed(Outcome::Timeout, "no answer")),
    }
}

/// Judges an error by the error of the operating system at its root, if there is one; its text comes from the root.
pub(super) fn of_error(error: &(dyn Error + 'static)) -> Measurement {
    let mut root = error;
    let mut outcome = outcome_of(error);
    while let Some(source) = root.source() {
        root = source;
        outcome = outcome_of(root).or(outcome);
    }
    Measurement::failed(outcome.unwrap_or(Outcome::Broken), one_line(&root.to_string()))
}

/// None when this link of the chain does not know.
fn outcome_of(error: &(dyn Error + 'static)) -> Option<Outcome> {
    let error = error.downcast_ref::<io::Error>()?;
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => Some(Outcome::Refused),
        // Our own descriptors, ports or buffers are used up: no evidence about the target.
        Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM) => {
            Some(Outcome::Saturated)
        }
        _ => None,
    }
}

/// The text on one line and not too long, so that it fits a table and cannot draw on a terminal.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_DETAIL) {
        None => line,
        Some((end, _)) => format!("{}...", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::{LONGEST_DETAIL, of_error, one_line};
    use crate::model::sample::Outcome;

    fn outcome(errno: Errno) -> Outcome {
        of_error(&io::Error::other(io::Error::from(errno))).outcome
    }

    #[test]
    fn errors_are_judged_by_their_root() {
        assert_eq!(of_error(&io::Error::from(Errno::CONNREFUSED)).outcome, Outcome::Refused);
        assert_eq!(outcome(Errno::CONNRESET), Outcome::Broken);
        assert_eq!(outcome(Errno::HOSTUNREACH), Outcome::Broken);
    }

    #[test]
    fn our_own_limits_are_no_evidence_about_the_target() {
        assert_eq!(of_error(&io::Error::from(Errno::MFILE)).outcome, Outcome::Saturated);
        assert_eq!(of_error(&io::Error::from(Errno::ADDRNOTAVAIL)).outcome, Outcome::Saturated);
    }

    #[test]
    fn details_are_one_short_line_without_control_characters() {
        assert_eq!(one_line("a\n\tb\u{1b}[31m c\r\n"), "a b [31m c");
        assert_eq!(one_line(&"ä".repeat(500)).chars().count(), LONGEST_DETAIL + 3);
    }
}

//! The questions on a terminal: what the flags did not say.

use std::io::BufRead;

use clap::ValueEnum;

use crate::cli::arguments::Break;
use crate::host::output::{self, Stream};

/// Whether somebody sits there who can answer.
pub(super) fn possible() -> bool {
    use std::io::IsTerminal;
    std::io::stdin().is_terminal() && output::is_terminal(Stream::Stderr)
}

/// One line; nothing when there is none, or an empty one.
pub(super) fn line(question: &str) -> Option<String> {
    output::stderr(&format!("{question} "));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok()?;
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Which of the common cases; asked until the answer is one.
pub(super) fn case() -> Option<Break> {
    output::stderr("What shall break?\n");
    output::stderr(&super::list());
    loop {
        let answer = line("One of these [latency]:").unwrap_or_else(|| "latency".to_owned());
        match Break::from_str(&answer, true) {
            Ok(case) => return Some(case),
            Err(_) if !possible() => return None,
            Err(_) => output::stderr(&format!("there is no `{answer}`\n")),
        };
    }
}

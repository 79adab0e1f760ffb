//! Whether colour is wanted: on a terminal, unless NO_COLOR says no or a CI server reads along; anywhere else where
//! CLICOLOR_FORCE asks for it.

use super::ci;
use crate::host::output::{self, Stream};
use crate::report::Style;

/// Whether to colour what goes to this stream. See <https://no-color.org> and <https://bixense.com/clicolors>.
pub(super) fn wanted(stream: Stream) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && (set("CLICOLOR_FORCE").is_some_and(|value| value != "0") || can_redraw(stream))
}

/// Whether lines on this stream can be drawn again: a terminal that understands escapes, and a person before it.
pub(super) fn can_redraw(stream: Stream) -> bool {
    let understands = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    output::is_terminal(stream) && understands && ci::server().is_none()
}

/// How text for people on stdout looks.
pub(super) fn style() -> Style {
    Style { color: wanted(Stream::Stdout), width: width() }
}

/// How many columns stdout has; 80 where it is no terminal.
fn width() -> usize {
    output::size(Stream::Stdout).map_or(80, |(columns, _)| columns).clamp(40, 120)
}

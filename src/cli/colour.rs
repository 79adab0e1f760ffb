//! Whether colour is wanted: on a terminal, unless NO_COLOR says no.

use crate::host::output::{self, Stream};
use crate::report::Style;

/// Whether to colour what goes to this stream. See <https://no-color.org>.
pub(super) fn wanted(stream: Stream) -> bool {
    let no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    can_redraw(stream) && !no
}

/// Whether lines on this stream can be drawn again: a terminal that understands escapes.
pub(super) fn can_redraw(stream: Stream) -> bool {
    output::is_terminal(stream) && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How text for people on stdout looks.
pub(super) fn style() -> Style {
    Style { color: wanted(Stream::Stdout), width: width() }
}

/// How many columns stdout has; 80 where it is no terminal.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    size.map_or(80, |size| usize::from(size.ws_col)).clamp(60, 120)
}

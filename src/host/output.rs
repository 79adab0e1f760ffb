//! Standard output and error. A reader that went away (`| head -1`) is remembered and never a failure: an experiment
//! must be rolled back whether somebody listens or not.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// For data.
    Stdout,
    /// For talk.
    Stderr,
}

static STDOUT_LOST: OnceLock<String> = OnceLock::new();
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);
static STDERR_CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes to standard output, at once; false when nobody reads it any more.
pub fn stdout(text: &str) -> bool {
    let told = |error: &io::Error| drop(STDOUT_LOST.set(error.to_string()));
    write(io::stdout().lock(), &STDOUT_CLOSED, text, told)
}

/// Why something that was meant for standard output is lost. A reader that went away has lost nothing that it wanted.
pub fn lost() -> Option<&'static str> {
    STDOUT_LOST.get().map(String::as_str)
}

/// Writes to standard error, at once; false when nobody reads it any more.
pub fn stderr(text: &str) -> bool {
    write(io::stderr().lock(), &STDERR_CLOSED, text, |_| ())
}

/// Whether a person looks at it.
pub fn is_terminal(stream: Stream) -> bool {
    match stream {
        Stream::Stdout => io::stdout().is_terminal(),
        Stream::Stderr => io::stderr().is_terminal(),
    }
}

/// Columns and rows of a terminal; none where it is none, or does not tell.
pub fn size(stream: Stream) -> Option<(usize, usize)> {
    let size = match stream {
        Stream::Stdout => rustix::termios::tcgetwinsize(io::stdout()),
        Stream::Stderr => rustix::termios::tcgetwinsize(io::stderr()),
    };
    let size = size.ok().map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    size.filter(|(columns, rows)| *columns > 0 && *rows > 0)
}

fn write(mut stream: impl Write, closed: &AtomicBool, text: &str, lost: impl FnOnce(&io::Error)) -> bool {
    if closed.load(Ordering::Relaxed) {
        return false;
    }
    // EPIPE of a pipe, EIO of a terminal that is gone, ENOSPC of a file: none of them gets better.
    let written = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    closed.store(written.is_err(), Ordering::Relaxed);
    if let Err(error) = &written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        lost(error);
    }
    written.is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::atomic::AtomicBool;

    use super::write;

    #[test]
    fn text_arrives_at_once() {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        assert!(write(&writer, &AtomicBool::new(false), "a line\n", |_| ()));
        let mut text = [0; 7];
        reader.read_exact(&mut text).expect("reads");
        assert_eq!(&text, b"a line\n");
    }

    #[test]
    fn a_closed_pipe_is_remembered_and_never_written_again() {
        struct Counting(u32);
        impl Write for &mut Counting {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                self.0 += 1;
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (mut stream, closed) = (Counting(0), AtomicBool::new(false));
        assert!(!write(&mut stream, &closed, "lost", |_| panic!("a reader that went away lost nothing")));
        assert!(!write(&mut stream, &closed, "not even tried", |_| ()));
        assert_eq!(stream.0, 1);
    }

    #[test]
    fn the_kernel_reports_a_closed_pipe_as_an_error_and_not_as_a_signal() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert!(!write(&writer, &AtomicBool::new(false), "lost", |_| ()));
    }
}

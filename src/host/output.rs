//! Standard output and error. A reader that went away (`| head -1`) is remembered and never a failure: an experiment
//! must be rolled back whether somebody listens or not.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// For data.
    Stdout,
    /// For talk.
    Stderr,
}

static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);
static STDERR_CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes to standard output, at once; false when nobody reads it any more.
pub fn stdout(text: &str) -> bool {
    write(io::stdout().lock(), &STDOUT_CLOSED, text)
}

/// Writes to standard error, at once; false when nobody reads it any more.
pub fn stderr(text: &str) -> bool {
    write(io::stderr().lock(), &STDERR_CLOSED, text)
}

/// Whether a person looks at it.
pub fn is_terminal(stream: Stream) -> bool {
    match stream {
        Stream::Stdout => io::stdout().is_terminal(),
        Stream::Stderr => io::stderr().is_terminal(),
    }
}

fn write(mut stream: impl Write, closed: &AtomicBool, text: &str) -> bool {
    if closed.load(Ordering::Relaxed) {
        return false;
    }
    // EPIPE of a pipe, EIO of a terminal that is gone, ENOSPC of a file: none of them gets better.
    let written = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    closed.store(written.is_err(), Ordering::Relaxed);
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
        assert!(write(&writer, &AtomicBool::new(false), "a line\n"));
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
        assert!(!write(&mut stream, &closed, "lost"));
        assert!(!write(&mut stream, &closed, "not even tried"));
        assert_eq!(stream.0, 1);
    }

    #[test]
    fn the_kernel_reports_a_closed_pipe_as_an_error_and_not_as_a_signal() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert!(!write(&writer, &AtomicBool::new(false), "lost"));
    }
}

//! Signs of life through a pipe: a byte now and then from one process to another. The kernel closes the pipe when its
//! writer dies, however it dies; the bytes tell one that lives from one that hangs.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::thread;

/// What came through the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The newest byte.
    Sign(u8),
    /// Nothing, for all that time.
    Silence,
    /// The other side is gone.
    End,
}

/// Waits for a sign of life.
pub fn hear(from: impl AsFd, within: Duration) -> Heard {
    let deadline = thread::now() + within;
    loop {
        let left = Timespec::try_from(deadline.saturating_sub(thread::now())).ok();
        let mut wait = [PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)];
        match poll(&mut wait, left.as_ref()) {
            Ok(0) => return Heard::Silence,
            Err(Errno::INTR) => continue,
            Ok(_) | Err(_) => {}
        }
        let mut bytes = [0; 64];
        match rustix::io::read(from.as_fd(), &mut bytes) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => return Heard::End,
            Ok(count) => return Heard::Sign(bytes[count - 1]),
        }
    }
}

/// Gives a sign of life; false when nobody is there to hear it.
pub fn tell(to: impl AsFd, sign: u8) -> bool {
    loop {
        match rustix::io::write(to.as_fd(), &[sign]) {
            Ok(_) => return true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Heard, hear, tell};

    const MOMENT: Duration = Duration::from_millis(5);

    #[test]
    fn the_newest_sign_is_heard_before_the_end() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        assert!(tell(&writer, b'a') && tell(&writer, b'b'));
        drop(writer);
        assert_eq!((hear(&reader, MOMENT), hear(&reader, MOMENT)), (Heard::Sign(b'b'), Heard::End));
    }

    #[test]
    fn silence_is_told_from_the_end() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        assert_eq!(hear(&reader, MOMENT), Heard::Silence);
        drop(writer);
        assert_eq!(hear(&reader, Duration::from_secs(60)), Heard::End, "at once");
    }

    #[test]
    fn a_listener_that_is_gone_is_noticed() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert!(!tell(&writer, b'a'));
    }
}

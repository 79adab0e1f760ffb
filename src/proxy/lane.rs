//! One direction of a TCP connection: reads, holds what toxics delay, and writes. A single loop that may be cut off at
//! any await without losing, doubling or reordering a byte, as it only ever waits for readiness.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::body::{Buf, Bytes};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::queue::DelayQueue;
use super::toxics::Gate;
use crate::host::clock::Clock;

/// One of the two ends that a proxied connection joins.
pub(super) struct End {
    pub(super) stream: TcpStream,
    /// A write to it failed. The kernel tells of a reset only once; whoever reads from it would take it for a close.
    broken: AtomicBool,
}

impl End {
    /// The end that is a socket.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, broken: AtomicBool::new(false) }
    }
}

/// How a direction ended, when the other may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything was delivered, and the close with it.
    Closed,
    /// The receiver takes nothing more. Whoever reads from it will soon learn why.
    Refused,
}

/// The source was reset, everything before that was delivered, and now the receiver is to be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reset;

/// What travels.
enum Piece {
    Data(Bytes),
    Close,
    Reset,
}

/// One direction of a connection.
pub(super) struct Lane<'a> {
    from: &'a End,
    to: &'a End,
    gate: Gate,
    clock: Clock,
    alarm: Alarm,
    queue: DelayQueue<Piece>,
    /// What is being written.
    outgoing: Bytes,
    /// When `outgoing` was last used up.
    idle_since: Instant,
    /// The last chunk was delayed. Then arrivals are noted while the receiver is slow; else its slowness is passed on.
    delaying: bool,
    /// More may come.
    open: bool,
}

thread_local! {
    /// Read into by whichever lane of this thread is at work, so that an idle connection holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into_boxed_slice());
}

impl<'a> Lane<'a> {
    /// A direction through a gate.
    pub(super) fn new(from: &'a End, to: &'a End, gate: Gate, clock: Clock) -> Self {
        Self {
            from,
            to,
            gate,
            clock,
            alarm: Alarm::new(clock),
            queue: DelayQueue::new(),
            outgoing: Bytes::new(),
            idle_since: clock.now(),
            delaying: false,
            open: true,
        }
    }

    /// Carries everything until the source closes or either end is gone.
    pub(super) async fn run(mut self) -> Result<Ending, Reset> {
        loop {
            if self.outgoing.is_empty()
                && let Some(ending) = self.take_due()
            {
                return ending;
            }
            let writing = !self.outgoing.is_empty();
            let due = if writing { None } else { self.queue.next_due() };
            let reading = self.open && self.queue.has_room() && (self.delaying || !writing);
            let step = tokio::select! {
                () = self.gate.changed() => { self.queue.retime(); Ok(()) }
                _ = self.to.stream.writable(), if writing => self.write(),
                () = self.alarm.at(due), if due.is_some() => Ok(()),
                _ = self.from.stream.readable(), if reading => self.read(),
            };
            if step.is_err() {
                self.to.broken.store(true, Ordering::Release);
                return Ok(Ending::Refused);
            }
        }
    }

    /// Takes the next due piece out of the queue; tells when it is the last.
    fn take_due(&mut self) -> Option<Result<Ending, Reset>> {
        match self.queue.pop_due(self.clock.now(), self.idle_since)? {
            Piece::Data(bytes) => {
                self.outgoing = bytes;
                None
            }
            Piece::Close => Some(Ok(match SockRef::from(&self.to.stream).shutdown(Shutdown::Write) {
                Ok(()) => Ending::Closed,
                Err(_) => Ending::Refused,
            })),
            Piece::Reset => Some(Err(Reset)),
        }
    }

    /// Reads once. An error is the receiver's.
    fn read(&mut self) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|buffer| {
            match self.from.stream.try_read(buffer) {
                Ok(0) if self.from.broken.load(Ordering::Acquire) => self.end(Piece::Reset),
                Ok(0) => self.end(Piece::Close),
                Ok(length) => return self.pass(&buffer[..length]),
                Err(error) if is_temporary(&error) => {}
                Err(_) => self.end(Piece::Reset),
            }
            Ok(())
        })
    }

    /// Sends bytes on their way: at once where nothing holds them.
    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let doses = self.gate.doses(bytes.len());
        self.delaying = !doses.is_empty();
        if self.delaying || !self.queue.is_empty() || !self.outgoing.is_empty() {
            self.queue.push(Piece::Data(Bytes::copy_from_slice(bytes)), bytes.len(), self.clock.now(), doses);
            return Ok(());
        }
        match self.to.stream.try_write(bytes) {
            Ok(written) => self.outgoing = Bytes::copy_from_slice(&bytes[written..]),
            Err(error) if is_temporary(&error) => self.outgoing = Bytes::copy_from_slice(bytes),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The source says no more; that travels behind the bytes, and as long as they do.
    fn end(&mut self, last: Piece) {
        self.open = false;
        let doses = self.gate.trailing_doses();
        self.queue.push(last, 0, self.clock.now(), doses);
    }

    /// Writes once.
    fn write(&mut self) -> io::Result<()> {
        match self.to.stream.try_write(&self.outgoing) {
            Ok(written) => self.outgoing.advance(written),
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error),
        }
        if self.outgoing.is_empty() {
            self.idle_since = self.clock.now();
        }
        Ok(())
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

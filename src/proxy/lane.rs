//! One direction of a TCP connection: reads, holds what toxics delay, and writes. A single loop that may be cut off at
//! any await without losing, doubling or reordering a byte, as it only ever waits for readiness.
//!
//! Bytes take one of three ways, and change between them at any time: small messages through one buffer that all
//! lanes of a thread share; bulk data through a borrowed pipe, without being copied through this process; and, while
//! a toxic wants to see them, through a queue of chunks that have deadlines.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::body::{Buf, Bytes};
use rustix::net::RecvFlags;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::gate::Gate;
use super::listener::Shared;
use super::pipe::Pipe;
use super::queue::DelayQueue;
use super::toxic::{Allowance, Cut, Hold};
use super::traffic::Flow;
use super::waiting::Waiting;
use crate::host::clock::Clock;
use crate::model::fault::Stream;

/// The buffer that the lanes of a thread share. One that was filled shows that there is more: then a pipe is borrowed.
const SCRATCH_SIZE: usize = 64 * 1024;
/// A pipe that brought less than this at once is given back: what comes is small.
const BULK: usize = 16 * 1024;

/// One of the two ends that a proxied connection joins.
pub(super) struct End {
    pub(super) stream: TcpStream,
    /// A write to it failed. The kernel tells of a reset only once; whoever reads from it would take it for a close.
    broken: AtomicBool,
    /// Where it is the client's: what holds something of the connection.
    waiting: Waiting,
}

impl End {
    /// The end that is a socket.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, broken: AtomicBool::new(false), waiting: Waiting::default() }
    }

    /// Whether a byte, the close or an error waits to be read. Readiness alone may be a mere guess.
    fn has_something(&self) -> bool {
        let peek = || Ok(rustix::net::recv(&self.stream, &mut [0_u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)?);
        let peeked = self.stream.try_io(Interest::READABLE, peek);
        peeked.map_or_else(|error| !is_temporary(&error), |_| true)
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

/// What travels.
#[derive(Debug)]
enum Piece {
    Data(Bytes),
    Close,
    Reset,
}

/// What a lane waits for beside changes of toxics.
struct Wants {
    write: bool,
    read: bool,
    at: Option<Instant>,
}

/// One direction of a connection.
pub(super) struct Lane<'a> {
    from: &'a End,
    to: &'a End,
    gate: Gate,
    shared: &'a Shared,
    stream: Stream,
    alarm: Alarm,
    queue: DelayQueue<Piece>,
    /// Was read before a toxic was noticed that wants it: as if it were still to be read.
    unread: Bytes,
    /// What is being written: these bytes, then those in the pipe.
    outgoing: Bytes,
    pipe: Option<Pipe>,
    /// The last read filled the buffer, or a good part of a pipe.
    bulk: bool,
    /// When all that was to be written was last used up.
    idle_since: Instant,
    /// The last chunk was delayed. Then arrivals are noted while the receiver is slow; else its slowness is passed on.
    delaying: bool,
    /// More may come.
    open: bool,
}

thread_local! {
    /// Read into by whichever lane of this thread is at work, so that an idle connection holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_SIZE].into_boxed_slice());
}

impl<'a> Lane<'a> {
    /// A direction through a gate.
    pub(super) fn new(from: &'a End, to: &'a End, stream: Stream, gate: Gate, shared: &'a Shared) -> Self {
        Self {
            from,
            to,
            gate,
            shared,
            stream,
            alarm: Alarm::new(shared.clock),
            queue: DelayQueue::within(Arc::clone(&shared.room)),
            unread: Bytes::new(),
            outgoing: Bytes::new(),
            pipe: None,
            bulk: false,
            idle_since: shared.clock.now(),
            delaying: false,
            open: true,
        }
    }

    /// Carries everything until the source closes, either end is gone, or a toxic cuts the connection off.
    pub(super) async fn run(&mut self) -> Result<Ending, Cut> {
        loop {
            if self.gate.is_stale() {
                self.gate.refresh();
                self.queue.retime();
            }
            if let Some((hold, certain)) = self.gate.hold() {
                self.held(hold, certain).await?;
                continue;
            }
            if !self.is_writing()
                && let Some(ending) = self.take_due()?
            {
                return Ok(ending);
            }
            let wants = self.wants()?;
            let unread = !self.unread.is_empty();
            let step = tokio::select! {
                () = self.gate.changed() => Ok(()),
                _ = self.to.stream.writable(), if wants.write => self.write(),
                () = self.alarm.at(wants.at), if wants.at.is_some() => Ok(()),
                () = std::future::ready(()), if wants.read && unread => self.read(),
                _ = self.from.stream.readable(), if wants.read && !unread => self.read(),
            };
            if step.is_err() {
                self.to.broken.store(true, Ordering::Release);
                return Ok(Ending::Refused);
            }
        }
    }

    /// Lets nothing pass: waits until the toxics change, the time is up or the source is gone. What makes the toxic
    /// touch the connection is the first byte or close that it holds back, or that its time is up.
    async fn held(&mut self, hold: Hold, certain: bool) -> Result<(), Cut> {
        let (until, cut) = (hold.until.map(|(moment, _)| moment), hold.until.map(|(_, cut)| cut));
        let waiting = self.is_writing() || !self.queue.is_empty() || !self.unread.is_empty() || !self.open;
        if !certain && (waiting || until.is_some_and(|moment| moment <= self.clock().now())) {
            self.gate.seize();
            return Ok(());
        }
        tokio::select! {
            () = self.gate.changed() => {}
            () = self.alarm.at(until), if until.is_some() => match cut {
                Some(cut) if certain => {
                    self.gate.note_cut(self.clock().now());
                    return Err(cut);
                }
                _ => self.gate.seize(),
            },
            _ = self.from.stream.readable(), if !certain => if self.from.has_something() {
                self.gate.seize();
            },
            _ = self.from.stream.ready(Interest::ERROR), if certain => return Err(Cut::Reset),
        }
        Ok(())
    }

    fn client(&self) -> &'a End {
        match self.stream {
            Stream::Upstream => self.from,
            Stream::Downstream => self.to,
        }
    }

    fn clock(&self) -> Clock {
        self.shared.clock
    }

    fn flow(&self) -> &'a Flow {
        self.shared.traffic.flow(self.stream)
    }

    fn is_writing(&self) -> bool {
        !self.outgoing.is_empty() || self.pipe.as_ref().is_some_and(|pipe| pipe.held() > 0)
    }

    /// Takes the next due piece out of the queue; tells when it is the last.
    fn take_due(&mut self) -> Result<Option<Ending>, Cut> {
        if self.queue.is_empty() {
            return Ok(None);
        }
        match self.queue.pop_due(self.clock().now(), self.idle_since) {
            None => Ok(None),
            Some(Piece::Data(bytes)) => {
                self.outgoing = bytes;
                if self.queue.is_empty() {
                    self.client().waiting.is_over(self.stream);
                }
                Ok(None)
            }
            Some(Piece::Close) => Ok(Some(match SockRef::from(&self.to.stream).shutdown(Shutdown::Write) {
                Ok(()) => Ending::Closed,
                Err(_) => Ending::Refused,
            })),
            Some(Piece::Reset) => Err(Cut::Reset),
        }
    }

    /// What to wait for. Where a limit is used up and all is delivered, the connection is closed.
    fn wants(&mut self) -> Result<Wants, Cut> {
        let write = self.is_writing();
        if !self.gate.wants_bytes() && self.queue.is_empty() {
            let read = self.open && !write;
            return Ok(Wants { write, read, at: None });
        }
        let now = self.clock().now();
        let due = if write { None } else { self.queue.next_due() };
        let allowed = self.open && (self.delaying || !write) && self.queue.has_room_at(now, self.gate.is_pacing());
        let again = match self.gate.allowance(now) {
            Allowance::UsedUp if !write && self.queue.is_empty() => {
                if self.gate.seize_used_up(now) {
                    let _ = SockRef::from(&self.to.stream).shutdown(Shutdown::Write);
                    return Err(Cut::Close);
                }
                // It may not touch this user: the next look goes without it.
                return Ok(Wants { write, read: false, at: Some(now) });
            }
            Allowance::UsedUp => return Ok(Wants { write, read: false, at: due }),
            Allowance::Later(then) => Some(then),
            Allowance::Most(_) => None,
        };
        let at = if allowed { due.into_iter().chain(again).min() } else { due };
        Ok(Wants { write, read: allowed && again.is_none(), at })
    }

    /// Reads once, by the way that fits. An error is the receiver's.
    fn read(&mut self) -> io::Result<()> {
        if self.gate.wants_bytes() || !self.queue.is_empty() || !self.unread.is_empty() {
            self.read_dosed();
            return Ok(());
        }
        if self.bulk && self.pipe.is_none() {
            self.pipe = Pipe::borrow();
        }
        if self.pipe.is_some() { self.read_bulk() } else { self.read_small() }
    }

    /// Reads into the shared buffer and writes from there.
    fn read_small(&mut self) -> io::Result<()> {
        SCRATCH.with_borrow_mut(|buffer| {
            let length = match self.from.stream.try_read(buffer) {
                Ok(length) if length > 0 => length,
                other => {
                    self.read_nothing(other);
                    return Ok(());
                }
            };
            self.flow().received(length);
            self.bulk = length == buffer.len();
            let bytes = &buffer[..length];
            if self.is_wanted() {
                self.unread = Bytes::copy_from_slice(bytes);
                return Ok(());
            }
            let written = match self.to.stream.try_write(bytes) {
                Ok(written) => written,
                Err(error) if is_temporary(&error) => 0,
                Err(error) => return Err(error),
            };
            self.flow().sent(written);
            self.outgoing = if written < length { Bytes::copy_from_slice(&bytes[written..]) } else { Bytes::new() };
            Ok(())
        })
    }

    /// Moves into the pipe and out of it.
    fn read_bulk(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let length = match self.from.stream.try_io(Interest::READABLE, || pipe.fill(&self.from.stream)) {
            Ok(length) if length > 0 => length,
            other => {
                self.pipe = None;
                self.read_nothing(other);
                return Ok(());
            }
        };
        self.flow().received(length);
        self.bulk = length >= BULK;
        if self.is_wanted() {
            // Cannot fail: the bytes are in there.
            self.unread = self.pipe.take().map_or(Ok(Vec::new()), |mut pipe| pipe.take())?.into();
            return Ok(());
        }
        self.write()
    }

    /// Whether a toxic that was added before these bytes arrived wants them: it came after the last look.
    fn is_wanted(&mut self) -> bool {
        if self.gate.is_stale() {
            self.gate.refresh();
            return self.gate.wants_bytes() || self.gate.hold().is_some();
        }
        false
    }

    /// Reads as much as the toxics let in, into the queue.
    fn read_dosed(&mut self) {
        let now = self.clock().now();
        let Allowance::Most(most) = self.gate.allowance(now) else { return };
        if !self.unread.is_empty() {
            let chunk = self.unread.split_to(most.min(self.unread.len()).min(SCRATCH_SIZE));
            return self.take_in(chunk, now);
        }
        SCRATCH.with_borrow_mut(|buffer| {
            let most = most.min(buffer.len());
            match self.from.stream.try_read(&mut buffer[..most]) {
                Ok(length) if length > 0 => {
                    self.flow().received(length);
                    if self.gate.is_stale() {
                        self.gate.refresh();
                        self.queue.retime();
                        self.unread = Bytes::copy_from_slice(&buffer[..length]);
                    } else {
                        self.take_in(Bytes::copy_from_slice(&buffer[..length]), now);
                    }
                }
                other => self.read_nothing(other),
            }
        });
    }

    fn take_in(&mut self, chunk: Bytes, now: Instant) {
        let doses = self.gate.doses(chunk.len(), now);
        self.delaying = !doses.is_empty();
        self.client().waiting.note(&doses);
        let length = chunk.len();
        self.queue.push(Piece::Data(chunk), length, now, doses);
    }

    /// A read brought no bytes: the source says no more, or there is nothing yet.
    fn read_nothing(&mut self, read: io::Result<usize>) {
        match read {
            Ok(_) if self.from.broken.load(Ordering::Acquire) => self.end(Piece::Reset),
            Ok(_) => self.end(Piece::Close),
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.end(Piece::Reset),
        }
    }

    /// The source says no more; that travels behind the bytes, and as long as they do.
    fn end(&mut self, last: Piece) {
        self.open = false;
        if self.stream == Stream::Upstream {
            self.client().waiting.given_up();
        }
        if self.gate.is_stale() {
            self.gate.refresh();
            self.queue.retime();
        }
        let doses = self.gate.doses_of_close();
        self.queue.push(last, 0, self.clock().now(), doses);
    }

    /// Writes once.
    fn write(&mut self) -> io::Result<()> {
        let stream = &self.to.stream;
        let written = match (&mut self.pipe, self.outgoing.is_empty()) {
            (_, false) => stream.try_write(&self.outgoing).inspect(|written| self.outgoing.advance(*written)),
            (Some(pipe), true) => stream.try_io(Interest::WRITABLE, || pipe.empty(stream)),
            (None, true) => Ok(0),
        };
        match written {
            Ok(written) => self.flow().sent(written),
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error),
        }
        if !self.is_writing() {
            self.outgoing = Bytes::new();
            if !self.bulk {
                self.pipe = None;
            }
            if self.delaying {
                self.idle_since = self.clock().now();
            }
        }
        Ok(())
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

//! The client's socket as hyper sees it: what was read ahead comes first, and its end may be a reset.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How toxics reach the socket while hyper owns it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cord(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cut: AtomicBool,
    blocked: AtomicBool,
}

impl Cord {
    /// Lets the connection end with a reset instead of a close.
    pub(super) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
    }

    /// Whether the client takes nothing more for now, so that bytes wait in the proxy.
    pub(super) fn is_blocked(&self) -> bool {
        self.0.blocked.load(Ordering::Acquire)
    }

    fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }
}

/// The socket of a client.
pub(super) struct Wire {
    stream: TcpStream,
    first: Bytes,
    cord: Cord,
}

impl Wire {
    /// The socket, of which the first bytes were read already.
    pub(super) fn new(stream: TcpStream, first: Bytes) -> Self {
        Self { stream, first, cord: Cord::default() }
    }

    /// The way to reach it later.
    pub(super) fn cord(&self) -> Cord {
        self.cord.clone()
    }

    fn note<T>(&self, result: Poll<T>) -> Poll<T> {
        self.cord.0.blocked.store(result.is_pending(), Ordering::Release);
        result
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.cord.is_cut() {
            // What refuses is closed already; then nothing is left to be cut.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let length = self.first.len().min(into.remaining());
        into.put_slice(&self.first[..length]);
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cord.is_cut() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

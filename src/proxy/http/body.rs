//! Bodies that pass through a proxy, frame by frame.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Whatever can end a body, or a request, early.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// Its sender's connection.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// A toxic.
    #[error(transparent)]
    Cut(#[from] Cut),
}

/// What a toxic does to a request that gets no answer, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cut {
    /// It is reset.
    #[error("reset by a toxic")]
    Reset,
    /// It is closed after it was held.
    #[error("closed by a toxic")]
    Closed,
}

/// A body that passes.
pub(super) type Body = UnsyncBoxBody<Bytes, BodyError>;
/// A frame of a body, or what ended it early.
pub(super) type Delivered = Result<Frame<Bytes>, BodyError>;

/// A body as it comes.
pub(super) fn pass(body: Incoming) -> Body {
    body.map_err(BodyError::from).boxed_unsync()
}

/// A body that is all there.
pub(super) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A body whose frames come from a task of its own, which ends with the body.
pub(super) fn pumped<F>(pump: impl FnOnce(mpsc::Sender<Delivered>) -> F) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let (frames, delivered) = mpsc::channel(1);
    let mut task = JoinSet::new();
    task.spawn(pump(frames));
    Pumped { frames: delivered, _task: task }.boxed_unsync()
}

struct Pumped {
    frames: mpsc::Receiver<Delivered>,
    _task: JoinSet<()>,
}

impl HttpBody for Pumped {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivered>> {
        self.frames.poll_recv(context)
    }
}

//! The connection to the upstream that belongs to one client connection: made when it is first needed, of the version
//! that the client speaks, and kept as long as both sides keep it.

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

use super::LONGEST_HEAD;
use super::body::Body;
use super::crew::Crew;
use super::preface::Speech;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The upstream cannot be reached: the request never left.
    #[error(transparent)]
    Away(#[from] io::Error),
    /// The connection, or the stream, broke before the answer.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// The way to the upstream.
pub(super) struct Link {
    upstream: String,
    open: Open,
    gone: Arc<Notify>,
    crew: Crew,
}

/// The connection that is open, if one is, with the task that drives it and is aborted when it is dropped.
enum Open {
    One(Mutex<Option<(http1::SendRequest<Body>, JoinSet<()>)>>),
    Two(Mutex<Option<(http2::SendRequest<Body>, JoinSet<()>)>>),
}

impl Link {
    /// Not connected yet. What HTTP/2 does on the side is done by the crew.
    pub(super) fn new(upstream: &str, speech: Speech, crew: Crew) -> Self {
        let open = match speech {
            Speech::One => Open::One(Mutex::default()),
            Speech::Two => Open::Two(Mutex::default()),
        };
        Self { upstream: upstream.to_owned(), open, gone: Arc::default(), crew }
    }

    /// Returns when the upstream has ended the connection. Cancel-safe.
    pub(super) async fn gone(&self) {
        self.gone.notified().await;
    }

    /// Sends a request, over a new connection where there is none or the upstream has closed it. A request that may
    /// have reached the upstream is never sent again.
    ///
    /// HTTP/1.1 requests wait for each other's answers, HTTP/2 requests go side by side.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, LinkError> {
        match &self.open {
            Open::One(open) => {
                let mut open = open.lock().await;
                if let Some((sender, _)) = open.as_mut()
                    && sender.ready().await.is_ok()
                {
                    match sender.try_send_request(request).await {
                        Ok(response) => return Ok(response),
                        Err(error) => request = unsent(error)?,
                    }
                }
                *open = None;
                let (sender, _) = open.insert(self.connect_one().await?);
                Ok(sender.send_request(request).await?)
            }
            Open::Two(open) => {
                let (mut sender, fresh) = self.sender_two(open).await?;
                // A connection is ready once the upstream's limit of streams allows for one more.
                if sender.ready().await.is_ok() || fresh {
                    match sender.try_send_request(request).await {
                        Ok(response) => return Ok(response),
                        Err(error) => request = unsent(error)?,
                    }
                }
                let (mut sender, _) = self.sender_two(open).await?;
                Ok(sender.send_request(request).await?)
            }
        }
    }

    /// A sender of the connection that is open, or of a new one; and whether it is new.
    async fn sender_two(
        &self,
        open: &Mutex<Option<(http2::SendRequest<Body>, JoinSet<()>)>>,
    ) -> Result<(http2::SendRequest<Body>, bool), LinkError> {
        let mut open = open.lock().await;
        if let Some((sender, _)) = open.as_ref().filter(|(sender, _)| !sender.is_closed()) {
            return Ok((sender.clone(), false));
        }
        *open = None;
        let (sender, _) = open.insert(self.connect_two().await?);
        Ok((sender.clone(), true))
    }

    async fn connect_one(&self) -> Result<(http1::SendRequest<Body>, JoinSet<()>), LinkError> {
        let handshake = http1::Builder::new().preserve_header_case(true).handshake(self.stream().await?);
        let (sender, connection) = handshake.await?;
        Ok((sender, self.drive(connection.with_upgrades())))
    }

    async fn connect_two(&self) -> Result<(http2::SendRequest<Body>, JoinSet<()>), LinkError> {
        let mut builder = http2::Builder::new(self.crew.clone());
        builder.max_header_list_size(LONGEST_HEAD);
        let (sender, connection) = builder.handshake(self.stream().await?).await?;
        Ok((sender, self.drive(connection)))
    }

    async fn stream(&self) -> io::Result<TokioIo<TcpStream>> {
        let stream = TcpStream::connect(self.upstream.as_str()).await?;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }

    fn drive(&self, connection: impl Future + Send + 'static) -> JoinSet<()> {
        let gone = Arc::clone(&self.gone);
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its errors also end the requests it carries, which tell of them.
            let _ = connection.await;
            gone.notify_one();
        });
        driver
    }
}

/// The request, where it surely was not sent.
fn unsent(mut error: TrySendError<Request<Body>>) -> Result<Request<Body>, LinkError> {
    error.take_message().ok_or_else(|| error.into_error().into())
}

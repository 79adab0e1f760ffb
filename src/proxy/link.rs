//! The connection to the upstream that belongs to one HTTP client connection: made when it is first needed, kept
//! alive as long as both sides keep it.

use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;

/// Whatever can end a body early.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A body that passes.
pub(super) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// The way to the upstream.
pub(super) struct Link {
    upstream: String,
    wire: Mutex<Option<Wire>>,
    gone: Arc<Notify>,
}

struct Wire {
    sender: SendRequest<Body>,
    /// Drives the connection; aborted when dropped.
    _driver: JoinSet<()>,
}

impl Link {
    /// Not connected yet.
    pub(super) fn new(upstream: &str) -> Self {
        Self { upstream: upstream.to_owned(), wire: Mutex::default(), gone: Arc::default() }
    }

    /// Returns when the upstream has ended the connection. Cancel-safe.
    pub(super) async fn gone(&self) {
        self.gone.notified().await;
    }

    /// Sends a request, over a new connection where there is none or the upstream has closed it. A request that may
    /// have reached the upstream is never sent again.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, BodyError> {
        let mut wire = self.wire.lock().await;
        if let Some(open) = wire.as_mut()
            && open.sender.ready().await.is_ok()
        {
            match open.sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        *wire = None;
        let open = wire.insert(self.connect().await?);
        Ok(open.sender.send_request(request).await?)
    }

    async fn connect(&self) -> Result<Wire, BodyError> {
        let stream = TcpStream::connect(self.upstream.as_str()).await?;
        stream.set_nodelay(true)?;
        let handshake = http1::Builder::new().preserve_header_case(true).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await?;
        let gone = Arc::clone(&self.gone);
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its errors also end the requests it carries, which tell of them.
            let _ = connection.with_upgrades().await;
            gone.notify_one();
        });
        Ok(Wire { sender, _driver: driver })
    }
}

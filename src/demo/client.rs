//! The gateway's way to one upstream: HTTP/1.1 over connections that are kept alive, each call with its own limit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::host::clock::Clock;

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 1 << 20;
/// As many idle connections are kept.
const MOST_IDLE: usize = 64;

/// Why a call brought no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The circuit breaker did not let it through.
    #[error("the circuit breaker is open")]
    Open,
    /// No connection, or it broke.
    #[error("{0}")]
    Broken(String),
    /// An answer that is not 200.
    #[error("it answered {0}")]
    Status(u16),
}

impl CallError {
    /// The status that the gateway answers with.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Open => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) | Self::Status(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

/// A client of one upstream.
pub(super) struct Client {
    upstream: String,
    timeout: Option<Duration>,
    clock: Clock,
    idle: Mutex<Vec<Wire>>,
    /// The connections of calls that failed, where they are never closed: a known mistake.
    leaked: Option<Mutex<Vec<Wire>>>,
}

struct Wire {
    sender: SendRequest<Empty<Bytes>>,
    /// Drives the connection; aborted when dropped.
    _driver: JoinSet<()>,
}

impl Client {
    /// A client of `HOST:PORT`; none of its calls takes longer than the timeout, where there is one.
    pub(super) fn new(upstream: String, timeout: Option<Duration>, leaks: bool, clock: Clock) -> Self {
        Self { upstream, timeout, clock, idle: Mutex::default(), leaked: leaks.then(Mutex::default) }
    }

    /// One call, answered in JSON. A call that fails or is given up takes its connection with it.
    pub(super) async fn get<T: DeserializeOwned>(&self, path_and_query: &str) -> Result<T, CallError> {
        let Some(timeout) = self.timeout else { return decoded(&self.call(path_and_query).await?) };
        tokio::select! {
            biased;
            answer = self.call(path_and_query) => decoded(&answer?),
            () = self.clock.sleep(timeout) => Err(CallError::Timeout(timeout)),
        }
    }

    async fn call(&self, path_and_query: &str) -> Result<Bytes, CallError> {
        let request = Request::get(path_and_query).header(HOST, &self.upstream).body(Empty::new());
        let (response, wire) = self.send(request.map_err(broken)?).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.map_err(broken)?.to_bytes();
        match &self.leaked {
            Some(leaked) if status != StatusCode::OK => lock(leaked).push(wire),
            _ => self.keep(wire),
        }
        if status == StatusCode::OK { Ok(body) } else { Err(CallError::Status(status.as_u16())) }
    }

    /// Sends a request over an idle connection, or a new one where there is none that still lives. A request that may
    /// have reached the upstream is not sent again: that is for the retry to decide.
    async fn send(&self, mut request: Request<Empty<Bytes>>) -> Result<(Response<Incoming>, Wire), CallError> {
        while let Some(mut wire) = self.take_idle() {
            if wire.sender.ready().await.is_err() {
                continue;
            }
            match wire.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, wire)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(error.into_error())),
                },
            }
        }
        let mut wire = self.connect().await?;
        let response = wire.sender.send_request(request).await.map_err(broken)?;
        Ok((response, wire))
    }

    async fn connect(&self) -> Result<Wire, CallError> {
        let stream = TcpStream::connect(self.upstream.as_str()).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its errors also end the call it carries, which tells of them.
            let _ = connection.await;
        });
        Ok(Wire { sender, _driver: driver })
    }

    fn take_idle(&self) -> Option<Wire> {
        lock(&self.idle).pop()
    }

    fn keep(&self, wire: Wire) {
        let mut idle = lock(&self.idle);
        if idle.len() < MOST_IDLE && !wire.sender.is_closed() {
            idle.push(wire);
        }
    }
}

fn decoded<T: DeserializeOwned>(answer: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(answer).map_err(|error| CallError::Broken(format!("not the JSON expected: {error}")))
}

fn lock(wires: &Mutex<Vec<Wire>>) -> MutexGuard<'_, Vec<Wire>> {
    wires.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The innermost cause, which says most: `Connection refused (os error 111)`.
fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CallError {
    let error = error.into();
    let cause = std::iter::successors(Some(&*error as &dyn std::error::Error), |error| error.source()).last();
    CallError::Broken(cause.map(ToString::to_string).unwrap_or_default())
}

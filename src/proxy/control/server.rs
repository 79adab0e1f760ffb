//! Takes connections and answers calls, each within limits: a client that sends too much or too slowly is refused, and
//! keeps nobody else waiting.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::answer::{Answer, Control};
use super::error::ApiError;
use super::metrics;
use super::route::route;
use crate::host::Trouble;
use crate::host::clock::Clock;

/// No call needs more: a thousand proxies are 200 KB.
const LONGEST_BODY: usize = 1 << 20;
/// How long a client may take to send one request.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long calls under way may take when everything ends.
const GRACE: Duration = Duration::from_millis(500);
/// The pause after an accept that failed, such as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(20);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-toxiproxy-request-id");

/// A control API that listens.
#[must_use = "it ends when this is dropped; `shutdown` also waits for calls under way"]
pub struct ControlServer {
    /// Where it listens.
    pub address: SocketAddr,
    running: watch::Sender<()>,
    accepting: JoinSet<()>,
}

impl ControlServer {
    /// No new calls; those under way have half a second to end.
    pub async fn shutdown(mut self) {
        drop(self.running);
        while self.accepting.join_next().await.is_some() {}
    }
}

/// Serves the API until it is shut down.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(control: Control, listen: SocketAddr, clock: Clock) -> Result<ControlServer, Trouble> {
    let bound = async {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        std::io::Result::Ok((listener, address))
    };
    let (listener, address) = bound.await.map_err(|error| {
        let trouble = Trouble::new(format!("serve the control API on {listen}"), error);
        trouble.help("choose another --listen, or end the program that holds this one")
    })?;
    let (running, stop) = watch::channel(());
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener, Arc::new(control), stop, clock));
    Ok(ControlServer { address, running, accepting })
}

async fn accept(listener: TcpListener, control: Arc<Control>, mut stop: watch::Receiver<()>, clock: Clock) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(converse(stream, Arc::clone(&control), stop.clone(), clock)); }
                Err(_) => clock.sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = clock.sleep(GRACE) => connections.shutdown().await,
    }
}

async fn converse(stream: TcpStream, control: Arc<Control>, mut stop: watch::Receiver<()>, clock: Clock) {
    // Only a socket that is gone already refuses.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(async |request| Ok::<_, Infallible>(respond(&control, request, clock).await));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        // An error is the client's, who has seen it.
        _ = serving.as_mut() => return,
        _ = stop.changed() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

async fn respond(control: &Control, request: Request<Incoming>, clock: Clock) -> Response<Full<Bytes>> {
    let mut response = if is_browser(&request) {
        plain(StatusCode::FORBIDDEN, "User agent not allowed\n")
    } else {
        call(control, request, clock).await
    };
    if let Ok(id) = HeaderValue::from_str(&Uuid::now_v7().simple().to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A page of the web must not steer our proxies through the browser of whoever looks at it.
fn is_browser(request: &Request<Incoming>) -> bool {
    request.headers().get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

async fn call(control: &Control, request: Request<Incoming>, clock: Clock) -> Response<Full<Bytes>> {
    let route = match route(request.method(), request.uri().path()) {
        Ok(route) => route,
        Err(StatusCode::METHOD_NOT_ALLOWED) => return not_allowed(),
        Err(status) => return plain(status, "404 page not found\n"),
    };
    let answered = match body(request.into_body(), clock).await {
        Ok(body) => control.answer(route, &body).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(Answer::Json(status, value)) => response(status, "application/json", value.to_string()),
        Ok(Answer::Metrics(text)) => response(StatusCode::OK, metrics::MIME, text),
        Ok(Answer::Nothing) => empty(),
        Err(error) => response(error.status, "application/json", format!("{}\n", error.body())),
    }
}

async fn body(body: Incoming, clock: Clock) -> Result<Bytes, ApiError> {
    tokio::select! {
        collected = Limited::new(body, LONGEST_BODY).collect() => match collected {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(ApiError::body_too_large(LONGEST_BODY)),
            Err(error) => Err(ApiError::bad_body(error)),
        },
        () = clock.sleep(PATIENCE) => Err(ApiError::body_too_slow()),
    }
}

fn response(status: StatusCode, mime: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text.to_owned())
}

fn empty() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn not_allowed() -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, PATCH, DELETE"));
    response
}

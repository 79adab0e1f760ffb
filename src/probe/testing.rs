//! What the tests of the probes share: small servers on ports of their own, and probes with short settings.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Surroundings, prepare};
use crate::host::clock::Clock;
use crate::host::{Prober, Trouble};
use crate::model::probe::{OnNoData, ProbeKind, ProbeSpec};
use crate::model::redaction::Redaction;
use crate::model::sample::Measurement;
use crate::model::units::Timespan;

/// A server that ends with the test.
pub struct Server {
    pub address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Serves every connection in a task of its own.
    pub async fn start<F, S>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
            }
        });
        Self { address, _tasks: tasks }
    }

    /// Answers every HTTP request.
    pub async fn http<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<String>> + Send + 'static,
    {
        Self::start(move |stream| speak_http(stream, answer.clone())).await
    }

    /// Answers every HTTP request with this status and body.
    pub async fn answers(status: u16, body: impl Into<String>) -> Self {
        let body: Arc<str> = body.into().into();
        Self::http(move |_| std::future::ready(response(status, &body))).await
    }

    /// Reads a request, answers with these bytes and closes.
    pub async fn bytes(bytes: &'static [u8]) -> Self {
        Self::start(move |mut stream| async move {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await;
        })
        .await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Speaks HTTP on one connection until it ends.
pub async fn speak_http<S, F, A>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<String>>,
{
    let service = service_fn(|request| {
        let answer = answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

pub fn response(status: u16, body: &str) -> Response<String> {
    Response::builder().status(status).body(body.to_owned()).expect("a response")
}

/// An address where nothing listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address")
}

/// A probe that gives up after a second.
pub fn spec(kind: ProbeKind) -> ProbeSpec {
    ProbeSpec {
        name: "probe".into(),
        kind,
        interval: Timespan::millis(10),
        timeout: Timespan::seconds(1),
        expect: Vec::new(),
        on_no_data: OnNoData::Stop,
        independent_of: Vec::new(),
    }
}

/// The same with a shorter limit.
pub fn hasty(kind: ProbeKind) -> ProbeSpec {
    ProbeSpec { timeout: Timespan(Duration::from_millis(100)), ..spec(kind) }
}

/// A run on the real clock without services.
pub fn surroundings() -> Surroundings {
    Surroundings { clock: Clock::Real, service: Arc::new(|_| None), secrets: Redaction::default() }
}

pub fn prepared(spec: &ProbeSpec) -> Arc<dyn Prober> {
    prepare(spec, &surroundings()).expect("a probe")
}

pub fn refused(kind: ProbeKind) -> Trouble {
    prepare(&spec(kind), &surroundings()).err().expect("a trouble")
}

/// One sample of a probe.
pub async fn sample(spec: &ProbeSpec) -> Measurement {
    prepared(spec).take().await
}

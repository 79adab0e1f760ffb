//! What the three services have in common: a listener, `/health`, `/metrics`, counting, and an end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use serde::Serialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::gateway::Gateway;
use super::metrics::{Exposition, Metrics};
use super::settings::Settings;
use super::{generator, retriever, work};
use crate::host::clock::Clock;
use crate::host::{Trouble, files};

/// How long requests under way may take when everything ends.
const GRACE: Duration = Duration::from_millis(500);
/// The pause after an accept that failed, such as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(20);

/// The services that run.
#[must_use = "the services end when this is dropped; `shutdown` also waits until they have"]
pub struct Running {
    /// Where the gateway listens, if it runs.
    pub gateway: Option<SocketAddr>,
    /// Where the retriever listens, if it runs.
    pub retriever: Option<SocketAddr>,
    /// Where the generator listens, if it runs.
    pub generator: Option<SocketAddr>,
    running: watch::Sender<()>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Ends the services: no new connections, half a second for requests under way.
    pub async fn shutdown(mut self) {
        drop(self.running);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Starts the services that the settings name.
///
/// # Errors
/// An address cannot be listened on; then none runs.
pub async fn start(settings: Settings, clock: Clock) -> Result<Running, Trouble> {
    let serve = settings.serve;
    let gateway = bind("gateway", settings.gateway, serve.gateway).await?;
    let retriever = bind("retriever", settings.retriever, serve.retriever).await?;
    let generator = bind("generator", settings.generator, serve.generator).await?;
    let address = |bound: &Option<Bound>| bound.as_ref().map(|bound| bound.address);
    let (running, stop) = watch::channel(());
    let mut started = Running {
        gateway: address(&gateway),
        retriever: address(&retriever),
        generator: address(&generator),
        running,
        tasks: JoinSet::new(),
    };
    let upstream = |named: &Option<String>, bound: Option<SocketAddr>, listen: SocketAddr| {
        named.clone().unwrap_or_else(|| bound.unwrap_or(listen).to_string())
    };
    let to_retriever = upstream(&settings.retriever_upstream, started.retriever, settings.retriever);
    let to_generator = upstream(&settings.generator_upstream, started.generator, settings.generator);
    let work = settings.work;
    for (bound, kind) in [
        (gateway, Kind::Gateway(Box::new(Gateway::new(&settings, to_retriever, to_generator, clock)))),
        (retriever, Kind::Retriever { work }),
        (generator, Kind::Generator { work, pause: settings.pause, maintenance: settings.maintenance.clone(), clock }),
    ] {
        if let Some(bound) = bound {
            let service = Service { kind, metrics: Metrics::default(), clock };
            started.tasks.spawn(accept(bound.listener, Arc::new(service), stop.clone()));
        }
    }
    Ok(started)
}

struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

async fn bind(name: &str, address: SocketAddr, wanted: bool) -> Result<Option<Bound>, Trouble> {
    if !wanted {
        return Ok(None);
    }
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        std::io::Result::Ok(Bound { listener, address })
    };
    bound.await.map(Some).map_err(|error| {
        let trouble = Trouble::new(format!("start the demo's {name} on {address}"), error);
        trouble.help("choose another port for it, or end the program that holds this one")
    })
}

async fn accept(listener: TcpListener, service: Arc<Service>, mut stop: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, Arc::clone(&service), stop.clone())); }
                Err(_) => service.clock.sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = service.clock.sleep(GRACE) => connections.shutdown().await,
    }
}

async fn serve(stream: TcpStream, service: Arc<Service>, mut stop: watch::Receiver<()>) {
    // Only a socket that is gone already refuses.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(async |request| Ok::<_, Infallible>(service.answer(&request).await));
    let serving = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), answer);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        // An error is the client's, who has seen it.
        _ = serving.as_mut() => return,
        _ = stop.changed() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// One service.
struct Service {
    kind: Kind,
    metrics: Metrics,
    clock: Clock,
}

enum Kind {
    Gateway(Box<Gateway>),
    Retriever { work: Duration },
    Generator { work: Duration, pause: Duration, maintenance: Option<PathBuf>, clock: Clock },
}

impl Service {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let reply = match request.uri().path() {
            _ if request.method() != Method::GET => Reply::refused(StatusCode::METHOD_NOT_ALLOWED, "only GET is known"),
            "/health" => self.health().await,
            "/metrics" => self.metrics(),
            path => {
                let under_way = self.metrics.begin(self.clock.now());
                let reply = self.kind.answer(path, request.uri().query().unwrap_or_default()).await;
                under_way.answered(reply.status.as_u16(), self.clock.now());
                reply
            }
        };
        reply.into_response()
    }

    async fn health(&self) -> Reply {
        if let Kind::Gateway(gateway) = &self.kind
            && let Some(why) = gateway.unhealthy().await
        {
            return Reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "bad", "why": why }));
        }
        Reply::json(StatusCode::OK, &json!({ "status": "ok", "service": self.kind.name() }))
    }

    fn metrics(&self) -> Reply {
        let mut text = Exposition::default();
        self.metrics.write(self.kind.name(), &mut text);
        if let Kind::Gateway(gateway) = &self.kind {
            gateway.write_metrics(&mut text);
        }
        Reply { status: StatusCode::OK, mime: Exposition::MIME, body: text.into_text().into() }
    }
}

impl Kind {
    const fn name(&self) -> &'static str {
        match self {
            Self::Gateway(_) => "gateway",
            Self::Retriever { .. } => "retriever",
            Self::Generator { .. } => "generator",
        }
    }

    async fn answer(&self, path: &str, query: &str) -> Reply {
        let path_is_known = matches!(
            (self, path),
            (Self::Gateway(_), "/ask" | "/documents")
                | (Self::Retriever { .. }, "/search")
                | (Self::Generator { .. }, "/generate")
        );
        if !path_is_known {
            return Reply::refused(StatusCode::NOT_FOUND, "no such path");
        }
        let Some(question) = parameter(query, "q") else {
            return Reply::refused(StatusCode::BAD_REQUEST, "the question is missing: say ?q=...");
        };
        match self {
            Self::Gateway(gateway) if path == "/documents" => gateway.documents(&question).await,
            Self::Gateway(gateway) => gateway.ask(&question).await,
            Self::Retriever { work } => {
                work::spend(*work).await;
                Reply::json(StatusCode::OK, &retriever::search(&question))
            }
            Self::Generator { maintenance, .. } if is_there(maintenance.as_deref()) => {
                Reply::refused(StatusCode::SERVICE_UNAVAILABLE, "closed for maintenance")
            }
            Self::Generator { work, pause, clock, .. } => {
                if *pause > Duration::ZERO {
                    clock.sleep(*pause).await;
                }
                work::spend(*work).await;
                let documents = parameter(query, "documents").unwrap_or_default();
                Reply::json(StatusCode::OK, &generator::generate(&question, &documents))
            }
        }
    }
}

fn is_there(file: Option<&Path>) -> bool {
    file.is_some_and(|file| files::length(file).is_ok())
}

/// The value of a query's parameter, with its escapes undone.
fn parameter(query: &str, name: &str) -> Option<String> {
    let url = Url::parse(&format!("http://service/?{query}")).ok()?;
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// What a service answers.
pub(super) struct Reply {
    status: StatusCode,
    mime: &'static str,
    body: Bytes,
}

impl Reply {
    /// An answer in JSON.
    pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, mime: "application/json", body: body.into() },
            Err(error) => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                mime: "text/plain; charset=utf-8",
                body: error.to_string().into(),
            },
        }
    }

    fn refused(status: StatusCode, error: &str) -> Self {
        Self::json(status, &json!({ "error": error }))
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.mime));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        }
        response
    }
}

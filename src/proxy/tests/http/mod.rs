//! HTTP through a proxy: what passes, and what toxics do to requests.

mod counts;
mod effects;
mod endings;
mod hostile;
mod two;
mod unchanged;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{LOOPBACK, error, latency, noise, proxy_to, soon};
use crate::host::clock::Clock;
use crate::model::dose::ToxicReading;
use crate::model::experiment::{Protocol, Proxy, UserKey};
use crate::model::fault::Stream;
use crate::model::glob::Glob;
use crate::model::http::{HttpEffect, RequestMatch};
use crate::model::step::{Toxic, ToxicKind};
use crate::model::units::Share;
use crate::proxy::ProxySet;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    One,
    Two,
}

/// What the server heard: methods and paths.
type Heard = Arc<Mutex<Vec<String>>>;

/// An HTTP proxy before a server that answers with the request's own body and tells its path and host.
struct Rig {
    set: ProxySet,
    address: SocketAddr,
    speech: Speech,
    connections: Arc<AtomicU64>,
    heard: Heard,
    _server: JoinSet<()>,
}

impl Rig {
    async fn new(seed: u64, users: Option<UserKey>) -> Self {
        Self::speaking(Speech::One, seed, users).await
    }

    async fn speaking(speech: Speech, seed: u64, users: Option<UserKey>) -> Self {
        let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
        let proxy = Proxy { users, ..proxy_to(upstream.local_addr().expect("address"), Protocol::Http) };
        let (connections, heard) = (Arc::<AtomicU64>::default(), Heard::default());
        let mut server = JoinSet::new();
        server.spawn(serve(upstream, speech, Arc::clone(&connections), Arc::clone(&heard)));
        let set = ProxySet::new(Clock::Real, seed);
        let address = set.open(&proxy).await.expect("opens");
        Self { set, address, speech, connections, heard, _server: server }
    }

    async fn client(&self) -> Client {
        Client::speaking(self.speech, self.address).await
    }

    fn add(&self, toxic: &Toxic) {
        self.set.add_toxic("p", toxic).expect("adds");
    }

    fn remove(&self, toxic: &str) {
        self.set.remove_toxic("p", toxic).expect("removes");
    }

    fn reading(&self, toxic: &str) -> ToxicReading {
        self.set.reading("p", toxic).expect("a toxic of that name")
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }

    /// Waits until the counters of a toxic are as wanted.
    async fn until(&self, toxic: &str, is_so: impl Fn(&ToxicReading) -> bool) {
        soon(async {
            while !is_so(&self.reading(toxic)) {
                Clock::Real.sleep(Duration::from_micros(200)).await;
            }
        })
        .await;
    }
}

async fn serve(listener: TcpListener, speech: Speech, connections: Arc<AtomicU64>, heard: Heard) {
    let mut tasks = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("accepts");
        connections.fetch_add(1, Ordering::Relaxed);
        let heard = Arc::clone(&heard);
        let echo = service_fn(move |request: Request<Incoming>| {
            heard.lock().expect("no panic").push(format!("{} {}", request.method(), request.uri().path()));
            async move {
                let mut response = Response::builder().header("x-path", request.uri().path());
                for (name, as_name) in [("host", "x-host"), ("transfer-encoding", "x-framing")] {
                    if let Some(value) = request.headers().get(name) {
                        response = response.header(as_name, value);
                    }
                }
                response.body(request.into_body())
            }
        });
        tasks.spawn(async move {
            let io = TokioIo::new(stream);
            let _ = match speech {
                Speech::One => hyper::server::conn::http1::Builder::new().serve_connection(io, echo).await,
                Speech::Two => {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, echo).await
                }
            };
        });
    }
}

/// A toxic on requests, named after what it does.
fn on_requests(name: &str, stream: Stream, effect: HttpEffect) -> Toxic {
    let kind = ToxicKind::Http { only: RequestMatch::default(), effect };
    Toxic { name: name.into(), stream, toxicity: Share::ALL, max_users: None, kind }
}

/// One client connection.
struct Client {
    sender: Sender,
    _driver: JoinSet<()>,
}

#[derive(Debug)]
enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

impl Client {
    async fn new(address: SocketAddr) -> Self {
        Self::speaking(Speech::One, address).await
    }

    async fn speaking(speech: Speech, address: SocketAddr) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.expect("connects"));
        let mut driver = JoinSet::new();
        let sender = match speech {
            Speech::One => {
                let (sender, connection) = http1::handshake(io).await.expect("shakes");
                driver.spawn(async move { drop(connection.await) });
                Sender::One(sender)
            }
            Speech::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("shakes");
                driver.spawn(async move { drop(connection.await) });
                Sender::Two(sender)
            }
        };
        Self { sender, _driver: driver }
    }

    async fn send(&mut self, request: Request<Body>) -> Response<Incoming> {
        self.try_send(request).await.expect("an answer")
    }

    async fn try_send(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        soon(async {
            match &mut self.sender {
                Sender::One(sender) => {
                    sender.ready().await?;
                    sender.send_request(request).await
                }
                Sender::Two(sender) => {
                    let uri = format!("http://shop.example{}", request.uri());
                    *request.uri_mut() = uri.parse().expect("a URI");
                    sender.ready().await?;
                    sender.send_request(request).await
                }
            }
        })
        .await
    }

    fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        }
    }

    async fn post(&mut self, path: &str, body: &[u8]) -> (StatusCode, Bytes) {
        self.try_post(path, body).await.expect("an answer to its end")
    }

    async fn try_post(&mut self, path: &str, body: &[u8]) -> hyper::Result<(StatusCode, Bytes)> {
        let request = Request::post(path).header(HOST, "shop.example").body(full(body)).expect("request");
        let response = self.try_send(request).await?;
        let status = response.status();
        Ok((status, soon(response.into_body().collect()).await?.to_bytes()))
    }

    async fn status_as(&mut self, header: &str, user: &str) -> u16 {
        let request = Request::get("/").header(header, user).body(full(b"")).expect("request");
        let response = self.send(request).await;
        let status = response.status().as_u16();
        soon(response.into_body().collect()).await.expect("body");
        status
    }
}

fn full(body: &[u8]) -> Body {
    Full::new(Bytes::copy_from_slice(body)).map_err(|never| match never {}).boxed_unsync()
}

#[tokio::test]
async fn requests_pass_with_path_host_and_body_over_one_connection_each_side() {
    let rig = Rig::new(1, None).await;
    let mut client = rig.client().await;
    for number in 0..5 {
        let body = format!("body {number}");
        let path = format!("/a%20b/{number}?x=1");
        let request = Request::post(&path).header(HOST, "shop.example").body(full(body.as_bytes())).expect("request");
        let response = client.send(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-path"], format!("/a%20b/{number}"));
        assert_eq!(response.headers()["x-host"], "shop.example");
        assert_eq!(response.into_body().collect().await.expect("body").to_bytes(), body);
    }
    assert_eq!(rig.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn large_bodies_pass_both_ways_unchanged_with_and_without_a_delay() {
    let rig = Rig::new(1, None).await;
    let body = noise(8 << 20);
    let mut client = rig.client().await;
    assert!(client.post("/", &body).await.1 == body);
    rig.add(&latency(50, 0, Stream::Downstream));
    let mut upstream = latency(50, 0, Stream::Upstream);
    upstream.name = "slow upload".into();
    rig.add(&upstream);
    let start = Clock::Real.now();
    assert!(client.post("/", &body).await.1 == body);
    let time = start.elapsed();
    assert!(
        time >= Duration::from_millis(100) && time < Duration::from_secs(3),
        "frames do not wait in line: {time:?}"
    );
    assert_eq!(rig.reading("slow").bytes, 8 << 20);
    assert_eq!(rig.reading("slow upload").bytes, 8 << 20);
}

#[tokio::test]
async fn a_body_streams_through_frame_by_frame() {
    for delay in [None, Some(20)] {
        let rig = Rig::new(1, None).await;
        if let Some(delay) = delay {
            rig.add(&latency(delay, 0, Stream::Downstream));
        }
        let mut client = rig.client().await;
        let (frames, to_send) = mpsc::channel(1);
        let request = Request::post("/").body(Fed(to_send).boxed_unsync()).expect("request");
        frames.send(Bytes::from_static(b"first")).await.expect("sends");
        let response = client.send(request).await;
        assert!(!response.headers().contains_key(CONTENT_LENGTH));
        let mut body = response.into_body();
        for word in [&b"first"[..], b"second"] {
            let frame = soon(body.frame()).await.expect("a frame").expect("no error");
            assert_eq!(frame.into_data().expect("data"), word, "it comes before the body has ended");
            let _ = frames.try_send(Bytes::from_static(b"second"));
        }
    }
}

#[tokio::test]
async fn errors_come_at_their_rate_and_the_connection_is_kept_across_them() {
    let rig = Rig::new(5, None).await;
    rig.add(&error(503, 0.5));
    let mut client = rig.client().await;
    let mut errors = 0;
    for number in 0..200 {
        let sent = noise(number * 97);
        let (status, body) = client.post("/", &sent).await;
        match status.as_u16() {
            200 => assert!(body == sent),
            503 => {
                assert_eq!(body, "injected");
                errors += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert!((65..=135).contains(&errors), "five standard deviations around 100: {errors}");
    let reading = rig.reading("broken");
    assert_eq!((reading.seen, reading.touched, reading.bytes, reading.users), (200, errors, errors * 8, 1));
    assert_eq!(rig.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_seed_breaks_the_same_requests_again() {
    let mut runs = Vec::new();
    for seed in [9, 9, 10] {
        let rig = Rig::new(seed, None).await;
        rig.add(&error(500, 0.5));
        let mut client = rig.client().await;
        let mut statuses = Vec::new();
        for _ in 0..60 {
            statuses.push(client.post("/", b"").await.0.as_u16());
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn only_requests_of_the_path_are_answered_and_seen() {
    let rig = Rig::new(1, None).await;
    let mut toxic = error(418, 1.0);
    let ToxicKind::Http { only, .. } = &mut toxic.kind else { unreachable!() };
    only.path = Some(Glob::new("/api/*"));
    rig.add(&toxic);
    let mut client = rig.client().await;
    let mut statuses = Vec::new();
    for path in ["/api/x", "/apiary", "/", "/api/?q=1"] {
        statuses.push(client.post(path, b"").await.0.as_u16());
    }
    assert_eq!(statuses, [418, 200, 200, 418]);
    let reading = rig.reading("broken");
    assert_eq!((reading.seen, reading.matched, reading.touched), (4, 2, 2));
}

#[tokio::test]
async fn a_toxic_reaches_connections_that_exist_and_leaves_them_when_it_is_removed() {
    let rig = Rig::new(1, None).await;
    let mut client = rig.client().await;
    assert_eq!(client.post("/", b"").await.0, 200);
    rig.add(&error(500, 1.0));
    assert_eq!(client.post("/", b"").await.0, 500);
    rig.set.remove_toxic("p", "broken").expect("removes");
    assert_eq!(client.post("/", b"").await.0, 200);
}

#[tokio::test]
async fn an_answer_is_late_by_the_delay_an_injected_one_as_well() {
    let rig = Rig::new(1, None).await;
    rig.add(&latency(50, 0, Stream::Downstream));
    let mut client = rig.client().await;
    for _ in 0..2 {
        let start = Clock::Real.now();
        client.post("/", b"x").await;
        assert!((50..150).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        if !rig.set.has_toxic("p", "broken") {
            rig.add(&error(500, 1.0));
        }
    }
    let reading = rig.reading("slow");
    assert_eq!((reading.seen, reading.touched, reading.delayed), (2, 2, 4), "a head and a frame each");
    assert!(reading.mean_delay >= Duration::from_millis(50) && reading.mean_delay < Duration::from_millis(90));
}

#[tokio::test]
async fn removal_lets_a_held_answer_go_at_once() {
    let rig = Rig::new(1, None).await;
    rig.add(&latency(60_000, 0, Stream::Downstream));
    let mut client = rig.client().await;
    let asking = client.post("/", b"hello");
    let removing = async {
        while rig.reading("slow").bytes < 5 {
            Clock::Real.sleep(Duration::from_micros(200)).await;
        }
        rig.set.remove_toxic("p", "slow").expect("removes");
    };
    let ((status, body), ()) = soon(async { tokio::join!(asking, removing) }).await;
    assert_eq!((status, body), (StatusCode::OK, Bytes::from_static(b"hello")));
}

#[tokio::test]
async fn no_more_users_than_allowed_are_touched_and_the_others_pass_unharmed() {
    for (key, header) in [(UserKey::Header("X-User".into()), "x-user"), (UserKey::Cookie("id".into()), "cookie")] {
        let rig = Rig::new(1, Some(key)).await;
        let mut toxic = error(500, 1.0);
        toxic.max_users = Some(2);
        rig.add(&toxic);
        let mut client = rig.client().await;
        let mut statuses = Vec::new();
        for user in ["id=a", "id=b", "id=c", "id=a", "id=d", "id=b"] {
            statuses.push(client.status_as(header, user).await);
        }
        assert_eq!(statuses, [500, 500, 200, 500, 200, 500]);
        assert_eq!((rig.reading("broken").users, rig.set.affected_users()), (2, 2));
        assert_eq!(client.post("/", b"").await.0, 200, "who gives no name counts by address, which is a further user");
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_told_as_502_and_found_again_when_it_is_up() {
    let upstream = TcpListener::bind(LOOPBACK).await.expect("binds").local_addr().expect("address");
    let set = ProxySet::new(Clock::Real, 1);
    let mut client = Client::new(set.open(&proxy_to(upstream, Protocol::Http)).await.expect("opens")).await;
    let (status, body) = client.post("/", b"x").await;
    assert_eq!(status, 502);
    let text = format!("proxy p: no answer from upstream {upstream}: Connection refused (os error 111)\n");
    assert_eq!(body, text);
    let listener = TcpListener::bind(upstream).await.expect("the port is still free");
    let mut server = JoinSet::new();
    server.spawn(serve(listener, Speech::One, Arc::default(), Heard::default()));
    assert_eq!(client.post("/", b"x").await, (StatusCode::OK, Bytes::from_static(b"x")));
}

#[tokio::test]
async fn a_client_is_told_when_the_upstream_ends_an_idle_connection() {
    let Rig { set: _set, address, _server, .. } = Rig::new(1, None).await;
    let mut client = Client::new(address).await;
    assert_eq!(client.post("/", b"x").await.0, 200);
    drop(_server);
    soon(async {
        while !client.is_closed() {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_case_of_header_names_and_an_early_answer_reach_the_client() {
    let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
    let set = ProxySet::new(Clock::Real, 1);
    let proxy = proxy_to(upstream.local_addr().expect("address"), Protocol::Http);
    let address = set.open(&proxy).await.expect("opens");
    let mut client = TcpStream::connect(address).await.expect("connects");
    client.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\nX-CaSe: Yes\r\nConnection: close\r\n\r\n").await.expect("writes");
    let (mut server, _) = soon(upstream.accept()).await.expect("accepts");
    let heard = read_head(&mut server).await;
    assert_eq!(heard, "GET /x HTTP/1.1\r\nHost: a\r\nX-CaSe: Yes\r\nConnection: close\r\n\r\n");
    server.write_all(b"HTTP/1.0 200 OK\r\nX-BaCk: Yes\r\n\r\nuntil the end").await.expect("writes");
    drop(server);
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.expect("reads");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("X-BaCk: Yes\r\n"), "{answer}");
    assert!(answer.contains("until the end"), "{answer}");
}

#[tokio::test]
async fn an_upgraded_connection_becomes_a_pipe() {
    let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
    let set = ProxySet::new(Clock::Real, 1);
    let proxy = proxy_to(upstream.local_addr().expect("address"), Protocol::Http);
    let mut client = TcpStream::connect(set.open(&proxy).await.expect("opens")).await.expect("connects");
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await.expect("writes");
    let (mut server, _) = soon(upstream.accept()).await.expect("accepts");
    read_head(&mut server).await;
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    server.write_all(answer).await.expect("writes");
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101 "));
    client.write_all(b"ping").await.expect("writes");
    let mut heard = [0; 4];
    soon(server.read_exact(&mut heard)).await.expect("reads");
    server.write_all(b"pong").await.expect("writes");
    soon(client.read_exact(&mut heard)).await.expect("reads");
    assert_eq!(&heard, b"pong");
    soon(set.close("p")).await.expect("closes");
    assert_eq!(soon(client.read(&mut heard)).await.unwrap_or(0), 0, "the pipe ends with the proxy");
}

#[tokio::test]
async fn a_request_under_way_may_end_while_the_proxy_closes() {
    let rig = Rig::new(1, None).await;
    rig.add(&latency(100, 0, Stream::Downstream));
    let mut client = rig.client().await;
    let asking = client.post("/", b"x");
    let closing = async {
        while rig.reading("slow").touched == 0 {
            Clock::Real.sleep(Duration::from_micros(200)).await;
        }
        rig.set.close("p").await.expect("closes");
    };
    let ((status, _), ()) = soon(async { tokio::join!(asking, closing) }).await;
    assert_eq!(status, 200);
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(soon(stream.read_u8()).await.expect("reads")));
    }
    head
}

/// A body whose frames come from the test.
struct Fed(mpsc::Receiver<Bytes>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

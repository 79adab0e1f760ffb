//! Requests per second through an idle HTTP proxy against direct, in one process and interleaved: the ratio says what the
//! proxy costs, whatever the machine does.
//!
//! `cargo bench --bench http`; `-- --quick` takes a tenth of the time.
#![allow(missing_docs)]

use std::net::SocketAddr;
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::output;
use chaos::model::experiment::{Protocol, Proxy};
use chaos::proxy::ProxySet;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const ROUNDS: usize = 7;
const STREAMS: usize = 16;

#[derive(Clone, Copy, PartialEq)]
enum Speech {
    One,
    Two,
}

fn main() {
    let quick = std::env::args().any(|word| word == "--quick" || word == "--test");
    let round = Duration::from_millis(if quick { 60 } else { 600 });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    for (name, speech, connections) in [
        ("HTTP/1.1, 1 connection", Speech::One, 1),
        ("HTTP/1.1, 16 connections", Speech::One, 16),
        ("HTTP/2, 1 connection, 16 streams", Speech::Two, 1),
    ] {
        let (direct, proxied) = runtime.block_on(compare(speech, connections, round));
        let line = format!(
            "{name}: direct {direct:.0}/s, proxied {proxied:.0}/s, ratio {:.2}\n",
            proxied / direct.max(f64::MIN_POSITIVE)
        );
        assert!(output::stdout(&line), "stdout is closed");
    }
}

/// Requests per second, directly and through a proxy: the medians of rounds that take turns.
async fn compare(speech: Speech, connections: usize, round: Duration) -> (f64, f64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let upstream = listener.local_addr().expect("address");
    let mut server = JoinSet::new();
    server.spawn(serve(listener, speech));
    let set = ProxySet::new(Clock::Real, 1);
    let proxy = Proxy {
        name: "p".into(),
        listen: "127.0.0.1:0".parse().expect("address"),
        upstream: upstream.to_string(),
        protocol: Protocol::Http,
        users: None,
    };
    let through = set.open(&proxy).await.expect("opens");
    let (mut direct, mut proxied) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        direct.push(rate(upstream, speech, connections, round).await);
        proxied.push(rate(through, speech, connections, round).await);
    }
    set.close("p").await.expect("closes");
    (median(direct), median(proxied))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

async fn serve(listener: TcpListener, speech: Speech) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("no delay");
        let answer = service_fn(async |_: Request<Incoming>| {
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
        });
        tasks.spawn(async move {
            let io = TokioIo::new(stream);
            let _ = match speech {
                Speech::One => hyper::server::conn::http1::Builder::new().serve_connection(io, answer).await,
                Speech::Two => {
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, answer).await
                }
            };
        });
    }
}

async fn rate(address: SocketAddr, speech: Speech, connections: usize, round: Duration) -> f64 {
    let start = Clock::Real.now();
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let io = TcpStream::connect(address).await.expect("connects");
        io.set_nodelay(true).expect("no delay");
        match speech {
            Speech::One => {
                let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.expect("shakes");
                tokio::spawn(connection);
                clients.spawn(async move {
                    let mut answered = 0_u32;
                    while start.elapsed() < round {
                        let request = Request::get("/").header("host", "a").body(Full::<Bytes>::default());
                        sender.ready().await.expect("ready");
                        let response = sender.send_request(request.expect("a request")).await.expect("an answer");
                        response.into_body().collect().await.expect("a body");
                        answered += 1;
                    }
                    answered
                });
            }
            Speech::Two => {
                let shaking = http2::handshake(TokioExecutor::new(), TokioIo::new(io));
                let (sender, connection) = shaking.await.expect("shakes");
                tokio::spawn(connection);
                for _ in 0..STREAMS {
                    let mut sender = sender.clone();
                    clients.spawn(async move {
                        let mut answered = 0_u32;
                        while start.elapsed() < round {
                            let request = Request::get("http://a/").body(Full::<Bytes>::default());
                            let response = sender.send_request(request.expect("a request")).await.expect("an answer");
                            response.into_body().collect().await.expect("a body");
                            answered += 1;
                        }
                        answered
                    });
                }
            }
        }
    }
    let answered: u32 = clients.join_all().await.into_iter().sum();
    f64::from(answered) / start.elapsed().as_secs_f64()
}

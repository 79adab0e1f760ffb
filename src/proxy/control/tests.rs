//! The API as its clients see it, on real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Control, ControlServer, serve};
use crate::host::clock::Clock;
use crate::proxy::ProxySet;

struct Api {
    server: ControlServer,
    client: reqwest::Client,
}

/// What the API answered.
struct Told {
    status: u16,
    text: String,
    headers: reqwest::header::HeaderMap,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    fn refusal(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body["status"], self.status, "the body says the status too");
        (self.status, body["error"].as_str().expect("a text").to_owned())
    }
}

impl Api {
    async fn start() -> Self {
        // Any client needs one, though none of these speaks TLS; a second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let control = Control::new(Arc::new(ProxySet::new(Clock::Real, 7)));
        let server = serve(control, "127.0.0.1:0".parse().expect("an address"), Clock::Real).await.expect("listens");
        Self { server, client: reqwest::Client::builder().no_proxy().build().expect("a client") }
    }

    async fn raw(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Told {
        let url = format!("http://{}{path}", self.server.address);
        let response = self.client.request(method, url).body(body).send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Told { status, headers, text: response.text().await.expect("a text") }
    }

    async fn get(&self, path: &str) -> Told {
        self.raw(Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: Value) -> Told {
        self.raw(Method::POST, path, body.to_string()).await
    }

    async fn patch(&self, path: &str, body: Value) -> Told {
        self.raw(Method::PATCH, path, body.to_string()).await
    }

    async fn delete(&self, path: &str) -> Told {
        self.raw(Method::DELETE, path, "").await
    }

    /// A proxy to an upstream, and where it listens.
    async fn proxy_to(&self, name: &str, upstream: SocketAddr) -> SocketAddr {
        let told =
            self.post("/proxies", json!({ "name": name, "listen": "127.0.0.1:0", "upstream": upstream.to_string() }));
        let told = told.await;
        assert_eq!(told.status, 201, "{}", told.text);
        told.json()["listen"].as_str().expect("an address").parse().expect("an address")
    }
}

/// An upstream that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    address
}

async fn echoes(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let mut answer = [0; 4];
    stream.write_all(b"ping").await.is_ok() && stream.read_exact(&mut answer).await.is_ok() && &answer == b"ping"
}

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.expect("binds").local_addr().expect("an address").port()
}

#[tokio::test]
async fn a_proxy_lives_from_its_creation_to_its_deletion() {
    let (api, upstream) = (Api::start().await, echo().await);
    let address = api.proxy_to("redis", upstream).await;
    assert!(echoes(address).await);
    let shown = api.get("/proxies/redis").await;
    let expected = json!({
        "name": "redis", "listen": address.to_string(), "upstream": upstream.to_string(), "enabled": true, "toxics": []
    });
    assert_eq!((shown.status, shown.json()), (200, expected.clone()));
    assert_eq!(api.get("/proxies").await.json(), json!({ "redis": expected }));
    assert_eq!(api.delete("/proxies/redis").await.status, 204);
    assert!(!echoes(address).await, "its port is closed");
    assert_eq!(api.get("/proxies").await.json(), json!({}));
    assert_eq!(api.delete("/proxies/redis").await.refusal(), (404, "proxy not found".into()));
}

#[tokio::test]
async fn refusals_have_the_texts_that_clients_compare() {
    let api = Api::start().await;
    let create = |body| api.post("/proxies", body);
    assert_eq!(create(json!({})).await.refusal(), (400, "missing required field: name".into()));
    assert_eq!(create(json!({ "name": "a" })).await.refusal(), (400, "missing required field: upstream".into()));
    assert_eq!(create(json!({ "name": "a", "upstream": "127.0.0.1:1" })).await.status, 201);
    let again = create(json!({ "name": "a", "upstream": "127.0.0.1:1" })).await;
    assert_eq!(again.refusal(), (409, "proxy already exists".into()));
    for path in ["/proxies/none", "/proxies/none/toxics", "/proxies/none/toxics/x"] {
        assert_eq!(api.get(path).await.refusal(), (404, "proxy not found".into()), "{path}");
    }
    assert_eq!(api.get("/proxies/a/toxics/none").await.refusal(), (404, "toxic not found".into()));
    let toxic = |body| api.post("/proxies/a/toxics", body);
    assert_eq!(toxic(json!({ "type": "none" })).await.refusal(), (400, "invalid toxic type".into()));
    let stream = toxic(json!({ "type": "latency", "stream": "sideways" })).await;
    assert_eq!(stream.refusal(), (400, "stream was invalid, can be either upstream or downstream".into()));
    assert_eq!(toxic(json!({ "type": "latency" })).await.status, 200);
    assert_eq!(toxic(json!({ "type": "latency" })).await.refusal(), (409, "toxic already exists".into()));
}

#[tokio::test]
async fn a_busy_port_is_told_with_its_address_and_changes_nothing() {
    let (api, upstream) = (Api::start().await, echo().await);
    let holder = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let busy = holder.local_addr().expect("an address");
    let text = format!("listen tcp {busy}: bind: address already in use");
    let created = api.post("/proxies", json!({ "name": "a", "listen": busy.to_string(), "upstream": "127.0.0.1:1" }));
    assert_eq!(created.await.refusal(), (500, text.clone()));
    assert_eq!(api.get("/proxies").await.json(), json!({}), "no half-made proxy stays");
    let address = api.proxy_to("b", upstream).await;
    let moved = api.patch("/proxies/b", json!({ "listen": busy.to_string() })).await;
    assert_eq!(moved.refusal(), (500, text));
    let shown = api.get("/proxies/b").await.json();
    assert_eq!((&shown["enabled"], &shown["listen"]), (&json!(true), &json!(address.to_string())));
    assert!(echoes(address).await, "it goes on where it was");
}

#[tokio::test]
async fn a_proxy_is_disabled_moved_and_enabled_again() {
    let (api, upstream) = (Api::start().await, echo().await);
    let address = api.proxy_to("p", upstream).await;
    let off = api.post("/proxies/p", json!({ "enabled": false })).await;
    assert_eq!((off.status, &off.json()["enabled"]), (200, &json!(false)));
    assert!(!echoes(address).await);
    let listen = format!("127.0.0.1:{}", free_port().await);
    assert_eq!(api.patch("/proxies/p", json!({ "listen": listen })).await.json()["listen"], listen);
    let on = api.patch("/proxies/p", json!({ "enabled": true })).await.json();
    assert_eq!((&on["enabled"], &on["listen"]), (&json!(true), &json!(listen)));
    assert!(echoes(listen.parse().expect("an address")).await);
    assert!(!echoes(address).await, "the old port is free");
}

#[tokio::test]
async fn a_toxic_is_made_changed_and_taken_off_while_bytes_pass() {
    let (api, upstream) = (Api::start().await, echo().await);
    let address = api.proxy_to("p", upstream).await;
    let made =
        api.post("/proxies/p/toxics", json!({ "type": "latency", "attributes": { "latency": 60_000, "jitter": 10 } }));
    let expected = json!({
        "attributes": { "latency": 60_000, "jitter": 10 },
        "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1
    });
    let made = made.await;
    assert_eq!((made.status, made.json()), (200, expected));
    let held = tokio::spawn(echoes(address));
    let changed =
        api.patch("/proxies/p/toxics/latency_downstream", json!({ "attributes": { "latency": 50_000 } })).await;
    assert_eq!(changed.json()["attributes"], json!({ "latency": 50_000, "jitter": 10 }));
    assert_eq!(api.get("/proxies/p/toxics").await.json().as_array().expect("a list").len(), 1);
    assert_eq!(api.delete("/proxies/p/toxics/latency_downstream").await.status, 204);
    assert!(held.await.expect("no panic"), "what was held arrives once the toxic is off");
    assert_eq!(api.get("/proxies/p/toxics").await.json(), json!([]));
}

#[tokio::test]
async fn populate_makes_what_is_missing_and_leaves_alone_what_agrees() {
    let (api, upstream) = (Api::start().await, echo().await);
    let address = api.proxy_to("kept", upstream).await;
    api.post("/proxies/kept/toxics", json!({ "type": "timeout" })).await;
    let list = json!([
        { "name": "kept", "listen": address.to_string(), "upstream": upstream.to_string() },
        { "name": "new", "listen": "127.0.0.1:0", "upstream": upstream.to_string(), "enabled": false,
          "toxics": [{ "type": "latency", "attributes": { "latency": 5 } }] },
    ]);
    let told = api.post("/populate", list).await;
    let proxies = told.json()["proxies"].clone();
    assert_eq!((told.status, proxies.as_array().expect("a list").len()), (201, 2));
    assert_eq!(proxies[0]["toxics"][0]["type"], "timeout", "untouched");
    assert_eq!(
        (&proxies[1]["enabled"], &proxies[1]["toxics"][0]["name"]),
        (&json!(false), &json!("latency_downstream"))
    );
}

#[tokio::test]
async fn populate_carries_what_succeeded_beside_the_error() {
    let api = Api::start().await;
    let holder = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let busy = holder.local_addr().expect("an address").to_string();
    let list = json!([
        { "name": "good", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1" },
        { "name": "bad", "listen": busy, "upstream": "127.0.0.1:1" },
    ]);
    let told = api.post("/populate", list).await;
    assert_eq!(told.refusal(), (500, format!("listen tcp {busy}: bind: address already in use")));
    assert_eq!(told.json()["proxies"][0]["name"], "good");
    let unnamed = api.post("/populate", json!([{ "name": "x", "upstream": "127.0.0.1:1" }, { "upstream": "y" }])).await;
    assert_eq!(unnamed.refusal(), (400, "missing required field: name at proxy 2".into()));
    assert_eq!(api.get("/proxies/x").await.status, 404, "a list that is wrong is not begun");
}

#[tokio::test]
async fn reset_enables_every_proxy_and_takes_every_toxic_off() {
    let (api, upstream) = (Api::start().await, echo().await);
    let address = api.proxy_to("p", upstream).await;
    api.post("/proxies/p/toxics", json!({ "type": "timeout", "stream": "upstream" })).await;
    api.patch("/proxies/p", json!({ "enabled": false })).await;
    assert_eq!(api.raw(Method::POST, "/reset", "").await.status, 204);
    let shown = api.get("/proxies/p").await.json();
    assert_eq!((&shown["enabled"], &shown["toxics"]), (&json!(true), &json!([])));
    assert!(echoes(address).await);
}

#[tokio::test]
async fn every_answer_has_an_id_and_browsers_get_none() {
    let api = Api::start().await;
    let version = api.get("/version").await;
    assert_eq!(version.json(), json!({ "version": "2.12.0" }));
    let (one, other) = (version.headers["x-toxiproxy-request-id"].clone(), api.get("/nothing").await);
    assert_ne!(one, other.headers["x-toxiproxy-request-id"]);
    let url = format!("http://{}/proxies", api.server.address);
    let browser = api.client.get(url).header("user-agent", "Mozilla/5.0").send().await.expect("an answer");
    assert_eq!(browser.status(), 403);
}

#[tokio::test]
async fn metrics_count_bytes_while_they_pass() {
    let (api, upstream) = (Api::start().await, echo().await);
    let address = api.proxy_to("p", upstream).await;
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(b"ping").await.expect("sends");
    stream.read_exact(&mut [0; 4]).await.expect("an answer");
    let metrics = api.get("/metrics").await.text;
    for (name, direction) in
        [("received", "upstream"), ("sent", "upstream"), ("received", "downstream"), ("sent", "downstream")]
    {
        let line = format!(
            "toxiproxy_proxy_{name}_bytes_total{{direction=\"{direction}\",listener=\"{address}\",proxy=\"p\",upstream=\"{upstream}\"}} 4"
        );
        assert!(metrics.lines().any(|one| one == line), "no `{line}` in\n{metrics}");
    }
    assert!(metrics.contains(&format!("toxiproxy_proxy_connections{{listener=\"{address}\",proxy=\"p\"")), "{metrics}");
}

#[tokio::test]
async fn bad_input_gets_the_right_status_and_harms_nobody() {
    let api = Api::start().await;
    api.post("/proxies", json!({ "name": "a", "upstream": "127.0.0.1:1" })).await;
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe",
        b"{\"name\": 7}",
        b"{\"enabled\": \"yes\"}",
        b"{\"toxics\": {}}",
    ];
    for body in bodies {
        for path in ["/proxies", "/populate", "/proxies/a/toxics"] {
            let told = api.raw(Method::POST, path, body).await;
            let known = told.status == 400 || (told.status == 201 && path == "/populate");
            assert!(known, "{path} {:?}: {} {}", String::from_utf8_lossy(body), told.status, told.text);
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(api.raw(Method::POST, "/populate", deep).await.status, 400);
    let huge = vec![b' '; 3 << 20];
    assert_eq!(api.raw(Method::POST, "/proxies", huge).await.status, 413);
    for path in ["/proxies/a/../../etc", "/proxies/%2e%2e", "/proxies/a/toxics/%00", "/proxies/a/b/c/d", "//proxies"] {
        assert_eq!(api.get(path).await.status, 404, "{path}");
    }
    for attributes in [json!({ "latency": -1 }), json!({ "latency": 1.5 }), json!({ "latency": [] }), json!(7)] {
        let told = api.post("/proxies/a/toxics", json!({ "type": "latency", "attributes": attributes })).await;
        let (status, text) = told.refusal();
        assert!(status == 400 && text.starts_with("bad request body: "), "{attributes}: {status} {text}");
    }
    let never =
        api.post("/proxies/a/toxics", json!({ "type": "latency", "attributes": { "latency": u64::MAX } })).await;
    assert_eq!(never.status, 200, "for ever is a long time");
    assert_eq!(api.get("/version").await.status, 200, "the server lives");
}

#[tokio::test]
async fn a_listen_address_without_a_host_is_loopback() {
    let api = Api::start().await;
    let port = free_port().await;
    let told =
        api.post("/proxies", json!({ "name": "a", "listen": format!(":{port}"), "upstream": "127.0.0.1:1" })).await;
    assert_eq!(told.json()["listen"], format!("127.0.0.1:{port}"));
    let named = api.post("/proxies", json!({ "name": "b", "listen": "localhost:0", "upstream": "127.0.0.1:1" })).await;
    assert!(named.json()["listen"].as_str().expect("an address").starts_with("127.0.0.1:"));
}

/// An upstream that sends without end to whoever connects.
async fn flood() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.write_all(&[7; 65536]).await.is_ok() {} });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_holds_up_no_call() {
    let (api, upstream) = (Api::start().await, flood().await);
    let address = api.proxy_to("p", upstream).await;
    let deaf = TcpStream::connect(address).await.expect("connects");
    let passed = async || {
        let metrics = api.get("/metrics").await.text;
        let line = metrics.lines().find(|line| line.contains("received") && line.contains("direction=\"downstream\""));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
    };
    while passed().await < 1 << 20 {
        Clock::Real.sleep(Duration::from_millis(2)).await;
    }
    let calls = async {
        for _ in 0..20 {
            api.post("/proxies/p/toxics", json!({ "type": "latency", "attributes": { "latency": 60_000 } })).await;
            api.patch("/proxies/p/toxics/latency_downstream", json!({ "attributes": { "latency": 1 } })).await;
            assert_eq!(api.delete("/proxies/p/toxics/latency_downstream").await.status, 204);
        }
        assert_eq!(api.patch("/proxies/p", json!({ "enabled": false })).await.status, 200);
        assert_eq!(api.delete("/proxies/p").await.status, 204);
    };
    // Where Toxiproxy's API froze for 25 s; room for a busy machine.
    tokio::time::timeout(Duration::from_secs(5), calls).await.expect("no call waits for the client");
    drop(deaf);
}

/// An upstream of HTTP that answers 200 with the same body to everything, and counts.
async fn web(asked: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            let answer = service_fn(move |_: hyper::Request<hyper::body::Incoming>| {
                asked.fetch_add(1, Ordering::Relaxed);
                async { Ok::<_, Infallible>(hyper::Response::new(BODY.to_owned())) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

const BODY: &str = "a body of some length, so that there is something to change or to slow down";

/// What a client sees behind the proxy: the status and the body, or none where the connection broke.
async fn fetched(api: &Api, address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let response = api.client.get(format!("http://{address}{path}")).send().await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}

#[tokio::test]
async fn a_proxy_of_http_is_made_and_each_toxic_on_requests_does_what_it_says() {
    let (api, asked) = (Api::start().await, Arc::new(AtomicUsize::new(0)));
    let upstream = web(Arc::clone(&asked)).await;
    let made =
        api.post("/proxies", json!({ "name": "web", "upstream": upstream.to_string(), "protocol": "http" })).await;
    assert_eq!((made.status, &made.json()["protocol"]), (201, &json!("http")));
    let address: SocketAddr = made.json()["listen"].as_str().expect("text").parse().expect("an address");
    let well = || Some((200, BODY.to_owned()));
    assert_eq!(fetched(&api, address, "/").await, well());
    for (kind, attributes) in [
        ("http_error", json!({ "status": 429, "body": "later" })),
        ("http_latency", json!({ "latency": 80 })),
        ("http_abort", json!({})),
        ("http_abort", json!({ "bytes": 3 })),
        ("http_timeout", json!({ "timeout": 20 })),
        ("http_corrupt", json!({ "probability": 1 })),
        ("http_duplicate", json!({})),
        ("http_slow_body", json!({ "rate": 1 })),
    ] {
        let toxic = json!({ "type": kind, "name": "t", "attributes": attributes });
        let added = api.post("/proxies/web/toxics", toxic).await;
        assert_eq!((added.status, &added.json()["type"]), (200, &json!(kind)), "{}", added.text);
        let (before, start) = (asked.load(Ordering::Relaxed), Clock::Real.now());
        let seen = fetched(&api, address, "/").await;
        let took = start.elapsed();
        match kind {
            "http_error" => assert_eq!(seen, Some((429, "later".to_owned()))),
            "http_latency" => assert!(seen == well() && took >= Duration::from_millis(80), "{took:?}"),
            "http_abort" | "http_timeout" => assert_eq!(seen, None, "{attributes}"),
            "http_corrupt" => assert!(seen.is_some_and(|(status, body)| status == 200 && body != BODY)),
            // 76 bytes at 1000 a second, of which the first 20 ms may come at once.
            "http_slow_body" => assert!(seen == well() && took >= Duration::from_millis(40), "{took:?}"),
            _ => {
                assert_eq!(seen, well());
                let twice = async {
                    while asked.load(Ordering::Relaxed) < before + 2 {
                        tokio::task::yield_now().await
                    }
                };
                tokio::time::timeout(Duration::from_secs(5), twice).await.expect("the upstream is asked twice");
            }
        }
        assert_eq!(api.delete("/proxies/web/toxics/t").await.status, 204);
        assert_eq!(fetched(&api, address, "/").await, well(), "{kind} is gone");
    }
}

#[tokio::test]
async fn a_toxic_on_requests_touches_those_it_means_and_is_changed_while_they_pass() {
    let (api, upstream) = (Api::start().await, web(Arc::default()).await);
    let proxy = json!({
        "name": "web", "upstream": upstream.to_string(), "protocol": "http",
        "toxics": [{ "type": "http_error", "name": "e", "attributes": { "method": "GET", "path": "/api/*" } }]
    });
    let made = api.post("/proxies", proxy).await.json();
    let expected = json!({ "status": 503, "method": "GET", "path": "/api/*" });
    assert_eq!(made["toxics"][0]["attributes"], expected);
    let address: SocketAddr = made["listen"].as_str().expect("text").parse().expect("an address");
    let status = async |path| fetched(&api, address, path).await.expect("an answer").0;
    assert_eq!((status("/api/x").await, status("/else").await), (503, 200));
    let changed = api.patch("/proxies/web/toxics/e", json!({ "attributes": { "status": 500, "path": null } })).await;
    assert_eq!(changed.json()["attributes"], json!({ "status": 500, "method": "GET" }));
    assert_eq!((status("/api/x").await, status("/else").await), (500, 500));
    assert_eq!(api.patch("/proxies/web/toxics/e", json!({ "toxicity": 0 })).await.status, 200);
    assert_eq!(status("/api/x").await, 200);
}

#[tokio::test]
async fn toxics_and_protocols_that_do_not_fit_are_refused() {
    let (api, upstream) = (Api::start().await, web(Arc::default()).await);
    api.proxy_to("bytes", upstream).await;
    assert_eq!(
        api.get("/proxies/bytes").await.json().get("protocol"),
        None,
        "Toxiproxy's clients see Toxiproxy's keys"
    );
    let (status, text) = api.post("/proxies/bytes/toxics", json!({ "type": "http_error" })).await.refusal();
    assert!(status == 400 && text.contains("does not understand requests"), "{status} {text}");
    api.post("/proxies", json!({ "name": "web", "upstream": upstream.to_string(), "protocol": "http" })).await;
    let (status, text) = api.post("/proxies/web/toxics", json!({ "type": "slicer" })).await.refusal();
    assert!(status == 400 && text.contains("acts on bytes"), "{status} {text}");
    let (status, text) = api.patch("/proxies/web", json!({ "protocol": "tcp" })).await.refusal();
    assert!(status == 400 && text.contains("keeps its protocol"), "{status} {text}");
    let unknown = json!({ "name": "x", "upstream": upstream.to_string(), "protocol": "sctp" });
    assert_eq!(api.post("/proxies", unknown).await.status, 400);
    assert_eq!(api.get("/proxies/x").await.status, 404);
}

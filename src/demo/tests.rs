//! The system under test on real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Breaker, Health, Pool, Retry, Running, Serve, Settings, start};
use crate::host::clock::Clock;
use crate::host::files;

const LOOPBACK: &str = "127.0.0.1:0";

fn settings() -> Settings {
    let any: SocketAddr = LOOPBACK.parse().expect("address");
    Settings { gateway: any, retriever: any, generator: any, ..Settings::default() }
}

async fn run(settings: Settings) -> Running {
    start(settings, Clock::Real).await.expect("starts")
}

async fn get(address: Option<SocketAddr>, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(address.expect("it runs")).await.expect("connects");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("shakes");
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        let _ = connection.await;
    });
    let request = Request::get(path).header("host", "demo").body(Empty::<Bytes>::new()).expect("request");
    let response = sender.send_request(request).await.expect("an answer");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

async fn ask(demo: &Running) -> (u16, Value) {
    let (status, body) = get(demo.gateway, "/ask?q=circuit+breaker").await;
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// A sample of the gateway's metrics, named without its prefix.
async fn metric(demo: &Running, sample: &str) -> Option<f64> {
    let (_, text) = get(demo.gateway, "/metrics").await;
    let value = text.lines().find_map(|line| line.strip_prefix("chaos_demo_")?.strip_prefix(sample))?;
    value.trim().parse().ok()
}

/// Accepts connections and never answers.
async fn stalled() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind(LOOPBACK).await.expect("binds");
    let address = listener.local_addr().expect("address").to_string();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await.expect("accepts"));
        }
    });
    (address, task)
}

/// An address where nobody listens.
async fn nobody() -> String {
    TcpListener::bind(LOOPBACK).await.expect("binds").local_addr().expect("address").to_string()
}

#[tokio::test]
async fn a_question_is_answered_from_documents_by_the_generator() {
    let demo = run(settings()).await;
    let (status, answer) = ask(&demo).await;
    assert_eq!((status, &answer["source"]), (200, &Value::from("generator")));
    assert_eq!(answer["documents"][0], "circuit-breaker");
    let text = answer["answer"].as_str().expect("text");
    assert!(text.contains("\"circuit breaker\"") && text.contains("drawn from circuit-breaker, "), "{text}");
    assert_eq!(ask(&demo).await.1, answer, "the same question has the same answer");
    demo.shutdown().await;
}

#[tokio::test]
async fn every_service_tells_its_health_and_refuses_what_it_does_not_know() {
    let demo = run(settings()).await;
    for (address, name) in [(demo.gateway, "gateway"), (demo.retriever, "retriever"), (demo.generator, "generator")] {
        let (status, body) = get(address, "/health").await;
        let health: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, &health["status"], &health["service"]), (200, &"ok".into(), &name.into()));
        assert_eq!(get(address, "/nothing").await.0, 404);
    }
    assert_eq!(get(demo.gateway, "/ask").await.0, 400);
    demo.shutdown().await;
}

#[tokio::test]
async fn a_slow_generator_is_a_timeout_or_with_a_fallback_an_answer_in_time() {
    let (upstream, _task) = stalled().await;
    for fallback in [false, true] {
        let timeout = Duration::from_millis(60);
        let generator_upstream = Some(upstream.clone());
        let demo = run(Settings { generator_upstream, fallback, timeout: Some(timeout), ..settings() }).await;
        let start = Clock::Real.now();
        let (status, answer) = ask(&demo).await;
        assert!(start.elapsed() >= timeout && start.elapsed() < timeout * 5, "{:?}", start.elapsed());
        if fallback {
            assert_eq!((status, &answer["source"]), (200, &"fallback".into()));
            assert!(answer["answer"].as_str().expect("text").starts_with("A circuit breaker stops"), "{answer}");
        } else {
            assert_eq!((status, &answer["error"]), (504, &"generator: no answer within 60ms".into()));
        }
        let fallbacks = metric(&demo, "fallbacks_total{service=\"gateway\"}").await;
        assert_eq!(fallbacks, Some(f64::from(u8::from(fallback))));
        demo.shutdown().await;
    }
}

#[tokio::test]
async fn a_generator_that_is_gone_is_a_bad_gateway_and_so_is_a_retriever_even_with_a_fallback() {
    let demo = run(Settings { generator_upstream: Some(nobody().await), ..settings() }).await;
    let (status, answer) = ask(&demo).await;
    assert_eq!((status, &answer["error"]), (502, &"generator: Connection refused (os error 111)".into()));
    demo.shutdown().await;
    let demo = run(Settings { retriever_upstream: Some(nobody().await), fallback: true, ..settings() }).await;
    let (status, answer) = ask(&demo).await;
    assert_eq!((status, &answer["error"]), (502, &"retriever: Connection refused (os error 111)".into()));
    demo.shutdown().await;
}

#[tokio::test]
async fn retries_are_made_and_counted() {
    let retry = Retry { attempts: 3, backoff: Duration::from_millis(5) };
    let demo = run(Settings { generator_upstream: Some(nobody().await), retry, ..settings() }).await;
    let start = Clock::Real.now();
    assert_eq!(ask(&demo).await.0, 502);
    assert!(start.elapsed() >= Duration::from_millis(15), "5 ms and then 10 ms are waited");
    assert_eq!(metric(&demo, "retries_total{upstream=\"generator\"}").await, Some(2.0));
    assert_eq!(metric(&demo, "calls_total{upstream=\"generator\",outcome=\"failed\"}").await, Some(3.0));
    assert_eq!(metric(&demo, "retries_total{upstream=\"retriever\"}").await, Some(0.0));
    demo.shutdown().await;
}

#[tokio::test]
async fn a_breaker_opens_refuses_lets_one_try_and_closes_when_the_generator_is_back() {
    let upstream = nobody().await;
    let breaker = Breaker { failures: 2, cooldown: Duration::from_millis(100), stuck: false };
    let generator_upstream = Some(upstream.clone());
    let demo = run(Settings { generator_upstream, breaker: Some(breaker), ..settings() }).await;
    let state = "breaker_state{upstream=\"generator\"}";
    assert_eq!(metric(&demo, state).await, Some(0.0));
    assert_eq!((ask(&demo).await.0, ask(&demo).await.0), (502, 502));
    let opened = Clock::Real.now();
    assert_eq!(metric(&demo, state).await, Some(2.0));
    let (status, answer) = ask(&demo).await;
    assert_eq!((status, &answer["error"]), (503, &"generator: the circuit breaker is open".into()));
    Clock::Real.sleep_until(opened + breaker.cooldown).await;
    assert_eq!(ask(&demo).await.0, 502, "one call tries, in vain");
    assert_eq!(ask(&demo).await.0, 503);
    let serve = Serve { gateway: false, retriever: false, generator: true };
    let generator = run(Settings { generator: upstream.parse().expect("address"), serve, ..settings() }).await;
    Clock::Real.sleep(breaker.cooldown).await;
    assert_eq!((ask(&demo).await.0, ask(&demo).await.0), (200, 200));
    assert_eq!(metric(&demo, state).await, Some(0.0));
    generator.shutdown().await;
    demo.shutdown().await;
}

#[tokio::test]
async fn an_upstream_that_is_restarted_is_reached_again_without_a_failed_call() {
    let alone = Serve { gateway: false, retriever: false, generator: true };
    let generator = run(Settings { serve: alone, ..settings() }).await;
    let address = generator.generator.expect("it runs");
    let serve = Serve { generator: false, ..Serve::ALL };
    let demo = run(Settings { generator: address, serve, ..settings() }).await;
    assert_eq!((demo.generator, ask(&demo).await.0), (None, 200));
    generator.shutdown().await;
    assert_eq!(ask(&demo).await.0, 502);
    let generator = run(Settings { generator: address, serve: alone, ..settings() }).await;
    assert_eq!(ask(&demo).await.0, 200);
    generator.shutdown().await;
    demo.shutdown().await;
}

#[tokio::test]
async fn the_extra_work_is_felt_in_the_answer() {
    let work = Duration::from_millis(10);
    let demo = run(Settings { work, ..settings() }).await;
    let start = Clock::Real.now();
    assert_eq!(ask(&demo).await.0, 200);
    assert!(start.elapsed() >= work * 2, "retriever and generator spend it one after the other");
    demo.shutdown().await;
}

#[tokio::test]
async fn the_metrics_are_what_prometheus_reads() {
    let breaker = Some(Breaker { failures: 1, cooldown: Duration::from_secs(1), stuck: false });
    let demo = run(Settings { breaker, ..settings() }).await;
    ask(&demo).await;
    let (_, text) = get(demo.gateway, "/metrics").await;
    let sample = regex_lite::Regex::new(r#"^([a-z_]+)\{([a-z]+="[^"\\\n]*",?)+\} (\d+(\.\d+)?)$"#).expect("pattern");
    let (mut families, mut samples) = (Vec::new(), 0);
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').expect("a kind");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            families.push(name.to_owned());
        } else if !line.starts_with("# HELP ") {
            let name = sample.captures(line).unwrap_or_else(|| panic!("not a sample: {line}"))[1].to_owned();
            let family = families.last().expect("a sample follows its family");
            let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("{name} is not of {family}"));
            assert!(["", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
            samples += 1;
        }
    }
    let mut distinct = families.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), families.len(), "a family is written once");
    assert_eq!(samples, 30, "{text}");
    assert!(text.ends_with('\n'));
    demo.shutdown().await;
}

#[tokio::test]
async fn a_busy_port_starts_nothing() {
    let busy = TcpListener::bind(LOOPBACK).await.expect("binds");
    let generator = busy.local_addr().expect("address");
    let trouble = start(Settings { generator, ..settings() }, Clock::Real).await.err().expect("the port is taken");
    assert_eq!(trouble.what, format!("start the demo's generator on {generator}"));
    assert!(trouble.help.is_some());
}

#[tokio::test]
async fn shutdown_frees_the_ports() {
    let demo = run(settings()).await;
    let addresses = [demo.gateway, demo.retriever, demo.generator].map(|address| address.expect("it runs"));
    ask(&demo).await;
    demo.shutdown().await;
    for address in addresses {
        TcpListener::bind(address).await.expect("the port is free");
    }
}

/// Answers every request with 503 on connections that are kept alive, and counts those that are open.
async fn failing() -> (String, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind(LOOPBACK).await.expect("binds");
    let address = listener.local_addr().expect("address").to_string();
    let open = Arc::new(AtomicUsize::new(0));
    let (counted, mut task) = (Arc::clone(&open), JoinSet::new());
    task.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let counted = Arc::clone(&counted);
            connections.spawn(async move {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer).await {
                    let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.expect("answers");
                }
                counted.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, open, task)
}

#[tokio::test]
async fn a_pool_that_leaks_keeps_the_connection_of_every_call_that_fails() {
    for (leak, expected) in [(false, 1), (true, 5)] {
        let (upstream, open, _task) = failing().await;
        let demo = run(Settings { generator_upstream: Some(upstream), leak, ..settings() }).await;
        for _ in 0..5 {
            assert_eq!(ask(&demo).await.0, 502);
        }
        assert_eq!(open.load(Ordering::SeqCst), expected);
        demo.shutdown().await;
    }
}

#[tokio::test]
async fn without_a_timeout_a_call_waits_as_long_as_it_takes() {
    let (upstream, _task) = stalled().await;
    let demo = run(Settings { generator_upstream: Some(upstream), timeout: None, ..settings() }).await;
    let answered = tokio::time::timeout(Duration::from_millis(1200), ask(&demo)).await;
    assert!(answered.is_err(), "{answered:?}");
    demo.shutdown().await;
}

#[tokio::test]
async fn documents_need_no_generator_but_share_its_places() {
    let (upstream, _task) = stalled().await;
    let pool = Some(Pool { places: 1, queue: 0 });
    let timeout = Some(Duration::from_secs(60));
    let demo = run(Settings { generator_upstream: Some(upstream), pool, timeout, ..settings() }).await;
    let documents = || get(demo.gateway, "/documents?q=retry");
    let (status, body) = documents().await;
    assert!(status == 200 && body.contains("\"retry\""), "{status} {body}");
    let taken = async {
        while metric(&demo, "in_flight{service=\"gateway\"}").await != Some(1.0) {
            Clock::Real.sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(documents().await.0, 503);
    };
    tokio::select! {
        answer = ask(&demo) => panic!("the generator hangs: {answer:?}"),
        () = taken => {}
    }
    demo.shutdown().await;
}

#[tokio::test]
async fn only_a_deep_health_check_notices_that_the_generator_is_gone() {
    for (health, expected) in [(Health::Shallow, 200), (Health::Deep, 503)] {
        let demo = run(Settings { generator_upstream: Some(nobody().await), health, ..settings() }).await;
        let (status, body) = get(demo.gateway, "/health").await;
        assert_eq!(status, expected, "{body}");
        demo.shutdown().await;
    }
    let demo = run(Settings { health: Health::Deep, ..settings() }).await;
    assert_eq!(get(demo.gateway, "/health").await.0, 200);
    demo.shutdown().await;
}

#[tokio::test]
async fn the_generator_is_closed_as_long_as_its_file_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("maintenance");
    let demo = run(Settings { maintenance: Some(file.clone()), ..settings() }).await;
    assert_eq!(ask(&demo).await.0, 200);
    files::create_new(&file).expect("made");
    assert_eq!(ask(&demo).await.0, 502);
    files::remove_file(&file).expect("removed");
    assert_eq!(ask(&demo).await.0, 200);
    demo.shutdown().await;
}

#[tokio::test]
async fn failed_questions_are_asked_again_when_the_generator_is_back() {
    let upstream = nobody().await;
    let generator_upstream = Some(upstream.clone());
    let demo = run(Settings { generator_upstream, redo: true, fallback: true, ..settings() }).await;
    for _ in 0..3 {
        assert_eq!(ask(&demo).await.1["source"], "fallback");
    }
    let serve = Serve { gateway: false, retriever: false, generator: true };
    let generator = run(Settings { generator: upstream.parse().expect("address"), serve, ..settings() }).await;
    while metric(&demo, "calls_total{upstream=\"generator\",outcome=\"success\"}").await < Some(3.0) {
        Clock::Real.sleep(Duration::from_millis(10)).await;
    }
    generator.shutdown().await;
    demo.shutdown().await;
}

//! Toxics that end requests, or send them twice.

use std::io::ErrorKind;
use std::time::Duration;

use hyper::header::HOST;

use super::{
    AsyncReadExt, AsyncWriteExt, BodyExt, Clock, HttpEffect, LOOPBACK, Protocol, ProxySet, Request, Rig, Speech,
    Stream, TcpListener, TcpStream, error, full, noise, on_requests, proxy_to, read_head, soon,
};
use crate::model::http::LONGEST_DUPLICATED;
use crate::model::units::{Bytes, Timespan};

const BOTH: [Speech; 2] = [Speech::One, Speech::Two];

fn abort(after: Option<u64>) -> HttpEffect {
    HttpEffect::Abort { after: after.map(Bytes) }
}

fn silence(millis: Option<u64>) -> HttpEffect {
    HttpEffect::Timeout { after: millis.map(Timespan::millis) }
}

#[tokio::test]
async fn an_abort_is_a_reset_and_the_upstream_hears_nothing() {
    let rig = Rig::new(1, None).await;
    rig.add(&on_requests("cut", Stream::Downstream, abort(None)));
    let mut client = TcpStream::connect(rig.address).await.expect("connects");
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("writes");
    let told = soon(client.read_u8()).await.expect_err("no answer");
    assert_eq!(told.kind(), ErrorKind::ConnectionReset);
    assert_eq!((rig.reading("cut").touched, rig.heard().len()), (1, 0));
}

#[tokio::test]
async fn an_abort_on_http2_resets_one_stream_and_no_other() {
    let rig = Rig::speaking(Speech::Two, 1, None).await;
    let mut toxic = on_requests("cut", Stream::Downstream, abort(None));
    let super::ToxicKind::Http { only, .. } = &mut toxic.kind else { unreachable!() };
    only.path = Some(super::Glob::new("/cut"));
    rig.add(&toxic);
    let mut client = rig.client().await;
    assert_eq!(client.post("/", b"x").await.0, 200);
    let told = client.try_post("/cut", b"x").await.expect_err("it is reset");
    let told = std::error::Error::source(&told).expect("a cause").to_string();
    assert!(told.contains("stream error received"), "{told}");
    assert_eq!(client.post("/", b"x").await.0, 200);
    assert_eq!(rig.connections.load(super::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_abort_after_so_many_bytes_lets_exactly_those_through() {
    for speech in BOTH {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("cut", Stream::Downstream, abort(Some(70_000))));
        let mut client = rig.client().await;
        assert_eq!(client.post("/", &noise(1_000)).await.1.len(), 1_000, "a shorter one passes");
        let sent = noise(200_000);
        let request = Request::post("/").header(HOST, "a").body(full(&sent)).expect("request");
        let mut body = client.send(request).await.into_body();
        let mut got = Vec::new();
        let end = loop {
            match soon(body.frame()).await.expect("no end") {
                Ok(frame) => got.extend_from_slice(&frame.into_data().expect("data")),
                Err(error) => break error,
            }
        };
        assert!(got == sent[..70_000], "{speech:?}: {} bytes, then {end}", got.len());
        let reading = rig.reading("cut");
        assert_eq!((reading.touched, reading.spared), (2, 1));
    }
}

#[tokio::test]
async fn silence_lasts_until_the_toxic_goes_and_then_the_answer_comes() {
    for speech in BOTH {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("silence", Stream::Downstream, silence(None)));
        let mut client = rig.client().await;
        let releasing = async {
            rig.until("silence", |reading| reading.touched == 1).await;
            Clock::Real.sleep(Duration::from_millis(30)).await;
            assert_eq!(rig.heard(), [""; 0], "it is held here");
            rig.remove("silence");
        };
        let (answered, ()) = soon(async { tokio::join!(client.post("/", b"x"), releasing) }).await;
        assert_eq!((answered.0.as_u16(), &answered.1[..]), (200, &b"x"[..]));
        assert_eq!(rig.reading("silence").given_up, 0);
    }
}

#[tokio::test]
async fn silence_with_a_time_ends_in_a_close_without_an_answer() {
    for speech in BOTH {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("silence", Stream::Downstream, silence(Some(50))));
        let mut client = rig.client().await;
        let start = Clock::Real.now();
        client.try_post("/", b"x").await.expect_err("no answer");
        assert!(start.elapsed() >= Duration::from_millis(50), "{:?}", start.elapsed());
        assert_eq!(rig.heard(), [""; 0]);
    }
}

#[tokio::test]
async fn clients_that_give_up_on_silence_are_let_go_and_counted() {
    let rig = Rig::new(1, None).await;
    rig.add(&on_requests("silence", Stream::Downstream, silence(None)));
    let mut client = rig.client().await;
    tokio::select! {
        _ = client.post("/", b"x") => panic!("it is held"),
        () = rig.until("silence", |reading| reading.touched == 1) => {}
    }
    drop(client);
    rig.until("silence", |reading| reading.given_up == 1).await;
}

#[tokio::test]
async fn the_first_ending_is_the_last_that_is_asked() {
    let rig = Rig::new(1, None).await;
    rig.add(&error(503, 1.0));
    rig.add(&on_requests("cut", Stream::Downstream, abort(None)));
    rig.add(&on_requests("twice", Stream::Upstream, HttpEffect::Duplicate));
    rig.client().await.try_post("/", b"x").await.expect_err("the reset comes before the error");
    let readings = ["cut", "broken", "twice"].map(|toxic| rig.reading(toxic));
    assert_eq!(readings.map(|reading| (reading.seen, reading.matched)), [(1, 1), (1, 0), (1, 0)]);
}

#[tokio::test]
async fn an_injected_error_has_its_headers_and_a_length() {
    let rig = Rig::new(1, None).await;
    let headers = [("Retry-After", "5"), ("content-type", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let effect = HttpEffect::Error { status: 429, body: Some("{}".into()), headers };
    rig.add(&on_requests("limit", Stream::Downstream, effect));
    let request = Request::get("/").body(full(b"")).expect("request");
    let response = rig.client().await.send(request).await;
    let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(response.status(), 429);
    assert_eq!(
        [header("retry-after"), header("content-type"), header("content-length")],
        ["5", "application/json", "2"]
    );
    assert!(!response.headers().contains_key("date"), "nothing is added");
}

#[tokio::test]
async fn a_duplicate_reaches_the_upstream_and_only_the_first_answer_the_client() {
    for speech in BOTH {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("twice", Stream::Upstream, HttpEffect::Duplicate));
        let mut client = rig.client().await;
        for _ in 0..3 {
            assert_eq!(&client.post("/pay", b"42").await.1[..], b"42");
        }
        let request = Request::get("/").header(HOST, "a").body(full(b"")).expect("request");
        let response = client.send(request).await;
        assert!(!response.headers().contains_key("x-framing"), "a request without a body stays one");
        soon(response.into_body().collect()).await.expect("a body");
        soon(async {
            while rig.heard().len() < 8 {
                Clock::Real.sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let count = |what: &str| rig.heard().iter().filter(|heard| *heard == what).count();
        assert_eq!((count("POST /pay"), count("GET /")), (6, 2), "{speech:?}");
        rig.until("twice", |reading| (reading.bytes, reading.touched, reading.spared) == (6, 4, 0)).await;
    }
}

#[tokio::test]
async fn both_of_two_are_the_same_byte_for_byte() {
    let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
    let set = ProxySet::new(Clock::Real, 1);
    let proxy = proxy_to(upstream.local_addr().expect("address"), Protocol::Http);
    let mut client = TcpStream::connect(set.open(&proxy).await.expect("opens")).await.expect("connects");
    set.add_toxic("p", &on_requests("twice", Stream::Upstream, HttpEffect::Duplicate)).expect("adds");
    let sent = "POST /x?y HTTP/1.1\r\nHost: a\r\nX-CaSe: Yes\r\nContent-Length: 4\r\n\r\nbody";
    client.write_all(sent.as_bytes()).await.expect("writes");
    for _ in 0..2 {
        let (mut server, _) = soon(upstream.accept()).await.expect("accepts");
        let mut heard = vec![0; sent.len()];
        soon(server.read_exact(&mut heard)).await.expect("reads");
        assert_eq!(String::from_utf8_lossy(&heard), sent);
        server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("writes");
    }
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_request_too_long_to_be_kept_passes_once_whether_it_says_so_or_not() {
    for speech in BOTH {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("twice", Stream::Upstream, HttpEffect::Duplicate));
        let mut client = rig.client().await;
        let sent = noise(LONGEST_DUPLICATED + 1);
        assert!(client.post("/", &sent).await.1 == sent);
        let (frames, to_send) = super::mpsc::channel(100);
        for piece in sent.chunks(64 << 10) {
            frames.send(piece.to_vec().into()).await.expect("sends");
        }
        drop(frames);
        let request = Request::post("/").header(HOST, "a").body(super::Fed(to_send).boxed_unsync()).expect("request");
        let response = client.send(request).await;
        assert!(soon(response.into_body().collect()).await.expect("a body").to_bytes() == sent);
        let reading = rig.reading("twice");
        assert_eq!((reading.touched, reading.spared, rig.heard().len()), (2, 2, 2), "{speech:?}");
    }
}

//! What no toxic touches passes as it is.

use std::sync::Mutex;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderValue, TE, TRAILER};
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

use super::{
    AsyncReadExt, AsyncWriteExt, BodyExt, Bytes, Clock, Fed, Glob, HttpEffect, LOOPBACK, Protocol, ProxySet, Request,
    Rig, Speech, Stream, TcpListener, TcpStream, ToxicKind, full, mpsc, noise, on_requests, proxy_to, read_head, soon,
};
use crate::model::units::{ByteRate, Share};

/// Sends a body cut into frames of these sizes, and gives back what the echo makes of it.
async fn echoed(rig: &Rig, body: &[u8], cuts: &[usize]) -> Bytes {
    let (frames, to_send) = mpsc::channel(1);
    let feeding = async {
        let (mut rest, mut cuts) = (body, cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*cuts.next().expect("a cut")).min(rest.len()));
            if frames.send(Bytes::copy_from_slice(piece)).await.is_err() {
                break;
            }
            rest = after;
        }
        drop(frames);
    };
    let asking = async {
        let request = Request::post("/x").header(HOST, "a").body(Fed(to_send).boxed_unsync()).expect("request");
        let mut client = rig.client().await;
        let response = client.send(request).await;
        soon(response.into_body().collect()).await.expect("a body").to_bytes()
    };
    soon(async { tokio::join!(asking, feeding) }).await.0
}

/// Toxics of every kind that acts on bodies, for requests that never come.
fn unmatched() -> Vec<super::Toxic> {
    let effects = [
        ("a", Stream::Upstream, HttpEffect::Corrupt { bytes: Share::ALL }),
        ("b", Stream::Downstream, HttpEffect::Corrupt { bytes: Share::ALL }),
        ("c", Stream::Downstream, HttpEffect::SlowBody { rate: ByteRate(1.0) }),
        ("d", Stream::Downstream, HttpEffect::Abort { after: Some(crate::model::units::Bytes(1)) }),
        ("e", Stream::Upstream, HttpEffect::Duplicate),
    ];
    let toxics = effects.map(|(name, stream, effect)| {
        let mut toxic = on_requests(name, stream, effect);
        let ToxicKind::Http { only, .. } = &mut toxic.kind else { unreachable!() };
        only.path = Some(Glob::new("/never"));
        toxic
    });
    toxics.into()
}

static RUNTIME: Mutex<Option<(tokio::runtime::Runtime, [Rig; 2])>> = Mutex::new(None);

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn bodies_of_any_size_and_cut_pass_byte_by_byte(
        seed in any::<u64>(),
        size in prop::sample::select(vec![0_usize, 1, 2, 100, 4_096, 16_384, 65_535, 65_536, 70_000, 300_000, 1_500_000]),
        more in 0_usize..50,
        cuts in prop::collection::vec(1_usize..200_000, 1..6),
        which in 0_usize..2,
    ) {
        let mut kept = RUNTIME.lock().expect("no panic");
        let (runtime, rigs) = kept.get_or_insert_with(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let rigs = runtime.block_on(async {
                let rigs = [Rig::speaking(Speech::One, 1, None).await, Rig::speaking(Speech::Two, 1, None).await];
                rigs.iter().for_each(|rig| unmatched().iter().for_each(|toxic| rig.add(toxic)));
                rigs
            });
            (runtime, rigs)
        });
        let mut body = noise(size + more);
        body.iter_mut().zip(seed.to_le_bytes().iter().cycle()).for_each(|(byte, salt)| *byte ^= salt);
        let rig = &rigs[which];
        let got = runtime.block_on(echoed(rig, &body, &cuts));
        prop_assert!(got == body, "{:?}: {} bytes became {}", rig.speech, body.len(), got.len());
        prop_assert!(unmatched().iter().all(|toxic| rig.reading(&toxic.name).matched == 0));
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    for speech in [Speech::One, Speech::Two] {
        let rig = Rig::speaking(speech, 1, None).await;
        let trailers = HeaderMap::from_iter([("x-sum".parse().expect("name"), HeaderValue::from_static("42"))]);
        let body = full(b"body").with_trailers(async move { Some(Ok(trailers)) }).boxed_unsync();
        let request = Request::post("/").header(HOST, "a").header(TE, "trailers").header(TRAILER, "x-sum");
        let request = request.header("transfer-encoding", "chunked").body(body).expect("request");
        let mut client = rig.client().await;
        let response = client.send(request).await;
        let got = soon(response.into_body().collect()).await.expect("a body");
        // The echo does not declare them on HTTP/1.1, where they may then not be sent.
        let arrived = got.trailers().map(|trailers| trailers["x-sum"].clone());
        assert_eq!(arrived, (speech == Speech::Two).then(|| HeaderValue::from_static("42")));
        assert_eq!(got.to_bytes(), "body");
    }
}

/// A proxy before a listener, and a client.
struct Raw {
    set: ProxySet,
    upstream: TcpListener,
    client: TcpStream,
}

impl Raw {
    async fn new() -> Self {
        let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
        let set = ProxySet::new(Clock::Real, 1);
        let proxy = proxy_to(upstream.local_addr().expect("address"), Protocol::Http);
        let client = TcpStream::connect(set.open(&proxy).await.expect("opens")).await.expect("connects");
        Self { set, upstream, client }
    }

    async fn asked(&mut self, request: &str) -> TcpStream {
        self.client.write_all(request.as_bytes()).await.expect("writes");
        soon(self.upstream.accept()).await.expect("accepts").0
    }
}

#[tokio::test]
async fn trailers_in_chunks_pass_as_they_were_declared() {
    let mut raw = Raw::new().await;
    let mut server = raw.asked("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n").await;
    assert_eq!(read_head(&mut server).await, "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
    let head = "HTTP/1.1 200 Fine\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\nX-One: 1\r\nx-two: 2\r\n\r\n";
    server.write_all(format!("{head}4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n").as_bytes()).await.expect("writes");
    assert_eq!(read_head(&mut raw.client).await, head, "reason, order and case are kept, and nothing is added");
    let wanted = "4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n";
    let mut rest = vec![0; wanted.len()];
    soon(raw.client.read_exact(&mut rest)).await.expect("reads");
    assert_eq!(String::from_utf8_lossy(&rest), wanted);
}

#[tokio::test]
async fn a_body_is_asked_for_when_the_upstream_asks_for_it() {
    let mut raw = Raw::new().await;
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let mut server = raw.asked(head).await;
    assert_eq!(read_head(&mut server).await, head);
    server.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.expect("writes");
    assert_eq!(read_head(&mut raw.client).await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.client.write_all(b"body").await.expect("writes");
    let mut heard = [0; 4];
    soon(server.read_exact(&mut heard)).await.expect("reads");
    server.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.expect("writes");
    assert_eq!((&heard, &read_head(&mut raw.client).await[..20]), (b"body", "HTTP/1.1 201 Created"));
}

#[tokio::test]
async fn a_body_that_the_upstream_does_not_want_is_not_asked_for() {
    let mut raw = Raw::new().await;
    let mut server = raw.asked("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    read_head(&mut server).await;
    server.write_all(b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno").await.expect("writes");
    let mut answer = String::new();
    soon(raw.client.read_to_string(&mut answer)).await.expect("reads");
    assert!(answer.starts_with("HTTP/1.1 413 Too Much\r\n") && answer.ends_with("no"), "{answer}");
}

#[tokio::test]
async fn requests_that_come_in_one_go_are_answered_in_their_order() {
    let rig = Rig::new(1, None).await;
    let mut client = TcpStream::connect(rig.address).await.expect("connects");
    let ask = |number: u8| format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n{number}");
    let all: String = (1..=5).map(ask).collect();
    client.write_all(all.as_bytes()).await.expect("writes");
    for number in 1..=5 {
        let head = read_head(&mut client).await;
        assert!(head.contains(&format!("x-path: /{number}\r\n")), "{head}");
        let mut body = vec![0; if head.contains("chunked") { "1\r\n1\r\n0\r\n\r\n".len() } else { 1 }];
        soon(client.read_exact(&mut body)).await.expect("reads");
    }
    assert_eq!(rig.heard().len(), 5);
}

#[tokio::test]
async fn an_http10_client_gets_its_answer_and_the_end_of_the_connection() {
    let mut raw = Raw::new().await;
    let mut server = raw.asked("GET /old HTTP/1.0\r\n\r\n").await;
    assert!(read_head(&mut server).await.starts_with("GET /old HTTP/1.0\r\n"));
    server
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nold\r\n0\r\n\r\n")
        .await
        .expect("writes");
    let mut answer = String::new();
    soon(raw.client.read_to_string(&mut answer)).await.expect("reads");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nold"), "{answer}");
    assert!(!answer.to_lowercase().contains("transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_breaks_in_the_middle_is_a_reset_and_no_end() {
    let mut raw = Raw::new().await;
    let mut server = raw.asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    read_head(&mut server).await;
    server.write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil the end").await.expect("writes");
    read_head(&mut raw.client).await;
    socket2::SockRef::from(&server).set_linger(Some(Duration::ZERO)).expect("lingers");
    drop(server);
    let mut rest = Vec::new();
    let told = soon(raw.client.read_to_end(&mut rest)).await.expect_err("a close would look like the end");
    assert_eq!(told.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_slow_reader_gets_the_whole_answer_of_an_upstream_that_has_left() {
    let mut raw = Raw::new().await;
    let mut server = raw.asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    read_head(&mut server).await;
    let body = noise(16 << 20);
    let sending = async {
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        server.write_all(head.as_bytes()).await.expect("writes");
        server.write_all(&body).await.expect("writes");
        drop(server);
    };
    let reading = async {
        read_head(&mut raw.client).await;
        let (mut got, mut piece) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            if got.len() % (2 << 20) < piece.len() {
                // Until every buffer on the way is full.
                Clock::Real.sleep(Duration::from_millis(50)).await;
            }
            match soon(raw.client.read(&mut piece)).await.expect("reads") {
                0 => return got,
                length => got.extend_from_slice(&piece[..length]),
            }
        }
    };
    let ((), got) = tokio::join!(sending, reading);
    assert!(got == body, "{} of {} bytes", got.len(), body.len());
}

#[tokio::test]
async fn the_upstream_sees_a_client_leave() {
    let mut raw = Raw::new().await;
    let mut server = raw.asked("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    read_head(&mut server).await;
    drop(raw.client);
    assert_eq!(soon(server.read(&mut [0; 8])).await.unwrap_or(0), 0);
    raw.set.close("p").await.expect("closes");
}

#[tokio::test]
async fn an_upload_that_nobody_reads_is_held_back_and_not_kept() {
    let mut raw = Raw::new().await;
    let length = 256 << 20;
    let mut server = raw.asked(&format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")).await;
    read_head(&mut server).await;
    let piece = noise(1 << 20);
    let mut taken = 0;
    loop {
        let quiet = Clock::Real.sleep(Duration::from_millis(500));
        tokio::select! {
            written = raw.client.write(&piece) => taken += written.expect("writes"),
            () = quiet => break,
        }
    }
    assert!(taken < 32 << 20, "{taken} bytes went into socket buffers and a proxy");
}

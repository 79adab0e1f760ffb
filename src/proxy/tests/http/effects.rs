//! What toxics do to bodies and to the time of requests, on both versions.

use std::time::Duration;

use hyper::header::HOST;

use super::{
    BodyExt, Client, Clock, Fed, Glob, HttpEffect, Request, RequestMatch, Rig, Speech, Stream, ToxicKind, full, mpsc,
    noise, on_requests, soon,
};
use crate::model::http::HeaderMatch;
use crate::model::units::{ByteRate, Share, Timespan};

const BOTH: [Speech; 2] = [Speech::One, Speech::Two];
const WAYS: [Stream; 2] = [Stream::Upstream, Stream::Downstream];

fn held(millis: u64) -> HttpEffect {
    HttpEffect::Latency { delay: Timespan::millis(millis), jitter: Timespan::ZERO }
}

fn corrupt(share: f64) -> HttpEffect {
    HttpEffect::Corrupt { bytes: Share(share) }
}

fn slow(rate: f64) -> HttpEffect {
    HttpEffect::SlowBody { rate: ByteRate(rate) }
}

#[tokio::test]
async fn latency_holds_a_message_once_however_long_its_body_is() {
    for (speech, way) in BOTH.into_iter().flat_map(|speech| WAYS.map(|way| (speech, way))) {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("held", way, held(60)));
        let mut client = rig.client().await;
        let body = noise(2 << 20);
        let start = Clock::Real.now();
        assert!(client.post("/", &body).await.1 == body);
        assert!(start.elapsed() >= Duration::from_millis(60), "{speech:?} {way:?}: {:?}", start.elapsed());
        let reading = rig.reading("held");
        assert_eq!((reading.delayed, reading.touched, reading.given_up), (1, 1, 0), "{speech:?} {way:?}");
        assert!(reading.mean_delay >= Duration::from_millis(60), "{reading:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_held_upstream_has_not_reached_the_server() {
    for speech in BOTH {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("held", Stream::Upstream, held(60_000)));
        let mut client = rig.client().await;
        let releasing = async {
            rig.until("held", |reading| reading.touched == 1).await;
            assert_eq!(rig.heard(), [""; 0]);
            rig.remove("held");
        };
        let (answered, ()) = soon(async { tokio::join!(client.post("/late", b"x"), releasing) }).await;
        assert_eq!(
            (answered.0.as_u16(), rig.heard()),
            (200, vec!["POST /late".to_owned()]),
            "removal lets it go at once"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_held_is_counted() {
    let rig = Rig::new(1, None).await;
    rig.add(&on_requests("held", Stream::Upstream, held(60_000)));
    let mut client = rig.client().await;
    tokio::select! {
        _ = client.post("/", b"x") => panic!("it is held"),
        () = rig.until("held", |reading| reading.touched == 1) => {}
    }
    drop(client);
    rig.until("held", |reading| reading.given_up == 1).await;
    assert_eq!(rig.reading("held").delayed, 0);
}

#[tokio::test]
async fn corruption_changes_its_share_of_the_bytes_and_neither_length_nor_framing() {
    for (speech, way) in BOTH.into_iter().flat_map(|speech| WAYS.map(|way| (speech, way))) {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("corrupt", way, corrupt(0.1)));
        let mut client = rig.client().await;
        let sent = noise(100_000);
        let (status, got) = client.post("/", &sent).await;
        assert_eq!((status.as_u16(), got.len()), (200, sent.len()));
        let changed = sent.iter().zip(&got).filter(|(sent, got)| sent != got).count() as u64;
        assert!((9_500..=10_500).contains(&changed), "five standard deviations around 10000: {changed}");
        let reading = rig.reading("corrupt");
        assert_eq!((reading.bytes, reading.changed), (100_000, changed));
        assert_eq!(client.post("/", b"").await.0, 200, "an empty body stays empty");
    }
}

/// The bytes that come back when a body is sent in chunks of this size.
async fn corrupted(speech: Speech, seed: u64, chunk: usize) -> Vec<u8> {
    let rig = Rig::speaking(speech, seed, None).await;
    rig.add(&on_requests("corrupt", Stream::Downstream, corrupt(0.3)));
    let (frames, to_send) = mpsc::channel(64);
    for piece in noise(3_000).chunks(chunk) {
        frames.send(piece.to_vec().into()).await.expect("sends");
    }
    drop(frames);
    let request = Request::post("/").header(HOST, "a").body(Fed(to_send).boxed_unsync()).expect("request");
    let mut client = rig.client().await;
    let response = client.send(request).await;
    soon(response.into_body().collect()).await.expect("a body").to_bytes().to_vec()
}

#[tokio::test]
async fn a_seed_changes_the_same_bytes_again_however_they_are_cut() {
    let first = corrupted(Speech::One, 5, 3_000).await;
    assert!(first == corrupted(Speech::One, 5, 100).await && first == corrupted(Speech::Two, 5, 777).await);
    assert!(first != corrupted(Speech::One, 6, 3_000).await);
}

#[tokio::test]
async fn a_slow_body_passes_at_its_rate_and_at_once_when_the_toxic_goes() {
    for (speech, way) in BOTH.into_iter().flat_map(|speech| WAYS.map(|way| (speech, way))) {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("slow", way, slow(100_000.0)));
        let mut client = rig.client().await;
        let sent = noise(30_000);
        let start = Clock::Real.now();
        assert!(client.post("/", &sent).await.1 == sent);
        let time = start.elapsed();
        assert!((Duration::from_millis(295)..Duration::from_secs(2)).contains(&time), "{speech:?} {way:?}: {time:?}");
        let reading = rig.reading("slow");
        let rate = reading.bytes as f64 / reading.paced.as_secs_f64();
        assert!(reading.bytes == 30_000 && (50_000.0..=102_000.0).contains(&rate), "{rate}");
        let body = noise(10_000_000);
        let removing = async {
            rig.until("slow", |reading| reading.bytes > 30_000).await;
            rig.remove("slow");
        };
        let (answered, ()) = soon(async { tokio::join!(client.post("/", &body), removing) }).await;
        assert!(answered.1 == body, "100 seconds' worth");
    }
}

#[tokio::test]
async fn a_slow_body_comes_without_bursts() {
    let rig = Rig::new(1, None).await;
    rig.add(&on_requests("slow", Stream::Downstream, slow(50_000.0)));
    let mut client = rig.client().await;
    let request = Request::post("/").body(full(&noise(10_000))).expect("request");
    let start = Clock::Real.now();
    let mut body = client.send(request).await.into_body();
    let mut got = 0;
    while let Some(frame) = soon(body.frame()).await {
        got += frame.expect("a frame").into_data().expect("data").len();
        let most = 50_000.0 * start.elapsed().as_secs_f64() + 50_000.0 * 0.05;
        assert!(got as f64 <= most, "{got} bytes after {:?}", start.elapsed());
    }
    assert_eq!(got, 10_000);
}

#[tokio::test]
async fn only_requests_that_fit_in_everything_are_touched() {
    let header = Some(HeaderMatch { name: "X-Tenant".into(), value: Some(Glob::new("beta*")) });
    let only = RequestMatch { method: vec!["PUT".into(), "GET".into()], path: Some(Glob::new("/api/*")), header };
    for speech in BOTH {
        let rig = Rig::speaking(speech, 1, None).await;
        let mut toxic = super::error(503, 1.0);
        let ToxicKind::Http { only: meant, .. } = &mut toxic.kind else { unreachable!() };
        *meant = only.clone();
        rig.add(&toxic);
        let mut client = rig.client().await;
        let mut statuses = Vec::new();
        for (method, path, tenant) in [
            ("GET", "/api/x?a=/b", "beta-1"),
            ("PUT", "/api/", "beta"),
            ("POST", "/api/x", "beta"),
            ("GET", "/other", "beta"),
            ("GET", "/api/x", "alpha"),
        ] {
            statuses.push(ask(&mut client, method, path, tenant).await);
        }
        assert_eq!(statuses, [503, 503, 200, 200, 200], "{speech:?}");
        let reading = rig.reading("broken");
        assert_eq!((reading.seen, reading.matched, reading.touched), (5, 2, 2));
    }
}

async fn ask(client: &mut Client, method: &str, path: &str, tenant: &str) -> u16 {
    let request = Request::builder().method(method).uri(path).header(HOST, "a").header("x-tenant", tenant);
    let response = client.send(request.body(full(b"")).expect("request")).await;
    let status = response.status().as_u16();
    soon(response.into_body().collect()).await.expect("a body");
    status
}

#[tokio::test]
async fn toxics_stack_and_each_counts_what_it_did() {
    for speech in BOTH {
        let rig = Rig::speaking(speech, 1, None).await;
        rig.add(&on_requests("1 held", Stream::Upstream, held(30)));
        rig.add(&on_requests("2 corrupt", Stream::Downstream, corrupt(1.0)));
        rig.add(&on_requests("3 slow", Stream::Downstream, slow(100_000.0)));
        rig.add(&on_requests("4 twice", Stream::Upstream, HttpEffect::Duplicate));
        rig.add(&on_requests("5 held", Stream::Downstream, held(30)));
        let mut client = rig.client().await;
        let sent = noise(5_000);
        let start = Clock::Real.now();
        let (_, got) = client.post("/", &sent).await;
        assert!(start.elapsed() >= Duration::from_millis(105), "30 + 50 + 30: {:?}", start.elapsed());
        assert!(got.len() == 5_000 && got.iter().zip(&sent).all(|(got, sent)| got != sent));
        rig.until("4 twice", |reading| reading.bytes == 5_000).await;
        assert_eq!(rig.heard().len(), 2, "{speech:?}");
        for toxic in ["1 held", "2 corrupt", "3 slow", "4 twice", "5 held"] {
            assert_eq!((rig.reading(toxic).seen, rig.reading(toxic).touched), (1, 1), "{toxic}");
        }
    }
}

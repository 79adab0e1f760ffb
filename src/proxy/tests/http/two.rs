//! HTTP/2 with prior knowledge, on the same port.

use std::time::Duration;

use hyper::header::HOST;

use super::{
    AsyncReadExt, AsyncWriteExt, BodyExt, Clock, HttpEffect, LOOPBACK, Ordering, Protocol, ProxySet, Request, Rig,
    Sender, Speech, Stream, TcpListener, TcpStream, error, full, latency, noise, on_requests, proxy_to, soon,
};

#[tokio::test]
async fn a_proxy_speaks_both_versions_on_one_port() {
    let rig = Rig::speaking(Speech::Two, 1, None).await;
    let mut two = rig.client().await;
    assert_eq!(two.post("/a", b"x").await.0, 200);
    rig.add(&error(503, 1.0));
    let mut one = super::Client::new(rig.address).await;
    assert_eq!(
        (one.post("/", b"x").await.0, two.post("/", b"x").await.0.as_u16()),
        (hyper::StatusCode::SERVICE_UNAVAILABLE, 503)
    );
}

#[tokio::test]
async fn a_client_that_sends_the_preface_byte_by_byte_is_understood() {
    let rig = Rig::speaking(Speech::Two, 1, None).await;
    let mut client = TcpStream::connect(rig.address).await.expect("connects");
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
        client.write_all(&[*byte]).await.expect("writes");
        client.flush().await.expect("flushes");
    }
    client.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("writes");
    let mut frame = [0; 9];
    soon(client.read_exact(&mut frame)).await.expect("reads");
    assert_eq!(frame[3], 4, "SETTINGS");
}

#[tokio::test]
async fn two_hundred_streams_pass_side_by_side_over_one_connection_each_side() {
    let rig = Rig::speaking(Speech::Two, 1, None).await;
    rig.add(&latency(20, 0, Stream::Downstream));
    let client = rig.client().await;
    let Sender::Two(sender) = &client.sender else { panic!("HTTP/2") };
    let mut streams = tokio::task::JoinSet::new();
    for number in 0..200_usize {
        let mut sender = sender.clone();
        streams.spawn(async move {
            let sent = noise(30_000 + number);
            let uri = format!("http://shop.example/{number}");
            let request = Request::post(uri).body(full(&sent)).expect("request");
            sender.ready().await.expect("ready");
            let response = sender.send_request(request).await.expect("an answer");
            assert_eq!(response.headers()["x-path"], format!("/{number}"));
            assert!(response.into_body().collect().await.expect("a body").to_bytes() == sent);
        });
    }
    soon(async {
        while let Some(ended) = streams.join_next().await {
            ended.expect("every stream");
        }
    })
    .await;
    assert_eq!((rig.connections.load(Ordering::Relaxed), rig.reading("slow").touched), (1, 200));
}

#[tokio::test]
async fn a_stream_that_is_held_does_not_hold_up_the_others() {
    let rig = Rig::speaking(Speech::Two, 1, None).await;
    let mut toxic = on_requests("silence", Stream::Downstream, HttpEffect::Timeout { after: None });
    let super::ToxicKind::Http { only, .. } = &mut toxic.kind else { unreachable!() };
    only.path = Some(super::Glob::new("/held"));
    rig.add(&toxic);
    let client = rig.client().await;
    let Sender::Two(sender) = &client.sender else { panic!("HTTP/2") };
    let (mut held, mut free) = (sender.clone(), sender.clone());
    let request = |path: &str| Request::get(format!("http://a{path}")).body(full(b"")).expect("request");
    let mut waiting = std::pin::pin!(held.send_request(request("/held")));
    tokio::select! {
        _ = &mut waiting => panic!("it is held"),
        () = rig.until("silence", |reading| reading.touched == 1) => {}
    }
    assert_eq!(soon(free.send_request(request("/"))).await.expect("an answer").status(), 200);
    rig.remove("silence");
    assert_eq!(soon(waiting).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn an_upstream_that_is_away_is_told_as_502_and_one_that_breaks_as_a_reset() {
    let listener = TcpListener::bind(LOOPBACK).await.expect("binds");
    let upstream = listener.local_addr().expect("address");
    let set = ProxySet::new(Clock::Real, 1);
    let address = set.open(&proxy_to(upstream, Protocol::Http)).await.expect("opens");
    let mut client = super::Client::speaking(Speech::Two, address).await;
    let breaking = async {
        let (mut server, _) = soon(listener.accept()).await.expect("accepts");
        let mut heard = Vec::new();
        while heard.len() < 300 {
            soon(server.read_buf(&mut heard)).await.expect("reads");
        }
        drop((server, listener));
    };
    let long = format!("/{}", "x".repeat(300));
    let (answered, ()) = tokio::join!(client.try_post(&long, b"x"), breaking);
    answered.expect_err("it broke before the answer");
    let mut client = super::Client::speaking(Speech::Two, address).await;
    let (status, body) = client.post("/", b"x").await;
    assert_eq!(status, 502);
    assert!(body.starts_with(b"proxy p: no answer from upstream "), "{body:?}");
}

#[tokio::test]
async fn the_upstream_learns_of_a_client_that_gives_up_a_stream() {
    let rig = Rig::speaking(Speech::Two, 1, None).await;
    rig.add(&on_requests("silence", Stream::Downstream, HttpEffect::Timeout { after: None }));
    let mut client = rig.client().await;
    tokio::select! {
        _ = client.post("/", b"x") => panic!("it is held"),
        () = rig.until("silence", |reading| reading.touched == 1) => {}
    }
    // The answer's future is dropped: hyper resets the stream.
    rig.until("silence", |reading| reading.given_up == 1).await;
    rig.remove("silence");
    assert_eq!(client.post("/", b"x").await.0, 200, "the connection lives");
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end_of_a_proxy() {
    for speech in [Speech::One, Speech::Two] {
        let rig = Rig::speaking(speech, 1, None).await;
        let _silent = TcpStream::connect(rig.address).await.expect("connects");
        let mut half = TcpStream::connect(rig.address).await.expect("connects");
        half.write_all(b"GET / HTTP/1.1\r\nHo").await.expect("writes");
        let mut clients = Vec::new();
        for _ in 0..20 {
            let mut client = rig.client().await;
            assert_eq!(client.post("/", b"x").await.0, 200);
            clients.push(client);
        }
        let start = Clock::Real.now();
        rig.set.close("p").await.expect("closes");
        assert!(start.elapsed() < Duration::from_millis(300), "{speech:?}: {:?}", start.elapsed());
        soon(async {
            while !clients.iter().all(super::Client::is_closed) {
                Clock::Real.sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn the_host_and_the_path_reach_the_server_as_they_are() {
    let rig = Rig::speaking(Speech::Two, 1, None).await;
    let request = Request::get("/a%20b?x=1").header(HOST, "shop.example").body(full(b"")).expect("request");
    let response = rig.client().await.send(request).await;
    assert_eq!(
        (&response.headers()["x-path"], &response.headers()["x-host"]),
        (&"/a%20b".parse().expect("value"), &"shop.example".parse().expect("value"))
    );
}

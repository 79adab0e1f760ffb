//! Many connections, and ends that behave badly: bounded memory, no socket lost.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::alone::alone;
use super::{LOOPBACK, Rig, latency, noise, proxy_to, soon};
use crate::host::clock::Clock;
use crate::model::experiment::Protocol;
use crate::model::fault::Stream;
use crate::proxy::ProxySet;

/// Bytes of this process that are in memory and are its own.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") << 10
}

/// Sockets of this process.
fn sockets() -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").expect("fds").flatten();
    entries
        .filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket")))
        .count()
}

async fn until(what: impl Fn() -> bool) {
    soon(async {
        while !what() {
            Clock::Real.sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Both ends are plain sockets that take no memory of this process, so that what grows is the proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_idle_connections_take_at_most_four_kibibytes_each() {
    if !alone("five_thousand_idle_connections_take_at_most_four_kibibytes_each") {
        return;
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from((files - 400) / 4).unwrap_or(usize::MAX).min(5_000);
    assert!(most >= 150, "this test needs 1000 descriptors");
    let upstream = StdListener::bind(LOOPBACK).expect("binds");
    let set = ProxySet::new(Clock::Real, 1);
    let address = set.open(&proxy_to(upstream.local_addr().expect("address"), Protocol::Tcp)).await.expect("opens");
    let open = |count: usize| {
        tokio::task::block_in_place(|| {
            let mut pairs: Vec<(StdStream, StdStream)> = Vec::with_capacity(count);
            for _ in 0..count {
                let mut client = StdStream::connect(address).expect("connects");
                let (mut server, _) = upstream.accept().expect("accepts");
                // Both directions were used once.
                client.write_all(b"x").expect("writes");
                server.read_exact(&mut [0]).expect("reads");
                server.write_all(b"x").expect("writes");
                client.read_exact(&mut [0]).expect("reads");
                pairs.push((client, server));
            }
            pairs
        })
    };
    let first = open(most / 50);
    let (before, fds) = (resident(), sockets());
    let pairs = open(most - most / 50);
    let each = (resident() - before) / pairs.len() as u64;
    assert!(each <= 4096, "{each} bytes for each of {}", pairs.len());
    assert_eq!(sockets(), fds + 4 * pairs.len());
    drop((first, pairs));
    until(|| set.list()[0].traffic.active == 0).await;
    assert_eq!(sockets(), fds - 4 * (most / 50), "no socket is left");
}

/// For two seconds, or for as many as `CHAOS_LOAD_SECONDS` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_a_second_come_and_go() {
    if !alone("a_thousand_connections_a_second_come_and_go") {
        return;
    }
    let seconds = std::env::var("CHAOS_LOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_u64);
    let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
    let set = ProxySet::new(Clock::Real, 1);
    let address = set.open(&proxy_to(upstream.local_addr().expect("address"), Protocol::Tcp)).await.expect("opens");
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut echoes = JoinSet::new();
        loop {
            tokio::select! {
                accepted = upstream.accept() => {
                    let Ok((mut stream, _)) = accepted else { continue };
                    echoes.spawn(async move {
                        let (mut read, mut write) = stream.split();
                        let _ = tokio::io::copy(&mut read, &mut write).await;
                    });
                }
                Some(_) = echoes.join_next() => {}
            }
        }
    });
    exchange(address).await.expect("one exchange");
    let (before, memory) = (sockets(), resident());
    let start = Clock::Real.now();
    let mut clients = JoinSet::new();
    let total = seconds * 1000;
    for number in 0..total {
        Clock::Real.sleep_until(start + Duration::from_millis(number)).await;
        clients.spawn(exchange(address));
    }
    let mut wrong = Vec::new();
    while let Some(done) = clients.join_next().await {
        wrong.extend(done.expect("no panic").err());
    }
    assert!(wrong.is_empty(), "{} exchanges of {total} went wrong, such as {:?}", wrong.len(), wrong.first());
    until(|| set.list()[0].traffic.active == 0).await;
    until(|| sockets() <= before).await;
    assert_eq!(set.list()[0].traffic.accepted, total + 1);
    let grown = resident().saturating_sub(memory);
    assert!(grown < 48 << 20, "{grown} bytes more after {total} connections");
}

/// One connection: a question, its echo, the close. What went wrong otherwise.
async fn exchange(address: SocketAddr) -> Result<(), String> {
    let told = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(told("connect"))?;
    stream.write_all(b"question").await.map_err(told("write"))?;
    stream.shutdown().await.map_err(told("shut down"))?;
    let mut heard = Vec::new();
    soon(stream.read_to_end(&mut heard)).await.map_err(told("read"))?;
    if heard == b"question" { Ok(()) } else { Err(format!("{} bytes came back", heard.len())) }
}

#[tokio::test]
async fn a_reader_that_never_reads_makes_its_sender_wait_and_takes_no_memory() {
    if !alone("a_reader_that_never_reads_makes_its_sender_wait_and_takes_no_memory") {
        return;
    }
    let rig = Rig::new(1).await;
    let (client, mut server) = rig.pair().await;
    let chunk = noise(1 << 20);
    let before = resident();
    let flood = async { while server.write_all(&chunk).await.is_ok() {} };
    tokio::select! {
        () = flood => {}
        () = Clock::Real.sleep(Duration::from_secs(1)) => {}
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes for one connection");
    let flow = rig.set.find("p").expect("is open").traffic.downstream;
    assert!(flow.received - flow.sent <= 1 << 20, "{flow:?}: at most a pipe full");
    drop(client);
}

#[tokio::test]
async fn a_slow_reader_gets_everything() {
    let rig = Rig::new(1).await;
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(24 << 20);
    let reading = async {
        let mut heard = Vec::with_capacity(sent.len());
        let mut buffer = vec![0; 1 << 20];
        while heard.len() < sent.len() {
            let length = client.read(&mut buffer).await.expect("reads");
            heard.extend_from_slice(&buffer[..length]);
            Clock::Real.sleep(Duration::from_millis(3)).await;
        }
        heard
    };
    let (wrote, heard) = soon(async { tokio::join!(server.write_all(&sent), reading) }).await;
    wrote.expect("writes");
    assert!(heard == sent);
}

#[tokio::test]
async fn connections_to_an_upstream_that_refuses_leave_nothing() {
    if !alone("connections_to_an_upstream_that_refuses_leave_nothing") {
        return;
    }
    let nobody = TcpListener::bind(LOOPBACK).await.expect("binds").local_addr().expect("address");
    let set = ProxySet::new(Clock::Real, 1);
    let address = set.open(&proxy_to(nobody, Protocol::Tcp)).await.expect("opens");
    let mut before = 0;
    for round in 0..300 {
        if round == 1 {
            until(|| set.list()[0].traffic.active == 0).await;
            before = sockets();
        }
        let mut client = TcpStream::connect(address).await.expect("connects");
        assert_eq!(soon(client.read_u8()).await.expect_err("reset").kind(), ErrorKind::ConnectionReset);
    }
    until(|| set.list()[0].traffic.active == 0 && sockets() <= before).await;
}

/// A listener whose queue is full answers no SYN.
#[tokio::test]
async fn clients_that_give_up_on_an_upstream_that_never_answers_leave_nothing() {
    if !alone("clients_that_give_up_on_an_upstream_that_never_answers_leave_nothing") {
        return;
    }
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
    full.bind(&LOOPBACK.parse::<SocketAddr>().expect("address").into()).expect("binds");
    full.listen(1).expect("listens");
    let address = full.local_addr().expect("address").as_socket().expect("address");
    let fill: Vec<_> = (0..8).map(|_| TcpStream::connect(address)).collect();
    let mut filling = JoinSet::new();
    fill.into_iter().for_each(|connecting| drop(filling.spawn(connecting)));
    Clock::Real.sleep(Duration::from_millis(100)).await;
    let set = ProxySet::new(Clock::Real, 1);
    let proxy = set.open(&proxy_to(address, Protocol::Tcp)).await.expect("opens");
    let mut before = 0;
    for round in 0..50 {
        if round == 1 {
            before = sockets();
        }
        let client = TcpStream::connect(proxy).await.expect("connects");
        until(|| set.list()[0].traffic.active > 0).await;
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("lingers");
        drop(client);
        until(|| set.list()[0].traffic.active == 0).await;
    }
    until(|| sockets() <= before).await;
    soon(set.close("p")).await.expect("closes");
}

#[tokio::test]
async fn too_many_connections_are_reset_and_counted_and_the_others_go_on() {
    let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
    let set = ProxySet::with_room(Clock::Real, 1, 3);
    let address = set.open(&proxy_to(upstream.local_addr().expect("address"), Protocol::Tcp)).await.expect("opens");
    let mut pairs = Vec::new();
    for _ in 0..3 {
        let client = TcpStream::connect(address).await.expect("connects");
        pairs.push((client, soon(upstream.accept()).await.expect("accepts").0));
    }
    for _ in 0..5 {
        let mut client = TcpStream::connect(address).await.expect("connects");
        assert_eq!(soon(client.read_u8()).await.expect_err("reset").kind(), ErrorKind::ConnectionReset);
    }
    let traffic = set.list()[0].traffic;
    assert_eq!((traffic.accepted, traffic.active, traffic.refused), (3, 3, 5));
    for (client, server) in &mut pairs {
        client.write_all(b"x").await.expect("writes");
        soon(server.read_u8()).await.expect("reads");
    }
    drop(pairs.pop());
    until(|| set.list()[0].traffic.active == 2).await;
    let mut client = TcpStream::connect(address).await.expect("connects");
    let (mut server, _) = soon(upstream.accept()).await.expect("there is room again");
    client.write_all(b"x").await.expect("writes");
    soon(server.read_u8()).await.expect("reads");
}

#[tokio::test]
async fn a_delay_holds_a_bounded_amount_for_a_reader_that_never_reads() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(1, 0, Stream::Downstream)).expect("adds");
    let (client, mut server) = rig.pair().await;
    let chunk = noise(1 << 20);
    let flood = async { while server.write_all(&chunk).await.is_ok() {} };
    tokio::select! {
        () = flood => {}
        () = Clock::Real.sleep(Duration::from_secs(2)) => {}
    }
    let flow = rig.set.find("p").expect("is open").traffic.downstream;
    let held = flow.received - flow.sent;
    assert!(held <= 256 << 20, "{held}");
    let later = async { while server.write_all(&chunk).await.is_ok() {} };
    tokio::select! {
        () = later => {}
        () = Clock::Real.sleep(Duration::from_millis(300)) => {}
    }
    let flow = rig.set.find("p").expect("is open").traffic.downstream;
    assert!(flow.received - flow.sent <= held + (1 << 20), "the sender waits: {held}, then {flow:?}");
    drop(client);
}

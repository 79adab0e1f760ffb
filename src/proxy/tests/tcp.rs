//! What passes through a TCP proxy: bytes, closes and resets.

use std::io::ErrorKind;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{LOOPBACK, Rig, latency, noise, proxy_to, soon};
use crate::host::clock::Clock;
use crate::model::experiment::Protocol;
use crate::model::fault::Stream;
use crate::proxy::ProxySet;

/// Writes all, closes its half, and reads everything meanwhile.
async fn talk(stream: TcpStream, say: &[u8]) -> Vec<u8> {
    let (mut read, mut write) = stream.into_split();
    let mut heard = Vec::new();
    let (said, read) = tokio::join!(
        async {
            write.write_all(say).await.expect("writes");
            write.shutdown().await
        },
        read.read_to_end(&mut heard)
    );
    said.and(read).expect("both halves end well");
    heard
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("lingers");
}

#[tokio::test]
async fn megabytes_pass_both_ways_at_once_unchanged() {
    let rig = Rig::new(1).await;
    let (there, back) = (noise(3 << 20), noise(5 << 20));
    let (client, server) = rig.pair().await;
    let (at_client, at_server) = soon(async { tokio::join!(talk(client, &there), talk(server, &back)) }).await;
    assert!(at_client == back && at_server == there);
}

#[tokio::test]
async fn megabytes_pass_unchanged_while_toxics_come_and_go() {
    let rig = Rig::new(1).await;
    let (there, back) = (noise(6 << 20), noise(6 << 20));
    let (client, server) = rig.pair().await;
    let talking = async { tokio::join!(talk(client, &there), talk(server, &back)) };
    let meddling = async {
        for _ in 0.. {
            for stream in [Stream::Upstream, Stream::Downstream] {
                rig.set.add_toxic("p", &latency(4, 4, stream)).expect("adds");
                Clock::Real.sleep(Duration::from_millis(3)).await;
                rig.set.remove_toxic("p", "slow").expect("removes");
                Clock::Real.sleep(Duration::from_micros(300)).await;
            }
        }
    };
    let (at_client, at_server) = soon(async {
        tokio::select! { heard = talking => heard, () = meddling => unreachable!() }
    })
    .await;
    assert!(at_client == back && at_server == there);
}

#[tokio::test]
async fn a_client_that_has_closed_its_half_still_gets_the_answer() {
    for delay in [0, 20] {
        let rig = Rig::new(1).await;
        rig.set.add_toxic("p", &latency(delay, 0, Stream::Upstream)).expect("adds");
        let (mut client, mut server) = rig.pair().await;
        client.write_all(b"question").await.expect("writes");
        client.shutdown().await.expect("closes");
        let mut heard = String::new();
        soon(server.read_to_string(&mut heard)).await.expect("reads");
        assert_eq!(heard, "question");
        server.write_all(b"answer").await.expect("writes");
        drop(server);
        heard.clear();
        soon(client.read_to_string(&mut heard)).await.expect("reads");
        assert_eq!(heard, "answer");
    }
}

#[tokio::test]
async fn a_server_that_has_closed_its_half_still_gets_the_rest() {
    let rig = Rig::new(1).await;
    let (mut client, mut server) = rig.pair().await;
    server.write_all(b"hello").await.expect("writes");
    server.shutdown().await.expect("closes");
    let mut heard = String::new();
    soon(client.read_to_string(&mut heard)).await.expect("reads");
    assert_eq!(heard, "hello");
    client.write_all(b"goodbye").await.expect("writes");
    drop(client);
    heard.clear();
    soon(server.read_to_string(&mut heard)).await.expect("reads");
    assert_eq!(heard, "goodbye");
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset_either_way() {
    let rig = Rig::new(1).await;
    let (mut client, server) = rig.pair().await;
    reset(server);
    let error = soon(client.read_u8()).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let (client, mut server) = rig.pair().await;
    reset(client);
    let error = soon(server.read_u8()).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_does_not_overtake_the_bytes_before_it() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(30, 0, Stream::Downstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    server.write_all(b"last words").await.expect("writes");
    // The proxy has the bytes once it has counted them.
    soon(async {
        while rig.reading().bytes < 10 {
            Clock::Real.sleep(Duration::from_micros(200)).await;
        }
    })
    .await;
    reset(server);
    let mut heard = [0; 10];
    soon(client.read_exact(&mut heard)).await.expect("reads");
    assert_eq!(&heard, b"last words");
    let error = soon(client.read_u8()).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_write_to_an_upstream_that_is_gone_resets_the_client() {
    let rig = Rig::new(1).await;
    let (mut client, server) = rig.pair().await;
    drop(server);
    assert_eq!(soon(client.read(&mut [0; 1])).await.expect("the close is passed on"), 0);
    let error = soon(async {
        loop {
            if let Err(error) = client.write_all(b"anyone there?").await {
                return error;
            }
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
}

#[tokio::test]
async fn a_client_is_reset_when_the_upstream_refuses() {
    let nobody = TcpListener::bind(LOOPBACK).await.expect("binds").local_addr().expect("address");
    let set = ProxySet::new(Clock::Real, 1);
    let address = set.open(&proxy_to(nobody, Protocol::Tcp)).await.expect("opens");
    let mut client = TcpStream::connect(address).await.expect("the proxy itself accepts");
    let error = soon(client.read_u8()).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_upstream_is_found_by_its_name() {
    let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
    let port = upstream.local_addr().expect("address").port();
    let mut proxy = proxy_to(upstream.local_addr().expect("address"), Protocol::Tcp);
    proxy.upstream = format!("localhost:{port}");
    let set = ProxySet::new(Clock::Real, 1);
    let address = set.open(&proxy).await.expect("opens");
    let mut client = TcpStream::connect(address).await.expect("connects");
    let (mut server, _) = soon(upstream.accept()).await.expect("accepts");
    client.write_all(b"x").await.expect("writes");
    assert_eq!(soon(server.read_u8()).await.expect("reads"), b'x');
}

#[tokio::test]
async fn it_listens_and_connects_over_ipv6_as_well() {
    let upstream = TcpListener::bind("[::1]:0").await.expect("this machine has IPv6 on loopback");
    let mut proxy = proxy_to(upstream.local_addr().expect("address"), Protocol::Tcp);
    proxy.listen = "[::1]:0".parse().expect("address");
    let set = ProxySet::new(Clock::Real, 1);
    let address = set.open(&proxy).await.expect("opens");
    assert!(address.is_ipv6() && address.port() != 0);
    let mut client = TcpStream::connect(address).await.expect("connects");
    let (mut server, _) = soon(upstream.accept()).await.expect("accepts");
    client.write_all(b"x").await.expect("writes");
    assert_eq!(soon(server.read_u8()).await.expect("reads"), b'x');
}

//! Opening, closing and refusing.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::{LOOPBACK, Rig, error, latency, proxy_to, soon};
use crate::host::Trouble;
use crate::host::clock::Clock;
use crate::model::experiment::Protocol;
use crate::model::fault::Stream;
use crate::proxy::ProxySet;

#[tokio::test]
async fn a_busy_port_is_named_with_what_to_try() {
    let busy = TcpListener::bind(LOOPBACK).await.expect("binds");
    let address = busy.local_addr().expect("address");
    let mut proxy = proxy_to(address, Protocol::Tcp);
    proxy.listen = address;
    let set = ProxySet::new(Clock::Real, 1);
    let trouble = set.open(&proxy).await.expect_err("the port is taken");
    let port = address.port();
    assert_eq!(
        trouble.to_string(),
        format!(
            "open proxy p on 127.0.0.1:{port}: the address is in use; port {port} is taken: choose another `listen`, \
             or end the program that holds it (`ss -ltnp sport = :{port}` names it)"
        )
    );
    assert!(!set.is_open("p"));
}

#[tokio::test]
async fn closing_frees_the_port_and_ends_the_connections() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(60_000, 0, Stream::Upstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    assert!(rig.set.is_open("p") && rig.set.has_toxic("p", "slow"));
    soon(rig.set.close("p")).await.expect("closes");
    assert!(!rig.set.is_open("p") && !rig.set.has_toxic("p", "slow"));
    assert!(soon(client.read_u8()).await.is_err() && soon(server.read_u8()).await.is_err());
    TcpListener::bind(rig.address).await.expect("the port is free");
    rig.set.close("p").await.expect("closing again is no error");
    rig.set.close("nobody").await.expect("nor is closing what never was");
    assert!(rig.set.reading("p", "slow").is_some(), "its counters can still be read");
}

#[tokio::test]
async fn a_closed_proxy_can_be_opened_again() {
    let rig = Rig::new(1).await;
    rig.set.close("p").await.expect("closes");
    let mut proxy = proxy_to(rig.upstream.local_addr().expect("address"), Protocol::Tcp);
    proxy.listen = rig.address;
    rig.set.open(&proxy).await.expect("opens");
    rig.pair().await;
    assert!(rig.set.open(&proxy).await.is_err(), "it is open already");
}

#[tokio::test]
async fn dropping_the_set_ends_everything() {
    let Rig { set, address, upstream } = Rig::new(1).await;
    let mut client = TcpStream::connect(address).await.expect("connects");
    let (mut server, _) = upstream.accept().await.expect("accepts");
    drop(set);
    assert!(soon(client.read_u8()).await.is_err() && soon(server.read_u8()).await.is_err());
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_toxic_needs_a_proxy_that_is_open_and_understands_it() {
    let rig = Rig::new(1).await;
    let trouble = rig.set.add_toxic("q", &latency(1, 0, Stream::Upstream)).expect_err("no such proxy");
    assert_eq!(trouble.to_string(), "put toxic slow on proxy q: no proxy of that name is open");
    let trouble = rig.set.add_toxic("p", &error(503, 1.0)).expect_err("it speaks TCP");
    let trouble = Trouble::from(trouble);
    assert_eq!(trouble.help.as_deref(), Some("say `protocol: http` in the proxy's settings"));
    rig.set.add_toxic("p", &latency(1, 0, Stream::Upstream)).expect("adds");
    assert!(rig.set.add_toxic("p", &latency(1, 0, Stream::Upstream)).is_err(), "the name is taken");
}

#[tokio::test]
async fn a_toxic_can_be_removed_twice_and_put_on_again() {
    let rig = Rig::new(1).await;
    let toxic = latency(1, 0, Stream::Upstream);
    rig.set.add_toxic("p", &toxic).expect("adds");
    rig.set.remove_toxic("p", "slow").expect("removes");
    assert!(!rig.set.has_toxic("p", "slow"));
    rig.set.remove_toxic("p", "slow").expect("removing again is no error");
    rig.set.remove_toxic("nobody", "slow").expect("nor is removing what never was");
    rig.set.add_toxic("p", &toxic).expect("the name is free again");
}

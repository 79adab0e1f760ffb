//! What a control server asks of the set: proxies that are disabled, moved and listed, toxics that are changed.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{LOOPBACK, Rig, latency, noise, proxy_to, soon};
use crate::host::clock::Clock;
use crate::model::experiment::Protocol;
use crate::model::fault::Stream;
use crate::model::step::ToxicKind;
use crate::model::units::{Bytes, Share};
use crate::proxy::{ProxySet, Reason};

#[tokio::test]
async fn a_disabled_proxy_refuses_frees_its_port_and_comes_back_on_it() {
    let rig = Rig::new(1).await;
    let (mut client, _server) = rig.pair().await;
    rig.set.add_toxic("p", &latency(1, 0, Stream::Upstream)).expect("adds");
    soon(rig.set.set_enabled("p", false)).await.expect("disables");
    assert!(soon(client.read_u8()).await.is_err());
    assert!(TcpStream::connect(rig.address).await.is_err());
    drop(TcpListener::bind(rig.address).await.expect("the port is free"));
    let state = rig.set.find("p").expect("it is there still");
    assert_eq!((state.enabled, state.address, state.toxics.len()), (false, rig.address, 1));
    assert_eq!(soon(rig.set.set_enabled("p", true)).await.expect("enables"), rig.address);
    rig.pair().await;
    assert_eq!(rig.set.find("p").expect("is there").traffic.accepted, 2);
}

#[tokio::test]
async fn enabling_on_a_port_that_was_taken_meanwhile_says_so_and_can_be_tried_again() {
    let rig = Rig::new(1).await;
    rig.set.set_enabled("p", false).await.expect("disables");
    let thief = TcpListener::bind(rig.address).await.expect("binds");
    let error = rig.set.set_enabled("p", true).await.expect_err("the port is taken");
    assert!(matches!(error.reason, Reason::CannotListen { address, .. } if address == rig.address));
    drop(thief);
    rig.set.set_enabled("p", true).await.expect("enables");
    rig.pair().await;
}

#[tokio::test]
async fn a_proxy_that_is_taken_in_disabled_listens_once_it_is_enabled() {
    let upstream = TcpListener::bind(LOOPBACK).await.expect("binds");
    let proxy = proxy_to(upstream.local_addr().expect("address"), Protocol::Tcp);
    let set = ProxySet::new(Clock::Real, 1);
    set.open_disabled(&proxy).await.expect("takes in");
    assert!(!set.is_open("p") && set.open(&proxy).await.is_err(), "its name is taken");
    let address = set.set_enabled("p", true).await.expect("enables");
    TcpStream::connect(address).await.expect("connects");
}

#[tokio::test]
async fn moving_to_a_busy_address_changes_nothing() {
    let rig = Rig::new(1).await;
    let (mut client, mut server) = rig.pair().await;
    let busy = TcpListener::bind(LOOPBACK).await.expect("binds").into_std().expect("socket");
    let address = busy.local_addr().expect("address");
    let upstream = rig.set.find("p").expect("is open").proxy.upstream;
    let error = rig.set.relocate("p", address, &upstream).await.expect_err("busy");
    assert!(matches!(error.reason, Reason::CannotListen { address: refused, .. } if refused == address));
    client.write_all(b"x").await.expect("writes");
    soon(server.read_u8()).await.expect("the connection goes on");
    let state = rig.set.find("p").expect("is open");
    assert_eq!((state.enabled, state.address), (true, rig.address));
}

#[tokio::test]
async fn a_proxy_moves_to_another_upstream_on_its_port_and_to_another_port() {
    let rig = Rig::new(1).await;
    let (mut client, _server) = rig.pair().await;
    let other = TcpListener::bind(LOOPBACK).await.expect("binds");
    let upstream = other.local_addr().expect("address").to_string();
    let address = rig.set.relocate("p", rig.address, &upstream).await.expect("moves");
    assert_eq!(address, rig.address);
    assert!(soon(client.read_u8()).await.is_err(), "existing connections are cut");
    let _client = TcpStream::connect(address).await.expect("connects");
    soon(other.accept()).await.expect("to the new upstream");
    let moved = rig.set.relocate("p", LOOPBACK.parse().expect("address"), &upstream).await.expect("moves");
    assert_ne!(moved, rig.address);
    assert!(TcpStream::connect(rig.address).await.is_err());
    let _client = TcpStream::connect(moved).await.expect("connects");
    soon(other.accept()).await.expect("accepts");
}

#[tokio::test]
async fn a_proxy_moves_to_all_addresses_on_its_own_port() {
    let rig = Rig::new(1).await;
    let upstream = rig.set.find("p").expect("is open").proxy.upstream;
    let everywhere = format!("0.0.0.0:{}", rig.address.port()).parse().expect("address");
    assert_eq!(rig.set.relocate("p", everywhere, &upstream).await.expect("moves"), everywhere);
    rig.pair().await;
}

#[tokio::test]
async fn toxics_are_listed_in_the_order_of_their_addition_and_changes_keep_the_place() {
    let rig = Rig::new(1).await;
    for name in ["c", "a", "b"] {
        let mut toxic = latency(1, 0, Stream::Upstream);
        toxic.name = name.into();
        rig.set.add_toxic("p", &toxic).expect("adds");
    }
    let mut changed = latency(7, 0, Stream::Upstream);
    changed.name = "a".into();
    rig.set.update_toxic("p", &changed).expect("changes");
    let toxics = rig.set.find("p").expect("is open").toxics;
    assert_eq!(toxics.iter().map(|toxic| toxic.name.as_str()).collect::<Vec<_>>(), ["c", "a", "b"]);
    assert_eq!(toxics[1], changed);
}

#[tokio::test]
async fn a_toxic_cannot_become_another_one() {
    let rig = Rig::new(1).await;
    let missing = rig.set.update_toxic("p", &latency(1, 0, Stream::Upstream)).expect_err("there is none");
    assert!(matches!(missing.reason, Reason::NoSuchToxic));
    rig.set.add_toxic("p", &latency(1, 0, Stream::Upstream)).expect("adds");
    let mut other = latency(1, 0, Stream::Upstream);
    other.kind = ToxicKind::Bandwidth { rate: Bytes(1) };
    assert!(matches!(rig.set.update_toxic("p", &other).expect_err("kind").reason, Reason::AnotherToxic));
    let other = latency(1, 0, Stream::Downstream);
    assert!(matches!(rig.set.update_toxic("p", &other).expect_err("direction").reason, Reason::AnotherToxic));
}

#[tokio::test]
async fn traffic_is_counted_while_it_passes() {
    let rig = Rig::new(1).await;
    let (mut client, mut server) = rig.pair().await;
    client.write_all(&noise(1000)).await.expect("writes");
    soon(server.read_exact(&mut [0; 1000])).await.expect("reads");
    let big = noise(3 << 20);
    let mut heard = vec![0; big.len()];
    let (wrote, read) = soon(async { tokio::join!(server.write_all(&big), client.read_exact(&mut heard)) }).await;
    wrote.expect("writes");
    read.expect("reads");
    let counted = || rig.set.list()[0].traffic;
    soon(async {
        while counted().downstream.sent < 3 << 20 || counted().upstream.sent < 1000 {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let now = counted();
    assert_eq!((now.upstream.received, now.upstream.sent), (1000, 1000));
    assert_eq!((now.downstream.received, now.downstream.sent), (3 << 20, 3 << 20));
    assert_eq!((now.accepted, now.active, now.refused), (1, 1, 0));
    drop((client, server));
    soon(async {
        while counted().active > 0 {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn everything_may_be_called_at_once() {
    let rig = Rig::new(1).await;
    let upstream = rig.set.find("p").expect("is open").proxy.upstream;
    let one = async {
        for _ in 0..30 {
            let _ = rig.set.set_enabled("p", false).await;
            let _ = rig.set.set_enabled("p", true).await;
        }
    };
    let two = async {
        for _ in 0..30 {
            let _ = rig.set.relocate("p", LOOPBACK.parse().expect("address"), &upstream).await;
        }
    };
    let three = async {
        for round in 0..300 {
            let mut toxic = latency(round, 0, Stream::Upstream);
            toxic.toxicity = Share(0.5);
            let _ = rig.set.add_toxic("p", &toxic);
            let _ = rig.set.update_toxic("p", &toxic);
            rig.set.list();
            tokio::task::yield_now().await;
            let _ = rig.set.remove_toxic("p", "slow");
        }
    };
    soon(async { tokio::join!(one, two, three) }).await;
    rig.set.set_enabled("p", true).await.expect("enables");
    let address = rig.set.find("p").expect("is there").address;
    let _client = TcpStream::connect(address).await.expect("connects");
    soon(rig.upstream.accept()).await.expect("accepts");
}

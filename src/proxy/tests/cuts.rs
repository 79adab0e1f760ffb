//! What toxics that cut connections off do: timeout, reset_peer, down.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Rig, soon, toxic};
use crate::host::clock::Clock;
use crate::model::fault::Stream;
use crate::model::step::{Toxic, ToxicKind};
use crate::model::units::{Share, Timespan};

fn timeout(millis: u64, stream: Stream) -> Toxic {
    toxic("slow", stream, ToxicKind::Timeout { timeout: Timespan::millis(millis) })
}

fn reset_peer(millis: u64) -> Toxic {
    toxic("slow", Stream::Downstream, ToxicKind::ResetPeer { timeout: Timespan::millis(millis) })
}

fn down() -> Toxic {
    toxic("slow", Stream::Downstream, ToxicKind::Down)
}

#[tokio::test]
async fn a_timeout_fires_although_traffic_goes_on() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &timeout(200, Stream::Downstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let start = Clock::Real.now();
    let chatter = async {
        while server.write_all(b"still there?").await.is_ok() {
            Clock::Real.sleep(Duration::from_millis(10)).await;
        }
    };
    let mut heard = Vec::new();
    let ends = async {
        let _ = client.read_to_end(&mut heard).await;
        start.elapsed()
    };
    let (time, ()) = soon(async { tokio::join!(ends, chatter) }).await;
    assert!((195..900).contains(&time.as_millis()), "{time:?}");
    assert!(heard.is_empty(), "nothing passes");
    assert_eq!(rig.reading().touched, 1);
}

#[tokio::test]
async fn a_timeout_of_zero_lets_nothing_pass_and_everything_once_it_is_taken_off() {
    let rig = Rig::new(1).await;
    let (mut client, mut server) = rig.pair().await;
    rig.set.add_toxic("p", &timeout(0, Stream::Upstream)).expect("adds");
    client.write_all(b"question").await.expect("writes");
    server.write_all(b"news").await.expect("writes");
    soon(client.read_exact(&mut [0; 4])).await.expect("the other direction is free");
    let mut heard = [0; 8];
    let early = tokio::select! {
        read = server.read_exact(&mut heard) => Some(read),
        () = Clock::Real.sleep(Duration::from_millis(100)) => None,
    };
    assert!(early.is_none(), "{early:?}");
    rig.set.remove_toxic("p", "slow").expect("removes");
    soon(server.read_exact(&mut heard)).await.expect("reads");
    assert_eq!(&heard, b"question");
}

#[tokio::test]
async fn an_idle_connection_is_not_counted_as_held_until_something_is() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &timeout(0, Stream::Upstream)).expect("adds");
    let (mut client, _server) = rig.pair().await;
    Clock::Real.sleep(Duration::from_millis(30)).await;
    assert_eq!((rig.reading().seen, rig.reading().touched), (0, 0));
    client.write_all(b"x").await.expect("writes");
    soon(async {
        while rig.reading().touched == 0 {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_held_connection_ends_when_its_client_is_gone() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &timeout(0, Stream::Upstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    client.write_all(b"x").await.expect("writes");
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("lingers");
    drop(client);
    assert!(soon(server.read_u8()).await.is_err(), "the reset is passed on, or the connection closed");
}

#[tokio::test]
async fn reset_peer_resets_connections_that_exist_and_new_ones_both_ends() {
    let rig = Rig::new(1).await;
    let (mut client, mut server) = rig.pair().await;
    rig.set.add_toxic("p", &reset_peer(0)).expect("adds");
    let errors = [soon(client.read_u8()).await, soon(server.read_u8()).await];
    for error in errors {
        assert_eq!(error.expect_err("reset").kind(), ErrorKind::ConnectionReset, "and no FIN");
    }
    let mut client = TcpStream::connect(rig.address).await.expect("is accepted");
    let error = soon(client.read_u8()).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    soon(async {
        while rig.reading().touched < 2 {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn reset_peer_waits_for_its_timeout_and_lets_nothing_pass_meanwhile() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &reset_peer(120)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let start = Clock::Real.now();
    server.write_all(b"answer").await.expect("writes");
    let error = soon(client.read_u8()).await.expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(start.elapsed() >= Duration::from_millis(110), "{:?}", start.elapsed());
}

#[tokio::test]
async fn down_refuses_new_connections_resets_existing_ones_and_keeps_the_port() {
    let rig = Rig::new(1).await;
    let (mut client, mut server) = rig.pair().await;
    client.write_all(b"x").await.expect("writes");
    soon(server.read_u8()).await.expect("it is through");
    rig.set.add_toxic("p", &down()).expect("adds");
    for end in [&mut client, &mut server] {
        assert_eq!(soon(end.read_u8()).await.expect_err("reset").kind(), ErrorKind::ConnectionReset);
    }
    soon(async {
        while !rig.reading().refused {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let error = TcpStream::connect(rig.address).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(TcpListener::bind(rig.address).await.is_err(), "the port is ours meanwhile");
    rig.set.remove_toxic("p", "slow").expect("removes");
    soon(async {
        while rig.set.has_toxic("p", "slow") {
            Clock::Real.sleep(Duration::from_micros(200)).await;
        }
    })
    .await;
    let (mut client, mut server) = soon(rig.pair()).await;
    client.write_all(b"x").await.expect("writes");
    soon(server.read_u8()).await.expect("everything is back");
}

#[tokio::test]
async fn down_for_a_share_resets_that_share_as_it_comes() {
    let rig = Rig::new(3).await;
    let mut half = down();
    half.toxicity = Share(0.5);
    rig.set.add_toxic("p", &half).expect("adds");
    for _ in 0..40 {
        let mut client = TcpStream::connect(rig.address).await.expect("nobody is refused in part");
        let _ = client.write_all(b"x").await;
        tokio::select! {
            read = client.read_u8() => assert!(read.is_err(), "reset"),
            accepted = rig.upstream.accept() => drop(accepted.expect("accepts")),
            () = Clock::Real.sleep(Duration::from_secs(20)) => panic!("it takes too long"),
        }
    }
    let reading = rig.reading();
    assert_eq!(reading.seen, 40);
    assert!((5..=35).contains(&reading.touched), "{reading:?}");
}

#[tokio::test]
async fn closing_a_proxy_that_is_down_frees_its_port() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &down()).expect("adds");
    soon(rig.set.close("p")).await.expect("closes");
    TcpListener::bind(rig.address).await.expect("the port is free");
}

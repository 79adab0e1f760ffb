//! What is wrong with Toxiproxy 2.12, seen here on ours. Half-close, resets, the timeout under traffic, the seed and
//! metrics have their tests beside the others.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Rig, latency, noise, soon};
use crate::host::clock::Clock;
use crate::model::fault::Stream;
use crate::model::units::Share;

/// Toxiproxy's issues 412 and 558: the whole API froze for 25 s.
#[tokio::test]
async fn a_client_that_reads_nothing_freezes_nothing() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(20, 0, Stream::Downstream)).expect("adds");
    let (client, mut server) = rig.pair().await;
    let flood = async {
        let chunk = noise(1 << 20);
        while server.write_all(&chunk).await.is_ok() {}
    };
    let control = async {
        Clock::Real.sleep(Duration::from_millis(300)).await;
        let start = Clock::Real.now();
        rig.set.remove_toxic("p", "slow").expect("removes");
        rig.set.add_toxic("p", &latency(10, 0, Stream::Downstream)).expect("adds");
        rig.set.update_toxic("p", &latency(30, 0, Stream::Downstream)).expect("changes");
        rig.set.list();
        soon(rig.set.set_enabled("p", false)).await.expect("disables");
        soon(rig.set.set_enabled("p", true)).await.expect("enables");
        start.elapsed()
    };
    let time = tokio::select! {
        time = control => time,
        () = async { flood.await; std::future::pending().await } => unreachable!(),
    };
    assert!(time < Duration::from_secs(2), "{time:?}");
    drop(client);
}

/// Which of ten connections, once opened, are delayed.
async fn delayed(rig: &Rig, pairs: &mut [(tokio::net::TcpStream, tokio::net::TcpStream)]) -> Vec<bool> {
    let mut delayed = Vec::new();
    for (client, server) in pairs {
        let before = rig.reading().bytes;
        client.write_all(b"x").await.expect("writes");
        soon(server.read_u8()).await.expect("reads");
        delayed.push(rig.reading().bytes > before);
    }
    delayed
}

#[tokio::test]
async fn adding_and_changing_other_toxics_draws_nothing_again() {
    let rig = Rig::new(5).await;
    let mut half = latency(0, 0, Stream::Upstream);
    half.toxicity = Share(0.5);
    rig.set.add_toxic("p", &half).expect("adds");
    let mut pairs = Vec::new();
    for _ in 0..16 {
        pairs.push(rig.pair().await);
    }
    let drawn = delayed(&rig, &mut pairs).await;
    assert!(drawn.contains(&true) && drawn.contains(&false), "{drawn:?}");
    for round in 0..5 {
        let mut other = latency(0, 0, Stream::Upstream);
        (other.name, other.toxicity) = (format!("other {round}"), Share(0.5));
        rig.set.add_toxic("p", &other).expect("adds");
        half.kind = latency(round % 2, 0, Stream::Upstream).kind;
        rig.set.update_toxic("p", &half).expect("changes");
        assert_eq!(delayed(&rig, &mut pairs).await, drawn);
    }
    half.toxicity = Share(0.7);
    rig.set.update_toxic("p", &half).expect("changes");
    let more = delayed(&rig, &mut pairs).await;
    assert!(drawn.iter().zip(&more).all(|(then, now)| now >= then), "more are touched, none goes free: {more:?}");
    half.toxicity = Share(0.0);
    rig.set.update_toxic("p", &half).expect("changes");
    assert!(!delayed(&rig, &mut pairs).await.contains(&true), "toxicity 0 is really off");
}

#[tokio::test]
async fn changing_a_latency_does_not_deliver_what_is_held() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(300, 0, Stream::Upstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let start = Clock::Real.now();
    client.write_all(b"x").await.expect("writes");
    soon(async {
        while rig.reading().bytes == 0 {
            Clock::Real.sleep(Duration::from_micros(200)).await;
        }
    })
    .await;
    rig.set.update_toxic("p", &latency(1, 0, Stream::Upstream)).expect("changes");
    rig.set.update_toxic("p", &latency(900, 0, Stream::Upstream)).expect("changes");
    soon(server.read_u8()).await.expect("reads");
    let time = start.elapsed().as_millis();
    assert!((300..800).contains(&time), "the byte keeps the deadline it was given: {time} ms");
    let start = Clock::Real.now();
    client.write_all(b"y").await.expect("writes");
    soon(server.read_u8()).await.expect("reads");
    assert!(start.elapsed() >= Duration::from_millis(900), "the next one has the new one");
}

/// Toxiproxy holds 32 MiB at most, so that 500 ms of delay let 64 MiB/s pass.
#[tokio::test]
async fn a_long_delay_holds_more_than_toxiproxy_can() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(60_000, 0, Stream::Upstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(48 << 20);
    soon(client.write_all(&sent)).await.expect("all of it is taken in before anything is due");
    soon(async {
        while rig.reading().bytes < 40 << 20 {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    rig.set.remove_toxic("p", "slow").expect("removes");
    let mut heard = vec![0; sent.len()];
    soon(server.read_exact(&mut heard)).await.expect("reads");
    assert!(heard == sent);
}

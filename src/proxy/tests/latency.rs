//! What a latency toxic does to a TCP connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Rig, latency, noise, soon};
use crate::host::clock::Clock;
use crate::model::dose::ToxicReading;
use crate::model::fault::Stream;

/// Sends a byte and waits for it on the other side.
async fn one_way(from: &mut TcpStream, to: &mut TcpStream) -> Duration {
    let start = Clock::Real.now();
    from.write_all(b"x").await.expect("writes");
    soon(to.read_u8()).await.expect("reads");
    start.elapsed()
}

#[tokio::test]
async fn a_byte_is_late_by_the_delay_one_way_and_in_time_the_other() {
    let rig = Rig::new(1).await;
    let (mut client, mut server) = rig.pair().await;
    assert!(one_way(&mut server, &mut client).await < Duration::from_millis(40), "nothing is on yet");
    rig.set.add_toxic("p", &latency(60, 0, Stream::Downstream)).expect("adds");
    let late = one_way(&mut server, &mut client).await;
    assert!((60..100).contains(&late.as_millis()), "{late:?}");
    assert!(one_way(&mut client, &mut server).await < Duration::from_millis(40));
    let reading = rig.reading();
    assert_eq!((reading.seen, reading.touched, reading.bytes, reading.delayed, reading.users), (1, 1, 1, 1, 1));
    assert!(reading.mean_delay >= Duration::from_millis(60) && reading.mean_delay <= late, "{reading:?}");
}

#[tokio::test]
async fn a_short_delay_is_kept_to_a_fraction_of_a_millisecond() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(5, 0, Stream::Downstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let mut times = Vec::new();
    for _ in 0..60 {
        times.push(one_way(&mut server, &mut client).await);
    }
    times.sort();
    assert!(times[0] >= Duration::from_millis(5));
    assert!(times[5] < Duration::from_micros(5_600), "tokio's own timer takes a millisecond more: {times:?}");
}

#[tokio::test]
async fn the_delay_does_not_limit_the_throughput() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(100, 0, Stream::Upstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(8 << 20);
    let start = Clock::Real.now();
    let mut heard = vec![0; sent.len()];
    let (wrote, read) = soon(async { tokio::join!(client.write_all(&sent), server.read_exact(&mut heard)) }).await;
    wrote.expect("writes");
    read.expect("reads");
    let time = start.elapsed();
    assert!(heard == sent);
    assert!(time >= Duration::from_millis(100) && time < Duration::from_millis(1500), "{time:?}");
    assert!(rig.reading().delayed >= 8 << 4, "one sleep for each chunk of at most 64 KiB would take over 12 s");
}

#[tokio::test]
async fn jitter_spreads_the_delay_and_keeps_the_order() {
    let rig = Rig::new(7).await;
    rig.set.add_toxic("p", &latency(10, 10, Stream::Upstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let writing = async {
        for number in 0..300_u32 {
            client.write_u32(number).await.expect("writes");
            Clock::Real.sleep(Duration::from_micros(500)).await;
        }
    };
    let reading = async {
        for number in 0..300_u32 {
            assert_eq!(server.read_u32().await.expect("reads"), number);
        }
    };
    soon(async { tokio::join!(writing, reading) }).await;
    let mean = rig.reading().mean_delay;
    assert!(mean > Duration::from_millis(10) && mean < Duration::from_millis(25), "order makes some later: {mean:?}");
}

#[tokio::test]
async fn removal_delivers_what_is_held_at_once_and_in_order() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(60_000, 0, Stream::Upstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(1 << 20);
    soon(client.write_all(&sent[..900_000])).await.expect("writes");
    soon(async {
        while rig.reading().bytes < 900_000 {
            Clock::Real.sleep(Duration::from_micros(200)).await;
        }
    })
    .await;
    assert_eq!(rig.reading().delayed, 0, "all of it is held");
    let start = Clock::Real.now();
    rig.set.remove_toxic("p", "slow").expect("removes");
    client.write_all(&sent[900_000..]).await.expect("writes");
    let mut heard = vec![0; sent.len()];
    soon(server.read_exact(&mut heard)).await.expect("reads");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(heard == sent);
    assert!(rig.reading().mean_delay < Duration::from_secs(20), "what it really added is told, not what was asked");
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_held_gave_up_and_one_that_waits_did_not() {
    for stream in [Stream::Downstream, Stream::Upstream] {
        let rig = Rig::new(1).await;
        rig.set.add_toxic("p", &latency(60_000, 0, stream)).expect("adds");
        let ((mut leaves, mut one), (mut waits, mut other)) = (rig.pair().await, rig.pair().await);
        for end in [&mut leaves, &mut one, &mut waits, &mut other] {
            end.write_all(b"x").await.expect("writes");
        }
        until(&rig, |reading| reading.bytes == 2).await;
        drop(leaves);
        until(&rig, |reading| reading.given_up == 1).await;
        assert_eq!((rig.reading().touched, rig.reading().delayed), (2, 0), "nothing was delivered yet");
        rig.set.remove_toxic("p", "slow").expect("removes");
        soon(waits.read_u8()).await.expect("reads");
        drop(waits);
        soon(other.read_to_end(&mut Vec::new())).await.expect("reads to the end");
        assert_eq!(rig.reading().given_up, 1, "who had all of it did not give up");
    }
}

async fn until(rig: &Rig, so: impl Fn(ToxicReading) -> bool) {
    soon(async {
        while !so(rig.reading()) {
            Clock::Real.sleep(Duration::from_micros(200)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn removal_returns_at_once_though_the_receiver_reads_nothing() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(1, 0, Stream::Downstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(12 << 20);
    soon(server.write_all(&sent)).await.expect("what the client does not read is held");
    rig.set.remove_toxic("p", "slow").expect("removes");
    rig.set.add_toxic("p", &latency(1, 0, Stream::Upstream)).expect("it is gone, its name is free");
    let mut heard = vec![0; sent.len()];
    soon(client.read_exact(&mut heard)).await.expect("reads");
    assert!(heard == sent);
}

#[tokio::test]
async fn two_delays_add_up_and_each_is_told_its_own() {
    let rig = Rig::new(1).await;
    let mut second = latency(60, 0, Stream::Downstream);
    second.name = "slower".into();
    rig.set.add_toxic("p", &latency(20, 0, Stream::Downstream)).expect("adds");
    rig.set.add_toxic("p", &second).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    assert!(one_way(&mut server, &mut client).await >= Duration::from_millis(80));
    let means = ["slow", "slower"].map(|name| rig.set.reading("p", name).expect("reads").mean_delay.as_millis());
    assert!((20..30).contains(&means[0]) && (60..90).contains(&means[1]), "{means:?}");
}

#[tokio::test]
async fn a_slow_reader_is_not_taken_for_delay() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &latency(5, 0, Stream::Downstream)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(12 << 20);
    soon(server.write_all(&sent)).await.expect("writes");
    Clock::Real.sleep(Duration::from_millis(300)).await;
    let mut heard = vec![0; sent.len()];
    soon(client.read_exact(&mut heard)).await.expect("reads");
    let mean = rig.reading().mean_delay;
    assert!(mean < Duration::from_millis(40), "most of it waited for the reader for 300 ms: {mean:?}");
}

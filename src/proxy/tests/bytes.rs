//! What toxics that act on bytes do: bandwidth, slicer, limit_data, slow_close.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Rig, noise, soon, toxic};
use crate::host::clock::Clock;
use crate::model::fault::Stream;
use crate::model::step::ToxicKind;
use crate::model::units::{Bytes, Timespan};

fn bandwidth(rate: u64) -> ToxicKind {
    ToxicKind::Bandwidth { rate: Bytes(rate) }
}

/// Sends so many bytes downstream and tells how long they took from the first to the last.
async fn time_of(rig: &Rig, bytes: usize) -> Duration {
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(bytes);
    let start = Clock::Real.now();
    let mut heard = vec![0; bytes];
    let (wrote, read) = soon(async { tokio::join!(server.write_all(&sent), client.read_exact(&mut heard)) }).await;
    wrote.expect("writes");
    read.expect("reads");
    assert!(heard == sent);
    start.elapsed()
}

#[tokio::test]
async fn bandwidth_is_met_within_two_percent_and_a_wake_up() {
    for (rate, bytes) in [(100_000, 60_000), (1_000_000, 700_000), (20_000_000, 12_000_000)] {
        let rig = Rig::new(1).await;
        rig.set.add_toxic("p", &toxic("slow", Stream::Downstream, bandwidth(rate))).expect("adds");
        let seconds = time_of(&rig, bytes).await.as_secs_f64();
        let asked = bytes as f64 / rate as f64;
        assert!(
            (0.98 * asked..1.05 * asked + 0.05).contains(&seconds),
            "{rate}: {seconds} s where {asked} s was asked"
        );
        let reading = rig.reading();
        assert_eq!((reading.seen, reading.touched, reading.bytes), (1, 1, bytes as u64));
    }
}

#[tokio::test]
async fn bandwidth_is_smooth() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &toxic("slow", Stream::Downstream, bandwidth(1_000_000))).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(600_000);
    let reading = async {
        let mut arrivals = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        let mut total = 0;
        while total < sent.len() {
            let length = client.read(&mut buffer).await.expect("reads");
            total += length;
            arrivals.push((Clock::Real.now(), length));
        }
        arrivals
    };
    let (wrote, arrivals) = soon(async { tokio::join!(server.write_all(&sent), reading) }).await;
    wrote.expect("writes");
    let most = arrivals.iter().map(|(_, length)| *length).max().unwrap_or(0);
    assert!(most <= 100_000, "a burst of {most} bytes, which is {} ms worth", most / 1000);
    assert!(arrivals.len() >= 20, "{} pieces", arrivals.len());
}

#[tokio::test]
async fn a_rate_is_raised_and_taken_off_in_mid_flight() {
    let rig = Rig::new(1).await;
    let slow = toxic("slow", Stream::Downstream, bandwidth(1000));
    rig.set.add_toxic("p", &slow).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(3 << 20);
    let start = Clock::Real.now();
    let meddling = async {
        Clock::Real.sleep(Duration::from_millis(100)).await;
        rig.set.update_toxic("p", &toxic("slow", Stream::Downstream, bandwidth(4_000_000))).expect("changes");
        Clock::Real.sleep(Duration::from_millis(100)).await;
        rig.set.remove_toxic("p", "slow").expect("removes");
    };
    let mut heard = vec![0; sent.len()];
    let (wrote, read, ()) =
        soon(async { tokio::join!(server.write_all(&sent), client.read_exact(&mut heard), meddling) }).await;
    wrote.expect("writes");
    read.expect("reads");
    assert!(heard == sent);
    assert!(start.elapsed() < Duration::from_secs(5), "an hour at the first rate: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_reader_that_pauses_gets_no_burst_from_a_limited_line() {
    let rig = Rig::new(1).await;
    rig.set.add_toxic("p", &toxic("slow", Stream::Downstream, bandwidth(50_000_000))).expect("adds");
    let (client, mut server) = rig.pair().await;
    // Fills what the kernel buffers between us and the client.
    let writing = async {
        let chunk = noise(1 << 20);
        while server.write_all(&chunk).await.is_ok() {}
    };
    tokio::select! {
        () = writing => {}
        () = Clock::Real.sleep(Duration::from_millis(900)) => {}
    }
    let held = rig.set.find("p").expect("is open").traffic.downstream;
    assert!(held.received - held.sent < 4 << 20, "{} bytes wait for the reader", held.received - held.sent);
    drop(client);
}

#[tokio::test]
async fn a_slicer_cuts_into_small_pieces_with_pauses() {
    let rig = Rig::new(1).await;
    let slicer = ToxicKind::Slicer { average_size: Bytes(100), size_variation: Bytes(20), delay: Timespan::millis(2) };
    rig.set.add_toxic("p", &toxic("slow", Stream::Downstream, slicer)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    let sent = noise(6_000);
    server.write_all(&sent).await.expect("writes");
    let start = Clock::Real.now();
    let (mut heard, mut pieces, mut buffer) = (Vec::new(), 0, [0; 8192]);
    while heard.len() < sent.len() {
        let length = soon(client.read(&mut buffer)).await.expect("reads");
        heard.extend_from_slice(&buffer[..length]);
        pieces += 1;
    }
    assert!(heard == sent);
    let time = start.elapsed().as_millis();
    assert!(time >= 80, "60 pieces, 2 ms apart: {time} ms");
    assert!(pieces >= 12, "a busy machine joins some: {pieces}");
    assert!(rig.reading().delayed >= 45, "{:?}", rig.reading());
}

#[tokio::test]
async fn a_limit_delivers_what_is_below_it_and_closes() {
    for limit in [0, 1, 100, 70_000] {
        let rig = Rig::new(1).await;
        let kind = ToxicKind::LimitData { bytes: Bytes(limit) };
        rig.set.add_toxic("p", &toxic("slow", Stream::Downstream, kind)).expect("adds");
        let (mut client, mut server) = rig.pair().await;
        let sent = noise(100_000);
        // It may be cut off while it writes.
        let _ = server.write_all(&sent).await;
        let mut heard = Vec::new();
        let _ = soon(client.read_to_end(&mut heard)).await;
        assert!(heard == sent[..limit as usize], "{} of {limit}", heard.len());
        let gone = soon(async {
            while server.write_all(b"x").await.is_ok() {
                Clock::Real.sleep(Duration::from_millis(1)).await;
            }
        });
        gone.await;
        assert_eq!((rig.reading().touched, rig.reading().bytes), (1, limit));
    }
}

#[tokio::test]
async fn a_limit_that_is_raised_in_time_closes_nothing() {
    let rig = Rig::new(1).await;
    let limit = |bytes| toxic("slow", Stream::Upstream, ToxicKind::LimitData { bytes: Bytes(bytes) });
    rig.set.add_toxic("p", &limit(1000)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    client.write_all(&[1; 600]).await.expect("writes");
    soon(server.read_exact(&mut [0; 600])).await.expect("reads");
    rig.set.update_toxic("p", &limit(1500)).expect("changes");
    client.write_all(&[2; 600]).await.expect("writes");
    soon(server.read_exact(&mut [0; 600])).await.expect("what passed is counted on, 1200 of 1500");
    client.write_all(&[3; 600]).await.expect("writes");
    let mut rest = Vec::new();
    let _ = soon(server.read_to_end(&mut rest)).await;
    assert_eq!(rest, [3; 300]);
}

#[tokio::test]
async fn a_slow_close_delays_the_close_and_not_the_bytes() {
    let rig = Rig::new(1).await;
    let kind = ToxicKind::SlowClose { delay: Timespan::millis(150) };
    rig.set.add_toxic("p", &toxic("slow", Stream::Downstream, kind)).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    server.write_all(b"answer").await.expect("writes");
    let start = Clock::Real.now();
    drop(server);
    soon(client.read_exact(&mut [0; 6])).await.expect("reads");
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    assert_eq!(soon(client.read(&mut [0; 1])).await.expect("closes"), 0);
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
    assert_eq!((rig.reading().touched, rig.reading().delayed), (1, 1));
}

#[tokio::test]
async fn a_slow_close_that_is_taken_off_closes_at_once() {
    let rig = Rig::new(1).await;
    let kind = ToxicKind::SlowClose { delay: Timespan::seconds(60) };
    rig.set.add_toxic("p", &toxic("slow", Stream::Downstream, kind)).expect("adds");
    let (mut client, server) = rig.pair().await;
    drop(server);
    soon(async {
        while rig.reading().touched == 0 {
            Clock::Real.sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    rig.set.remove_toxic("p", "slow").expect("removes");
    assert_eq!(soon(client.read(&mut [0; 1])).await.expect("closes"), 0);
}

#[tokio::test]
async fn a_limit_that_may_touch_no_further_user_lets_everything_pass() {
    let rig = Rig::new(1).await;
    let mut limit = toxic("slow", Stream::Downstream, ToxicKind::LimitData { bytes: Bytes(0) });
    limit.max_users = Some(0);
    rig.set.add_toxic("p", &limit).expect("adds");
    let (mut client, mut server) = rig.pair().await;
    server.write_all(b"answer").await.expect("writes");
    soon(client.read_exact(&mut [0; 6])).await.expect("reads");
    assert_eq!(rig.reading().touched, 0);
}

//! What arrives is what was sent: random bytes both ways in random chunks, through random toxics that are added,
//! changed and removed in mid-flight. Where a toxic cuts the connection off, what arrived is a beginning of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;

use super::{Rig, soon};
use crate::host::clock::Clock;
use crate::model::fault::{Distribution, Stream};
use crate::model::step::{Toxic, ToxicKind};
use crate::model::units::{Bytes, Share, Timespan};

const CASES: usize = 1000;
/// So many at the same time.
const AT_ONCE: usize = 24;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_arrives_is_what_was_sent_whatever_toxics_come_and_go() {
    let next = Arc::new(AtomicUsize::new(0));
    let cuts = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (next, cuts) = (Arc::clone(&next), Arc::clone(&cuts));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= CASES {
                    return;
                }
                cuts.fetch_add(usize::from(case(number as u64).await), Ordering::Relaxed);
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.expect("no case fails");
    }
    let cuts = cuts.load(Ordering::Relaxed);
    assert!(cuts > CASES / 50 && cuts < CASES / 2, "some cases are cut off, most are not: {cuts}");
}

/// One case; tells whether the connection was cut off.
async fn case(number: u64) -> bool {
    let mut dice = ChaCha8Rng::seed_from_u64(number);
    let rig = Rig::new(number).await;
    let (client, server) = rig.pair().await;
    let cutting = dice.random_bool(0.2);
    let sent = [random(&mut dice), random(&mut dice)];
    let seeds = [dice.next_u64(), dice.next_u64()];
    let meddler = ChaCha8Rng::seed_from_u64(dice.next_u64());
    let ((client_read, client_write), (server_read, server_write)) = (client.into_split(), server.into_split());
    let over = AtomicBool::new(false);
    let (cut, [there, back]) = soon(async {
        let talk = async {
            let arrived = tokio::join!(
                say(client_write, &sent[0], seeds[0]),
                hear(server_read),
                say(server_write, &sent[1], seeds[1]),
                hear(client_read),
            );
            over.store(true, Ordering::Relaxed);
            [arrived.1, arrived.3]
        };
        tokio::join!(meddle(&rig, meddler, cutting, &over), talk)
    })
    .await;
    for (way, (bytes, arrived)) in sent.iter().zip([there, back]).enumerate() {
        let told = format!("case {number}, way {way}: {} of {} bytes arrived", arrived.len(), bytes.len());
        assert!(bytes.starts_with(&arrived), "{told}, and they are wrong");
        assert!(cut || arrived.len() == bytes.len(), "{told}, and nothing cut the rest off");
    }
    cut
}

fn random(dice: &mut ChaCha8Rng) -> Vec<u8> {
    let length = match dice.random_range(0..10) {
        0 => 0,
        1..4 => dice.random_range(1..2_000),
        4..9 => dice.random_range(2_000..200_000),
        _ => dice.random_range(200_000..1_500_000),
    };
    let mut bytes = vec![0; length];
    dice.fill_bytes(&mut bytes);
    bytes
}

/// Writes in random chunks, some after a pause, and closes its half.
async fn say(mut to: OwnedWriteHalf, bytes: &[u8], seed: u64) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut rest = bytes;
    while !rest.is_empty() {
        let most = if dice.random_bool(0.5) { 300_000 } else { 3_000 };
        let (chunk, after) = rest.split_at(dice.random_range(1..=most).min(rest.len()));
        if to.write_all(chunk).await.is_err() {
            return;
        }
        rest = after;
        if dice.random_bool(0.05) {
            Clock::Real.sleep(Duration::from_micros(dice.random_range(0..2_000))).await;
        }
    }
    let _ = to.shutdown().await;
}

/// Reads until the end, or an error.
async fn hear(mut from: OwnedReadHalf) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = from.read_to_end(&mut heard).await;
    heard
}

/// Adds, changes and removes toxics while bytes pass, and removes all of them in the end. Tells whether one of them
/// may have cut the connection off.
async fn meddle(rig: &Rig, mut dice: ChaCha8Rng, cutting: bool, over: &AtomicBool) -> bool {
    let mut cut = false;
    for _ in 0..dice.random_range(0..25) {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let name = NAMES[dice.random_range(0..NAMES.len())];
        match dice.random_range(0..3) {
            0 => rig.set.remove_toxic("p", name).expect("removes"),
            _ => {
                let toxic = toxic(&mut dice, name, cutting);
                cut |=
                    matches!(toxic.kind, ToxicKind::ResetPeer { .. } | ToxicKind::LimitData { .. } | ToxicKind::Down)
                        || matches!(toxic.kind, ToxicKind::Timeout { timeout } if timeout > Timespan::ZERO);
                if rig.set.add_toxic("p", &toxic).is_err() {
                    // One of that name is on: it is changed, where it is of the same kind.
                    let _ = rig.set.update_toxic("p", &toxic);
                }
            }
        }
        Clock::Real.sleep(Duration::from_micros(dice.random_range(0..4_000))).await;
    }
    NAMES.iter().for_each(|name| rig.set.remove_toxic("p", name).expect("removes"));
    cut
}

fn toxic(dice: &mut ChaCha8Rng, name: &str, cutting: bool) -> Toxic {
    let millis = |dice: &mut ChaCha8Rng, most| Timespan::millis(dice.random_range(0..=most));
    let kind = match dice.random_range(0..if cutting { 12 } else { 8 }) {
        0..2 => ToxicKind::Latency {
            delay: millis(dice, 15),
            jitter: millis(dice, 15),
            distribution: [Distribution::Uniform, Distribution::Normal, Distribution::Pareto][dice.random_range(0..3)],
        },
        2..4 => ToxicKind::Bandwidth { rate: Bytes(10_u64.pow(dice.random_range(3..9))) },
        4 => ToxicKind::SlowClose { delay: millis(dice, 10) },
        5 | 6 => ToxicKind::Slicer {
            average_size: Bytes(dice.random_range(1..5_000)),
            size_variation: Bytes(dice.random_range(0..1_000)),
            delay: Timespan(Duration::from_micros(dice.random_range(0..1_500))),
        },
        7 => ToxicKind::Timeout { timeout: Timespan::ZERO },
        8 => ToxicKind::Timeout { timeout: millis(dice, 10) },
        9 => ToxicKind::ResetPeer { timeout: millis(dice, 10) },
        10 => ToxicKind::LimitData { bytes: Bytes(dice.random_range(0..200_000)) },
        _ => ToxicKind::Down,
    };
    let stream = if dice.random_bool(0.5) { Stream::Upstream } else { Stream::Downstream };
    let toxicity = Share(if dice.random_bool(0.7) { 1.0 } else { 0.5 });
    Toxic { name: name.into(), stream, toxicity, max_users: None, kind }
}

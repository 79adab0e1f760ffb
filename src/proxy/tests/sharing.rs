//! Which connections a toxic touches: the share, the seed and the users.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Rig, latency, soon};
use crate::model::fault::Stream;
use crate::model::units::Share;

/// Opens connections one after the other, passes a byte, and tells which of them the toxic touched.
async fn touched(seed: u64, toxicity: f64, connections: usize) -> Vec<bool> {
    let rig = Rig::new(seed).await;
    let mut toxic = latency(0, 0, Stream::Upstream);
    toxic.toxicity = Share(toxicity);
    rig.set.add_toxic("p", &toxic).expect("adds");
    let mut touched = Vec::new();
    for _ in 0..connections {
        let before = rig.reading().touched;
        let (mut client, mut server) = rig.pair().await;
        client.write_all(b"x").await.expect("writes");
        soon(server.read_u8()).await.expect("reads");
        touched.push(rig.reading().touched > before);
    }
    assert_eq!(rig.reading().seen, connections as u64);
    touched
}

#[tokio::test]
async fn the_share_of_touched_connections_follows_the_toxicity() {
    assert!(touched(1, 0.0, 30).await.iter().all(|touched| !touched));
    assert!(touched(1, 1.0, 30).await.iter().all(|touched| *touched));
    let half = touched(1, 0.5, 200).await.iter().filter(|touched| **touched).count();
    assert!((65..=135).contains(&half), "five standard deviations around 100: {half}");
}

#[tokio::test]
async fn a_seed_touches_the_same_connections_again() {
    let first = touched(42, 0.5, 60).await;
    assert_eq!(first, touched(42, 0.5, 60).await);
    assert_ne!(first, touched(43, 0.5, 60).await);
}

#[tokio::test]
async fn a_connection_is_seen_once_and_only_if_something_passes() {
    let rig = Rig::new(1).await;
    let (mut old, mut server) = rig.pair().await;
    let _idle = rig.pair().await;
    rig.set.add_toxic("p", &latency(0, 0, Stream::Upstream)).expect("adds");
    for _ in 0..5 {
        old.write_all(b"x").await.expect("writes");
        soon(server.read_u8()).await.expect("reads");
    }
    let reading = rig.reading();
    assert_eq!((reading.seen, reading.touched, reading.bytes), (1, 1, 5));
}

#[tokio::test]
async fn no_more_users_than_allowed_are_touched() {
    let rig = Rig::new(1).await;
    let mut toxic = latency(0, 0, Stream::Upstream);
    toxic.max_users = Some(2);
    rig.set.add_toxic("p", &toxic).expect("adds");
    for address in ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2", "127.0.0.5"] {
        let (mut client, mut server) = rig.pair_from(address).await;
        client.write_all(b"x").await.expect("writes");
        soon(server.read_u8()).await.expect("reads");
    }
    let reading = rig.reading();
    assert_eq!((reading.seen, reading.touched, reading.users), (5, 3, 2));
    assert_eq!(rig.set.affected_users(), 2);
}

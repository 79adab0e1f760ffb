//! What an HTTP proxy counts of the requests that pass.

use std::time::Duration;

use super::{Clock, HttpEffect, Rig, Speech, Stream, error, on_requests, soon};
use crate::model::units::Timespan;

#[tokio::test]
async fn requests_count_from_their_beginning_and_are_under_way_until_their_answers_end() {
    for speech in [Speech::One, Speech::Two] {
        let rig = Rig::speaking(speech, 1, None).await;
        let counts = || {
            let traffic = rig.set.find("p").expect("it is open").traffic;
            (traffic.requests, traffic.in_flight)
        };
        let mut client = rig.client().await;
        assert_eq!(client.post("/", b"x").await.0, 200);
        let effect = HttpEffect::Latency { delay: Timespan::millis(60_000), jitter: Timespan::ZERO };
        rig.add(&on_requests("held", Stream::Upstream, effect));
        let looking = async {
            rig.until("held", |reading| reading.touched == 1).await;
            assert_eq!(counts(), (2, 1), "{speech:?}");
            rig.remove("held");
        };
        soon(async { tokio::join!(client.post("/", b"x"), looking) }).await;
        rig.add(&error(503, 1.0));
        assert_eq!(client.post("/", b"x").await.0, 503);
        soon(async {
            while counts() != (3, 0) {
                Clock::Real.sleep(Duration::from_micros(200)).await;
            }
        })
        .await;
    }
}

//! A server that says nothing for a while: every request that was due in that time is late, not only the one that
//! waited. A tool that sends the next request when the last one is answered reports a p99 of a millisecond here.

use std::time::Duration;

use chaos::host::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::run::Home;

const STALL: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_stall_of_two_seconds_is_in_the_p99_of_all_that_was_due_meanwhile() {
    let (stall, stalls) = watch::channel(false);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has one");
    let _server = tokio::spawn(serve(listener, stalls));
    let mut run = Home::new().start(&format!(
        "name: nobody waits longer than a second
steady_state:
  - name: ask
    probe: http
    url: http://{address}/
    rate: 200/s
    timeout: 10s
    expect: [p99 <= 1s, success_rate >= 99%]
baseline: 5s
"
    ));
    run.until_phase("observe").await;
    // The first second of a phase is left out of the report.
    Clock::Real.sleep(Duration::from_millis(1200)).await;
    stall.send_replace(true);
    Clock::Real.sleep(STALL).await;
    stall.send_replace(false);
    let ended = run.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.home.told());
    let latency =
        |phase: &str, quantile: &str| ended.report["probes"][0][phase][quantile]["seconds"].as_f64().expect("measured");
    // 400 of some 800 requests waited, evenly from 0 to 2 s: the hundredth part of all waited for 1.95 s and longer.
    assert!((1.7..4.0).contains(&latency("fault", "p99")), "p99 {}", latency("fault", "p99"));
    assert!((1.4..4.0).contains(&latency("fault", "p95")), "p95 {}", latency("fault", "p95"));
    assert!(latency("fault", "p50") < 1.0, "p50 {}", latency("fault", "p50"));
    assert!(latency("baseline", "p99") < 1.0, "p99 {}", latency("baseline", "p99"));
    assert_eq!(ended.report["probes"][0]["fault"]["errors"], serde_json::json!([]), "late is not failed");
}

async fn serve(listener: TcpListener, stalls: watch::Receiver<bool>) {
    while let Ok((connection, _)) = listener.accept().await {
        tokio::spawn(answer(connection, stalls.clone()));
    }
}

/// Answers what comes over one connection, but not while it is told to say nothing.
async fn answer(mut connection: TcpStream, mut stalls: watch::Receiver<bool>) {
    let mut request = [0; 4096];
    while let Ok(1..) = connection.read(&mut request).await {
        if stalls.wait_for(|stall| !stall).await.is_err() {
            return;
        }
        if connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}

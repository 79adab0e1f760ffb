//! A real Redis whose process is paused, killed and slowed down: its clients feel it, and how long they take to be well again
//! is measured.

use serde_json::Value;

use crate::examples::{Example, result_of};
use crate::installed;
use crate::outside::{Seen, look};
use crate::run::{Ended, Home, free_ports};

fn there() -> bool {
    installed("redis-server") && installed("redis-cli")
}

/// Runs Redis under a fault on its process; nothing of it is left.
async fn redis_under(fault: &str, expected: &str) -> Ended {
    let _busy = crate::busy::busy();
    let [port] = free_ports::<1>();
    let fault = fault.replace("PORT", &port.to_string());
    let experiment = format!(
        "name: redis under a fault
services:
  - name: redis
    command: [redis-server, --bind, 127.0.0.1, --port, '{port}', --save, '', --appendonly, 'no']
    ready: 127.0.0.1:{port}
    restart: true
steady_state:
  - name: ping
    probe: command
    command: [redis-cli, -e, -h, 127.0.0.1, -p, '{port}', PING]
    rate: 20/s
    timeout: 2s
    expect: ['{expected}']
faults:
  - {{ name: the fault, {fault}, duration: 5s }}
blast_radius: {{ duration: 6s }}
baseline: 5s
recovery: {{ within: 20s }}
"
    );
    let ended = Home::new().start(&experiment).ended().await;
    assert_eq!(look(&ended.home, &[port]), Seen::default(), "{}", ended.home.told());
    assert_eq!(ended.report["doses"][0]["status"], "effective", "{:#}\n{}", ended.report["doses"], ended.home.told());
    assert_eq!(ended.report["recovery"]["status"], "recovered", "{}", ended.home.told());
    ended
}

fn seconds(value: &Value) -> f64 {
    value["seconds"].as_f64().unwrap_or_else(|| panic!("{value:#} was measured"))
}

#[tokio::test]
async fn a_paused_redis_answers_nobody_and_its_clients_recover() {
    if !there() {
        return;
    }
    let ended = redis_under("fault: process.pause, target: { process: { port: PORT } }", "success_rate >= 95%").await;
    assert_eq!(result_of(&ended, "ping", "success_rate >= 95%"), "deviated", "{}", ended.home.told());
    let told = ended.report["doses"][0].to_string();
    assert!(told.contains("redis-server (pid ") && told.contains("stopped for "), "{told}");
}

#[tokio::test]
async fn a_redis_that_is_killed_again_and_again_is_replaced_each_time() {
    if !there() {
        return;
    }
    let fault = "fault: process.kill, every: 3s, target: { process: { service: redis } }";
    let ended = redis_under(fault, "success_rate >= 50%").await;
    let parts = ended.report["doses"][0]["parts"].as_array().expect("parts");
    let kills = parts[0]["number"].as_f64().expect("a count");
    assert!((1.0..=3.0).contains(&kills), "{parts:#?}");
    let told = ended.report["doses"][0].to_string();
    assert!(told.contains("gone, replaced by service redis (pid "), "{told}");
}

#[tokio::test]
async fn a_slowed_redis_answers_late_and_loses_nobody() {
    if !there() {
        return;
    }
    let fault = "fault: process.slow, share: 80%, target: { process: { service: redis } }";
    let ended = redis_under(fault, "success_rate >= 90%").await;
    let median = |phase: &str| seconds(&ended.report["probes"][0][phase]["p50"]);
    let rise = median("fault") - median("baseline");
    assert!((0.008..0.4).contains(&rise), "half of the pings wait 30 ms or more of a stop of 80 ms: {rise}");
}

#[tokio::test]
async fn the_example_that_we_ship_runs_as_it_is() {
    if !there() {
        return;
    }
    let [port] = free_ports::<1>();
    let ended = Example::named("redis-process").with("PORT_OF_REDIS", port).run().await;
    assert_eq!(ended.code, Some(1), "{}", ended.home.told());
    for dose in ended.report["doses"].as_array().expect("doses") {
        assert_eq!(dose["status"], "effective", "{dose:#}");
    }
    assert_eq!(ended.report["recovery"]["status"], "recovered");
    assert_eq!(look(&ended.home, &[port]), Seen::default());
}

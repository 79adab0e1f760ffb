//! A real Redis, started and stopped by the experiment itself, behind a proxy of ours.

use crate::examples::{Example, result_of};
use crate::installed;
use crate::outside::{Seen, look};
use crate::run::{Ended, Home, free_ports};

#[tokio::test]
async fn the_example_that_we_ship_runs_as_it_is() {
    if !(installed("redis-server") && installed("redis-cli")) {
        return;
    }
    let ports = free_ports::<2>();
    let ended = Example::named("redis").with("PORT_OF_REDIS", ports[0]).with("PORT_OF_PROXY", ports[1]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.home.told());
    for expected in ["success_rate >= 95%", "p95 <= 300ms"] {
        assert_eq!(result_of(&ended, "read", expected), "held");
    }
    let median = |phase: &str| ended.report["probes"][0][phase]["p50"]["seconds"].as_f64().expect("measured");
    let rise = median("fault") - median("baseline");
    assert!(
        (0.07..0.25).contains(&rise),
        "both faults cost about 100 ms: {} -> {}",
        median("baseline"),
        median("fault")
    );
    assert_eq!(result_of(&ended, "server", "success_rate >= 95%"), "held");
    for dose in ended.report["doses"].as_array().expect("doses") {
        assert_eq!(dose["status"], "effective", "{dose:#}");
    }
    assert_eq!(ended.report["recovery"]["status"], "recovered");
    assert_eq!(look(&ended.home, &ports), Seen::default());
}

#[tokio::test]
async fn the_example_with_greedy_neighbours_runs_as_it_is_and_tells_every_dose() {
    if !(installed("redis-server") && installed("redis-cli")) {
        return;
    }
    let ports = free_ports::<1>();
    let ended = Example::named("redis-under-stress").with("PORT_OF_REDIS", ports[0]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.home.told());
    assert_eq!(result_of(&ended, "write", "success_rate >= 95%"), "held");
    let doses = ended.report["doses"].as_array().expect("doses");
    let main: Vec<&str> = doses.iter().map(|dose| dose["parts"][0]["what"].as_str().expect("text")).collect();
    assert_eq!(main, ["load of 1 core(s)", "resident memory", "disk operations", "room taken"]);
    assert!(doses.iter().all(|dose| dose["status"] == "effective"), "{doses:#?}");
    let resident = doses[1]["parts"][0]["number"].as_f64().expect("a number") / f64::from(256 << 20);
    assert!((0.99..1.02).contains(&resident), "resident memory is {resident} of what was asked");
    let taken = doses[3]["parts"][0]["number"].as_f64().expect("a number") / f64::from(512 << 20);
    assert!((0.999..1.001).contains(&taken), "room taken is {taken} of what was asked");
    assert_eq!(look(&ended.home, &ports), Seen::default());
}

#[tokio::test]
async fn clients_of_a_redis_that_cannot_be_reached_fail_and_recover() {
    let Some(ended) = redis_under("fault: network.down").await else { return };
    assert_eq!(ended.code, Some(1), "{}", ended.home.told());
    assert_eq!(result_of(&ended, "ping", "success_rate >= 95%"), "deviated");
    assert_eq!(result_of(&ended, "server", "success_rate >= 95%"), "held");
    assert_eq!(ended.report["doses"][0]["status"], "effective");
    assert_eq!(ended.report["recovery"]["status"], "recovered");
}

#[tokio::test]
async fn clients_of_redis_whose_connections_are_reset_fail_and_recover() {
    let Some(ended) = redis_under("fault: network.disconnect").await else { return };
    assert_eq!(ended.code, Some(1), "{}", ended.home.told());
    assert_eq!(result_of(&ended, "ping", "success_rate >= 95%"), "deviated");
    assert_eq!(result_of(&ended, "server", "success_rate >= 95%"), "held");
    assert_eq!(ended.report["doses"][0]["status"], "effective");
    assert_eq!(ended.report["recovery"]["status"], "recovered");
}

/// Runs Redis under a fault; none where there is no Redis. Nothing of it is left, and it ended by itself.
async fn redis_under(fault: &str) -> Option<Ended> {
    let _busy = crate::busy::busy();
    if !(installed("redis-server") && installed("redis-cli")) {
        return None;
    }
    let ports @ [server, proxy] = free_ports::<2>();
    let experiment = format!(
        "name: redis under a fault
services:
  - name: redis
    command: [redis-server, --bind, 127.0.0.1, --port, '{server}', --save, '', --appendonly, 'no']
    ready: 127.0.0.1:{server}
proxies:
  - {{ name: redis, listen: '127.0.0.1:{proxy}', upstream: '127.0.0.1:{server}' }}
steady_state:
  - name: ping
    probe: command
    command: [redis-cli, -e, -h, 127.0.0.1, -p, '{proxy}', PING]
    rate: 40/s
    timeout: 2s
    expect: [success_rate >= 95%]
  - name: server
    probe: tcp
    address: 127.0.0.1:{server}
    rate: 40/s
    timeout: 2s
    expect: [success_rate >= 95%]
faults:
  - {{ name: the fault, {fault}, target: {{ proxy: redis }}, duration: 3s }}
baseline: 4s
recovery: {{ within: 20s }}
"
    );
    let ended = Home::new().start(&experiment).ended().await;
    assert_eq!(look(&ended.home, &ports), Seen::default());
    Some(ended)
}

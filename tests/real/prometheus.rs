//! A real Prometheus as the source of a probe: it scrapes the demo, and it may fall silent.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::installed;
use crate::outside::{Seen, look};
use crate::run::{Ended, Home, free_ports};

const FAULT_ON_THE_DEMO: &str = "fault: network.latency, target: { proxy: generator }, delay: 20ms, duration: 2s";

#[tokio::test]
async fn what_prometheus_scrapes_is_a_steady_state() {
    let Some(ended) = watched_by_prometheus(FAULT_ON_THE_DEMO, "stop").await else { return };
    assert_eq!(ended.code, Some(0), "{}", ended.home.told());
    for phase in ["baseline", "fault"] {
        let value = &ended.report["probes"][0]["expectations"][0][phase];
        assert_eq!(value["number"], 1.0, "{phase}: {value}");
    }
}

#[tokio::test]
async fn a_prometheus_that_falls_silent_stops_the_run() {
    let killed = "fault: process.kill, target: { process: { service: prometheus } }, duration: 30s";
    let Some(ended) = watched_by_prometheus(killed, "stop").await else { return };
    assert_eq!(ended.code, Some(4), "{}", ended.home.told());
    assert_eq!(ended.report["stop"]["condition"], "scraped: no data");
    let moment = |name: &str| ended.report["stop"][name].as_f64().expect("a moment");
    let blind = moment("fired_at_s") - moment("first_bad_s");
    assert!((5.0..10.0).contains(&blind), "blind for {blind} s, though another probe had data all the time");
    assert_fault_is_not_measured(&ended);
}

#[tokio::test]
async fn a_prometheus_that_falls_silent_proves_nothing() {
    let killed = "fault: process.kill, target: { process: { service: prometheus } }, duration: 3s";
    let Some(ended) = watched_by_prometheus(killed, "continue").await else { return };
    assert_eq!(ended.code, Some(6), "{}", ended.home.told());
    assert_eq!(ended.report["stop"], serde_json::Value::Null);
    assert_fault_is_not_measured(&ended);
}

fn assert_fault_is_not_measured(ended: &Ended) {
    let probe = &ended.report["probes"][0];
    assert_eq!(probe["fault"]["blind"][0]["outcome"], "no_data");
    assert_eq!(probe["expectations"][0]["fault"]["number"], serde_json::Value::Null, "never zero");
    let result = &probe["expectations"][0]["result"];
    assert!(result == "inconclusive" || result == "not_measured", "{result}");
}

/// Runs the demo and a Prometheus under a fault; none where there is no Prometheus. Nothing of it is left.
async fn watched_by_prometheus(fault: &str, on_no_data: &str) -> Option<Ended> {
    if !installed("prometheus") {
        return None;
    }
    let ports @ [gateway, retriever, generator, proxy, server] = free_ports::<5>();
    let home = Home::new();
    let scrapes = home.write(
        "prometheus.yml",
        &format!(
            "global: {{ scrape_interval: 1s }}
scrape_configs:
  - {{ job_name: demo, static_configs: [{{ targets: ['127.0.0.1:{gateway}'] }}] }}
"
        ),
    );
    let scraped = opens_with_the_first_scrape(server).await;
    let experiment = format!(
        "name: a demo that Prometheus watches
services:
  - name: demo
    command: [chaos, demo, --gateway-listen, '127.0.0.1:{gateway}', --retriever-listen, '127.0.0.1:{retriever}',
              --generator-listen, '127.0.0.1:{generator}', --generator, '127.0.0.1:{proxy}']
    ready: http://127.0.0.1:{gateway}/health
  - name: prometheus
    command: [prometheus, '--config.file={scrapes}', '--storage.tsdb.path={storage}',
              '--web.listen-address=127.0.0.1:{server}']
    ready: http://127.0.0.1:{server}/-/ready
    ready_within: 60s
  # A server that is ready has scraped nothing yet.
  - {{ name: first scrape, command: [sleep, '1000'], ready: 'http://{scraped}/', ready_within: 60s }}
proxies:
  - {{ name: generator, listen: '127.0.0.1:{proxy}', upstream: '127.0.0.1:{generator}' }}
steady_state:
  - name: scraped
    probe: prometheus
    server: http://127.0.0.1:{server}
    query: sum(up{{job=\"demo\"}})
    rate: 5/s
    timeout: 1s
    on_no_data: {on_no_data}
    expect: [value >= 1]
  - name: ask
    probe: http
    url: http://127.0.0.1:{gateway}/ask?q=chaos
    rate: 100/s
    timeout: 2s
    expect: [success_rate >= 90%, p95 <= 1s]
faults:
  - {{ name: the fault, {fault} }}
baseline: 2s
recovery: {{ within: 30s }}
",
        scrapes = scrapes.display(),
        storage = home.path("paper").join("tsdb").display(),
    );
    let ended = home.start(&experiment).ended().await;
    assert_eq!(look(&ended.home, &ports), Seen::default());
    Some(ended)
}

/// Serves 200 from the moment on at which the Prometheus on that port knows a value of `up`, 503 before.
async fn opens_with_the_first_scrape(prometheus: u16) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has one");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let status = if knows_up(prometheus).await { "200 OK" } else { "503 Service Unavailable" };
            let _ = client.read(&mut [0; 4096]).await;
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    address
}

async fn knows_up(prometheus: u16) -> bool {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", prometheus)).await else { return false };
    let request = b"GET /api/v1/query?query=up HTTP/1.0\r\n\r\n";
    let mut answer = String::new();
    let asked = server.write_all(request).await.is_ok() && server.read_to_string(&mut answer).await.is_ok();
    asked && answer.contains("\"value\":[")
}

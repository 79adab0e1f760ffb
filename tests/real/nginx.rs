//! A real nginx, started and stopped by the experiment itself, behind a proxy of ours.

use std::time::Duration;

use serde_json::Value;

use crate::examples::{self, Example};
use crate::outside::{Seen, look};
use crate::run::{Ended, Home, free_ports};
use crate::{installed, lives};

#[tokio::test]
async fn a_delay_reaches_the_clients_of_nginx_in_full_and_deviates() {
    let Some(ended) = nginx_under("fault: network.latency, delay: 100ms").await else { return };
    assert_eq!(ended.code, Some(1), "{}", ended.home.told());
    let p95 = |phase: &str| ended.report["probes"][0][phase]["p95"]["seconds"].as_f64().expect("measured");
    let rise = p95("fault") - p95("baseline");
    assert!((0.09..0.2).contains(&rise), "{} -> {}", p95("baseline"), p95("fault"));
    assert_eq!(result_of(&ended, "p95 <= 50ms"), "deviated");
    assert_eq!(result_of(&ended, "success_rate >= 97%"), "held");
    assert_eq!(ended.report["doses"][0]["status"], "effective");
    assert_eq!(ended.report["recovery"]["status"], "recovered");
}

#[tokio::test]
async fn errors_in_place_of_nginx_are_errors_to_its_clients() {
    let Some(ended) = nginx_under("fault: http.error, status: 502, share: 100%").await else { return };
    assert_eq!(ended.code, Some(1), "{}", ended.home.told());
    let fault = &ended.report["probes"][0]["fault"];
    assert_eq!((&fault["errors"][0]["outcome"], &fault["errors"][0]["count"]), (&"wrong".into(), &fault["samples"]));
    assert_eq!(result_of(&ended, "success_rate >= 97%"), "deviated");
    assert_eq!(ended.report["recovery"]["status"], "recovered");
}

#[tokio::test]
async fn every_fault_on_requests_bites_before_nginx_and_is_gone_afterwards() {
    let faults = [
        "fault: http.error, status: 429, headers: { retry-after: 1 }, method: GET",
        "fault: http.latency, delay: 100ms, jitter: 20ms",
        "fault: http.abort",
        "fault: http.abort, after: 3B",
        "fault: http.timeout, after: 50ms",
        "fault: http.corrupt, bytes: 50%",
        "fault: http.duplicate, path: /*",
        "fault: http.slow_body, rate: 50B/s",
        "fault: http.error, header: { name: x-never }",
    ];
    let each = Duration::from_millis(900);
    let faults: Vec<String> = (0_u32..)
        .zip(faults)
        .map(|(place, fault)| {
            let start = (each * place + Duration::from_millis(300) * place).as_millis();
            format!("  - {{ name: f{place}, {fault}, target: {{ proxy: front }}, start: {start}ms, duration: 900ms }}")
        })
        .collect();
    let Some(ended) = nginx_with(&faults.join("\n")).await else { return };
    // The last one fits no request, which makes the run invalid, never a pass.
    assert_eq!(ended.code, Some(6), "{}", ended.home.told());
    let doses = ended.report["doses"].as_array().expect("doses");
    let effective: Vec<bool> = doses.iter().map(|dose| dose["status"] == "effective").collect();
    assert_eq!(effective, [true, true, true, true, true, true, true, true, false], "{doses:#?}");
    let why = doses[8]["why"].as_str().expect("a reason");
    assert!(why.starts_with("no request with x-never was among the "), "{why}");
    assert_eq!(ended.report["recovery"]["status"], "recovered");
}

#[tokio::test]
async fn http2_with_prior_knowledge_passes_to_nginx_and_is_broken_there() {
    if !installed("curl") {
        return;
    }
    let faults = "  - { name: limit, fault: http.error, target: { proxy: second }, duration: 2s }";
    let Some(ended) = nginx_with(faults).await else { return };
    let two = &ended.report["probes"][1];
    assert_eq!(two["name"], "over http2");
    for (phase, share) in [("baseline", 1.0), ("fault", 0.0)] {
        let success = two["expectations"][0][phase]["number"].as_f64();
        let success = success.unwrap_or_else(|| panic!("{}", ended.home.told()));
        assert!((success - share).abs() < 0.3, "{phase}: {success}\n{}", ended.home.told());
    }
    assert_eq!(ended.code, Some(1), "{}", ended.home.told());
    assert_eq!(ended.report["doses"][0]["status"], "effective");
}

#[tokio::test]
async fn the_example_that_we_ship_runs_as_it_is() {
    if !(installed("nginx") && installed("curl")) {
        return;
    }
    let ports = free_ports::<2>();
    let ended = Example::named("nginx").with("PORT_OF_NGINX", ports[0]).with("PORT_OF_PROXY", ports[1]).run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.home.told());
    for (probe, expected) in
        [("page", "success_rate >= 90%"), ("page", "p95 <= 500ms"), ("server", "success_rate >= 97%")]
    {
        assert_eq!(examples::result_of(&ended, probe, expected), "held");
    }
    for dose in ended.report["doses"].as_array().expect("doses") {
        assert_eq!(dose["status"], "effective", "{dose:#}");
    }
    assert_eq!(ended.report["recovery"]["status"], "recovered");
    assert_eq!(look(&ended.home, &ports), Seen::default());
}

/// Runs nginx under a fault.
async fn nginx_under(fault: &str) -> Option<Ended> {
    nginx_with(&format!("  - {{ name: the fault, {fault}, target: {{ proxy: front }}, duration: 2s }}")).await
}

/// Runs nginx under faults; none where there is no nginx. Nothing of it is left, and it ended by itself.
async fn nginx_with(faults: &str) -> Option<Ended> {
    let _busy = crate::busy::busy();
    if !installed("nginx") {
        return None;
    }
    let ports @ [server, proxy, server_two, proxy_two] = free_ports::<4>();
    let home = Home::new();
    let configuration = home.write("nginx.conf", &configuration(&home, server, server_two));
    let experiment = format!(
        "name: nginx under a fault
services:
  - name: nginx
    command: [/usr/sbin/nginx, -p, '{prefix}', -c, '{configuration}', -e, stderr]
    ready: http://127.0.0.1:{server}/
proxies:
  - {{ name: front, listen: '127.0.0.1:{proxy}', upstream: '127.0.0.1:{server}' }}
  - {{ name: second, listen: '127.0.0.1:{proxy_two}', upstream: '127.0.0.1:{server_two}', protocol: http }}
steady_state:
  - name: page
    probe: http
    url: http://127.0.0.1:{proxy}/
    rate: 100/s
    timeout: 2s
    expect: [success_rate >= 97%, p95 <= 50ms]
{over_http2}faults:
{faults}
baseline: 2s
recovery: {{ within: 20s }}
",
        prefix = home.path("paper").display(),
        configuration = configuration.display(),
        // Curl is a process a sample: not beside measurements that count milliseconds.
        over_http2 = if faults.contains("proxy: second") { over_http2(proxy_two) } else { String::new() },
    );
    let ended = home.start(&experiment).ended().await;
    let master = pid_of(&ended, "nginx");
    assert!(!lives(master), "{}", ended.home.told());
    assert_eq!(look(&ended.home, &ports), Seen::default());
    Some(ended)
}

fn over_http2(port: u16) -> String {
    format!(
        "  - name: over http2
    probe: command
    command: [curl, -sf, --http2-prior-knowledge, 'http://127.0.0.1:{port}/']
    rate: 15/s
    timeout: 2s
    expect: [success_rate >= 90%]
"
    )
}

/// A master and a worker in the foreground, and nothing outside its folder. The second port speaks HTTP/2 alone.
fn configuration(home: &Home, port: u16, port_two: u16) -> String {
    let temporary = |name| format!("{name}_temp_path {};\n", home.path("paper").join(name).display());
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(temporary).concat();
    format!(
        "daemon off;
pid {pid};
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  {temporary}
  access_log off;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"hello\\n\"; }} }}
  server {{ listen 127.0.0.1:{port_two} http2; location / {{ return 200 \"hello\\n\"; }} }}
}}
",
        pid = home.path("paper").join("nginx.pid").display(),
    )
}

fn pid_of(ended: &Ended, service: &str) -> i32 {
    let events = ended.home.events();
    let ready = events.iter().find(|event| event["event"] == "service_ready" && event["service"] == service);
    let pid = ready.and_then(|event| event["pid"].as_i64()).unwrap_or_else(|| panic!("{}", ended.home.told()));
    i32::try_from(pid).expect("a pid")
}

fn result_of<'a>(ended: &'a Ended, expected: &str) -> &'a Value {
    let expectations = ended.report["probes"][0]["expectations"].as_array().expect("a list");
    &expectations.iter().find(|expectation| expectation["expected"] == expected).expect("is there")["result"]
}

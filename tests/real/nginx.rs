//! A real nginx, started and stopped by the experiment itself, behind a proxy of ours.

use serde_json::Value;

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

/// Runs nginx under a fault; none where there is no nginx. Nothing of it is left, and it ended by itself.
async fn nginx_under(fault: &str) -> Option<Ended> {
    if !installed("nginx") {
        return None;
    }
    let ports @ [server, proxy] = free_ports::<2>();
    let home = Home::new();
    let configuration = home.write("nginx.conf", &configuration(&home, server));
    let experiment = format!(
        "name: nginx under a fault
services:
  - name: nginx
    command: [/usr/sbin/nginx, -p, '{prefix}', -c, '{configuration}', -e, stderr]
    ready: http://127.0.0.1:{server}/
proxies:
  - {{ name: front, listen: '127.0.0.1:{proxy}', upstream: '127.0.0.1:{server}' }}
steady_state:
  - name: page
    probe: http
    url: http://127.0.0.1:{proxy}/
    rate: 100/s
    timeout: 2s
    expect: [success_rate >= 97%, p95 <= 50ms]
faults:
  - {{ name: the fault, {fault}, target: {{ proxy: front }}, duration: 2s }}
baseline: 2s
recovery: {{ within: 20s }}
",
        prefix = home.path("paper").display(),
        configuration = configuration.display(),
    );
    let ended = home.start(&experiment).ended().await;
    let master = pid_of(&ended, "nginx");
    assert!(!lives(master), "{}", ended.home.told());
    assert_eq!(look(&ended.home, &ports), Seen::default());
    Some(ended)
}

/// A master and a worker in the foreground, and nothing outside its folder.
fn configuration(home: &Home, port: u16) -> String {
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

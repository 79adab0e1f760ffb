//! From the first bad event to the verified undo on the real machine, and the hard limits that need no evidence.

use std::process::Command;
use std::time::Duration;

use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{Shutdown, SocketAddrV4, getsockname, shutdown};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open};

use crate::outside::{Seen, look};
use crate::run::{Ended, Home, Run, free_ports};

/// A generator behind a proxy, asked ten times a second.
fn experiment([listen, generator, proxy, spare]: [u16; 4], fault: &str, stop: &str) -> String {
    format!(
        "name: breach
services:
  - name: demo
    command: [chaos, demo, --serve, generator, --gateway-listen, '127.0.0.1:{listen}', --retriever-listen,
              '127.0.0.1:{spare}', --generator-listen, '127.0.0.1:{generator}']
    ready: http://127.0.0.1:{generator}/health
proxies:
  - {{ name: generator, listen: '127.0.0.1:{proxy}', upstream: '127.0.0.1:{generator}', protocol: http }}
steady_state:
  - name: ask
    probe: http
    url: http://127.0.0.1:{proxy}/health
    rate: 10/s
    timeout: 20s
    expect: [success_rate >= 90%]
faults:
  - {{ name: broken, {fault}, duration: 30s }}
stop_conditions: ['{stop}']
baseline: 2s
recovery: {{ within: 5s }}
"
    )
}

fn start(fault: &str, stop: &str) -> (Run, [u16; 4]) {
    let ports = free_ports();
    (Home::new().start(&experiment(ports, fault, stop)), ports)
}

const OUTAGE: &str = "fault: http.error, target: { proxy: generator }";
const HANG: &str = "fault: process.pause, target: { process: { service: demo } }";

fn breach(ended: &Ended, ports: &[u16]) -> Duration {
    let stop = &ended.report["stop"]["cause"];
    assert_eq!(stop, "condition", "{} {}", ended.report, ended.home.told());
    // On a busy machine latencies may not be what they were in time; that is another matter.
    assert!(matches!(ended.code, Some(4 | 5)), "{}", ended.report);
    assert_eq!(look(&ended.home, ports), Seen::default());
    let seconds = ended.report["breach_to_rollback_s"].as_f64().expect("it was rolled back");
    Duration::from_secs_f64(seconds)
}

/// `STOPS=100` measures it more often.
#[tokio::test]
async fn from_the_first_bad_event_of_an_outage_to_the_verified_undo_it_takes_no_second() {
    let stops: usize = std::env::var("STOPS").ok().and_then(|stops| stops.parse().ok()).unwrap_or(5);
    let mut times = Vec::new();
    while times.len() < stops {
        // Most of a run is waiting: a few go side by side.
        let runs: Vec<_> =
            (times.len()..stops.min(times.len() + 5)).map(|_| start(OUTAGE, "ask.error_rate > 5%")).collect();
        for (run, ports) in runs {
            times.push(breach(&run.ended().await, &ports));
        }
    }
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[(times.len() * 99).div_ceil(100) - 1]);
    chaos::host::output::stderr(&format!("breach to rollback: p50 {median:?}, p99 {p99:?} of {}\n", times.len()));
    assert!(p99 < Duration::from_secs(1), "{times:?}");
}

#[tokio::test]
async fn a_system_that_hangs_is_stopped_long_before_its_requests_time_out() {
    let (run, ports) = start(HANG, "ask.p99 > 500ms");
    let took = breach(&run.ended().await, &ports);
    assert!((0.9..3.0).contains(&took.as_secs_f64()), "0.5 s until one is too slow, 0.4 s for five: {took:?}");
}

#[tokio::test]
async fn a_paused_process_that_is_killed_by_somebody_else_is_a_stop_of_its_own() {
    let (mut run, ports) = start(HANG, "ask.error_rate > 50%");
    let is_paused = |events: &[serde_json::Value]| events.iter().any(|event| event["event"] == "fault_applied");
    run.until("it is paused", is_paused).await;
    let events = run.home.events();
    let ready = events.iter().find(|event| event["event"] == "service_ready").expect("a service");
    let pid = ready["pid"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("a pid");
    kill_process(pid, Signal::KILL).expect("sends");
    let ended = run.ended().await;
    let stop = &ended.report["stop"];
    assert_eq!(stop["cause"], "target_gone", "{} {}", ended.report, ended.home.told());
    assert!(stop["measured"].as_str().is_some_and(|text| text.contains("ended with SIGKILL")), "{stop}");
    // Nobody starts it again, so it is not recovered, which is worse than stopped.
    assert_eq!((ended.code, look(&ended.home, &ports)), (Some(5), Seen::default()));
    assert!(ended.report["breach_to_rollback_s"].as_f64().is_some_and(|time| time < 1.0), "{}", ended.report);
}

/// Shuts the socket of another process that listens on a port.
fn shut(tool: Pid, port: u16) -> bool {
    let process = pidfd_open(tool, PidfdFlags::empty()).expect("it lives");
    let files = std::fs::read_dir(format!("/proc/{}/fd", tool.as_raw_pid())).expect("lists");
    let numbers = files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok());
    let mut sockets = numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    let ours = |socket: &rustix::fd::OwnedFd| {
        let address = getsockname(socket).ok().and_then(|address| SocketAddrV4::try_from(address).ok());
        address.is_some_and(|address| address.port() == port) && socket_acceptconn(socket).unwrap_or_default()
    };
    sockets.find(ours).is_some_and(|socket| shutdown(&socket, Shutdown::Both).is_ok())
}

#[tokio::test]
async fn a_proxy_whose_listener_is_gone_is_a_stop_of_its_own() {
    let (mut run, ports) =
        start("fault: network.latency, target: { proxy: generator }, delay: 5ms", "ask.error_rate > 99%");
    run.until("it is slow", |events| events.iter().any(|event| event["event"] == "fault_applied")).await;
    if !shut(run.pid(), ports[2]) {
        assert!(std::env::var_os("CHAOS_SKIP_NOTHING").is_none(), "the sockets of the tool cannot be reached");
        chaos::host::output::stderr("\n!!! SKIPPED: the sockets of another process cannot be reached\n");
        return;
    }
    let ended = run.ended().await;
    let stop = &ended.report["stop"];
    assert_eq!(stop["cause"], "target_gone", "{} {}", ended.report, ended.home.told());
    assert_eq!(stop["measured"], "proxy generator does not listen any more");
    assert_eq!(look(&ended.home, &ports), Seen::default());
}

/// The report for people says the same.
#[test]
#[allow(clippy::disallowed_methods, reason = "the binary under test is started as a stranger would")]
fn the_text_says_how_long_it_took_too() {
    let home = Home::new();
    let file = home.write("text.yaml", &experiment(free_ports(), OUTAGE, "ask.error_rate > 5%"));
    let mut command = Command::new(crate::binary());
    command.arg("run").arg(file).arg("--quiet").arg("--state-dir").arg(home.path("state"));
    let output = command.env("CHAOS_LOCK_DIR", home.locks()).output().expect("starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("Breach to rollback") && text.contains("from the first bad event to the verified undo"),
        "{text}"
    );
}

//! What a run costs beside the load it makes: ten probes at 200 requests a second against the demo on loopback.
//!
//! First the load alone: a bare loop of the same HTTP client sends as many requests on the same schedule and keeps
//! nothing. Then `chaos run`, in a process of its own, looked at through /proc. The difference is the tool's.
//!
//!     cargo bench --bench cost           # two minutes
//!     cargo bench --bench cost -- 600    # so many seconds of run: the figure that is promised is that of ten minutes

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a bench measures and tells"
)]
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use chaos::host::beat::Beat;
use chaos::host::clock::Clock;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CHAOS: &str = env!("CARGO_BIN_EXE_chaos");
const PROBES: u64 = 10;
/// The probes of a run are spread over their interval by it, and so is the bare load.
const GOLDEN: f64 = 0.618_033_988_749_895;
const INTERVAL: Duration = Duration::from_millis(5);
/// The beginning is not measured: connections are made, memory is taken for the first time.
const SETTLED: Duration = Duration::from_secs(5);

/// CPU time and resident bytes of a process.
#[derive(Debug, Clone, Copy)]
struct Look {
    cpu: Duration,
    resident: u64,
    peak: u64,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse::<u64>().ok()).unwrap_or(60);
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let words =
        ["demo", "--gateway-listen", &hosts[0], "--retriever-listen", &hosts[1], "--generator-listen", &hosts[2]];
    let server = Command::new(CHAOS).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _server = Server(server.expect("the demo starts"));
    while std::net::TcpStream::connect(&hosts[0]).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = format!("http://{}/health", hosts[0]);
    let time = Duration::from_secs(seconds.min(60));
    let loose = bare_load(&url, time, false);
    let bare = bare_load(&url, time, true);
    let tool = run(&url, seconds);
    let percent = |share: f64| share * 100.0;
    println!(
        "CPU, of one core: load alone {:.1}% (sent up to 1 ms late: {:.1}%), chaos run {:.1}%: the tool {:.1}% ({:.1}%)",
        percent(bare.0),
        percent(loose.0),
        percent(tool.cpu),
        percent(tool.cpu - bare.0),
        percent(tool.cpu - loose.0)
    );
    println!(
        "memory, MiB: load alone {:.1}, chaos run {:.1} when settled, {:.1} at its peak, report included: the tool {:.1}",
        mib(bare.1),
        mib(tool.settled),
        mib(tool.peak),
        mib(tool.peak) - mib(bare.1)
    );
    println!(
        "samples: {}, {:.1} bytes each; from the last sample to the end of the process, all reports written: {:.2} s",
        tool.samples,
        tool.peak.saturating_sub(tool.settled) as f64 / tool.samples as f64,
        tool.report.as_secs_f64()
    );
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// The share of a core that the same requests take, and the memory.
fn bare_load(url: &str, time: Duration, in_time: bool) -> (f64, u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
    runtime.block_on(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let first = tokio::time::Instant::now();
        for probe in 0..PROBES {
            let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
            let url = url.to_owned();
            tokio::spawn(async move {
                let offset = INTERVAL.mul_f64((probe as f64 * GOLDEN).fract());
                let first = first + offset;
                let mut coarse = tokio::time::interval_at(first, INTERVAL);
                let exact = Beat::new(Clock::Real, first, INTERVAL);
                for number in 0.. {
                    if in_time {
                        exact.reach(first + INTERVAL * number).await;
                    } else {
                        coarse.tick().await;
                    }
                    let request = client.get(&url).timeout(Duration::from_secs(1)).send();
                    tokio::spawn(async move {
                        let _ = request.await.expect("an answer").bytes().await;
                    });
                }
            });
        }
        tokio::time::sleep(SETTLED).await;
        let (before, began) = (look(std::process::id()), Instant::now());
        tokio::time::sleep(time).await;
        let after = look(std::process::id());
        ((after.cpu - before.cpu).as_secs_f64() / began.elapsed().as_secs_f64(), after.peak)
    })
}

struct Cost {
    cpu: f64,
    settled: u64,
    peak: u64,
    samples: usize,
    report: Duration,
}

fn run(url: &str, seconds: u64) -> Cost {
    let folder = tempfile::tempdir().expect("a folder");
    let probe = |n: u64| {
        format!(
            "  - {{ name: ask {n}, probe: http, url: \"{url}\", rate: 200/s, timeout: 1s, expect: [success_rate >= 99%, p95 <= 250ms] }}\n"
        )
    };
    let probes: String = (0..PROBES).map(probe).collect();
    let text = format!(
        "name: what a run costs\nsteady_state:\n{probes}baseline: {}s\nrecovery: {{ within: 5s }}\n",
        seconds / 2
    );
    let file = folder.path().join("cost.yaml");
    std::fs::write(&file, text).expect("writes");
    let mut command = Command::new(CHAOS);
    command.arg("run").arg(&file).args(["--report", "out.html", "--report", "out.json"]).current_dir(folder.path());
    command.env("XDG_STATE_HOME", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("starts");
    std::thread::sleep(SETTLED);
    let (before, began) = (look(child.id()), Instant::now());
    let until = Duration::from_secs(seconds).saturating_sub(SETTLED * 2);
    std::thread::sleep(until);
    let (after, lasted) = (look(child.id()), began.elapsed());
    let mut peak = after.peak;
    while child.try_wait().expect("ours").is_none() {
        peak = peak.max(try_look(child.id()).map_or(0, |look| look.peak));
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = std::time::SystemTime::now();
    let (samples, last) = record(folder.path());
    let cpu = (after.cpu - before.cpu).as_secs_f64() / lasted.as_secs_f64();
    Cost { cpu, settled: before.resident, peak, samples, report: ended.duration_since(last).unwrap_or_default() }
}

/// How many samples were taken, and when the record ended.
fn record(state: &Path) -> (usize, std::time::SystemTime) {
    let run = std::fs::read_dir(state.join("chaos/runs")).expect("runs").next().expect("a run").expect("a run").path();
    let events = run.join("events.jsonl");
    let text = std::fs::read_to_string(&events).expect("events");
    let samples = text.lines().filter(|line| line.contains("\"event\":\"sample\"")).count();
    (samples, events.metadata().and_then(|metadata| metadata.modified()).expect("a time"))
}

fn look(pid: u32) -> Look {
    try_look(pid).expect("it lives")
}

fn try_look(pid: u32) -> Option<Look> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let (stat, status) = (read("stat")?, read("status")?);
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    let ticks: f64 = fields.get(11..13)?.iter().filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let cpu = Duration::from_secs_f64(ticks / rustix::param::clock_ticks_per_second() as f64);
    Some(Look { cpu, resident: kib("VmRSS:")? * 1024, peak: kib("VmHWM:")? * 1024 })
}

//! The data plane against direct loopback, and against a Toxiproxy where `TOXIPROXY` names its server, in one run.
//!
//! The proxy runs in a process of its own (this program with the word `serve`), so that its CPU time and memory are its
//! own. Rounds are interleaved and medians are told, as the machine is never quite quiet.
//!
//!     cargo bench --bench proxy                 # everything, about three minutes
//!     cargo bench --bench proxy -- bulk dose    # parts: bulk, trip, connections, idle, dose, bandwidth

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a bench measures and tells"
)]
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chaos::host::clock::Clock;
use chaos::model::experiment::{Protocol, Proxy};
use chaos::model::fault::{Distribution, Stream};
use chaos::model::step::{Toxic, ToxicKind};
use chaos::model::units::{Bytes, Share, Timespan};
use chaos::proxy::ProxySet;

const ROUNDS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.split_first() {
        Some((word, rest)) if word == "serve" => serve(&rest[0]),
        _ => measure(&words),
    }
}

/// The proxy's process: opens it, tells its address, and does what the lines of its input say.
fn serve(upstream: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let set = ProxySet::new(Clock::Real, 1);
        let listen = "127.0.0.1:0".parse().expect("address");
        let (upstream, protocol) = (upstream.to_owned(), Protocol::Tcp);
        let address =
            set.open(&Proxy { name: "p".into(), listen, upstream, protocol, users: None }).await.expect("opens");
        println!("{address}");
        tokio::task::spawn_blocking(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                set.remove_toxic("p", "t").expect("removes");
                if let Some(kind) = kind_of(&line) {
                    let (name, stream, toxicity) = ("t".to_owned(), Stream::Downstream, Share::ALL);
                    set.add_toxic("p", &Toxic { name, stream, toxicity, max_users: None, kind }).expect("adds");
                }
                println!("done");
            }
        })
        .await
        .expect("serves");
    });
}

fn kind_of(line: &str) -> Option<ToxicKind> {
    let (word, number) = line.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    Some(match word {
        "latency" => ToxicKind::Latency {
            delay: Timespan::millis(number),
            jitter: Timespan::ZERO,
            distribution: Distribution::Uniform,
        },
        _ => ToxicKind::Bandwidth { rate: Bytes(number * 1000) },
    })
}

/// A way from clients to the server.
enum Way {
    Direct(SocketAddr),
    Ours { child: Child, input: std::process::ChildStdin, output: BufReader<std::process::ChildStdout>, at: SocketAddr },
    Toxiproxy { child: Child, api: SocketAddr, at: SocketAddr },
}

impl Way {
    fn ours(upstream: SocketAddr) -> Self {
        let this = std::env::current_exe().expect("this program");
        let mut child = Command::new(this)
            .args(["serve", &upstream.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line).expect("reads");
        let at = line.trim().parse().expect("an address");
        Self::Ours { child, input, output, at }
    }

    fn toxiproxy(program: &str, upstream: SocketAddr) -> Self {
        let port = || TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("address");
        let (api, at) = (port(), port());
        let words = ["-host".to_owned(), "127.0.0.1".to_owned(), "-port".to_owned(), api.port().to_string()];
        let mut command = Command::new(program);
        let child = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        while TcpStream::connect(api).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        ask(api, "POST", "/proxies", &format!(r#"{{"name":"p","listen":"{at}","upstream":"{upstream}"}}"#));
        Self::Toxiproxy { child, api, at }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Direct(_) => "direct",
            Self::Ours { .. } => "chaos",
            Self::Toxiproxy { .. } => "toxiproxy",
        }
    }

    fn at(&self) -> SocketAddr {
        match self {
            Self::Direct(at) | Self::Ours { at, .. } | Self::Toxiproxy { at, .. } => *at,
        }
    }

    /// Puts a toxic on that delays by milliseconds, or limits to kilobytes a second; or takes it off.
    fn toxic(&mut self, toxic: Option<(&str, u64)>) {
        match self {
            Self::Direct(_) => {}
            Self::Ours { input, output, .. } => {
                let line = toxic.map_or("none".to_owned(), |(word, number)| format!("{word} {number}"));
                writeln!(input, "{line}").expect("writes");
                output.read_line(&mut String::new()).expect("reads");
            }
            Self::Toxiproxy { api, .. } => {
                ask(*api, "DELETE", "/proxies/p/toxics/t", "");
                if let Some((word, number)) = toxic {
                    let key = if word == "latency" { "latency" } else { "rate" };
                    let body = format!(r#"{{"name":"t","type":"{word}","attributes":{{"{key}":{number}}}}}"#);
                    ask(*api, "POST", "/proxies/p/toxics", &body);
                }
            }
        }
    }

    /// CPU seconds of the proxy's process so far, and its own resident bytes.
    fn usage(&self) -> (f64, u64) {
        let (Self::Ours { child, .. } | Self::Toxiproxy { child, .. }) = self else { return (0.0, 0) };
        let process = procfs::process::Process::new(child.id().cast_signed()).expect("lives");
        let stat = process.stat().expect("stat");
        let ticks = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        (ticks, process.status().expect("status").rssanon.unwrap_or(0) << 10)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Self::Ours { child, .. } | Self::Toxiproxy { child, .. } = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn ask(api: SocketAddr, method: &str, path: &str, body: &str) {
    let mut stream = TcpStream::connect(api).expect("connects");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("writes");
    stream.read_to_end(&mut Vec::new()).expect("reads");
}

/// What the server does with a connection, by its first byte: answer and forget, echo, pour out, or keep.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let at = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.set_nodelay(true);
            let mut word = [0];
            // Idle connections send nothing but this byte, and are kept without a thread.
            if stream.read_exact(&mut word).is_err() {
                continue;
            }
            if word == *b"k" {
                kept.push(stream);
                continue;
            }
            if word == *b"c" {
                let _ = stream.write_all(b"!");
                continue;
            }
            kept.clear();
            std::thread::Builder::new().stack_size(128 << 10).spawn(move || handle(word[0], stream)).expect("a thread");
        }
    });
    at
}

fn handle(word: u8, mut stream: TcpStream) {
    let mut buffer = vec![0; 256 << 10];
    match word {
        b'p' => while stream.write_all(&buffer).is_ok() {},
        _ => {
            let _ = stream.write_all(b"!");
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
        }
    }
}

fn open(at: SocketAddr, word: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(at).expect("connects");
    stream.set_nodelay(true).expect("nodelay");
    stream.write_all(word).expect("writes");
    stream
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn quantile(all: &mut [f64], share: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    all[((all.len() - 1) as f64 * share).round() as usize]
}

fn measure(parts: &[String]) {
    let at = server();
    let mut ways = vec![Way::Direct(at), Way::ours(at)];
    if let Ok(program) = std::env::var("TOXIPROXY") {
        ways.push(Way::toxiproxy(&program, at));
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|word| word == part);
    if wanted("bulk") {
        bulk(&ways, 1);
        bulk(&ways, 8);
    }
    if wanted("trip") {
        trips(&ways);
    }
    if wanted("connections") {
        connections(&ways);
    }
    if wanted("idle") {
        idle(&ways);
    }
    if wanted("dose") {
        dose(&mut ways);
    }
    if wanted("bandwidth") {
        bandwidth(&mut ways);
    }
}

/// Every way in turn, again and again; the median of each measure.
fn interleaved<const N: usize>(ways: &[Way], mut one: impl FnMut(&Way) -> [f64; N]) -> Vec<[f64; N]> {
    let mut all: Vec<Vec<[f64; N]>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (way, into) in ways.iter().zip(&mut all) {
            into.push(one(way));
        }
    }
    all.iter().map(|rounds| std::array::from_fn(|n| median(rounds.iter().map(|round| round[n]).collect()))).collect()
}

fn bulk(ways: &[Way], count: usize) {
    let medians = interleaved(ways, |way| {
        let (over, total) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (cpu, start) = (way.usage().0, Instant::now());
        let clients: Vec<_> = (0..count)
            .map(|_| {
                let (mut stream, over, total) = (open(way.at(), b"p"), Arc::clone(&over), Arc::clone(&total));
                std::thread::spawn(move || {
                    let mut buffer = vec![0; 256 << 10];
                    while !over.load(Ordering::Relaxed) {
                        let length = stream.read(&mut buffer).expect("reads");
                        total.fetch_add(length as u64, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(1000));
        let (bytes, time) = (total.load(Ordering::Relaxed) as f64, start.elapsed().as_secs_f64());
        let cpu = way.usage().0 - cpu;
        over.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().expect("no panic"));
        [bytes / 1e9 / time, cpu / (bytes / 1e9)]
    });
    for (way, [speed, cpu]) in ways.iter().zip(&medians) {
        let ratio = speed / medians[0][0];
        println!(
            "bulk, {count} connection(s)  {:10} {speed:6.2} GB/s ({ratio:.2} of direct)  {cpu:.3} CPU s/GB",
            way.name()
        );
    }
}

fn trips(ways: &[Way]) {
    let medians = interleaved(ways, |way| {
        let mut stream = echo(way);
        let mut times: Vec<f64> = (0..3000).map(|_| trip(&mut stream, 64)).collect();
        [quantile(&mut times, 0.5), quantile(&mut times, 0.99)]
    });
    for (way, [p50, p99]) in ways.iter().zip(&medians) {
        let (micros, ratio) = (p50 * 1e6, p50 / medians[0][0]);
        println!(
            "64 B round trip  {:10} p50 {micros:6.1} us ({ratio:.2} x direct)  p99 {:6.1} us",
            way.name(),
            p99 * 1e6
        );
    }
}

fn echo(way: &Way) -> TcpStream {
    let mut stream = open(way.at(), b"e");
    stream.read_exact(&mut [0]).expect("reads");
    stream
}

fn trip(stream: &mut TcpStream, size: usize) -> f64 {
    let (message, mut answer) = (vec![7; size], vec![0; size]);
    let start = Instant::now();
    stream.write_all(&message).expect("writes");
    stream.read_exact(&mut answer).expect("reads");
    start.elapsed().as_secs_f64()
}

fn connections(ways: &[Way]) {
    let medians = interleaved(ways, |way| {
        let (start, mut count) = (Instant::now(), 0.0);
        while start.elapsed() < Duration::from_millis(700) {
            let mut stream = open(way.at(), b"c");
            stream.read_exact(&mut [0]).expect("reads");
            // No port is left waiting.
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("lingers");
            count += 1.0;
        }
        [count / start.elapsed().as_secs_f64()]
    });
    for (way, [rate]) in ways.iter().zip(&medians) {
        println!("new connections  {:10} {rate:8.0}/s ({:.2} of direct)", way.name(), rate / medians[0][0]);
    }
}

fn idle(ways: &[Way]) {
    const COUNT: usize = 5_000;
    for way in &ways[1..] {
        drop(open(way.at(), b"k"));
        std::thread::sleep(Duration::from_millis(300));
        let before = way.usage().1;
        let kept: Vec<TcpStream> = (0..COUNT).map(|_| open(way.at(), b"k")).collect();
        std::thread::sleep(Duration::from_millis(1500));
        let each = way.usage().1.saturating_sub(before) / COUNT as u64;
        println!("idle connection  {:10} {each} B of its own memory each, at {COUNT}", way.name());
        drop(kept);
        drop(echo(way));
    }
}

fn dose(ways: &mut [Way]) {
    for (asked, count) in [(1_u64, 800), (5, 400), (100, 60)] {
        let mut all: Vec<Vec<f64>> = ways.iter().map(|_| Vec::new()).collect();
        ways.iter_mut().for_each(|way| way.toxic(Some(("latency", asked))));
        for _ in 0..4 {
            for (way, times) in ways.iter().zip(&mut all) {
                let mut stream = echo(way);
                for _ in 0..count / 4 {
                    times.push(trip(&mut stream, 64));
                    std::thread::sleep(Duration::from_micros(300));
                }
            }
        }
        ways.iter_mut().for_each(|way| way.toxic(None));
        let direct = [0.5, 0.99].map(|share| quantile(&mut all[0], share));
        for (way, times) in ways.iter().zip(&mut all).skip(1) {
            let [p50, p99] = [(0.5, direct[0]), (0.99, direct[1])]
                .map(|(share, direct)| (quantile(times, share) - asked as f64 / 1e3 - direct) * 1e3);
            println!("latency of {asked:3} ms  {:10} p50 {p50:+.3} ms  p99 {p99:+.3} ms over direct's own", way.name());
        }
    }
}

fn bandwidth(ways: &mut [Way]) {
    for rate in [100_u64, 1_000, 10_000, 100_000] {
        for way in ways.iter_mut().skip(1) {
            way.toxic(Some(("bandwidth", rate)));
            let mut stream = open(way.at(), b"p");
            let mut buffer = vec![0; 256 << 10];
            stream.read_exact(&mut [0]).expect("reads");
            let (start, mut bytes) = (Instant::now(), 0.0);
            while start.elapsed() < Duration::from_secs(3) {
                bytes += stream.read(&mut buffer).expect("reads") as f64;
            }
            let error = bytes / start.elapsed().as_secs_f64() / (rate as f64 * 1e3) - 1.0;
            println!("bandwidth of {rate:6} KB/s  {:10} {:+.2} %", way.name(), error * 100.0);
            way.toxic(None);
        }
    }
}

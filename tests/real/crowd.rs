//! The control API of one `chaos proxy` while everything that is hard on a proxy happens to it at once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chaos::host::clock::Clock;
use chaos::host::output;
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::{binary, until};

const LOOPBACK: &str = "127.0.0.1:0";
/// Connections that come and go at a time; no more, so that a machine that stands still for a second has descriptors left.
const AT_A_TIME: usize = 200;
/// On an idle machine it is 50 ms at the most, and usually less than 10.
const LOOSE: Duration = Duration::from_secs(1);
/// 4 KiB for each idle connection, and what waits for two clients that read too slowly while a delay comes and goes: the
/// upstream's 64 MB a second each, for as long as a busy machine may let the next call wait.
const MOST_MEMORY: u64 = 256 << 20;
/// Descriptors of pipes that are kept for whoever needs one next.
const POOL: usize = 64;

/// The server under test; killed when it is dropped.
struct Server {
    child: Child,
    api: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    #[allow(clippy::disallowed_methods, reason = "the server is started as its users start it")]
    fn start() -> Self {
        let server = Command::new(binary()).args(["proxy", "--listen", LOOPBACK]).stdout(Stdio::piped()).spawn();
        let mut child = server.expect("starts");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut said).expect("a line");
        let api = said.split(['/', ' ']).find_map(|word| word.parse().ok()).expect("where it listens");
        Self { child, api }
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }

    /// Bytes in memory.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") << 10
    }

    /// How many sockets it has; a listener's may have several descriptors.
    fn sockets(&self) -> usize {
        let entries = std::fs::read_dir(self.proc("fd")).expect("fds").flatten();
        let links = entries.filter_map(|fd| std::fs::read_link(fd.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket")).collect::<BTreeSet<_>>().len()
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("fds").count()
    }

    /// A proxy to an upstream, and where it listens.
    fn proxy(&self, name: &str, upstream: SocketAddr) -> SocketAddr {
        let told =
            Api::of(self.api).call("POST", "/proxies", &format!(r#"{{"name":"{name}","upstream":"{upstream}"}}"#));
        let listen = told.split('"').find(|word| word.parse::<SocketAddr>().is_ok_and(|address| address != upstream));
        listen.unwrap_or_else(|| panic!("{told}")).parse().expect("an address")
    }
}

/// A client of the API with one connection that it keeps, as plain as can be: what is measured is the server.
struct Api {
    stream: BufReader<StdStream>,
}

impl Api {
    fn of(address: SocketAddr) -> Self {
        let stream = StdStream::connect(address).expect("connects");
        stream.set_nodelay(true).expect("a live socket");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a live socket");
        Self { stream: BufReader::new(stream) }
    }

    /// The body of the answer to a call, which must go well.
    fn call(&mut self, method: &str, path: &str, body: &str) -> String {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: api\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.stream.get_mut().write_all(head.as_bytes()).expect("asks");
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status).expect("an answer");
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a header");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).expect("the body");
        let answer = String::from_utf8(answer).expect("text");
        assert!(status.starts_with("HTTP/1.1 20"), "{method} {path}: {status}{answer}");
        answer
    }
}

/// Calls without a pause but a short one until it is told to stop: looks, makes and takes away proxies and toxics, also on
/// those whose clients do not read. How long each call took.
fn steer(api: SocketAddr, upstream: SocketAddr, stop: &AtomicBool) -> Vec<Duration> {
    let mut client = Api::of(api);
    let (proxy, latency) = (
        format!(r#"{{"name":"passing","upstream":"{upstream}"}}"#),
        r#"{"type":"latency","attributes":{"latency":60000}}"#,
    );
    let calls = [
        ("GET", "/proxies", ""),
        ("POST", "/proxies/deaf/toxics", latency),
        ("POST", "/proxies/slow/toxics", latency),
        ("PATCH", "/proxies/deaf/toxics/latency_downstream", r#"{"attributes":{"latency":1}}"#),
        ("DELETE", "/proxies/deaf/toxics/latency_downstream", ""),
        ("DELETE", "/proxies/slow/toxics/latency_downstream", ""),
        ("POST", "/proxies/idle/toxics", latency),
        ("DELETE", "/proxies/idle/toxics/latency_downstream", ""),
        ("POST", "/proxies", &proxy),
        ("DELETE", "/proxies/passing", ""),
        ("GET", "/metrics", ""),
    ];
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for (method, path, body) in calls {
            let start = Clock::Real.now();
            client.call(method, path, body);
            took.push(start.elapsed());
        }
        let pause = StdStream::connect(api).expect("the API takes further clients");
        pause.set_read_timeout(Some(Duration::from_millis(20))).expect("a live socket");
        let silence = (&pause).read(&mut [0]).expect_err("nothing was asked");
        assert!(matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence}");
    }
    took
}

/// For two seconds, or for as many as `CHAOS_LOAD_SECONDS` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_control_api_answers_while_a_crowd_of_good_and_bad_clients_passes() {
    let _busy = crate::busy::busy();
    let seconds = std::env::var("CHAOS_LOAD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_u64);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Both ends of each are in this process, both sides of the proxy in the other.
    let most = usize::try_from(files.saturating_sub(700) / 2).unwrap_or(usize::MAX).min(5_000);
    assert!(most >= 150, "this test needs 1000 descriptors");
    let mut server = Server::start();
    let without_proxies = server.sockets();
    let (idle_upstream, echo_upstream) = (StdListener::bind(LOOPBACK).expect("binds"), echo().await);
    let (flood_upstream, (_full, silent_upstream)) = (flood().await, silent().await);
    let refusing = StdListener::bind(LOOPBACK).expect("binds").local_addr().expect("an address");
    let idle = server.proxy("idle", idle_upstream.local_addr().expect("an address"));
    let passing = server.proxy("echo", echo_upstream);
    let [deaf, slow] = ["deaf", "slow"].map(|name| server.proxy(name, flood_upstream));
    let (refused, silent) = (server.proxy("refused", refusing), server.proxy("silent", silent_upstream));
    assert!(exchange(passing).await, "it works before the crowd comes");
    until("only the listeners of six proxies are left", || server.sockets() == without_proxies + 6).await;
    let (sockets, descriptors, memory) = (server.sockets(), server.descriptors(), server.resident());

    let idlers = tokio::task::block_in_place(|| open(most, idle, &idle_upstream));
    assert_eq!(server.sockets(), sockets + 2 * most, "each has two sockets there");
    let stop = Arc::new(AtomicBool::new(false));
    let steering = {
        let (api, stop) = (server.api, Arc::clone(&stop));
        tokio::task::spawn_blocking(move || steer(api, echo_upstream, &stop))
    };
    let mut bad = JoinSet::new();
    let mut deaf = TcpStream::connect(deaf).await.expect("connects");
    bad.spawn(read_slowly(slow));
    bad.spawn(come_and_be_refused(refused));
    bad.spawn(come_and_give_up(silent));
    let (good, peak) = come_and_go(passing, seconds, &server).await;
    stop.store(true, Ordering::Relaxed);
    let mut took = steering.await.expect("every call goes well");
    bad.shutdown().await;
    assert_eq!(good, seconds * 1000, "every exchange went well");
    deaf.read_u8().await.expect("there is something to read for who does not");
    assert!(!idlers.is_empty(), "they stayed to the end");
    drop((deaf, idlers));

    all_given_back(&server, sockets).await;
    let told = figures(&mut took, peak.saturating_sub(memory), most, &server);
    output::stderr(&format!("\ncontrol API under load for {seconds} s: {told}\n"));
    assert!(quantile(&took, 0.99) < LOOSE, "{told}");
    assert!(peak.saturating_sub(memory) < MOST_MEMORY, "{told}");
    assert!(server.descriptors() <= descriptors + POOL, "{descriptors} before; {told}");
    kill_process(Pid::from_child(&server.child), Signal::TERM).expect("signals");
    assert_eq!(server.child.wait().expect("ends").code(), Some(0));
}

/// Waits until the server has no more sockets than that; tells which proxy holds them if it does not come to it.
async fn all_given_back(server: &Server, sockets: usize) {
    let deadline = Clock::Real.now() + Duration::from_secs(20);
    while server.sockets() > sockets {
        if Clock::Real.now() > deadline {
            let metrics = Api::of(server.api).call("GET", "/metrics", "");
            let open: Vec<_> = metrics.lines().filter(|line| line.contains("_connections{")).collect();
            panic!("{} instead of {sockets} sockets are open: {open:#?}", server.sockets());
        }
        Clock::Real.sleep(Duration::from_millis(20)).await;
    }
}

/// Sorts what calls took, and tells what was measured.
fn figures(took: &mut [Duration], grown: u64, idle: usize, server: &Server) -> String {
    took.sort_unstable();
    let [median, p99, longest] = [0.5, 0.99, 1.0].map(|share| quantile(took, share));
    let (calls, mib, now) = (took.len(), grown >> 20, server.resident() >> 20);
    let descriptors = server.descriptors();
    format!(
        "{calls} calls, p50 {median:.1?}, p99 {p99:.1?}, max {longest:.1?}; {idle} idle connections; at most {mib} MiB more \
         memory, {now} MiB at the end, {descriptors} descriptors at the end"
    )
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// Connections that were used once in both directions, with their other ends.
fn open(count: usize, proxy: SocketAddr, upstream: &StdListener) -> Vec<(StdStream, StdStream)> {
    let pair = || {
        let mut client = StdStream::connect(proxy).expect("connects");
        let (mut server, _) = upstream.accept().expect("accepts");
        client.write_all(b"x").expect("writes");
        server.read_exact(&mut [0]).expect("reads");
        server.write_all(b"x").expect("writes");
        client.read_exact(&mut [0]).expect("reads");
        (client, server)
    };
    std::iter::repeat_with(pair).take(count).collect()
}

/// A thousand exchanges a second, each on a connection of its own: how many went well, and the most memory meanwhile.
async fn come_and_go(proxy: SocketAddr, seconds: u64, server: &Server) -> (u64, u64) {
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    let (start, mut clients) = (Clock::Real.now(), JoinSet::new());
    let (mut good, mut peak) = (0, 0);
    for number in 0..seconds * 1000 {
        Clock::Real.sleep_until(start + Duration::from_millis(number)).await;
        let permit = Arc::clone(&room).acquire_owned().await.expect("is never closed");
        clients.spawn(async move {
            let good = exchange(proxy).await;
            drop(permit);
            good
        });
        if number % 50 == 0 {
            peak = peak.max(server.resident());
        }
        while let Some(done) = clients.try_join_next() {
            good += u64::from(done.expect("no panic"));
        }
    }
    while let Some(done) = clients.join_next().await {
        good += u64::from(done.expect("no panic"));
    }
    (good, peak)
}

/// One connection: a question, its echo, the close.
async fn exchange(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let mut heard = Vec::new();
    let said = stream.write_all(b"question").await.is_ok() && stream.shutdown().await.is_ok();
    let answer = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut heard)).await;
    said && answer.is_ok_and(|read| read.is_ok()) && heard == b"question"
}

async fn read_slowly(proxy: SocketAddr) {
    let mut stream = TcpStream::connect(proxy).await.expect("connects");
    let mut buffer = vec![0; 64 << 10];
    loop {
        stream.read_exact(&mut buffer).await.expect("more always comes");
        Clock::Real.sleep(Duration::from_millis(10)).await;
    }
}

async fn come_and_be_refused(proxy: SocketAddr) {
    loop {
        // The reset may come before the connection was looked at for the first time.
        let refused = async { TcpStream::connect(proxy).await?.read_u8().await };
        let error = refused.await.expect_err("the upstream refuses");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        Clock::Real.sleep(Duration::from_millis(5)).await;
    }
}

/// Twenty at a time, each for half a second. They reset: an end alone would say that an answer is still waited for.
async fn come_and_give_up(proxy: SocketAddr) {
    loop {
        let mut waiting = Vec::new();
        for _ in 0..20 {
            let client = TcpSocket::new_v4().expect("a socket");
            socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("lingers");
            waiting.push(client.connect(proxy).await.expect("connects"));
        }
        Clock::Real.sleep(Duration::from_millis(500)).await;
    }
}

/// An upstream that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind(LOOPBACK).await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    address
}

/// An upstream that sends 64 MB a second without end to whoever connects.
async fn flood() -> SocketAddr {
    let listener = TcpListener::bind(LOOPBACK).await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while stream.write_all(&[7; 64 << 10]).await.is_ok() {
                    Clock::Real.sleep(Duration::from_millis(1)).await;
                }
            });
        }
    });
    address
}

/// An upstream that never answers: a listener whose queue is full takes no further SYN.
async fn silent() -> (Held, SocketAddr) {
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&LOOPBACK.parse::<SocketAddr>().expect("an address").into()).expect("binds");
    full.listen(1).expect("listens");
    let address = full.local_addr().expect("an address").as_socket().expect("an address");
    let mut filling = JoinSet::new();
    (0..8).for_each(|_| drop(filling.spawn(TcpStream::connect(address))));
    Clock::Real.sleep(Duration::from_millis(100)).await;
    (Held { _full: full, _filling: filling }, address)
}

/// What keeps the queue full.
struct Held {
    _full: socket2::Socket,
    _filling: JoinSet<std::io::Result<TcpStream>>,
}

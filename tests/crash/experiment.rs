//! The experiment that breaks everything at once, and its ports.

use std::collections::{BTreeSet, VecDeque};
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use chaos::model::fault::FaultKind;

use crate::needs;

/// The file that a command of the experiment's makes in the work folder, and its undo removes.
pub const FLAG: &str = "flag";

/// How many ports the experiment needs.
pub const PORTS: usize = 7;

/// How many faults limit a control group, which not every machine lets us do.
const LIMITS: usize = 4;

/// How many faults it has: each that exists, but those that this machine cannot be given.
pub fn faults() -> usize {
    FaultKind::WORDS.len() - LIMITS + words_of(&limits()).len()
}

/// The kinds of faults in a text.
fn words_of(text: &str) -> BTreeSet<&str> {
    text.split(", fault: ").skip(1).filter_map(|rest| rest.split(',').next()).collect()
}

/// How many of them act on what the run itself has.
pub fn faults_without_stranger() -> usize {
    faults() - 2
}

/// Whether the control group of `family` is limited, too.
pub fn has_limits() -> bool {
    needs::no_root().is_none()
}

/// Control groups can be made by root only. A value in one outlives whoever set it.
fn limits() -> String {
    if !has_limits() {
        return String::new();
    }
    "  - { name: quota, fault: cpu.limit, target: { process: { service: family } }, quota: 50%, duration: LASTS }
  - { name: room, fault: memory.limit, target: { process: { service: family } }, size: 512MiB, duration: LASTS }
  - { name: few, fault: pids.limit, target: { process: { service: family } }, max: 50, duration: LASTS }
"
    .to_owned()
        + &disk_limit()
}

/// Where what is temporary is on a disk of its own kind (an overlay is not), that disk is limited, too.
fn disk_limit() -> String {
    let folder = std::env::temp_dir();
    if chaos::host::system::whole_disk_of(&folder).is_err() {
        return String::new();
    }
    format!(
        "  - {{ name: line, fault: io.limit, target: {{ process: {{ service: family }} }}, path: '{}', write_bps: 100MiB/s,
      duration: LASTS }}
",
        folder.display()
    )
}

/// Every fault of a proxy: those of bytes, of which the rough ones have a proxy of their own, and those of requests.
const NETWORK: &str =
    "  - { name: slow, fault: network.latency, target: { proxy: bytes }, delay: 20ms, duration: LASTS }
  - { name: narrow, fault: network.bandwidth, target: { proxy: bytes }, rate: 1MiB/s, duration: LASTS }
  - { name: late, fault: network.slow_close, target: { proxy: bytes }, delay: 20ms, duration: LASTS }
  - { name: pieces, fault: network.slice, target: { proxy: bytes }, size: 512B, duration: LASTS }
  - { name: resets, fault: network.disconnect, target: { proxy: rough }, share: 50%, duration: LASTS }
  - { name: silence, fault: network.blackhole, target: { proxy: rough }, share: 50%, duration: LASTS }
  - { name: short, fault: network.limit_data, target: { proxy: rough }, bytes: 1KiB, duration: LASTS }
  - { name: away, fault: network.down, target: { proxy: gone }, duration: LASTS }
  - { name: errors, fault: http.error, target: { proxy: requests }, status: 503, share: 50%, duration: LASTS }
  - { name: waits, fault: http.latency, target: { proxy: requests }, delay: 20ms, duration: LASTS }
  - { name: aborts, fault: http.abort, target: { proxy: requests }, share: 5%, duration: LASTS }
  - { name: hangs, fault: http.timeout, target: { proxy: requests }, share: 5%, duration: LASTS }
  - { name: corrupt, fault: http.corrupt, target: { proxy: requests }, bytes: 1%, duration: LASTS }
  - { name: twice, fault: http.duplicate, target: { proxy: requests }, share: 5%, duration: LASTS }
  - { name: crawls, fault: http.slow_body, target: { proxy: requests }, rate: 100KiB/s, duration: LASTS }
";

/// What is done to a process that the run did not start: slowed down, and left without file descriptors.
fn of_stranger(pid: i32) -> String {
    format!(
        "  - {{ name: limp, fault: process.slow, target: {{ process: {{ pid: {pid} }} }}, share: 30%, duration: LASTS }}
  - {{ name: handles, fault: fd.exhaust, target: {{ process: {{ pid: {pid} }} }}, duration: LASTS }}
"
    )
}

/// Ports below those that the kernel gives to outgoing connections, free just now, and not given before for a long time.
pub fn free_ports(count: usize) -> Vec<u16> {
    static GIVEN: Mutex<VecDeque<u16>> = Mutex::new(VecDeque::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = Vec::new();
    while ports.len() < count {
        let port = 20_000 + (rand::random::<u16>() % 12_000);
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.push_back(port);
            ports.push(port);
        }
    }
    // There are fewer ports than the whole matrix asks for. Whoever had the oldest of so many is gone.
    let old = given.len().saturating_sub(2_000);
    given.drain(..old);
    ports
}

/// Every fault at once, on services of every kind: one that listens, one with children in sessions of their
/// own, of which one empties its environment, one that
/// is paused, one that is killed and started again; and on a stranger, where there is one.
pub fn experiment(ports: &[u16], work: &str, last: u64, stranger: Option<i32>) -> String {
    let more = NETWORK.to_owned() + &limits() + &stranger.map(of_stranger).unwrap_or_default();
    let [gateway, retriever, generator, bytes, requests, rough, gone] = ports else { panic!("{PORTS} ports") };
    let text = format!(
        "name: everything at once
services:
  - name: demo
    command: [chaos, demo, --gateway-listen, '127.0.0.1:{gateway}', --retriever-listen, '127.0.0.1:{retriever}',
              --generator-listen, '127.0.0.1:{generator}']
    ready: http://127.0.0.1:{gateway}/health
  - {{ name: family, command: [sh, -c, 'setsid sh -c \"sleep 1000 & wait\" & env -i setsid sleep 1000 & wait'] }}
  - {{ name: held, command: [sleep, '1000'] }}
  - {{ name: crashes, command: [sleep, '1000'], restart: true }}
proxies:
  - {{ name: bytes, listen: '127.0.0.1:{bytes}', upstream: '127.0.0.1:{gateway}' }}
  - {{ name: requests, listen: '127.0.0.1:{requests}', upstream: '127.0.0.1:{gateway}', protocol: http }}
  - {{ name: rough, listen: '127.0.0.1:{rough}', upstream: '127.0.0.1:{gateway}' }}
  - {{ name: gone, listen: '127.0.0.1:{gone}', upstream: '127.0.0.1:{gateway}' }}
steady_state:
  - {{ name: ask, probe: http, url: 'http://127.0.0.1:{requests}/health', rate: 40/s, timeout: 2s,
      expect: [success_rate >= 0%] }}
  - {{ name: fetch, probe: http, url: 'http://127.0.0.1:{bytes}/health', rate: 40/s, timeout: 2s,
      expect: [success_rate >= 0%] }}
faults:
  - {{ name: cpu, fault: cpu.stress, target: {{ host: local }}, load: 5%, cores: 1, duration: LASTS }}
  - {{ name: memory, fault: memory.stress, target: {{ host: local }}, size: 4MiB, duration: LASTS }}
  - {{ name: disk, fault: disk.stress, target: {{ host: local }}, iops: 20/s, file_size: 1MiB, path: '{work}',
      duration: LASTS }}
  - {{ name: full, fault: disk.fill, target: {{ host: local }}, size: 4MiB, path: '{work}', duration: LASTS }}
  - {{ name: hold, fault: process.pause, target: {{ process: {{ service: held }} }}, duration: LASTS }}
  - {{ name: crash, fault: process.kill, target: {{ process: {{ service: crashes }} }}, duration: LASTS }}
  - {{ name: command, fault: process.exec, target: {{ host: local }}, command: [touch, {FLAG}], undo: [rm, -f, {FLAG}],
      check: [test, -e, {FLAG}], duration: LASTS }}
{more}blast_radius: {{ duration: {last}ms }}
baseline: 1s
recovery: {{ within: 5s }}
"
    );
    let wanted = if stranger.is_some() { faults() } else { faults_without_stranger() };
    assert_eq!(words_of(&text).len(), wanted, "each fault that exists is in it");
    text.replace("LASTS", &format!("{last}ms"))
}

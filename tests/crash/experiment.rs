//! The experiment that breaks everything at once, and its ports.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use crate::needs;

/// The file that a command of the experiment's makes in the work folder, and its undo removes.
pub const FLAG: &str = "flag";

/// How many faults it has.
pub fn faults() -> usize {
    faults_without_stranger() + 2
}

/// How many of them act on what the run itself has.
pub fn faults_without_stranger() -> usize {
    if has_limits() { 11 } else { 9 }
}

/// Whether the control group of `family` is limited, too.
pub fn has_limits() -> bool {
    !limits().is_empty()
}

/// Control groups can be made by root only. A value in one outlives whoever set it.
fn limits() -> &'static str {
    if needs::no_root().is_some() {
        return "";
    }
    "  - { name: quota, fault: cpu.limit, target: { process: { service: family } }, quota: 50%, duration: LASTS }
  - { name: room, fault: memory.limit, target: { process: { service: family } }, size: 512MiB, duration: LASTS }
"
}

/// What is done to a process that the run did not start: slowed down, and left without file descriptors.
fn of_stranger(pid: i32) -> String {
    format!(
        "  - {{ name: limp, fault: process.slow, target: {{ process: {{ pid: {pid} }} }}, share: 30%, duration: LASTS }}
  - {{ name: handles, fault: fd.exhaust, target: {{ process: {{ pid: {pid} }} }}, duration: LASTS }}
"
    )
}

/// Ports below those that the kernel gives to outgoing connections, free just now, and none of them given twice.
pub fn free_ports(count: usize) -> Vec<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = Vec::new();
    while ports.len() < count {
        let port = 20_000 + (rand::random::<u16>() % 12_000);
        if given.insert(port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port);
        }
    }
    ports
}

/// Every fault at once, on services of every kind: one that listens, one with children in sessions of their
/// own, of which one empties its environment, one that
/// is paused, one that is killed and started again; and on a stranger, where there is one.
pub fn experiment(ports: &[u16], work: &str, faults: u64, stranger: Option<i32>) -> String {
    let more = limits().to_owned() + &stranger.map(of_stranger).unwrap_or_default();
    let more = more.replace("LASTS", &format!("{faults}ms"));
    let [gateway, retriever, generator, bytes, requests] = ports else { panic!("five ports") };
    format!(
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
steady_state:
  - {{ name: ask, probe: http, url: 'http://127.0.0.1:{requests}/health', rate: 40/s, timeout: 2s,
      expect: [success_rate >= 0%] }}
  - {{ name: fetch, probe: http, url: 'http://127.0.0.1:{bytes}/health', rate: 40/s, timeout: 2s,
      expect: [success_rate >= 0%] }}
faults:
  - {{ name: slow, fault: network.latency, target: {{ proxy: bytes }}, delay: 20ms, duration: {faults}ms }}
  - {{ name: errors, fault: http.error, target: {{ proxy: requests }}, status: 503, share: 50%, duration: {faults}ms }}
  - {{ name: cpu, fault: cpu.stress, target: {{ host: local }}, load: 5%, cores: 1, duration: {faults}ms }}
  - {{ name: memory, fault: memory.stress, target: {{ host: local }}, size: 4MiB, duration: {faults}ms }}
  - {{ name: disk, fault: disk.stress, target: {{ host: local }}, iops: 20/s, file_size: 1MiB, path: '{work}',
      duration: {faults}ms }}
  - {{ name: full, fault: disk.fill, target: {{ host: local }}, size: 4MiB, path: '{work}', duration: {faults}ms }}
  - {{ name: hold, fault: process.pause, target: {{ process: {{ service: held }} }}, duration: {faults}ms }}
  - {{ name: crash, fault: process.kill, target: {{ process: {{ service: crashes }} }}, duration: {faults}ms }}
  - {{ name: command, fault: process.exec, target: {{ host: local }}, command: [touch, {FLAG}], undo: [rm, -f, {FLAG}],
      check: [test, -e, {FLAG}], duration: {faults}ms }}
{more}blast_radius: {{ duration: {faults}ms }}
baseline: 1s
recovery: {{ within: 5s }}
"
    )
}

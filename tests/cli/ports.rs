//! Free ports on loopback that stay free until they are used.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel takes the ports of outgoing connections and of port 0 (32768 and up): a port
/// that was free a moment ago is not taken by somebody's request in between.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// So many different free ports, none of them handed out before by this process.
pub fn free_ports<const N: usize>() -> [u16; N] {
    std::array::from_fn(|_| free_port())
}

fn free_port() -> u16 {
    // Test processes run side by side: each begins elsewhere.
    let start = std::process::id().wrapping_mul(97) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = (start + u32::from(step)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(place).expect("below COUNT");
        if is_free(port) {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}

/// Whether somebody could listen there now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(address(port)).is_ok()
}

/// Somebody listens there until this is dropped.
#[must_use = "the port is free again when this is dropped"]
pub fn occupy(port: u16) -> TcpListener {
    TcpListener::bind(address(port)).expect("a free port")
}

/// Whether anybody has connected to this listener.
pub fn was_contacted(listener: &TcpListener) -> bool {
    listener.set_nonblocking(true).expect("a socket");
    listener.accept().is_ok()
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn ports_are_different_and_free() {
    let ports = free_ports::<8>();
    let different: std::collections::BTreeSet<u16> = ports.into_iter().collect();
    assert_eq!(different.len(), 8);
    assert!(ports.into_iter().all(is_free));
    let held = occupy(ports[0]);
    assert!(!is_free(ports[0]));
    assert!(!was_contacted(&held));
    let _client = std::net::TcpStream::connect(address(ports[0])).expect("connects");
    assert!(was_contacted(&held));
}

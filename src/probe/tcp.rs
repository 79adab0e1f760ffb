//! `probe: tcp`: one connection a sample. Only the handshake is judged: the kernel answers it even for a process that
//! is stopped, until the backlog is full; look at the service itself with `http`, `process` or `command`.

use std::pin::Pin;
use std::time::Duration;

use tokio::net::TcpStream;

use super::Surroundings;
use super::failure::{self, of_error};
use crate::host::clock::Clock;
use crate::host::{Prober, Trouble};
use crate::model::about::ProbeAbout;
use crate::model::probe::{ProbeSpec, TcpProbe};
use crate::model::sample::{Measurement, Outcome};

/// What the catalogue says of it.
pub(super) const ABOUT: ProbeAbout = ProbeAbout {
    word: "tcp",
    summary: "one connection: the handshake, which the kernel answers even for a process that is stopped",
    errors: "refused, broken, timeout",
    no_data: "none",
    metrics: "success_rate, error_rate, and of the latency p0 to p100, median, mean, min, max",
    privileges: "none",
    example: &["address: 127.0.0.1:6379", "rate: 50/s", "expect: [success_rate >= 99%, p95 <= 20ms]"],
};

struct Tcp {
    address: String,
    clock: Clock,
    timeout: Duration,
}

/// Prepares the probe.
pub(super) fn prepare(spec: &ProbeSpec, tcp: &TcpProbe, around: &Surroundings) -> Result<impl Prober + use<>, Trouble> {
    let port = tcp.address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    if !port.is_some_and(|(host, port)| !host.is_empty() && port > 0) {
        let trouble = Trouble::new(format!("connect to `{}`", tcp.address), "this is not `HOST:PORT`");
        return Err(trouble.help("write a name or an address and a port, such as `127.0.0.1:6379`"));
    }
    Ok(Tcp { address: tcp.address.clone(), clock: around.clock, timeout: spec.timeout.0 })
}

impl Prober for Tcp {
    fn take(&self) -> Pin<Box<dyn Future<Output = Measurement> + Send + '_>> {
        Box::pin(async {
            let connect = async { TcpStream::connect(&self.address).await.map_err(|error| of_error(&error)) };
            match failure::within(self.clock, self.timeout, connect).await {
                Ok(stream) => judge(&stream),
                Err(failure) => failure,
            }
        })
    }
}

/// When nothing listens on a port of the ephemeral range, TCP may connect a socket to itself (RFC 9293, simultaneous
/// open): that is nobody's answer.
fn judge(stream: &TcpStream) -> Measurement {
    let itself = stream.local_addr().ok().is_some_and(|local| stream.peer_addr().ok() == Some(local));
    if itself { Measurement::failed(Outcome::Refused, "the socket connected to itself") } else { Measurement::ok() }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::judge;
    use crate::model::probe::{ProbeKind, TcpProbe};
    use crate::model::sample::{Measurement, Outcome};
    use crate::probe::testing::{Server, hasty, nobody, refused, sample, spec};

    fn connect(address: impl ToString) -> ProbeKind {
        ProbeKind::Tcp(TcpProbe { address: address.to_string() })
    }

    #[tokio::test]
    async fn a_connection_is_success() {
        let server = Server::start(|_| std::future::ready(())).await;
        assert_eq!(sample(&spec(connect(server.address))).await, Measurement::ok());
    }

    #[tokio::test]
    async fn where_nobody_listens_it_is_refused() {
        let measurement = sample(&spec(connect(nobody().await))).await;
        assert_eq!(measurement.outcome, Outcome::Refused);
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_a_broken_connection_that_says_why() {
        let measurement = sample(&spec(connect("no-such-host.invalid:80"))).await;
        assert_eq!(measurement.outcome, Outcome::Broken);
        assert!(measurement.detail.is_some_and(|detail| detail.contains("lookup")));
    }

    #[tokio::test]
    async fn a_handshake_that_nobody_answers_is_a_timeout() {
        // A listener whose backlog is full: the kernel drops further handshakes.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut waiting = Vec::new();
        let measurement = loop {
            assert!(waiting.len() < 10, "the backlog is never full");
            match sample(&hasty(connect(address))).await {
                failed if failed.outcome != Outcome::Ok => break failed,
                _ => waiting.push(tokio::net::TcpStream::connect(address)),
            }
        };
        assert_eq!(measurement.outcome, Outcome::Timeout);
    }

    #[tokio::test]
    async fn a_socket_that_connected_to_itself_is_no_answer() {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let itself = socket.local_addr().expect("an address");
        let stream = socket.connect(itself).await.expect("simultaneous open");
        assert_eq!(judge(&stream).outcome, Outcome::Refused);
    }

    #[test]
    fn an_address_without_a_port_is_refused_with_advice() {
        for address in ["localhost", "127.0.0.1:", ":80", "localhost:http", "localhost:0"] {
            assert!(refused(connect(address)).to_string().contains("such as `127.0.0.1:6379`"), "{address}");
        }
    }
}

//! The way to an upstream: its name is resolved for each connection, and its addresses are tried in turn.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};

use crate::host::clock::Clock;

/// How long an address may take to answer while there is another to try. The last may take as long as the kernel does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects to `HOST:PORT`. Cancel-safe.
///
/// # Errors
/// Of the last address that was tried, or of the resolution of the name.
pub(super) async fn connect(upstream: &str, clock: Clock) -> io::Result<TcpStream> {
    let mut addresses = lookup_host(upstream).await?.peekable();
    let mut last = io::ErrorKind::NotFound.into();
    while let Some(address) = addresses.next() {
        let tried = tokio::select! {
            tried = TcpStream::connect(address) => tried,
            () = clock.sleep(PATIENCE), if addresses.peek().is_some() => Err(io::ErrorKind::TimedOut.into()),
        };
        match tried {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

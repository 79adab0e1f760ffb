//! Which version of HTTP a client speaks, told by its first bytes (RFC 9113, section 3.4).

use std::io::ErrorKind;

use hyper::body::Bytes;
use tokio::net::TcpStream;

/// What an HTTP/2 client begins with; no HTTP/1.1 request does.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// HTTP/1.1 or 1.0.
    One,
    /// HTTP/2, without an upgrade.
    Two,
}

/// Reads as many bytes as it takes to tell; none when the client leaves without a word.
pub(super) async fn hear(client: &TcpStream) -> Option<(Speech, Bytes)> {
    let mut heard = [0; PREFACE.len()];
    let mut length = 0;
    loop {
        client.readable().await.ok()?;
        match client.try_read(&mut heard[length..]) {
            Ok(0) if length == 0 => return None,
            Ok(0) => return Some((Speech::One, Bytes::copy_from_slice(&heard[..length]))),
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        let speech = match PREFACE.starts_with(&heard[..length]) {
            false => Speech::One,
            true if length == PREFACE.len() => Speech::Two,
            true => continue,
        };
        return Some((speech, Bytes::copy_from_slice(&heard[..length])));
    }
}

//! What the API answers when it refuses: `{"error": TEXT, "status": CODE}`. Clients compare the texts literally.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::proxy::{ProxyError, Reason};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl ApiError {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// A body that cannot be read, or that makes no sense.
    pub(super) fn bad_body(why: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("bad request body: {why}"))
    }

    /// A body longer than is read.
    pub(super) fn body_too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("bad request body: more than {limit} bytes"))
    }

    /// A body that does not come to its end.
    pub(super) fn body_too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "bad request body: it did not come to its end in time")
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("missing required field: {field}"))
    }

    pub(super) fn proxy_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "proxy not found")
    }

    pub(super) fn toxic_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "toxic not found")
    }

    pub(super) fn toxic_exists() -> Self {
        Self::new(StatusCode::CONFLICT, "toxic already exists")
    }

    pub(super) fn invalid_stream() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "stream was invalid, can be either upstream or downstream")
    }

    pub(super) fn invalid_type() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid toxic type")
    }

    /// Two of one name in one call.
    pub(super) fn duplicate(name: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("duplicate proxy name {name:?}"))
    }

    /// A host of `listen` that has no address, or no address at all.
    pub(super) fn cannot_resolve(listen: &str, why: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("listen tcp: address {listen}: {why}"))
    }

    /// The answer's body.
    pub(super) fn body(&self) -> Value {
        json!({ "error": self.text, "status": self.status.as_u16() })
    }
}

impl From<ProxyError> for ApiError {
    fn from(error: ProxyError) -> Self {
        match &error.reason {
            Reason::NoSuchProxy => Self::proxy_not_found(),
            Reason::ProxyExists => Self::new(StatusCode::CONFLICT, "proxy already exists"),
            Reason::CannotListen { address, error } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, cannot_listen(*address, error))
            }
            Reason::NoSuchToxic => Self::toxic_not_found(),
            Reason::ToxicExists => Self::toxic_exists(),
            _ => Self::bad_body(error),
        }
    }
}

/// In the words of Go's standard library, which clients know: `listen tcp ADDRESS: bind: REASON`.
fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    let why = match error.kind() {
        ErrorKind::AddrInUse => "address already in use".to_owned(),
        ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    format!("listen tcp {address}: bind: {why}")
}

#[cfg(test)]
mod tests {
    use super::cannot_listen;

    #[test]
    fn a_busy_port_is_told_in_the_words_that_clients_know() {
        let error = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        let text = cannot_listen("127.0.0.1:3310".parse().expect("an address"), &error);
        assert_eq!(text, "listen tcp 127.0.0.1:3310: bind: address already in use");
    }
}

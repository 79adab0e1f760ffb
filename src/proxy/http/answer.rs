//! Answers that the proxy gives by itself.

use std::collections::BTreeMap;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::{Body, full};

/// The longest request body that is read to its end before an injected answer, so that the connection can be kept.
const LONGEST_DRAINED: usize = 16 << 20;

/// An answer of plain text.
pub(super) fn plain(status: StatusCode, text: Bytes) -> Response<Body> {
    let length = HeaderValue::from(text.len());
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

/// An answer with headers that an experiment asks for.
pub(super) fn injected(status: u16, text: &str, headers: &BTreeMap<String, String>) -> Response<Body> {
    // Neither the experiment's reader nor the control API lets another status through than 400 to 599, or a header that
    // cannot be sent.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = plain(status, Bytes::copy_from_slice(text.as_bytes()));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Says that the connection ends after this answer.
pub(super) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Reads a request's body to its end, as what is left of it would be taken for the next request; tells whether it
/// came to that.
pub(super) async fn drained(mut body: Body) -> bool {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > LONGEST_DRAINED {
            return false;
        }
    }
    true
}

//! What is done to HTTP requests, and to which: the settings of the `http.*` faults and the toxics they become.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::fault::Stream;
use super::glob::Glob;
use super::shape;
use super::units::{ByteRate, Bytes, Share, Timespan};

/// The longest request body that `http.duplicate` keeps to send it twice: 1 MiB. Longer ones pass once.
pub const LONGEST_DUPLICATED: usize = 1 << 20;

/// Which requests are meant: those that fit everything that is said; all of them when nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMatch {
    /// One of these methods, in capitals as on the wire; any when empty.
    pub method: Vec<String>,
    /// The path as it was sent, escapes included, without the query.
    pub path: Option<Glob>,
    /// A header, by name and perhaps by value.
    pub header: Option<HeaderMatch>,
}

/// A header that a request must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderMatch {
    /// Its name, in any case.
    pub name: String,
    /// What one of its values must look like; any when absent.
    #[serde(default)]
    pub value: Option<Glob>,
}

impl fmt::Display for RequestMatch {
    /// What follows after a word for requests: ` by GET or POST to /api/* with x-tenant: beta*`; nothing for all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.method.is_empty() {
            write!(f, " by {}", self.method.join(" or "))?;
        }
        if let Some(path) = &self.path {
            write!(f, " to {path}")?;
        }
        match &self.header {
            None => Ok(()),
            Some(HeaderMatch { name, value: None }) => write!(f, " with {name}"),
            Some(HeaderMatch { name, value: Some(value) }) => write!(f, " with {name}: {value}"),
        }
    }
}

/// What a toxic does to one request, or to its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpEffect {
    /// Answers in place of the upstream.
    Error {
        /// The status.
        status: u16,
        /// The body; empty when absent.
        body: Option<String>,
        /// Headers of the answer.
        headers: BTreeMap<String, String>,
    },
    /// Holds the message once, before its head goes on.
    Latency {
        /// The mean delay.
        delay: Timespan,
        /// The greatest deviation.
        jitter: Timespan,
    },
    /// Cuts the connection (HTTP/1.1) or the stream (HTTP/2) with a reset.
    Abort {
        /// Only once so many bytes of the answer's body went to the client; in place of an answer when absent.
        after: Option<Bytes>,
    },
    /// Takes the request and answers nothing.
    Timeout {
        /// Closes after so long; holds until it is removed when absent.
        after: Option<Timespan>,
    },
    /// Changes bytes of the body; its length stays.
    Corrupt {
        /// The probability that a byte is changed.
        bytes: Share,
    },
    /// Sends the request to the upstream a second time, and throws the second answer away.
    Duplicate,
    /// Lets the body through at a steady pace.
    SlowBody {
        /// Bytes per second.
        rate: ByteRate,
    },
}

impl fmt::Display for HttpEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { status, .. } => write!(f, "answer {status} to requests"),
            Self::Latency { delay, jitter } if *jitter == Timespan::ZERO => write!(f, "delay by {delay} requests"),
            Self::Latency { delay, jitter } => write!(f, "delay by {delay} +- {jitter} requests"),
            Self::Abort { after: None } => f.write_str("reset requests"),
            Self::Abort { after: Some(bytes) } => write!(f, "reset after {bytes} of the answer requests"),
            Self::Timeout { after: None } => f.write_str("never answer requests"),
            Self::Timeout { after: Some(time) } => write!(f, "never answer, and close after {time}, requests"),
            Self::Corrupt { bytes } => write!(f, "change {bytes} of the body's bytes of requests"),
            Self::Duplicate => f.write_str("send twice requests"),
            Self::SlowBody { rate } => write!(f, "slow to {rate} the body of requests"),
        }
    }
}

/// A fault on requests: its own settings, and those that say which requests it touches.
macro_rules! http_fault {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct $name {
            $($(#[$note])* pub $field: $type,)*
            /// Only requests of this method, or of one of a list; all when absent.
            #[serde(default, deserialize_with = "one_or_many")]
            #[schemars(schema_with = "shape::one_or_many::<String>")]
            pub method: Vec<String>,
            /// Only requests whose path, without the query, fits; `*` stands for any characters. All when absent.
            #[serde(default)]
            pub path: Option<Glob>,
            /// Only requests with this header: `{ name: x-tenant, value: beta* }`. All when absent.
            #[serde(default)]
            pub header: Option<HeaderMatch>,
            /// Share of the matching requests that are touched; the blast radius' `traffic` when absent.
            #[serde(default)]
            pub share: Option<Share>,
        }

        impl $name {
            /// Which requests it touches.
            pub fn only(&self) -> RequestMatch {
                RequestMatch { method: self.method.clone(), path: self.path.clone(), header: self.header.clone() }
            }
        }
    };
}

http_fault! {
    /// Settings of `http.error`: the proxy answers in place of the upstream.
    HttpError {
        /// The status of the answer, 400 to 599; 503 when absent.
        #[serde(default = "service_unavailable")]
        #[schemars(range(min = 400, max = 599))]
        status: u16,
        /// The body of the answer; empty when absent.
        #[serde(default)]
        body: Option<String>,
        /// Headers of the answer, such as `retry-after: "5"`. `content-type` is `text/plain` unless it is named.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    }
}

impl Default for HttpError {
    /// 503 to everybody.
    fn default() -> Self {
        let (status, body, headers) = (service_unavailable(), None, BTreeMap::new());
        Self { status, body, headers, method: Vec::new(), path: None, header: None, share: None }
    }
}

const fn service_unavailable() -> u16 {
    503
}

http_fault! {
    /// Settings of `http.latency`: each message waits once, as a whole; its body then passes at full speed.
    HttpLatency {
        /// How much later; greater than zero.
        delay: Timespan,
        /// Each is delayed by `delay` plus or minus up to this much, uniformly; at most `delay`.
        #[serde(default)]
        jitter: Timespan,
        /// `downstream` holds the answer, `upstream` the request before the upstream sees it.
        #[serde(default)]
        stream: Stream,
    }
}

http_fault! {
    /// Settings of `http.abort`: the connection (HTTP/1.1) or the stream (HTTP/2) is reset.
    HttpAbort {
        /// Only once so many bytes of the answer's body went to the client; shorter answers pass. In place of an
        /// answer, and before the upstream sees the request, when absent.
        #[serde(default)]
        after: Option<Bytes>,
    }
}

http_fault! {
    /// Settings of `http.timeout`: requests are taken and not answered. What is held when the fault ends is forwarded.
    HttpTimeout {
        /// The connection (HTTP/1.1) or stream (HTTP/2) is closed after so long; never when absent.
        #[serde(default)]
        after: Option<Timespan>,
    }
}

http_fault! {
    /// Settings of `http.corrupt`: bytes of bodies are changed; lengths and heads stay.
    HttpCorrupt {
        /// The probability that a byte is changed; 1 % when absent.
        #[serde(default = "one_percent")]
        bytes: Share,
        /// `downstream` changes answers, `upstream` requests.
        #[serde(default)]
        stream: Stream,
    }
}

const fn one_percent() -> Share {
    Share(0.01)
}

http_fault! {
    /// Settings of `http.duplicate`: requests reach the upstream twice; the client gets the first answer. Bodies over
    /// 1 MiB and upgrades pass once.
    HttpDuplicate {}
}

http_fault! {
    /// Settings of `http.slow_body`: bodies pass at a steady pace, without bursts of more than 20 ms.
    HttpSlowBody {
        /// Bytes per second of each body.
        rate: ByteRate,
        /// `downstream` slows answers, `upstream` requests.
        #[serde(default)]
        stream: Stream,
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a method, such as `GET`, or a list of them")
        }
        fn visit_str<E: de::Error>(self, method: &str) -> Result<Vec<String>, E> {
            Ok(vec![method.to_owned()])
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut methods: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(method) = methods.next_element()? {
                all.push(method);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Visitor)
}

#[cfg(test)]
mod tests {
    use super::{Glob, HeaderMatch, HttpEffect, RequestMatch};

    #[test]
    fn what_is_touched_is_told_in_words() {
        assert_eq!(RequestMatch::default().to_string(), "");
        let header = Some(HeaderMatch { name: "x-tenant".into(), value: Some(Glob::new("beta*")) });
        let only = RequestMatch { method: vec!["GET".into(), "PUT".into()], path: Some(Glob::new("/api/*")), header };
        let told = format!("{}{only}", HttpEffect::Abort { after: None });
        assert_eq!(told, "reset requests by GET or PUT to /api/* with x-tenant: beta*");
    }
}

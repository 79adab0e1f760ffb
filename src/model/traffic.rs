//! What passes through a proxy of a run.

use serde::{Deserialize, Serialize};

/// The counters of one proxy at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyTraffic {
    /// Its name.
    pub proxy: String,
    /// Connections that are open.
    pub open: u64,
    /// Requests; absent where the proxy passes bytes and does not look into them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestCounts>,
}

/// Requests that pass through an HTTP proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Begun since the proxy was opened, those included that a fault answered.
    pub begun: u64,
    /// Under way: their answers are not at their ends yet.
    pub in_flight: u64,
}

//! What passes through a proxy, counted while it passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::model::fault::Stream;

/// The live counters of one proxy, from its opening on.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    upstream: Flow,
    downstream: Flow,
    accepted: AtomicU64,
    ended: AtomicU64,
    refused: AtomicU64,
    requests: AtomicU64,
    answered: AtomicU64,
}

/// The bytes of one direction.
#[derive(Debug, Default)]
pub(super) struct Flow {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Flow {
    /// So many bytes were read from where they come from.
    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    /// So many bytes were written to where they go.
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
    }

    fn read(&self) -> FlowReading {
        FlowReading { received: self.received.load(Relaxed), sent: self.sent.load(Relaxed) }
    }
}

/// Bytes that passed one way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlowReading {
    /// Read from where they come from.
    pub received: u64,
    /// Written to where they go.
    pub sent: u64,
}

/// What passed through a proxy since it was opened, closed connections included. HTTP proxies count no bytes,
/// TCP proxies no requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficReading {
    /// From clients to the upstream.
    pub upstream: FlowReading,
    /// From the upstream to clients.
    pub downstream: FlowReading,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that are open now.
    pub active: u64,
    /// Connections reset because there were too many.
    pub refused: u64,
    /// Requests begun, those included that a toxic answered (HTTP).
    pub requests: u64,
    /// Requests whose answer is not at its end yet (HTTP).
    pub in_flight: u64,
}

/// A request under way; it counts as in flight until this is dropped.
#[must_use = "the request is in flight as long as this lives"]
pub(super) struct InFlight(Arc<Traffic>);

impl InFlight {
    /// A request begins.
    pub(super) fn begin(traffic: &Arc<Traffic>) -> Self {
        traffic.requests.fetch_add(1, Relaxed);
        Self(Arc::clone(traffic))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Relaxed);
    }
}

impl Traffic {
    /// The flow of one direction.
    pub(super) fn flow(&self, stream: Stream) -> &Flow {
        match stream {
            Stream::Upstream => &self.upstream,
            Stream::Downstream => &self.downstream,
        }
    }

    /// A connection was accepted; tells its number, from 1.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.fetch_add(1, Relaxed) + 1
    }

    /// An accepted connection has ended.
    pub(super) fn ended(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    /// A connection was reset because there were too many.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// What they show now.
    pub(super) fn read(&self) -> TrafficReading {
        let (ended, accepted) = (self.ended.load(Relaxed), self.accepted.load(Relaxed));
        let (answered, requests) = (self.answered.load(Relaxed), self.requests.load(Relaxed));
        TrafficReading {
            upstream: self.upstream.read(),
            downstream: self.downstream.read(),
            accepted,
            active: accepted.saturating_sub(ended),
            refused: self.refused.load(Relaxed),
            requests,
            in_flight: requests.saturating_sub(answered),
        }
    }
}

//! What a service counts, and the text that Prometheus reads (exposition format 0.0.4).

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// The counters of one service's requests; `/health` and `/metrics` are not counted.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    finished: Mutex<Finished>,
    in_flight: AtomicU64,
}

#[derive(Debug, Default, Clone)]
struct Finished {
    by_code: BTreeMap<u16, u64>,
    /// Requests by the first bound that is not below their latency; slower ones are only in the total.
    by_bound: [u64; BOUNDS.len()],
    total: u64,
    time: Duration,
}

/// A request under way; counted as in flight until it is dropped.
#[must_use = "the request is in flight as long as this lives"]
pub(super) struct InFlight<'a> {
    metrics: &'a Metrics,
    start: Instant,
}

impl Metrics {
    /// A request begins.
    pub(super) fn begin(&self, now: Instant) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight { metrics: self, start: now }
    }

    /// Writes them.
    pub(super) fn write(&self, service: &str, text: &mut Exposition) {
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner).clone();
        text.family("requests_total", "counter", "Requests answered, by status code.");
        for (code, count) in &finished.by_code {
            text.sample("requests_total", &[("service", service), ("code", &code.to_string())], count);
        }
        let errors: u64 = finished.by_code.range(500..).map(|(_, count)| count).sum();
        text.family("errors_total", "counter", "Requests answered with a status of 500 or above.");
        text.sample("errors_total", &[("service", service)], errors);
        text.family("in_flight", "gauge", "Requests under way.");
        text.sample("in_flight", &[("service", service)], self.in_flight.load(Relaxed));
        finished.write_histogram(service, text);
    }
}

impl InFlight<'_> {
    /// It was answered.
    pub(super) fn answered(self, code: u16, now: Instant) {
        let latency = now.saturating_duration_since(self.start);
        let mut finished = self.metrics.finished.lock().unwrap_or_else(PoisonError::into_inner);
        *finished.by_code.entry(code).or_default() += 1;
        finished.total += 1;
        finished.time += latency;
        if let Some(bound) = BOUNDS.iter().position(|bound| latency.as_secs_f64() <= *bound) {
            finished.by_bound[bound] += 1;
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Finished {
    fn write_histogram(&self, service: &str, text: &mut Exposition) {
        text.family("request_duration_seconds", "histogram", "Time from a request's arrival to its answer.");
        let mut below = 0;
        for (bound, count) in BOUNDS.iter().zip(self.by_bound) {
            below += count;
            let labels = [("service", service), ("le", &bound.to_string())];
            text.sample("request_duration_seconds_bucket", &labels, below);
        }
        text.sample("request_duration_seconds_bucket", &[("service", service), ("le", "+Inf")], self.total);
        text.sample("request_duration_seconds_sum", &[("service", service)], self.time.as_secs_f64());
        text.sample("request_duration_seconds_count", &[("service", service)], self.total);
    }
}

/// A text that Prometheus reads. Every name gets the prefix `chaos_demo_`.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// The MIME type of the format.
    pub(super) const MIME: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a metric.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP chaos_demo_{name} {help}\n# TYPE chaos_demo_{name} {kind}");
    }

    /// Adds a value of it. Labels are words of ours that need no escape.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let _ = writeln!(self.0, "chaos_demo_{name}{{{}}} {value}", labels.join(","));
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Exposition, Metrics};
    use crate::host::clock::Clock;

    #[test]
    fn buckets_add_up_and_a_request_under_way_is_in_flight() {
        let (metrics, now) = (Metrics::default(), Clock::Tokio.now());
        metrics.begin(now).answered(200, now + Duration::from_millis(1));
        metrics.begin(now).answered(200, now + Duration::from_millis(4));
        metrics.begin(now).answered(504, now + Duration::from_secs(9));
        let _under_way = metrics.begin(now);
        let mut text = Exposition::default();
        metrics.write("gateway", &mut text);
        let text = text.into_text();
        for line in [
            "chaos_demo_requests_total{service=\"gateway\",code=\"200\"} 2",
            "chaos_demo_requests_total{service=\"gateway\",code=\"504\"} 1",
            "chaos_demo_errors_total{service=\"gateway\"} 1",
            "chaos_demo_in_flight{service=\"gateway\"} 1",
            "chaos_demo_request_duration_seconds_bucket{service=\"gateway\",le=\"0.0005\"} 0",
            "chaos_demo_request_duration_seconds_bucket{service=\"gateway\",le=\"0.001\"} 1",
            "chaos_demo_request_duration_seconds_bucket{service=\"gateway\",le=\"2.5\"} 2",
            "chaos_demo_request_duration_seconds_bucket{service=\"gateway\",le=\"+Inf\"} 3",
            "chaos_demo_request_duration_seconds_sum{service=\"gateway\"} 9.005",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}

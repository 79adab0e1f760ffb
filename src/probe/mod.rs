//! The probes: how the system under test feels, as timed samples. One file a probe; [`schedule`] sends them in an open
//! loop. `README.md` beside this file says how to add one. Floor 3.

mod command;
mod failure;
mod host;
mod http;
mod http_client;
mod in_flight;
mod phase_cell;
mod process;
mod prometheus;
mod recorder;
pub mod schedule;
mod share;
mod tcp;
#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use in_flight::UnderWay;
pub use phase_cell::PhaseCell;
pub use recorder::Recorder;

use crate::host::clock::Clock;
use crate::host::{Prober, Trouble};
use crate::model::about::ProbeAbout;
use crate::model::probe::{ProbeKind, ProbeSpec};
use crate::model::redaction::Redaction;
use crate::model::step::ProcessIdentity;

/// The catalogue: what every probe says of itself, in the order of [`ProbeKind::WORDS`].
pub static CATALOGUE: [ProbeAbout; ProbeKind::WORDS.len()] =
    [http::ABOUT, tcp::ABOUT, command::ABOUT, process::ABOUT, host::ABOUT, prometheus::ABOUT];

/// What probes may know of the run around them.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock of the run.
    pub clock: Clock,
    /// The experiment's own services.
    pub service: ServiceLookup,
    /// What no detail may show.
    pub secrets: Redaction,
}

/// Finds one of the experiment's own services by its name; none while it has no process.
pub type ServiceLookup = Arc<dyn Fn(&str) -> Option<ServiceView> + Send + Sync>;

/// What is known of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceView {
    /// Its process now.
    pub identity: ProcessIdentity,
    /// How often its process was replaced since the run began.
    pub restarts: u64,
}

/// Turns the settings of a probe into one that takes samples. Contacts nothing; what is missing on this machine (a
/// program, a file of certificates) is a trouble now and not a surprise in the middle of the run.
pub fn prepare(spec: &ProbeSpec, surroundings: &Surroundings) -> Result<Arc<dyn Prober>, Trouble> {
    Ok(match &spec.kind {
        ProbeKind::Http(http) => Arc::new(http::prepare(spec, http, surroundings)?),
        ProbeKind::Tcp(tcp) => Arc::new(tcp::prepare(spec, tcp, surroundings)?),
        ProbeKind::Command(command) => Arc::new(command::prepare(spec, command, &surroundings.secrets)?),
        ProbeKind::Process(process) => Arc::new(process::prepare(process, surroundings)),
        ProbeKind::Host(host) => Arc::new(host::prepare(host, surroundings)?),
        ProbeKind::Prometheus(prometheus) => Arc::new(prometheus::prepare(spec, prometheus, surroundings)?),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::testing::{Server, prepared, response, spec};
    use super::{PhaseCell, Recorder, UnderWay, schedule};
    use crate::host::clock::Clock;
    use crate::model::phase::Phase;
    use crate::model::probe::{HttpProbe, ProbeKind, ProbeSpec};
    use crate::model::sample::Outcome;

    const CLOCK: Clock = Clock::Real;
    const STALL: Duration = Duration::from_millis(500);

    /// The moment at which a server stalls; it answers again half a second later.
    type StallAt = Arc<Mutex<Option<Instant>>>;

    async fn stalling_server() -> (Server, StallAt) {
        let at = StallAt::default();
        let stall = Arc::clone(&at);
        let server = Server::http(move |_| {
            let stall = *stall.lock().expect("a moment");
            async move {
                if let Some(from) = stall.filter(|from| *from <= CLOCK.now()) {
                    CLOCK.sleep_until(from + STALL).await;
                }
                response(200, "")
            }
        })
        .await;
        (server, at)
    }

    fn probe(server: &Server) -> ProbeSpec {
        let settings = serde_json::json!({ "url": server.url("/") });
        spec(ProbeKind::Http(serde_json::from_value::<HttpProbe>(settings).expect("settings")))
    }

    fn p99(mut latencies: Vec<Duration>) -> Duration {
        latencies.sort_unstable();
        latencies[latencies.len() * 99 / 100]
    }

    async fn open_loop(server: &Server, stall: &StallAt) -> Vec<Duration> {
        let (samples, mut arrived) = mpsc::unbounded_channel();
        let origin = CLOCK.now();
        let recorder = Recorder {
            clock: CLOCK,
            origin,
            phases: PhaseCell::new(Phase::Baseline, origin),
            samples,
            under_way: UnderWay::default(),
        };
        let spec = probe(server);
        let scheduled = schedule::start(0, &spec, prepared(&spec), &recorder);
        *stall.lock().expect("a moment") = Some(origin + STALL);
        CLOCK.sleep_until(origin + 4 * STALL).await;
        scheduled.stop().await;
        drop(recorder);
        let mut latencies = Vec::new();
        while let Some(sample) = arrived.recv().await {
            assert_eq!(sample.outcome(), Outcome::Ok, "{sample:?}");
            latencies.push(sample.latency());
        }
        latencies
    }

    /// As many requests as the open loop sends, one after the other.
    async fn closed_loop(server: &Server, stall: &StallAt, count: usize) -> Vec<Duration> {
        let prober = prepared(&probe(server));
        let mut latencies = Vec::new();
        for number in 0..count {
            if number == count / 2 {
                *stall.lock().expect("a moment") = Some(CLOCK.now());
            }
            let sent = CLOCK.now();
            prober.take().await;
            latencies.push(sent.elapsed());
        }
        latencies
    }

    #[tokio::test]
    async fn a_stalled_server_shows_in_the_open_loop_and_hides_from_a_closed_one() {
        let (server, stall) = stalling_server().await;
        let open = open_loop(&server, &stall).await;
        *stall.lock().expect("a moment") = None;
        let closed = closed_loop(&server, &stall, open.len()).await;
        assert!(open.len() >= 190, "nothing is dropped: {}", open.len());
        assert!(p99(open) >= STALL * 8 / 10);
        assert!(closed.iter().max() >= Some(&(STALL * 8 / 10)), "one request met the stall");
        assert!(p99(closed) < STALL / 2, "and the p99 does not know");
    }
}

//! The gateway: asks the retriever for documents, then the generator for an answer, and puts both together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::StatusCode;
use reqwest::Url;
use serde_json::json;

use super::breaker::{Breaker, State};
use super::call::Upstream;
use super::client::{CallError, Client};
use super::generator::Generated;
use super::metrics::Exposition;
use super::retriever::{Document, Found};
use super::server::Reply;
use super::settings::Settings;
use crate::host::clock::Clock;

/// The gateway.
pub(super) struct Gateway {
    retriever: Upstream,
    generator: Upstream,
    fallback: bool,
    fallbacks: AtomicU64,
}

impl Gateway {
    /// A gateway that reaches its upstreams at these `HOST:PORT`.
    pub(super) fn new(settings: &Settings, retriever: String, generator: String, clock: Clock) -> Self {
        let client = |upstream| Client::new(upstream, settings.timeout, clock);
        let breaker = settings.breaker.map(Breaker::new);
        Self {
            retriever: Upstream::new(client(retriever), settings.retry, None, clock),
            generator: Upstream::new(client(generator), settings.retry, breaker, clock),
            fallback: settings.fallback,
            fallbacks: AtomicU64::new(0),
        }
    }

    /// Answers a question. Without documents there is nothing to fall back on.
    pub(super) async fn ask(&self, question: &str) -> Reply {
        let found: Result<Found, _> = self.retriever.get(&target("/search", &[("q", question)])).await;
        let documents = match found {
            Ok(found) => found.documents,
            Err(error) => return failed("retriever", &error),
        };
        let ids: Vec<&str> = documents.iter().map(|document| document.id.as_str()).collect();
        let target = target("/generate", &[("q", question), ("documents", &ids.join(","))]);
        match self.generator.get::<Generated>(&target).await {
            Ok(generated) => answer(&generated.answer, "generator", &ids),
            Err(_) if self.fallback => self.fall_back(&documents, &ids),
            Err(error) => failed("generator", &error),
        }
    }

    /// Writes what it counts about its calls.
    pub(super) fn write_metrics(&self, text: &mut Exposition) {
        let upstreams = [("retriever", &self.retriever), ("generator", &self.generator)];
        text.family("calls_total", "counter", "Calls of an upstream, by how they ended.");
        for (name, upstream) in upstreams {
            let counters = upstream.counters();
            for (outcome, count) in [
                ("success", &counters.success),
                ("timeout", &counters.timeout),
                ("refused", &counters.refused),
                ("failed", &counters.failed),
            ] {
                text.sample("calls_total", &[("upstream", name), ("outcome", outcome)], count.load(Relaxed));
            }
        }
        text.family("retries_total", "counter", "Calls of an upstream that were made because one had failed.");
        for (name, upstream) in upstreams {
            text.sample("retries_total", &[("upstream", name)], upstream.counters().retries.load(Relaxed));
        }
        text.family("breaker_state", "gauge", "What a circuit breaker is doing: 0 closed, 1 half-open, 2 open.");
        for (name, upstream) in upstreams {
            if let Some(state) = upstream.breaker_state() {
                text.sample("breaker_state", &[("upstream", name)], number(state));
            }
        }
        text.family("fallbacks_total", "counter", "Questions answered without the generator.");
        text.sample("fallbacks_total", &[("service", "gateway")], self.fallbacks.load(Relaxed));
    }

    fn fall_back(&self, documents: &[Document], ids: &[&str]) -> Reply {
        self.fallbacks.fetch_add(1, Relaxed);
        let text = documents.first().map_or("Nothing is known about that.", |document| &document.text);
        answer(text, "fallback", ids)
    }
}

fn answer(text: &str, source: &str, documents: &[&str]) -> Reply {
    Reply::json(StatusCode::OK, &json!({ "answer": text, "source": source, "documents": documents }))
}

fn failed(upstream: &str, error: &CallError) -> Reply {
    Reply::json(error.status(), &json!({ "error": format!("{upstream}: {error}") }))
}

const fn number(state: State) -> u8 {
    match state {
        State::Closed => 0,
        State::HalfOpen => 1,
        State::Open => 2,
    }
}

/// A path with its query, escaped as the standard of URLs says.
fn target(path: &str, query: &[(&str, &str)]) -> String {
    match Url::parse_with_params("http://upstream/", query) {
        Ok(url) => format!("{path}?{}", url.query().unwrap_or_default()),
        // The base is a constant that is a URL.
        Err(_) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_question_cannot_break_out_of_its_parameter() {
        assert_eq!(target("/search", &[("q", "a&b=c d\r\n#é")]), "/search?q=a%26b%3Dc+d%0D%0A%23%C3%A9");
    }
}

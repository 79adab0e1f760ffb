//! The gateway: asks the retriever for documents, then the generator for an answer, and puts both together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::StatusCode;
use reqwest::Url;
use serde_json::json;

use super::breaker::{Breaker, State};
use super::call::Upstream;
use super::client::{CallError, Client};
use super::generator::Generated;
use super::metrics::Exposition;
use super::pool::Pool;
use super::redo::Redo;
use super::retriever::{Document, Found};
use super::server::Reply;
use super::settings::{Health, Settings};
use crate::host::clock::Clock;

/// The gateway.
pub(super) struct Gateway {
    retriever: Upstream,
    generator: Arc<Upstream>,
    pool: Arc<Pool>,
    redo: Option<Redo>,
    health: Health,
    fallback: bool,
    fallbacks: AtomicU64,
}

impl Gateway {
    /// A gateway that reaches its upstreams at these `HOST:PORT`.
    pub(super) fn new(settings: &Settings, retriever: String, generator: String, clock: Clock) -> Self {
        let client = |upstream| Client::new(upstream, settings.timeout, settings.leak, clock);
        let breaker = settings.breaker.map(Breaker::new);
        let generator = Arc::new(Upstream::new(client(generator), settings.retry, breaker, clock));
        let pool = Arc::new(Pool::new(settings.pool));
        let redo = settings.redo.then(|| Redo::new(Arc::clone(&generator), Arc::clone(&pool), clock));
        Self {
            retriever: Upstream::new(client(retriever), settings.retry, None, clock),
            generator,
            pool,
            redo,
            health: settings.health,
            fallback: settings.fallback,
            fallbacks: AtomicU64::new(0),
        }
    }

    /// Answers a question. Without documents there is nothing to fall back on.
    pub(super) async fn ask(&self, question: &str) -> Reply {
        let Some(_place) = self.pool.enter().await else { return full() };
        let documents = match self.search(question).await {
            Ok(found) => found.documents,
            Err(error) => return failed("retriever", &error),
        };
        let ids: Vec<&str> = documents.iter().map(|document| document.id.as_str()).collect();
        let target = target("/generate", &[("q", question), ("documents", &ids.join(","))]);
        let error = match self.generator.get::<Generated>(&target).await {
            Ok(generated) => return answer(&generated.answer, "generator", &ids),
            Err(error) => error,
        };
        if let Some(redo) = &self.redo {
            redo.put_aside(target);
        }
        if self.fallback { self.fall_back(&documents, &ids) } else { failed("generator", &error) }
    }

    /// Answers with documents alone: the generator is not needed.
    pub(super) async fn documents(&self, question: &str) -> Reply {
        let Some(_place) = self.pool.enter().await else { return full() };
        match self.search(question).await {
            Ok(found) => Reply::json(StatusCode::OK, &found),
            Err(error) => failed("retriever", &error),
        }
    }

    /// Why it is not healthy; none when it is. A deep check asks the upstreams, without retries.
    pub(super) async fn unhealthy(&self) -> Option<String> {
        if self.health == Health::Shallow {
            return None;
        }
        for (name, upstream) in [("retriever", &self.retriever), ("generator", &*self.generator)] {
            if let Err(error) = upstream.once::<serde_json::Value>("/health").await {
                return Some(format!("{name}: {error}"));
            }
        }
        None
    }

    async fn search(&self, question: &str) -> Result<Found, CallError> {
        self.retriever.get(&target("/search", &[("q", question)])).await
    }

    /// Writes what it counts about its calls.
    pub(super) fn write_metrics(&self, text: &mut Exposition) {
        let upstreams = [("retriever", &self.retriever), ("generator", &*self.generator)];
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

/// Nobody waits beyond the waiting room.
fn full() -> Reply {
    Reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "too many questions at once" }))
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

//! The retriever: finds the documents that share most words with a question.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

/// As many documents are found at most.
const MOST_FOUND: usize = 3;

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Document {
    /// Its name.
    pub(super) id: String,
    /// What it says.
    pub(super) text: String,
}

/// The answer of `/search`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    /// The best first.
    pub(super) documents: Vec<Document>,
}

/// Every document there is.
const LIBRARY: [(&str, &str); 6] = [
    ("chaos", "Chaos engineering breaks a system on purpose, in small and safe steps, to learn how it behaves."),
    ("steady-state", "The steady state is what a healthy system does, measured from outside: rates, errors, latency."),
    ("blast-radius", "The blast radius limits an experiment: which targets, how many users, how long."),
    ("circuit-breaker", "A circuit breaker stops calling a dependency that fails, and tries again after a cool-down."),
    ("retry", "A retry hides a short failure, and makes a long one worse unless it backs off."),
    ("fallback", "A fallback is a simpler answer that is served when a dependency is slow or gone."),
];

/// The documents that share most words with a question, the best first; the first ones when none shares any.
pub(super) fn search(question: &str) -> Found {
    let words: Vec<String> = words(question).collect();
    let mut ranked: Vec<(usize, (&str, &str))> =
        LIBRARY.iter().map(|document| (shared(&words, document.1), *document)).collect();
    ranked.sort_by_key(|(score, _)| Reverse(*score));
    let document = |(_, (id, text)): (usize, (&str, &str))| Document { id: id.to_owned(), text: text.to_owned() };
    Found { documents: ranked.into_iter().take(MOST_FOUND).map(document).collect() }
}

fn shared(question: &[String], text: &str) -> usize {
    let text: Vec<String> = words(text).collect();
    question.iter().filter(|word| text.contains(word)).count()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::{MOST_FOUND, search};

    #[test]
    fn the_document_that_shares_most_words_comes_first() {
        assert_eq!(search("How does a CIRCUIT breaker work?").documents[0].id, "circuit-breaker");
        assert_eq!(search("what limits the blast radius").documents[0].id, "blast-radius");
    }

    #[test]
    fn every_question_finds_as_many_documents() {
        for question in ["", "zzz", "chaos", "ß∑ %20"] {
            assert_eq!(search(question).documents.len(), MOST_FOUND, "{question}");
        }
    }
}

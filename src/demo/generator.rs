//! The generator: words an answer from a question and the names of documents. The same for the same, every time.

use serde::{Deserialize, Serialize};

/// The answer of `/generate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Generated {
    /// The answer.
    pub(super) answer: String,
}

/// An answer to a question.
pub(super) fn generate(question: &str, documents: &str) -> Generated {
    let sources = match documents {
        "" => "no document".to_owned(),
        documents => documents.replace(',', ", "),
    };
    Generated { answer: format!("What is known about \"{question}\", drawn from {sources}.") }
}

#[cfg(test)]
mod tests {
    use super::generate;

    #[test]
    fn an_answer_names_the_question_and_the_documents() {
        assert_eq!(generate("chaos", "a,b").answer, "What is known about \"chaos\", drawn from a, b.");
        assert_eq!(generate("chaos", "").answer, "What is known about \"chaos\", drawn from no document.");
    }
}

//! Patterns for paths and header values: `*` stands for any characters, also none and also `/`; `?` for exactly one.
//! Everything else stands for itself.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// The pattern that is written so; every text is one.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text fits as a whole. Takes at most the product of both lengths.
    pub fn matches(&self, text: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut at, mut read) = (0, 0);
        // The last star, and up to where it reaches so far.
        let mut star: Option<(usize, usize)> = None;
        while read < text.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, read));
                    at += 1;
                }
                Some(&byte) if byte == b'?' || byte == text[read] => (at, read) = (at + 1, read + 1),
                _ => {
                    let Some((place, reach)) = star else { return false };
                    star = Some((place, reach + 1));
                    (at, read) = (place + 1, reach + 1);
                }
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::Glob;

    fn fits(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).matches(text.as_bytes())
    }

    #[test]
    fn a_star_stands_for_anything_and_a_question_mark_for_one() {
        for (pattern, text) in
            [("/api/*", "/api/"), ("/api/*", "/api/a/b"), ("*", ""), ("*.json", "/a.json"), ("/?/x", "/1/x"), ("", "")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("/api/*", "/api"), ("/api", "/api/"), ("/?/x", "//x/"), ("", "a"), ("a*b", "abc")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
        assert!(!fits(&"a*".repeat(500), &"a".repeat(499)), "nor does it take for ever");
    }

    /// The same by trying everything.
    fn simply(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some((b'*', after)), rest) => simply(after, text) || rest.is_some_and(|(_, rest)| simply(pattern, rest)),
            (Some((b'?', after)), Some((_, rest))) => simply(after, rest),
            (Some((one, after)), Some((other, rest))) => one == other && simply(after, rest),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_what_trying_everything_matches(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            prop_assert_eq!(fits(&pattern, &text), simply(pattern.as_bytes(), text.as_bytes()));
        }
    }
}

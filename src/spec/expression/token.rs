//! The words and signs of an expression, each with its place.

use std::ops::Range;

/// A word or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'t> {
    /// As written.
    pub text: &'t str,
    /// Its bytes of the expression.
    pub part: Range<usize>,
}

impl Token<'_> {
    /// Whether it is made of `<`, `>`, `=` and `!`.
    pub fn is_sign(&self) -> bool {
        self.text.starts_with(is_sign)
    }
}

/// Splits at blanks and around signs; quotes keep blanks and signs together.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| !c.is_whitespace()).map(|found| at + found) {
        let rest = &text[start..];
        let length = if rest.starts_with(is_sign) { rest.find(|c| !is_sign(c)) } else { word_end(rest) };
        at = start + length.unwrap_or(rest.len());
        tokens.push(Token { text: &text[start..at], part: start..at });
    }
    tokens
}

const fn is_sign(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '!')
}

fn word_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (!quoted && (c.is_whitespace() || is_sign(c))).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn blanks_are_not_needed_around_signs() {
        assert_eq!(words("p95<=250ms"), ["p95", "<=", "250ms"]);
        assert_eq!(words("  p95  <= 250ms "), ["p95", "<=", "250ms"]);
        assert_eq!(words("größe>ä"), ["größe", ">", "ä"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(words("\"a > b\".p99 > 1s"), ["\"a > b\".p99", ">", "1s"]);
        assert_eq!(words("\"open > "), ["\"open > "]);
    }
}

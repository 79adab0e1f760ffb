//! The fix as a patch: what to write in place of what is underlined, where the words of the help say just that.

use std::ops::Range;

use super::Diagnostic;

/// Lines that are longer are not shown a second time.
const LONGEST_LINE: usize = 100;

/// A change of the file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The bytes of the file that go.
    pub span: Range<usize>,
    /// What comes in their place.
    pub text: String,
}

/// The fix that a help such as "did you mean `400ms`?" promises. There is one only where the message names what is
/// underlined, so that the one word stands for the other, and where the file stays YAML.
pub(super) fn promised(text: &str, diagnostic: &Diagnostic) -> Option<Fix> {
    let span = diagnostic.span.clone()?;
    let found = text.get(span.clone())?;
    let word = unquoted(found);
    let instead = replacement(diagnostic.help.as_deref()?, word, found)?;
    let named = diagnostic.message.contains(&format!("`{word}`"))
        || diagnostic.message.contains(&format!("\"{word}\""))
        || diagnostic.message.contains(&format!("`{}", word.trim_start_matches(NUMBER))) && is_quantity(word);
    let fits = line_around(text, &span).chars().count() <= LONGEST_LINE;
    (named && fits && is_plain_word(found) && is_plain_word(instead) && instead != found)
        .then(|| Fix { span, text: instead.to_owned() })
}

const NUMBER: &[char] = &['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '.', ' '];

/// A number with letters after it: messages about units name the unit only.
fn is_quantity(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn replacement<'h>(help: &'h str, word: &'h str, found: &str) -> Option<&'h str> {
    if help == "remove the quotes" {
        return Some(word).filter(|word| *word != found);
    }
    let quoted = help.strip_prefix("did you mean `").and_then(|rest| rest.strip_suffix("`?"));
    let quoted = quoted.or_else(|| help.strip_prefix("write `").and_then(|rest| rest.strip_suffix('`')));
    quoted.filter(|word| !word.contains('`'))
}

fn unquoted(word: &str) -> &str {
    let inner = |quote| word.strip_prefix(quote).and_then(|word| word.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(word)
}

/// A word that needs no quotes in YAML, whatever is around it, and that no variable stands in.
fn is_plain_word(word: &str) -> bool {
    let word = unquoted(word);
    let first = word.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '<' | '>'));
    let operator = matches!(word, "<" | "<=" | ">" | ">=" | "=>" | "=<" | "==" | "=");
    (first || operator)
        && !word.contains(": ")
        && !word.ends_with(':')
        && !word.contains(['[', ']', '{', '}', ',', '#', '"', '\'', '\\', '$', '\n', '\r', '\t'])
}

fn line_around<'t>(text: &'t str, span: &Range<usize>) -> &'t str {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::{Fix, promised};
    use crate::diagnostic::Diagnostic;

    fn fix(text: &str, word: &str, message: &str, help: &str) -> Option<String> {
        let start = text.find(word).expect("in the text");
        let error = Diagnostic::error(message).at(start..start + word.len()).help(help);
        promised(text, &error)
            .map(|Fix { span, text: instead }| format!("{}{instead}{}", &text[..span.start], &text[span.end..]))
    }

    #[test]
    fn a_word_that_was_meant_takes_the_place_of_the_one_that_stands_there() {
        let fixed = fix("delay: 400\n", "400", "`400` has no unit", "did you mean `400ms`?");
        assert_eq!(fixed.as_deref(), Some("delay: 400ms\n"));
        let fixed = fix("n: \"5\"\n", "\"5\"", "`n` must be a number, not the text \"5\"", "remove the quotes");
        assert_eq!(fixed.as_deref(), Some("n: 5\n"));
        let fixed = fix("t: 2 seconds\n", "2 seconds", "`seconds` is not a unit that fits here", "did you mean `2s`?");
        assert_eq!(fixed.as_deref(), Some("t: 2s\n"));
    }

    #[test]
    fn where_it_is_not_that_simple_there_is_no_patch() {
        let refused = [
            ("method: [get]", "[get]", "no request has the method `get`", "did you mean `GET`?"),
            ("delay: ${D}", "${D}", "`400` has no unit", "did you mean `400ms`?"),
            ("x: \"p95 <\\t250\"", "\"p95 <\\t250\"", "`250` has no unit", "did you mean `250ms`?"),
            ("x: y", "y", "there is no `y`", "did you mean `a: b`?"),
            ("x: y", "y", "there is no `y`", "write `a` or `b`"),
            ("x: y", "y", "there is no `y`", "add one"),
        ];
        for (text, word, message, help) in refused {
            assert_eq!(fix(text, word, message, help), None, "{text}");
        }
        let long = format!("x: y {}", "#".repeat(200));
        assert_eq!(fix(&long, "y", "there is no `y`", "did you mean `z`?"), None);
    }
}

//! Names, bodies and outputs come from files, servers and commands that may be hostile. Nothing of them may steer the
//! terminal that a report is read on.

/// The text with every character that a terminal acts on (controls, escapes, changes of the writing direction, invisible
/// ones) written out, such as `\u{1b}`. Line ends and tabs become spaces.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => clean.push(' '),
            c if is_harmful(c) => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    clean
}

/// A word for a POSIX shell, quoted where need be. Control characters are written out as in [`clean`].
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c);
    let word = clean(word);
    if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn is_harmful(c: char) -> bool {
    let direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}');
    c.is_control() || direction || invisible
}

#[cfg(test)]
mod tests {
    use super::{clean, shell_word};

    #[test]
    fn escape_sequences_are_written_out() {
        assert_eq!(clean("\u{1b}[31mred\u{7}"), r"\u{1b}[31mred\u{7}");
        assert_eq!(clean("\u{9b}2J"), r"\u{9b}2J", "the eight-bit form of escape too");
    }

    #[test]
    fn the_writing_direction_can_not_be_turned() {
        assert_eq!(clean("gpj.\u{202e}exe"), r"gpj.\u{202e}exe");
    }

    #[test]
    fn lines_can_not_be_forged() {
        assert_eq!(clean("fine\nHELD\r\n"), "fine HELD  ");
    }

    #[test]
    fn letters_of_all_languages_stay() {
        assert_eq!(clean("Größe 大きさ ✓"), "Größe 大きさ ✓");
    }

    #[test]
    fn words_for_the_shell_are_quoted_where_need_be() {
        assert_eq!(shell_word("experiments/slow.yaml"), "experiments/slow.yaml");
        assert_eq!(shell_word("my file; rm -rf"), "'my file; rm -rf'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }
}

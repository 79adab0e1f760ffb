//! Draws diagnostics with rustc's own renderer. Whatever comes in, nothing here panics: spans are clamped first.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level as Drawn, Origin, Patch, Renderer, Snippet};

use super::{Diagnostic, Level};

/// So many are drawn in full; the rest is counted.
const SHOWN: usize = 20;
/// The widest line of an excerpt.
const WIDTH: usize = 100;
/// The longest sentence: about six lines of a terminal.
const LONGEST: usize = 480;

/// All diagnostics of a file, a blank line between two, and how many were left out.
pub(super) fn all(name: &str, text: &str, list: &[Diagnostic], dropped: usize, color: bool) -> String {
    let renderer = if color { Renderer::styled().hyperlink(false) } else { Renderer::plain() }.term_width(WIDTH);
    let drawn = list.iter().take(SHOWN).map(|diagnostic| one(&renderer, name, text, diagnostic));
    let mut out = drawn.collect::<Vec<_>>().join("\n");
    let rest = list.len().saturating_sub(SHOWN) + dropped;
    if rest > 0 {
        let noun = if rest == 1 { "message" } else { "messages" };
        out.push_str(&format!("\n... and {rest} more {noun} about {}\n", tidy(name)));
    }
    out
}

fn one(renderer: &Renderer, name: &str, text: &str, diagnostic: &Diagnostic) -> String {
    let (level, note, help) = (level(diagnostic.level), Drawn::NOTE, Drawn::HELP);
    let title = level.primary_title(tidy(&diagnostic.message));
    let mut group = match &diagnostic.span {
        Some(span) => title.element(snippet(name, text, span, diagnostic)),
        None if name.is_empty() => Group::with_title(title),
        None => title.element(Origin::path(tidy(name))),
    };
    for text in &diagnostic.notes {
        group = group.element(note.clone().message(tidy(text)));
    }
    let mut groups = Vec::new();
    match (&diagnostic.help, &diagnostic.fix) {
        (Some(help), Some(fix)) => {
            let patch = Patch::new(fix.span.clone(), fix.text.clone());
            let title = Drawn::HELP.secondary_title(tidy(help));
            groups.extend([group, title.element(Snippet::source(text).path(tidy(name)).patch(patch))]);
        }
        (Some(text), None) => groups.push(group.element(help.message(tidy(text)))),
        (None, _) => groups.push(group),
    }
    let mut out = renderer.render(&groups).lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    out.push('\n');
    out
}

fn level(level: Level) -> Drawn<'static> {
    match level {
        Level::Error => Drawn::ERROR,
        Level::Warning => Drawn::WARNING,
    }
}

fn snippet<'a>(name: &str, text: &'a str, span: &Range<usize>, diagnostic: &Diagnostic) -> Snippet<'a, Annotation<'a>> {
    let primary = AnnotationKind::Primary.span(clamp(text, span)).label(diagnostic.label.as_deref().map(tidy));
    let secondary = diagnostic
        .secondary
        .iter()
        .map(|label| AnnotationKind::Context.span(clamp(text, &label.span)).label(tidy(&label.text)));
    Snippet::source(text).path(tidy(name)).annotation(primary).annotations(secondary)
}

/// The span within the text, on the borders of characters, and on its first line only: a caret, not a wall.
fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor(text, span.start);
    let end = floor(text, span.end.max(start));
    let line = text[start..end].find(['\n', '\r']).map_or(end, |break_at| start + break_at);
    start..line
}

fn floor(text: &str, place: usize) -> usize {
    (0..=place.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Words from a file made fit to print: no control characters, no walls.
fn tidy(text: &str) -> String {
    let mut out: String = text.chars().take(LONGEST).map(visible).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push_str("...");
    }
    out
}

fn visible(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        // Besides control characters, the marks that turn the direction of writing around.
        c if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            char::REPLACEMENT_CHARACTER
        }
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::{Diagnostic, Diagnostics};

    const TEXT: &str = "name: x\ndelay: 400\nword: größer\n";

    fn with(diagnostic: Diagnostic) -> Diagnostics {
        let mut all = Diagnostics::new("file.yaml", TEXT);
        all.push(diagnostic);
        all
    }

    #[test]
    fn an_error_shows_place_excerpt_caret_and_help() {
        let error = Diagnostic::error("`400` has no unit").at(15..18).label("a time").help("did you mean `400ms`?");
        let expected = "\
error: `400` has no unit
 --> file.yaml:2:8
  |
2 | delay: 400
  |        ^^^ a time
  |
help: did you mean `400ms`?
  |
2 | delay: 400ms
  |           ++
";
        assert_eq!(with(error).render(false), expected);
    }

    #[test]
    fn no_span_whatsoever_makes_the_drawing_panic() {
        let end = TEXT.len() + 5;
        for start in 0..end {
            for stop in 0..end {
                let error = Diagnostic::error("x").at(start..stop).also(stop..start, "there").label("here");
                assert!(with(error).render(true).contains("file.yaml"), "{start}..{stop}");
            }
        }
    }

    #[test]
    fn colour_is_only_there_when_asked_for() {
        let all = with(Diagnostic::warning("look").at(0..4));
        assert!(!all.render(false).contains('\u{1b}'));
        assert!(all.render(true).contains('\u{1b}'));
    }

    #[test]
    fn trouble_without_a_place_is_a_plain_sentence() {
        assert_eq!(with(Diagnostic::error("too large")).render(false), "error: too large\n--> file.yaml\n");
        let mut nameless = Diagnostics::default();
        nameless.push(Diagnostic::error("no such file"));
        assert_eq!(nameless.render(false), "error: no such file\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let text = with(Diagnostic::error("\u{1b}[31mred\nline\u{202e}").at(0..1)).render(false);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
        assert!(text.starts_with("error: \u{fffd}[31mred line"), "{text:?}");
    }

    #[test]
    fn the_twenty_first_error_is_only_counted() {
        let mut all = Diagnostics::new("file.yaml", TEXT);
        (0..300).for_each(|n| all.push(Diagnostic::error(format!("trouble {n}."))));
        let text = all.render(false);
        assert!(text.contains("trouble 19.") && !text.contains("trouble 20."));
        assert!(text.ends_with("... and 280 more messages about file.yaml\n"), "{text}");
        assert_eq!(all.errors(), 300);
    }
}

//! YAML text -> [`Tree`]. The only file that knows the parser crate, so that another could take its place.
//!
//! Bounded: 256 KiB of text, 20,000 nodes, 64 levels (aliases followed), one document.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use super::tree::{Content, Entry, Node, NodeId, Scalar, Tree};
use crate::diagnostic::Diagnostic;

/// The largest file, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;
/// The most nodes: scalars, lists, mappings, and entries taken over by `<<`.
const MOST_NODES: usize = 20_000;
/// The most levels of nesting.
const MOST_LEVELS: usize = 64;

/// Reads the one document of a text.
///
/// # Errors
/// Every duplicate key and misused alias; of what is no YAML at all, the first place.
pub fn parse(text: &str) -> Result<Tree, Vec<Diagnostic>> {
    let mut builder = Builder::new(text);
    match builder.run() {
        Ok(()) if builder.errors.is_empty() => Ok(builder.tree),
        Ok(()) => Err(builder.errors),
        Err(fatal) => {
            builder.errors.push(*fatal);
            Err(builder.errors)
        }
    }
}

type Fatal = Box<Diagnostic>;

/// A collection that is not closed yet. `key` is the key that waits for its value.
struct Open {
    start: usize,
    anchor: usize,
    is_mapping: bool,
    elements: Vec<NodeId>,
    entries: Vec<Entry>,
    key: Option<(String, Range<usize>)>,
    merges: Vec<(NodeId, Range<usize>)>,
}

struct Builder<'t> {
    text: &'t str,
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    documents: usize,
    done: bool,
    errors: Vec<Diagnostic>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let (tree, open, anchors) = (Tree::default(), Vec::new(), HashMap::new());
        Self { text, tree, open, anchors, documents: 0, done: false, errors: Vec::new() }
    }

    fn run(&mut self) -> Result<(), Fatal> {
        let options = options! {
            emit_comments: false,
            flow_nesting_limit: MOST_LEVELS,
            block_nesting_limit: MOST_LEVELS,
        };
        for next in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = next.map_err(|error| Box::new(not_yaml(self.text, &error, self.innermost_flow())))?;
            self.take(event, &span)?;
        }
        if self.done { Ok(()) } else { Err(Box::new(empty())) }
    }

    /// Where the innermost `{` or `[` stands that is not closed yet.
    fn innermost_flow(&self) -> Option<usize> {
        let starts = self.open.iter().rev().map(|open| open.start);
        starts.take(1).find(|&start| self.text.get(start..).is_some_and(|rest| rest.starts_with(['{', '['])))
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Fatal> {
        let place = span.byte_range().unwrap_or(0..0);
        self.refuse_tag(&event, span);
        match event {
            Event::DocumentStart(..) => self.document(&place),
            Event::Scalar(text, style, anchor, _) => self.scalar(text.into_owned(), style, anchor, place),
            Event::SequenceStart(_, anchor, _) => self.begin(place.start, anchor, false),
            Event::MappingStart(_, anchor, _) => self.begin(place.start, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(place.end),
            Event::Alias(anchor) => self.alias(anchor, place),
            _ => Ok(()),
        }
    }

    fn document(&mut self, place: &Range<usize>) -> Result<(), Fatal> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        Err(Box::new(
            Diagnostic::error("a second document begins here")
                .at(place.clone())
                .note("one file holds one experiment")
                .help("put it into a file of its own"),
        ))
    }

    fn refuse_tag(&mut self, event: &Event<'_>, span: &Span) {
        if event.tag().is_none() {
            return;
        }
        let place = span.tag_span().and_then(|tag| tag.byte_range()).or_else(|| span.byte_range()).unwrap_or(0..0);
        self.errors.push(
            Diagnostic::error("YAML tags mean nothing here")
                .at(place)
                .help("remove it; put a text that looks like a number into quotes instead"),
        );
    }

    fn begin(&mut self, start: usize, anchor: usize, is_mapping: bool) -> Result<(), Fatal> {
        if self.open.len() >= MOST_LEVELS {
            return Err(Box::new(too_deep(start..start + 1)));
        }
        let (elements, entries, merges) = (Vec::new(), Vec::new(), Vec::new());
        self.open.push(Open { start, anchor, is_mapping, elements, entries, key: None, merges });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), Fatal> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        self.merge(&mut open)?;
        let children = open.entries.iter().map(|entry| entry.value).chain(open.elements.iter().copied());
        let height = 1 + children.map(|id| self.tree.node(id).height).max().unwrap_or(0);
        let span = open.start..self.text[..end.min(self.text.len())].trim_end().len().max(open.start);
        if height > MOST_LEVELS {
            return Err(Box::new(too_deep(span)));
        }
        let content = if open.is_mapping { Content::Mapping(open.entries) } else { Content::Sequence(open.elements) };
        let id = self.add(Node { span, content, height })?;
        self.finish(id, open.anchor)
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, anchor: usize, span: Range<usize>) -> Result<(), Fatal> {
        if let Some(open) = self.open.last_mut()
            && open.is_mapping
            && open.key.is_none()
        {
            open.key = Some((text, span));
            return Ok(());
        }
        let absent = span.is_empty().then(|| self.open.last().and_then(|open| open.key.clone())).flatten();
        let verbatim = verbatim(self.text, &span, &text);
        let span = absent.map_or(span, |(_, key)| key);
        let plain = style == ScalarStyle::Plain;
        let id = self.add(Node {
            span,
            content: Content::Scalar(Scalar { text, plain, verbatim, secret: None }),
            height: 1,
        })?;
        self.finish(id, anchor)
    }

    fn alias(&mut self, anchor: usize, place: Range<usize>) -> Result<(), Fatal> {
        match self.anchors.get(&anchor) {
            Some(&id) => self.put(id, place),
            None => Err(Box::new(
                Diagnostic::error("this alias stands inside of what it refers to")
                    .at(place)
                    .note("a value cannot contain itself")
                    .help("write its values out"),
            )),
        }
    }

    fn add(&mut self, node: Node) -> Result<NodeId, Fatal> {
        if self.tree.len() >= MOST_NODES {
            return Err(Box::new(too_many(node.span)));
        }
        Ok(self.tree.add(node))
    }

    fn finish(&mut self, id: NodeId, anchor: usize) -> Result<(), Fatal> {
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        let place = self.tree.node(id).span.clone();
        self.put(id, place)
    }

    /// Puts a finished value where it belongs: `place` is where it is used, for an alias not where it stands.
    fn put(&mut self, id: NodeId, place: Range<usize>) -> Result<(), Fatal> {
        let Some(open) = self.open.last_mut() else {
            (self.tree.root, self.done) = (id, true);
            return Ok(());
        };
        if !open.is_mapping {
            open.elements.push(id);
            return Ok(());
        }
        match open.key.take() {
            None => return Err(Box::new(Diagnostic::error("a key must be one word or text").at(place))),
            Some((key, _)) if key == "<<" => open.merges.push((id, place)),
            Some((key, key_span)) => open.entries.push(Entry { key, key_span, value: id }),
        }
        Ok(())
    }

    /// Reports keys that come twice, and takes over the entries of the mappings named by `<<` that are not there yet.
    fn merge(&mut self, open: &mut Open) -> Result<(), Fatal> {
        let mut seen: HashMap<String, Range<usize>> = HashMap::new();
        for entry in &open.entries {
            match seen.get(&entry.key) {
                Some(first) => self.errors.push(twice(entry, first)),
                None => drop(seen.insert(entry.key.clone(), entry.key_span.clone())),
            }
        }
        let mut known: HashSet<String> = seen.into_keys().collect();
        for (id, place) in std::mem::take(&mut open.merges) {
            if !matches!(self.tree.node(id).content, Content::Mapping(_)) {
                let error = Diagnostic::error("`<<` takes over the entries of a mapping").at(place);
                self.errors.push(error.help("write `<<: *NAME`, where `&NAME` stands before a mapping"));
                continue;
            }
            if self.tree.len() + open.entries.len() + self.tree.entries(id).len() > MOST_NODES {
                return Err(Box::new(too_many(place)));
            }
            let taken = self.tree.entries(id).iter().filter(|entry| known.insert(entry.key.clone()));
            open.entries.extend(taken.cloned());
        }
        Ok(())
    }
}

/// Where the text of a scalar stands byte for byte in the file.
fn verbatim(file: &str, span: &Range<usize>, text: &str) -> Option<usize> {
    let source = file.get(span.clone())?;
    if source == text {
        return Some(span.start);
    }
    let inner = source.get(1..source.len().checked_sub(1)?)?;
    (inner == text).then_some(span.start + 1)
}

fn twice(entry: &Entry, first: &Range<usize>) -> Diagnostic {
    Diagnostic::error(format!("`{}` is given twice", entry.key))
        .at(entry.key_span.clone())
        .label("again here")
        .also(first.clone(), "first here")
        .help("keep one of them")
}

fn too_deep(place: Range<usize>) -> Diagnostic {
    Diagnostic::error(format!("this is nested deeper than {MOST_LEVELS} levels"))
        .at(place)
        .help("write it flatter; an experiment needs no more than six levels")
}

fn too_many(place: Range<usize>) -> Diagnostic {
    Diagnostic::error(format!("this file has more than {MOST_NODES} values"))
        .at(place)
        .help("split it into several files")
}

fn empty() -> Diagnostic {
    Diagnostic::error("this file is empty").help("an experiment has at least a `name` and a `steady_state`")
}

/// The parser's complaint with a hint where experience knows one. `open` is where the innermost `{` or `[` stands
/// that is not closed yet.
fn not_yaml(text: &str, error: &ScanError, open: Option<usize>) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => return too_deep(at..at + 1),
        ErrorKind::UnknownAnchor => "this alias refers to no anchor".to_owned(),
        ErrorKind::UnexpectedCharacter { character: '`' } => "a text cannot begin with a backtick".to_owned(),
        ErrorKind::UnexpectedCharacter { character } => format!("a text cannot begin with `{character}`"),
        _ => format!("this is not YAML: {}", error.info()),
    };
    let mut diagnostic = Diagnostic::error(message).at(at..at + 1);
    let far = |open: &usize| text.get(*open..at).is_some_and(|between| between.contains('\n'));
    if let Some(open) = open.filter(far) {
        diagnostic = diagnostic.also(open..open + 1, "not closed yet");
    }
    match way_out(text, at, error.kind()) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn way_out(text: &str, at: usize, kind: &ErrorKind) -> Option<&'static str> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |line_break| line_break + 1);
    let line = text.get(start..)?.lines().next().unwrap_or_default();
    let before = text.get(start..at)?;
    match kind {
        ErrorKind::UnexpectedCharacter { .. } => Some("put the text into quotes"),
        ErrorKind::UnknownAnchor => Some("a text that begins with `*` needs quotes"),
        _ if before.contains('\t') || line.starts_with('\t') => Some("indent with spaces: YAML allows no tabs there"),
        _ if line.contains("${") && line.contains(['{', '[']) && before.contains(['{', '[']) => {
            Some("inside of `{ }` and `[ ]`, put a value with `${NAME}` into quotes: \"${NAME}\"")
        }
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::UnclosedQuotedScalar => Some("close the quotes before here"),
        _ if before.contains(": ") => Some("a text that contains `: ` needs quotes"),
        _ => Some("compare the indentation, quotes and brackets of this line with those above it"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn message(text: &str) -> String {
        let errors = parse(text).expect_err(text);
        errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn every_value_knows_its_bytes() {
        let text = "größe: 5 # comment\nlist: [a, \"b\"]\nempty:\n";
        let tree = parse(text).expect("YAML");
        let span = |key| &text[tree.node(tree.get(tree.root, key).expect(key)).span.clone()];
        assert_eq!((span("größe"), span("list"), span("empty")), ("5", "[a, \"b\"]", "empty"));
        let list = tree.get(tree.root, "list").expect("list");
        assert_eq!(&text[tree.part(tree.elements(list)[1], 0..1)], "b");
    }

    #[test]
    fn parts_of_escaped_texts_blame_the_whole_text() {
        let text = "a: \"x\\ty\"";
        let tree = parse(text).expect("YAML");
        let value = tree.get(tree.root, "a").expect("a");
        assert_eq!(&text[tree.part(value, 0..1)], "\"x\\ty\"");
    }

    #[test]
    fn an_alias_shares_its_node() {
        let tree = parse("a: &x [1]\nb: *x\n").expect("YAML");
        assert_eq!(tree.get(tree.root, "a"), tree.get(tree.root, "b"));
    }

    #[test]
    fn a_merge_takes_over_what_is_not_there() {
        let tree = parse("a: &x { p: 1, q: 2 }\nb: { <<: *x, q: 3 }\n").expect("YAML");
        let b = tree.get(tree.root, "b").expect("b");
        let text = |key| tree.scalar(tree.get(b, key).expect(key)).expect("scalar").text.clone();
        assert_eq!((text("p"), text("q")), ("1".to_owned(), "3".to_owned()));
    }

    #[test]
    fn what_no_experiment_needs_is_refused() {
        assert_eq!(message("a: 1\na: 2\nb: 1\nb: 2\n"), "`a` is given twice | `b` is given twice");
        assert_eq!(message("a: 1\n---\nb: 1\n"), "a second document begins here");
        assert_eq!(message("# nothing\n"), "this file is empty");
        assert_eq!(message("a: &x [*x]"), "this alias stands inside of what it refers to");
        assert_eq!(message("a: *nowhere"), "this alias refers to no anchor");
        assert_eq!(message("a: !!int 5"), "YAML tags mean nothing here");
        assert_eq!(message("[a]: 5"), "a key must be one word or text");
        assert!(message("a: [1, 2").starts_with("this is not YAML: "));
    }

    #[test]
    fn nesting_is_bounded_with_and_without_aliases() {
        assert_eq!(message(&"[".repeat(100_000)), "this is nested deeper than 64 levels");
        assert_eq!(message(&"- ".repeat(50_000)), "this is nested deeper than 64 levels");
        let mut text = "- &a0 [x]\n".to_owned();
        (1..100).for_each(|n| text.push_str(&format!("- &a{n} [*a{}]\n", n - 1)));
        assert_eq!(message(&text), "this is nested deeper than 64 levels");
    }

    #[test]
    fn nodes_are_bounded() {
        assert_eq!(message(&"- a\n".repeat(30_000)), "this file has more than 20000 values");
        let mut text = "- &a { a: 1 }\n".to_owned();
        text.push_str(&"- *a\n".repeat(30_000));
        assert!(parse(&text).is_ok(), "aliases cost no node");
    }
}

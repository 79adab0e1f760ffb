//! A YAML document as a tree whose every node knows its bytes. Aliases share the node they refer to, so that an alias
//! bomb costs nothing to hold.

use std::ops::Range;

/// A node's place in its tree.
pub type NodeId = usize;

/// A document.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    /// The topmost node.
    pub root: NodeId,
}

/// A value with its place.
#[derive(Debug)]
pub struct Node {
    /// The bytes of the file; those of the key for a value that is not there.
    pub span: Range<usize>,
    /// What it is.
    pub content: Content,
    /// How many levels it holds, itself included and aliases followed.
    pub height: usize,
}

/// What a node is.
#[derive(Debug)]
pub enum Content {
    /// One word or text.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<NodeId>),
    /// A mapping in the order of the file; keys are unique texts.
    Mapping(Vec<Entry>),
}

/// One word or text.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// Without quotes, escapes and folds; after interpolation.
    pub text: String,
    /// Written without quotes, so that `5` is a number and `true` a truth.
    pub plain: bool,
    /// Where the text stands byte for byte in the file; none when it was quoted with escapes or interpolated.
    pub verbatim: Option<usize>,
    /// Where the text is secret: what is not shown.
    pub secret: Option<Hidden>,
}

/// What makes a text secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// What to say in place of the text.
    pub shown: String,
    /// The parts of the text that come from elsewhere.
    pub parts: Vec<String>,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The bytes of the key.
    pub key_span: Range<usize>,
    /// The value.
    pub value: NodeId,
}

impl Tree {
    /// Takes a node in.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node of that place, which this tree gave out.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Puts something else in the place of a node.
    pub fn put(&mut self, id: NodeId, content: Content) {
        self.nodes[id].content = content;
    }

    /// Every node, to rewrite.
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes.iter_mut()
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self, id: NodeId) -> &[Entry] {
        match &self.node(id).content {
            Content::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; none of anything else.
    pub fn elements(&self, id: NodeId) -> &[NodeId] {
        match &self.node(id).content {
            Content::Sequence(elements) => elements,
            _ => &[],
        }
    }

    /// The value of that key of a mapping.
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.entries(id).iter().find(|entry| entry.key == key).map(|entry| entry.value)
    }

    /// The scalar there, if it is one.
    pub fn scalar(&self, id: NodeId) -> Option<&Scalar> {
        match &self.node(id).content {
            Content::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// What to underline for a node: a scalar itself, the first key of a mapping, the first element of a list.
    pub fn head(&self, id: NodeId) -> Range<usize> {
        let node = self.node(id);
        match &node.content {
            Content::Mapping(entries) => entries.first().map_or(node.span.clone(), |entry| entry.key_span.clone()),
            _ => node.span.clone(),
        }
    }

    /// What to underline for a part of a scalar's text: that part where it stands verbatim, else the whole scalar.
    pub fn part(&self, id: NodeId, part: Range<usize>) -> Range<usize> {
        match self.scalar(id).and_then(|scalar| scalar.verbatim) {
            Some(start) => start + part.start..start + part.end,
            None => self.head(id),
        }
    }
}

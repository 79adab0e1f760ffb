//! From the tree to typed values through serde, reporting everything that is wrong in one go.
//!
//! serde stops at the first error. Here a value of the file is a [`Field`]: it catches its own errors, so that its
//! neighbours are read all the same. Where plain structs of the model are read, a value that failed is *poisoned*:
//! the next attempt gets a placeholder in its place, until no new error appears. A mapping is judged against the keys
//! that its struct names; a misspelt key is reported and then read as what was meant.

mod access;
mod failure;
mod field;
mod fields;
mod placeholder;
mod value;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::de::DeserializeOwned;

pub use field::{Field, Raw, Spanned};
pub use fields::fields_of;

use self::failure::{Failure, Kind};
use super::tree::{Entry, NodeId, Tree};
use super::{suggest, tree};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// Values looked at in one reading: a valid file of 20,000 nodes needs a tenth of it. Aliases can multiply them beyond.
const MOST_STEPS: usize = 1_000_000;

/// The names of the fields of a struct.
pub type Names = &'static [&'static str];

/// What is known about the keys of a flat mapping beyond the struct it is decoded into.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Keys that belong to the other struct of the same mapping.
    pub beside: Names,
    /// Keys that would belong there if another word stood in `fault:` or `probe:`, by that word.
    pub elsewhere: Vec<(&'static str, Names)>,
    /// What the mapping is, such as "`probe: http`".
    pub owner: String,
    /// The other struct is not known: no key can be judged.
    pub lenient: bool,
}

/// Reads values of a tree and collects what is wrong with them.
pub struct Decoder<'t> {
    /// The document.
    pub tree: &'t Tree,
    errors: RefCell<Diagnostics>,
    poisoned: RefCell<HashSet<NodeId>>,
    missing: RefCell<HashMap<NodeId, Vec<&'static str>>>,
    keys: RefCell<(NodeId, Keys)>,
    steps: Cell<usize>,
    /// A placeholder was read since this was reset.
    pretended: Cell<bool>,
}

impl<'t> Decoder<'t> {
    /// Reads from this tree; `errors` is told. Nothing more is said about nodes that are known to be wrong.
    pub fn new(tree: &'t Tree, errors: Diagnostics, wrong: impl IntoIterator<Item = NodeId>) -> Self {
        let (poisoned, missing) = (RefCell::new(wrong.into_iter().collect()), RefCell::default());
        let keys = RefCell::new((tree.root, Keys::default()));
        Self {
            tree,
            errors: RefCell::new(errors),
            poisoned,
            missing,
            keys,
            steps: Cell::new(0),
            pretended: Cell::new(false),
        }
    }

    /// Reads a node. None when something was wrong, which has been reported.
    pub fn read<T: DeserializeOwned>(&self, node: NodeId) -> Option<T> {
        self.read_flat(node, Keys::default())
    }

    /// Reads a node whose mapping holds the keys of another struct as well.
    pub fn read_flat<T: DeserializeOwned>(&self, node: NodeId, keys: Keys) -> Option<T> {
        if self.is_poisoned(node) {
            return None;
        }
        let before = self.keys.replace((node, keys));
        let field = Field::<T>::read(value::Value { decoder: self, node, key: None });
        self.keys.replace(before);
        let field = field.ok()?;
        if let Field::Empty(place) = &field {
            let message = if node == self.tree.root { "this file is empty" } else { "there is nothing here" };
            self.error(place.clone(), message, "write a value, or remove it");
        }
        field.into_value()
    }

    /// Reports something.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.errors.borrow_mut().push(diagnostic);
    }

    /// Reports an error at a place.
    pub fn error(&self, place: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::error(message).at(place).help(help));
    }

    /// What has been reported so far.
    pub fn into_reported(self) -> Diagnostics {
        self.errors.into_inner()
    }

    /// Whether an error has been reported.
    pub fn has_errors(&self) -> bool {
        self.errors.borrow().errors() > 0
    }

    fn is_poisoned(&self, node: NodeId) -> bool {
        self.poisoned.borrow().contains(&node)
    }

    /// Fields of this mapping that are known to be missing, for which placeholders stand in.
    fn missing_in(&self, node: NodeId) -> Vec<&'static str> {
        self.missing.borrow().get(&node).cloned().unwrap_or_default()
    }

    fn step(&self, node: NodeId) -> Result<(), Failure> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() < MOST_STEPS {
            return Ok(());
        }
        Err(Failure::new(Kind::Other("this file stands for far too many values; use fewer aliases".to_owned()))
            .at(node))
    }

    /// Reports a failure below `root`; whether another attempt may find more.
    fn record(&self, failure: Failure, root: NodeId) -> bool {
        let node = failure.node.unwrap_or(root);
        let again = match failure.kind {
            Kind::Silent => return false,
            Kind::Missing(field) => {
                let mut missing = self.missing.borrow_mut();
                let fields = missing.entry(node).or_default();
                let new = !fields.contains(&field);
                fields.push(field);
                new
            }
            _ => node != root && self.poisoned.borrow_mut().insert(node),
        };
        self.report(failure.diagnose(self.tree, node));
        again && !self.errors.borrow().is_full() && self.steps.get() < MOST_STEPS
    }

    /// Under which field each entry of a mapping is read; entries of no field of ours are left out, and those of
    /// no one's are reported.
    fn assign(&self, node: NodeId, fields: Names) -> Vec<(&'t str, &'t Entry)> {
        let (owner, keys) = self.keys.borrow().clone();
        let keys = if owner == node { keys } else { Keys::default() };
        let tree: &'t Tree = self.tree;
        let entries = tree.entries(node);
        let mut assigned: Vec<(&str, &Entry)> = Vec::new();
        for entry in entries {
            if fields.contains(&entry.key.as_str()) {
                assigned.push((entry.key.as_str(), entry));
            } else if !keys.lenient && !keys.beside.contains(&entry.key.as_str()) {
                let meant = self.unknown_key(entry, fields, &keys);
                let free = |name: &str| !entries.iter().any(|other| other.key == name);
                if let Some(name) = meant.filter(|name| free(name) && fields.contains(name)) {
                    assigned.push((name, entry));
                }
            }
        }
        assigned
    }

    /// Reports a key that no one knows; the field that was probably meant.
    fn unknown_key(&self, entry: &Entry, fields: Names, keys: &Keys) -> Option<&'static str> {
        let mut all: Vec<&'static str> = fields.iter().chain(keys.beside).copied().collect();
        all.sort_unstable();
        let elsewhere = keys.elsewhere.iter().find(|(_, fields)| fields.contains(&entry.key.as_str()));
        let mut error = Diagnostic::error(format!("unknown key `{}`", entry.key)).at(entry.key_span.clone());
        if !keys.owner.is_empty() {
            error = error.label(format!("not a setting of {}", keys.owner));
        }
        let others = keys.elsewhere.iter().flat_map(|(_, fields)| fields.iter().copied());
        let meant = suggest::nearest(&entry.key, all.iter().copied().chain(others));
        let here = meant.filter(|name| all.contains(name));
        let error = match (elsewhere, here, meant) {
            (Some((word, _)), _, _) => error.help(format!("this setting belongs to `{word}`")),
            (None, Some(name), _) => error.help(format!("did you mean `{name}`?")),
            (None, None, Some(name)) => {
                let word = keys.elsewhere.iter().find(|(_, fields)| fields.contains(&name)).map_or("", |it| it.0);
                error.help(format!("did you mean `{name}`? That setting belongs to `{word}`"))
            }
            (None, None, None) => error.help(known(&all)),
        };
        self.report(error);
        here.filter(|_| elsewhere.is_none())
    }
}

fn known(all: &[&str]) -> String {
    if all.is_empty() { "this takes no settings".to_owned() } else { format!("the keys here are {}", all.join(", ")) }
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// What a node is, in words.
fn describe(tree: &Tree, node: NodeId) -> String {
    use super::scalar::{Plain, resolve};
    match &tree.node(node).content {
        tree::Content::Sequence(_) => "a list".to_owned(),
        tree::Content::Mapping(_) => "a mapping".to_owned(),
        tree::Content::Scalar(scalar) if scalar.secret.is_some() => "a secret".to_owned(),
        tree::Content::Scalar(scalar) if !scalar.plain => format!("the text \"{}\"", shorten(&scalar.text)),
        tree::Content::Scalar(scalar) => match resolve(&scalar.text) {
            Plain::Null => "empty".to_owned(),
            Plain::Text(text) => format!("the text `{}`", shorten(text)),
            _ => format!("`{}`", shorten(&scalar.text)),
        },
    }
}

/// The beginning of a long text.
pub fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;

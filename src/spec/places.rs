//! Where the parts of a file stand, for those who judge an experiment after it was read.

use std::collections::BTreeMap;
use std::ops::Range;

use super::tree::{Content, NodeId, Tree};

/// How deep is looked; `faults[0].target.proxy` is the deepest that anybody asks for.
const DEPTH: usize = 5;
/// More places than this are not kept: aliases can multiply them beyond measure.
const MOST: usize = 20_000;

/// The bytes of a file by paths such as `faults[0].delay`.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<String, Range<usize>>);

impl Places {
    /// The places of a document.
    pub(super) fn of(tree: &Tree) -> Self {
        let mut places = Self::default();
        places.gather(tree, tree.root, "", DEPTH);
        places
    }

    /// What to underline for a path: itself, or the nearest part of the file that it is in.
    pub fn at(&self, path: &str) -> Option<Range<usize>> {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return Some(place.clone());
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    fn gather(&mut self, tree: &Tree, node: NodeId, path: &str, depth: usize) {
        if depth == 0 || self.0.len() >= MOST {
            return;
        }
        let below: Vec<(String, NodeId)> = match &tree.node(node).content {
            Content::Scalar(_) => return,
            Content::Sequence(elements) => {
                elements.iter().enumerate().map(|(place, node)| (format!("{path}[{place}]"), *node)).collect()
            }
            Content::Mapping(entries) => {
                let dot = if path.is_empty() { "" } else { "." };
                entries.iter().map(|entry| (format!("{path}{dot}{}", entry.key), entry.value)).collect()
            }
        };
        for (path, node) in below {
            self.gather(tree, node, &path, depth - 1);
            self.0.insert(path, tree.head(node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Places;
    use crate::spec::parser::parse;

    #[test]
    fn a_path_leads_to_its_value_or_to_the_nearest_part_around_it() {
        let text = "name: x\nfaults:\n  - { load: 80% }\n";
        let places = Places::of(&parse(text).expect("YAML"));
        let at = |path: &str| places.at(path).map(|place| &text[place]);
        assert_eq!((at("faults[0].load"), at("faults[0].cores")), (Some("80%"), Some("load")));
        assert!(at("faults[7].load").is_some_and(|all| all.contains("load")), "the list at least");
        assert_eq!(at("baseline"), None);
    }
}

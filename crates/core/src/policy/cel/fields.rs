//! The fields that objects have, as their definitions say: so that a name that no object can have is found when a rule
//! is written. Made anew each time, and dropped: rules are written rarely.

use std::collections::BTreeMap;

use sdm_api::policy::PolicyKind;
use serde_json::Value;

use super::paths::{Path, Root, Step};

/// What a value of a definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    Truth,
    Number,
    Text,
}

/// What can be at a place.
#[derive(Debug)]
enum Node {
    Fields(BTreeMap<String, Node>),
    Items(Box<Node>),
    Leaf(Leaf),
    /// A map, or what the definition leaves open.
    Any,
}

/// The fields of the variables that a rule sees.
pub(super) struct Fields {
    objects: Vec<Node>,
    cluster: Node,
    request: Node,
    namespace: Node,
}

/// A step that leads nowhere.
pub(super) struct Unknown {
    /// The step.
    pub name: String,
    /// The path up to it.
    whole: String,
    of_objects: bool,
}

impl Unknown {
    pub(super) fn message(&self, kinds: &[PolicyKind]) -> String {
        if !self.of_objects {
            return format!("there is no {}", self.whole);
        }
        let kinds: Vec<&str> = kinds.iter().map(|k| k.as_str()).collect();
        format!("no {} has {}", kinds.join(" or "), self.whole)
    }
}

/// The fields of objects of `kinds`.
pub(super) fn of(kinds: &[PolicyKind]) -> Fields {
    let all: Value = serde_json::from_str(sdm_api::crd::FIELDS).unwrap_or_default();
    let node = |kind: PolicyKind| all.get(kind.as_str()).map_or(Node::Any, root);
    Fields {
        objects: kinds.iter().map(|kind| node(*kind)).collect(),
        cluster: node(PolicyKind::KafkaCluster),
        request: fields([
            ("operation", Node::Leaf(Leaf::Text)),
            ("namespace", Node::Leaf(Leaf::Text)),
            ("name", Node::Leaf(Leaf::Text)),
            (
                "userInfo",
                fields([
                    ("username", Node::Leaf(Leaf::Text)),
                    ("groups", Node::Items(Box::new(Node::Leaf(Leaf::Text)))),
                ]),
            ),
        ]),
        namespace: fields([("metadata", Node::Any)]),
    }
}

fn fields<const N: usize>(fields: [(&str, Node); N]) -> Node {
    Node::Fields(
        fields
            .into_iter()
            .map(|(name, node)| (name.to_owned(), node))
            .collect(),
    )
}

/// A whole object: what every object has comes with it.
fn root(outline: &Value) -> Node {
    let mut node = tree(outline);
    if let Node::Fields(fields) = &mut node {
        fields.insert("metadata".to_owned(), Node::Any);
        for name in ["apiVersion", "kind"] {
            fields.insert(name.to_owned(), Node::Leaf(Leaf::Text));
        }
    }
    node
}

fn tree(outline: &Value) -> Node {
    match outline {
        Value::Object(fields) => Node::Fields(
            fields
                .iter()
                .map(|(name, outline)| (name.clone(), tree(outline)))
                .collect(),
        ),
        Value::Array(items) => match items.first() {
            Some(item) => Node::Items(Box::new(tree(item))),
            None => Node::Any,
        },
        Value::String(leaf) => match leaf.as_str() {
            "text" => Node::Leaf(Leaf::Text),
            "number" => Node::Leaf(Leaf::Number),
            "truth" => Node::Leaf(Leaf::Truth),
            _ => Node::Any,
        },
        _ => Node::Any,
    }
}

impl Fields {
    /// What is at the end of a path, where the definition says so; in one kind at least.
    pub(super) fn find(&self, path: &Path) -> Result<Option<Leaf>, Unknown> {
        let roots: Vec<&Node> = match path.root {
            Root::Object | Root::OldObject => self.objects.iter().collect(),
            Root::Request => vec![&self.request],
            Root::NamespaceObject => vec![&self.namespace],
            Root::Cluster => vec![&self.cluster],
        };
        let mut leaves = Vec::new();
        let mut deepest = 0;
        for root in roots {
            match walk(root, &path.steps) {
                Ok(leaf) => leaves.push(leaf),
                Err(at) => deepest = deepest.max(at),
            }
        }
        match leaves.split_first() {
            // Where kinds differ, nothing can be said.
            Some((first, rest)) => Ok(first.filter(|_| rest.iter().all(|leaf| leaf == first))),
            None => Err(unknown(path, deepest)),
        }
    }
}

/// What is at the end, or which step leads nowhere.
fn walk(mut node: &Node, steps: &[Step]) -> Result<Option<Leaf>, usize> {
    for (at, step) in steps.iter().enumerate() {
        node = match (node, step) {
            (Node::Any, _) => return Ok(None),
            (Node::Fields(fields), Step::Field(name)) => fields.get(name).ok_or(at)?,
            (Node::Items(items), Step::Item(_)) => items,
            _ => return Err(at),
        };
    }
    match node {
        Node::Leaf(leaf) => Ok(Some(*leaf)),
        _ => Ok(None),
    }
}

fn unknown(path: &Path, at: usize) -> Unknown {
    let name = match path.steps.get(at) {
        Some(Step::Field(name)) => name.clone(),
        Some(Step::Item(n)) => n.to_string(),
        None => String::new(),
    };
    let whole = Path {
        root: path.root,
        steps: path.steps[..=at.min(path.steps.len().saturating_sub(1))].to_vec(),
        test: false,
        keys: false,
    };
    Unknown {
        name,
        whole: whole.text(),
        of_objects: matches!(path.root, Root::Object | Root::OldObject),
    }
}

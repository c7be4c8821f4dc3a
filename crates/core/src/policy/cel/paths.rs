//! Paths from a variable into its JSON.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use serde_json::Value;

use super::super::subject::Asked;

/// The variables that a rule sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Object,
    OldObject,
    Request,
    NamespaceObject,
    Cluster,
}

impl Root {
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("object", Self::Object),
        ("oldObject", Self::OldObject),
        ("request", Self::Request),
        ("namespaceObject", Self::NamespaceObject),
        ("cluster", Self::Cluster),
    ];

    pub(super) fn of(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, root)| *root)
    }

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, root)| *root == self);
        found.map_or("", |(name, _)| name)
    }

    pub(super) fn value<'a>(self, asked: &Asked<'a>) -> Option<&'a Value> {
        match self {
            Self::Object => Some(asked.object),
            Self::OldObject => asked.old,
            Self::Request => asked.request,
            Self::NamespaceObject => asked.namespace_object,
            Self::Cluster => asked.cluster,
        }
    }
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field, or a key of a map.
    Field(String),
    /// An item of a list.
    Item(usize),
}

/// A path, and whether it is asked only whether its last step is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub root: Root,
    pub steps: Vec<Step>,
    pub test: bool,
    /// Whether a loop goes over it: of a map it takes the keys.
    pub keys: bool,
}

impl Path {
    /// The path that an expression is, if it is one.
    pub(super) fn of(expression: &IdedExpr) -> Option<Self> {
        match &expression.expr {
            Expr::Ident(name) => Root::of(name).map(|root| Self {
                root,
                steps: Vec::new(),
                test: false,
                keys: false,
            }),
            Expr::Select(select) => {
                let mut path = Self::of(&select.operand).filter(|p| !p.test)?;
                path.steps.push(Step::Field(select.field.clone()));
                path.test = select.test;
                Some(path)
            }
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [operand, index] = call.args.as_slice() else {
                    return None;
                };
                let mut path = Self::of(operand).filter(|p| !p.test)?;
                path.steps.push(match &index.expr {
                    Expr::Literal(LiteralValue::String(key)) => Step::Field(key.inner().to_owned()),
                    Expr::Literal(LiteralValue::Int(n)) => {
                        Step::Item(usize::try_from(*n.inner()).ok()?)
                    }
                    _ => return None,
                });
                Some(path)
            }
            _ => None,
        }
    }

    /// The value at its end; none if it does not lead there.
    pub(super) fn walk<'a>(&self, asked: &Asked<'a>) -> Option<Walked<'a>> {
        let mut value = match self.root.value(asked) {
            Some(value) => value,
            None if self.steps.is_empty() => return Some(Walked::Value(&Value::Null)),
            None => return None,
        };
        let (last, before) = match self.steps.split_last() {
            Some((last, before)) if self.test => (Some(last), before),
            _ => (None, self.steps.as_slice()),
        };
        for step in before {
            value = follow(value, step)?;
        }
        match last {
            // Asking for a field of what has none is a mistake and not a no.
            Some(last) if value.is_object() => {
                let there = follow(value, last).is_some_and(|v| !v.is_null());
                Some(Walked::There(there))
            }
            Some(_) => None,
            None => Some(Walked::Value(value)),
        }
    }

    /// As it is written.
    pub(super) fn text(&self) -> String {
        let mut text = self.root.name().to_owned();
        for step in &self.steps {
            match step {
                Step::Field(name) => {
                    text.push('.');
                    text.push_str(name);
                }
                Step::Item(n) => text.push_str(&format!("[{n}]")),
            }
        }
        text
    }
}

/// What is at the end of a path.
pub(super) enum Walked<'a> {
    Value(&'a Value),
    There(bool),
}

fn follow<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Field(name) => value.get(name),
        Step::Item(n) => value.get(n),
    }
}

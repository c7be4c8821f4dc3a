//! What is wrong with an object, where, and how to mend it.

use std::fmt;

use serde::Serialize;

/// Why an object is refused, as the API server names it in `details.causes[].reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ViolationKind {
    /// A value that cannot be: the object is invalid (422).
    Invalid,
    /// A value that may not be: a rule or policy forbids it (403).
    Forbidden,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The field, as `spec.pools[brokers].nodeIds`; list items are named by their key.
    pub path: String,
    /// What sort of wrong it is.
    pub kind: ViolationKind,
    /// A sentence that says what is wrong and how to mend it.
    pub message: String,
}

impl Violation {
    /// An invalid value.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            kind: ViolationKind::Invalid,
            message: message.into(),
        }
    }
    /// A forbidden value.
    pub fn forbidden(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            kind: ViolationKind::Forbidden,
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Everything there is to say about an object: what is wrong, and what is legal and unwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Review {
    /// What is wrong; empty if the object is accepted.
    pub violations: Vec<Violation>,
    /// What is legal and unwise, a sentence each.
    pub warnings: Vec<String>,
}

impl Review {
    /// Adds an invalid value.
    pub(crate) fn invalid(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.violations.push(Violation::invalid(path, message));
    }
    /// Adds a forbidden value.
    pub(crate) fn forbidden(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.violations.push(Violation::forbidden(path, message));
    }
    /// Adds something legal and unwise.
    pub(crate) fn warn(&mut self, path: impl fmt::Display, message: impl fmt::Display) {
        self.warnings.push(format!("{path}: {message}"));
    }
}

//! The shapes of names, and what several kinds have in common.

use sdm_api::{ClusterRef, Operation, Pattern, ResourceType};

use crate::access::rule::{ANY, list, operations_of, resource_name};
use crate::validate::syntax::dns_label;
use crate::violation::Review;

/// A field of an item of a list, written out only when there is something to say about it.
#[derive(Clone, Copy)]
pub(super) struct At(
    pub(super) &'static str,
    pub(super) usize,
    pub(super) &'static str,
);

impl From<At> for String {
    fn from(At(list, index, field): At) -> Self {
        match field {
            "" => format!("{list}[{index}]"),
            _ => format!("{list}[{index}].{field}"),
        }
    }
}

pub(super) fn namespace(path: impl Into<String>, text: &str, review: &mut Review) {
    if !dns_label(text) {
        review.invalid(
            path,
            format!("{text:?} cannot be the name of a namespace: use lower-case letters, digits and dashes"),
        );
    }
}

/// The schema's rule, for objects that were stored before it.
pub(super) fn same_cluster(new: &ClusterRef, old: Option<&ClusterRef>, review: &mut Review) {
    if old.is_some_and(|old| old != new) {
        review.invalid(
            "spec.clusterRef",
            "clusterRef cannot change: create another object for the other cluster",
        );
    }
}

/// What is wrong with the name of a topic (`org.apache.kafka.common.internals.Topic`), or with what it begins with.
pub(super) fn topic(path: impl Into<String>, name: &str, pattern: Pattern, review: &mut Review) {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let literal = pattern == Pattern::Literal;
    if literal && name == ANY {
        return;
    }
    if let Some(before) = name.strip_suffix(ANY).filter(|b| b.bytes().all(legal)) {
        let message = match (literal, before.is_empty()) {
            (_, true) => {
                "no topic begins with \"*\": for every topic, use \"*\" with pattern literal"
                    .to_owned()
            }
            (true, _) => format!(
                "\"*\" stands for nothing inside a name: for all that begin so, use {before:?} with pattern prefixed"
            ),
            (false, _) => format!("a prefix needs no \"*\": use {before:?}"),
        };
        review.invalid(path, message);
    } else if !name.bytes().all(legal)
        || !(1..=249).contains(&name.len())
        || literal && matches!(name, "." | "..")
    {
        review.invalid(
            path,
            format!("{name:?} cannot be a topic: use up to 249 letters, digits, dots, dashes and underscores"),
        );
    }
}

/// Operations of a rule or a grant. `seen` are those that stand elsewhere already.
pub(super) fn operations(
    path: impl Into<String> + Copy,
    resource: ResourceType,
    operations: &[Operation],
    seen: &mut Vec<Operation>,
    review: &mut Review,
) {
    for operation in operations {
        if *operation != Operation::All && !operations_of(resource).contains(operation) {
            review.invalid(
                path,
                format!(
                    "Kafka knows no {operation:?} on a {}: use {} or All",
                    resource_name(resource),
                    list(operations_of(resource).iter().copied())
                ),
            );
        } else if seen.contains(operation) {
            review.invalid(path, format!("{operation:?} is listed twice: list it once"));
        }
        seen.push(*operation);
    }
}

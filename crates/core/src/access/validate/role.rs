//! Roles: operations that exist, each once.

use std::collections::BTreeMap;

use sdm_api::{KafkaRoleSpec, Operation};

use super::shape::{self, At};
use crate::access::rule::resource_name;
use crate::violation::Review;

pub(super) fn check(spec: &KafkaRoleSpec, review: &mut Review) {
    if spec.rules.is_empty() {
        review.invalid("spec.rules", "a role without rules gives nothing: list one");
    }
    let mut seen: BTreeMap<_, Vec<Operation>> = BTreeMap::new();
    for (i, rule) in spec.rules.iter().enumerate() {
        let path = At("spec.rules", i, "operations");
        if rule.operations.is_empty() {
            review.invalid(path, "a rule without operations gives nothing: list one");
        }
        let seen = seen.entry(rule.resource).or_default();
        shape::operations(path, rule.resource, &rule.operations, seen, review);
    }
    for (resource, operations) in seen {
        if operations.len() > 1 && operations.contains(&Operation::All) {
            review.warn(
                "spec.rules",
                format_args!(
                    "All on {}s makes the other operations needless",
                    resource_name(resource)
                ),
            );
        }
    }
}

//! Grants: to whom, of what.

use std::collections::BTreeSet;

use sdm_api::{KafkaAccessGrant, KafkaAccessGrantSpec, Pattern, ResourceType};

use super::shape::{self, At};
use crate::access::rule::ANY;
use crate::violation::Review;

pub(super) fn check(spec: &KafkaAccessGrantSpec, review: &mut Review) {
    if spec.namespaces.is_empty() {
        review.invalid(
            "spec.namespaces",
            "it is meant for nobody: list a namespace",
        );
    }
    let mut seen = BTreeSet::new();
    for namespace in &spec.namespaces {
        shape::namespace("spec.namespaces", namespace, review);
        if !seen.insert(namespace) {
            review.invalid(
                "spec.namespaces",
                format!("{namespace:?} is listed twice: list it once"),
            );
        }
    }
    if spec.topics.is_empty() {
        review.invalid("spec.topics", "it grants nothing: list a topic");
    }
    for (i, topic) in spec.topics.iter().enumerate() {
        let path = At("spec.topics", i, "name");
        shape::topic(path, &topic.name, topic.pattern, review);
    }
    shape::operations(
        "spec.operations",
        ResourceType::Topic,
        &spec.operations,
        &mut Vec::new(),
        review,
    );
}

/// What only the cluster's own namespace may do.
pub(super) fn forbid(grant: &KafkaAccessGrant, review: &mut Review) {
    let own = grant.metadata.namespace.as_deref().unwrap_or_default();
    let cluster = grant.spec.cluster_ref.namespace_from(own);
    if grant.spec.adoption && cluster != own {
        review.forbidden(
            "spec.adoption",
            format!("topics that belong to nobody are the cluster's own namespace's to give: it takes a KafkaAccessGrant in namespace {cluster:?}"),
        );
    }
}

pub(super) fn advise(grant: &KafkaAccessGrant, review: &mut Review) {
    let own = grant.metadata.namespace.as_deref();
    if grant
        .spec
        .namespaces
        .iter()
        .any(|n| Some(n.as_str()) == own)
    {
        review.warn(
            "spec.namespaces",
            "a namespace reaches its own topics without a grant",
        );
    }
    let all = |name: &str, pattern| name == ANY && pattern == Pattern::Literal;
    if grant.spec.topics.iter().any(|t| all(&t.name, t.pattern)) {
        review.warn(
            "spec.topics",
            "every topic of this namespace is granted, those of tomorrow too",
        );
    }
}

//! Which namespaces may use a cluster, and which may take over topics that belong to nobody.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sdm_api::{GrantedTopic, KafkaAccessGrant, Pattern};

use super::reach::is_internal;
use super::reason;
use super::rule::ANY;
use crate::outcome::Refusal;

/// Whether `namespace` may use a cluster in `cluster_namespace`: the one rule for topics, users, ACLs and grants.
/// `labels` are those of the namespace, `None` while they are unknown.
///
/// # Errors
/// `NamespaceNotAllowed`; it waits if it is only that the labels are not known yet.
pub fn namespace_allowed(
    cluster_namespace: &str,
    allowed: Option<&LabelSelector>,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> Result<(), Refusal> {
    if namespace == cluster_namespace {
        return Ok(());
    }
    let no = |why: &str| {
        let message = format!("namespace {namespace:?} may not use this cluster: {why}");
        Err(Refusal::stands(reason::NAMESPACE_NOT_ALLOWED, message))
    };
    let Some(selector) = allowed else {
        return no(&format!(
            "spec.tenancy.allowedNamespaces of the cluster is not set, so only namespace {cluster_namespace:?} may"
        ));
    };
    // What selects everything selects a namespace that is not known yet, too.
    if is_empty(selector) || labels.is_some_and(|labels| selects(selector, labels)) {
        return Ok(());
    }
    if labels.is_none() {
        let message = format!("the labels of namespace {namespace:?} are not known yet");
        return Err(Refusal::waits(reason::NAMESPACE_NOT_ALLOWED, message));
    }
    no("spec.tenancy.allowedNamespaces of the cluster does not select its labels")
}

fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.iter().flatten().count() == 0
        && selector.match_expressions.iter().flatten().count() == 0
}

/// Whether a selector matches labels, as Kubernetes does it: every requirement has to hold, an empty one selects
/// everything, and `NotIn` holds for a label that is not there. An operator that does not exist matches nothing.
#[must_use]
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut exact = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    exact.all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|e| {
            let value = labels.get(&e.key);
            let listed = |value: &String| e.values.iter().flatten().any(|v| v == value);
            match e.operator.as_str() {
                "In" => value.is_some_and(listed),
                "NotIn" => !value.is_some_and(listed),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Whether `namespace` may take over the topic `topic`, which exists in Kafka and belongs to no object: the cluster's own
/// namespace may, others with a grant of that namespace that says `adoption`. `grants` are those of the cluster.
///
/// # Errors
/// `AdoptionNotGranted`.
pub fn may_adopt(
    cluster_namespace: &str,
    grants: &[&KafkaAccessGrant],
    namespace: &str,
    topic: &str,
) -> Result<(), Refusal> {
    let granted = |grant: &&KafkaAccessGrant| {
        grant.spec.adoption
            && grant.metadata.namespace.as_deref() == Some(cluster_namespace)
            && grant.spec.namespaces.iter().any(|n| n == namespace)
            && grant.spec.topics.iter().any(|t| names(t, topic))
    };
    if namespace == cluster_namespace || grants.iter().any(granted) {
        return Ok(());
    }
    Err(Refusal::stands(
        reason::ADOPTION_NOT_GRANTED,
        format!(
            "topic {topic:?} exists and belongs to no object, and only the cluster's own namespace may take it over: \
             it takes a KafkaAccessGrant in namespace {cluster_namespace:?} with namespaces: [{namespace}], topics: [{{name: {topic}}}] and adoption: true"
        ),
    ))
}

fn names(granted: &GrantedTopic, topic: &str) -> bool {
    match granted.pattern {
        Pattern::Literal if granted.name == ANY => !is_internal(topic),
        Pattern::Literal => granted.name == topic,
        Pattern::Prefixed => {
            topic.starts_with(&granted.name) && is_internal(topic) == is_internal(&granted.name)
        }
    }
}

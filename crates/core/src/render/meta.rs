//! Labels, owner references and metadata that all objects of a cluster share.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;
use sdm_api::{KafkaCluster, names};

use crate::resolve::{Node, Resolved};

/// Labels of everything that belongs to the cluster.
#[must_use]
pub fn labels(cluster: &str) -> BTreeMap<String, String> {
    map([
        ("app.kubernetes.io/name", "kafka"),
        ("app.kubernetes.io/instance", cluster),
        (names::LABEL_MANAGED_BY, names::MANAGED_BY),
        (names::LABEL_CLUSTER, cluster),
    ])
}

/// Labels of what belongs to one node.
#[must_use]
pub fn node_labels(cluster: &str, node: &Node) -> BTreeMap<String, String> {
    let mut labels = labels(cluster);
    labels.extend(map([
        (names::LABEL_NODE_ID, node.id.to_string().as_str()),
        (names::LABEL_POOL, &node.pool),
        (
            names::LABEL_BROKER,
            if node.is_broker() { "true" } else { "false" },
        ),
        (
            names::LABEL_CONTROLLER,
            if node.is_controller() {
                "true"
            } else {
                "false"
            },
        ),
    ]));
    labels
}

/// The reference that makes the garbage collector delete an object together with its cluster.
#[must_use]
pub fn owner(resolved: &Resolved) -> OwnerReference {
    OwnerReference {
        api_version: KafkaCluster::api_version(&()).into_owned(),
        kind: KafkaCluster::kind(&()).into_owned(),
        name: resolved.name.clone(),
        uid: resolved.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Metadata of an object that goes with its cluster.
pub(super) fn owned(
    resolved: &Resolved,
    name: String,
    labels: BTreeMap<String, String>,
) -> ObjectMeta {
    ObjectMeta {
        owner_references: Some(vec![owner(resolved)]),
        ..kept(resolved, name, labels)
    }
}

/// Metadata of an object that outlives its cluster.
pub(crate) fn kept(
    resolved: &Resolved,
    name: String,
    labels: BTreeMap<String, String>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(resolved.namespace.clone()),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

/// A map of strings from pairs.
pub(super) fn map<'a>(
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

//! The same promises held against what exists: the remembered decisions and the volumes.
//! They catch what changed while no webhook looked, or while the cluster was deleted.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use sdm_api::names;

use super::change;
use crate::plan::foreign;
use crate::quantity;
use crate::resolve::{Node, Resolved};
use crate::state::ClusterState;
use crate::violation::{Review, Violation};

/// What of `resolved` cannot be, given the cluster's `state` and the claims that exist, by name. Claims of another
/// incarnation of the cluster, and those on their way out, bind nobody.
#[must_use]
pub fn against_observed(
    resolved: &Resolved,
    state: &ClusterState,
    claims: &BTreeMap<String, PersistentVolumeClaim>,
) -> Vec<Violation> {
    let mut review = Review::default();
    let claims: BTreeMap<&str, &PersistentVolumeClaim> = claims
        .iter()
        .filter(|(_, claim)| foreign(&claim.metadata, &resolved.uid, "").is_none())
        .map(|(name, claim)| (name.as_str(), claim))
        .collect();
    if let Some(id) = resolved
        .cluster_id
        .as_ref()
        .filter(|id| **id != state.cluster_id)
    {
        review.invalid(
            "spec.clusterId",
            format!("{id:?} is not the cluster's id, the volumes are formatted with {0:?}: set {0:?}, or leave it out", state.cluster_id),
        );
    }
    let voters: BTreeSet<i32> = state.directory_ids.keys().copied().collect();
    let wanted: BTreeSet<i32> = resolved.controllers().map(|n| n.id).collect();
    // Before the quorum is formed its voters may still change, and those of volumes that were taken over are not known.
    let settled = state.bootstrapped && !voters.is_empty();
    if settled && wanted != voters {
        review.invalid(
            "spec.pools",
            format!(
                "changing the controllers of a running cluster is not supported yet: they are {}, and must stay so",
                change::list(&voters)
            ),
        );
    }
    for node in resolved.nodes.values() {
        left_out(resolved, node, &claims, &mut review);
        for volume in &node.volumes {
            let name = names::claim(&resolved.name, node.id, &volume.name);
            let Some(claim) = claims.get(name.as_str()).and_then(|c| c.spec.as_ref()) else {
                continue;
            };
            let path = format!("spec.pools[{}].storage.volumes[{}]", node.pool, volume.name);
            let requests = claim.resources.as_ref().and_then(|r| r.requests.as_ref());
            if let Some(has) = requests.and_then(|r| r.get("storage"))
                && let (Some(wanted), Some(size)) =
                    (quantity::nanos(&volume.size), quantity::nanos(&has.0))
                && wanted < size
            {
                review.invalid(
                    format!("{path}.size"),
                    format!(
                        "claim {name} has {} and cannot shrink to {}: set {} at least",
                        has.0, volume.size, has.0
                    ),
                );
            }
            if let (Some(wanted), Some(class)) =
                (&volume.storage_class_name, &claim.storage_class_name)
                && wanted != class
            {
                review.invalid(
                    format!("{path}.storageClassName"),
                    format!("claim {name} is of storage class {class:?} and cannot change: set that again"),
                );
            }
        }
    }
    review.violations
}

/// A volume that a deleted cluster left must be named again: without it Kafka would start, and what is on it be gone.
fn left_out(
    resolved: &Resolved,
    node: &Node,
    claims: &BTreeMap<&str, &PersistentVolumeClaim>,
    review: &mut Review,
) {
    let id = node.id.to_string();
    let named: Vec<String> = node
        .volumes
        .iter()
        .map(|v| names::claim(&resolved.name, node.id, &v.name))
        .collect();
    for (name, claim) in claims {
        let labels = claim.metadata.labels.as_ref();
        let its = labels.and_then(|l| l.get(names::LABEL_NODE_ID)) == Some(&id);
        if its && !named.iter().any(|n| n == name) {
            review.invalid(
                format!("spec.pools[{}].storage.volumes", node.pool),
                format!("claim {name} exists and may hold records of node {id}: list its volume again, or delete the claim"),
            );
        }
    }
}

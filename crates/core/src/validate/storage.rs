//! Volumes: names, sizes, classes, and what is kept when a cluster goes.

use std::collections::BTreeSet;

use sdm_api::{DeletionPolicy, KafkaCluster, StorageSpec, names};

use super::syntax;
use crate::quantity;
use crate::resolve::Resolved;
use crate::violation::Review;

const NAME_AT_MOST: usize = 15;
/// Kafka needs room for a segment of the metadata log and of every partition.
const SIZE_AT_LEAST: u64 = 16 << 20;

pub(super) fn check(cluster: &KafkaCluster, meant: &Resolved, review: &mut Review) {
    let spec = &cluster.spec;
    for pool in &spec.pools {
        volumes(
            &pool.storage,
            &format!("spec.pools[{}].storage", pool.name),
            review,
        );
    }
    for (i, entry) in spec.overrides.iter().enumerate() {
        if let Some(storage) = &entry.storage {
            volumes(storage, &format!("spec.overrides[{i}].storage"), review);
        }
    }
    derived_names(meant, review);
    kept_without_metadata(meant, review);
    deleted(cluster, review);
}

fn volumes(storage: &StorageSpec, path: &str, review: &mut Review) {
    if storage.volumes.is_empty() {
        review.invalid(
            format!("{path}.volumes"),
            "a node needs a volume for its metadata: list at least one",
        );
    }
    let mut seen = BTreeSet::new();
    for volume in &storage.volumes {
        let path = format!("{path}.volumes[{}]", volume.name);
        if !seen.insert(&volume.name) {
            review.invalid(
                &path,
                format!(
                    "two volumes are called {:?}: give each a name of its own",
                    volume.name
                ),
            );
        }
        if volume.name.len() > NAME_AT_MOST || !syntax::dns_label_with_letter(&volume.name) {
            review.invalid(
                format!("{path}.name"),
                format!("use up to {NAME_AT_MOST} lower-case letters, digits and dashes, and begin with a letter"),
            );
        }
        match quantity::bytes(&volume.size) {
            None => review.invalid(
                format!("{path}.size"),
                format!("{:?} is no quantity: write it as 100Gi", volume.size),
            ),
            Some(bytes) if bytes < SIZE_AT_LEAST => review.invalid(
                format!("{path}.size"),
                format!(
                    "{} is too small for a log directory: give it 16Mi at least",
                    volume.size
                ),
            ),
            Some(_) => {}
        }
        if volume.storage_class_name.as_deref() == Some("") {
            review.invalid(
                format!("{path}.storageClassName"),
                "name a StorageClass, or leave it out for the default one",
            );
        }
    }
}

fn derived_names(meant: &Resolved, review: &mut Review) {
    for node in meant.nodes.values() {
        for volume in &node.volumes {
            let claim = names::claim(&meant.name, node.id, &volume.name);
            if claim.len() > 63 {
                review.invalid(
                    format!(
                        "spec.pools[{}].storage.volumes[{}].name",
                        node.pool, volume.name
                    ),
                    format!(
                        "the claim's name {claim:?} has more than 63 characters: use a shorter name"
                    ),
                );
            }
        }
    }
}

/// Brokers' volumes carry the cluster id; without the controllers' metadata no cluster knows what
/// is on them.
fn kept_without_metadata(meant: &Resolved, review: &mut Review) {
    let kept = meant.brokers().find_map(|node| {
        let volume = node
            .volumes
            .iter()
            .find(|v| v.deletion_policy == DeletionPolicy::Retain)?;
        Some((node.id, &volume.name))
    });
    let Some((id, kept)) = kept else { return };
    for controller in meant.controllers() {
        if let Some(first) = controller.volumes.first()
            && first.deletion_policy == DeletionPolicy::Delete
        {
            review.invalid(
                format!("spec.pools[{}].storage.volumes[{}].deletionPolicy", controller.pool, first.name),
                format!(
                    "Delete would lose the cluster's metadata while volume {kept:?} of node {id} is kept, and no cluster could read it: use Retain here, or Delete for all"
                ),
            );
        }
    }
}

fn deleted(cluster: &KafkaCluster, review: &mut Review) {
    const TEXT: &str =
        "Delete: the records on it go when the cluster is deleted, and nothing brings them back";
    if cluster.spec.deletion_policy == DeletionPolicy::Delete {
        review.warn(
            "spec.deletionPolicy",
            "Delete: all records go when the cluster is deleted, and nothing brings them back",
        );
        return;
    }
    for pool in &cluster.spec.pools {
        for volume in pool
            .storage
            .volumes
            .iter()
            .filter(|v| v.deletion_policy == Some(DeletionPolicy::Delete))
        {
            review.warn(
                format!(
                    "spec.pools[{}].storage.volumes[{}].deletionPolicy",
                    pool.name, volume.name
                ),
                TEXT,
            );
        }
    }
    for (i, entry) in cluster.spec.overrides.iter().enumerate() {
        let volumes = entry.storage.iter().flat_map(|s| &s.volumes);
        for volume in volumes.filter(|v| v.deletion_policy == Some(DeletionPolicy::Delete)) {
            review.warn(
                format!(
                    "spec.overrides[{i}].storage.volumes[{}].deletionPolicy",
                    volume.name
                ),
                TEXT,
            );
        }
    }
}

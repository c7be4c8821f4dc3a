//! Names, versions, ids, pools, roles and racks: what a cluster consists of.

use std::collections::{BTreeMap, BTreeSet};

use sdm_api::{DEFAULT_VERSION, KafkaCluster, NodeRole, SUPPORTED_VERSIONS, names};

use super::syntax;
use crate::state::is_kafka_uuid;
use crate::violation::Review;

/// Leaves room for a node id, a volume's name and two dashes within the 63 characters of a label.
const NAME_AT_MOST: usize = 40;
/// More nodes than this share no sensible cluster, and every one costs API objects.
const NODE_ID_AT_MOST: i32 = 99_999;

pub(super) fn check(cluster: &KafkaCluster, review: &mut Review) {
    name(cluster, review);
    version(&cluster.spec.version, review);
    if let Some(id) = &cluster.spec.cluster_id
        && !is_kafka_uuid(id)
    {
        review.invalid(
            "spec.clusterId",
            format!("{id:?} is no Kafka cluster id: give the 22 characters of cluster.id in a volume's meta.properties, or leave it out"),
        );
    }
    pools(cluster, review);
    overrides(cluster, review);
    racks(cluster, review);
}

fn name(cluster: &KafkaCluster, review: &mut Review) {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    if name.len() > NAME_AT_MOST {
        review.invalid(
            "metadata.name",
            format!("{} characters are too long: pod and volume names are built from it, so use at most {NAME_AT_MOST}", name.len()),
        );
    } else if !syntax::dns_label_with_letter(name) {
        review.invalid(
            "metadata.name",
            format!("{name:?} cannot be part of a service's name: use lower-case letters, digits and dashes, and begin with a letter"),
        );
    }
}

fn version(version: &str, review: &mut Review) {
    if SUPPORTED_VERSIONS.contains(&version) {
        return;
    }
    let common = |candidate: &str| {
        version
            .bytes()
            .zip(candidate.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    // The default wins where two are equally close.
    let close = SUPPORTED_VERSIONS
        .iter()
        .max_by_key(|v| (common(v), **v == DEFAULT_VERSION))
        .unwrap_or(&DEFAULT_VERSION);
    review.invalid(
        "spec.version",
        format!(
            "Kafka {version:?} is not supported: this release runs {}; did you mean {close}?",
            SUPPORTED_VERSIONS.join(" and ")
        ),
    );
}

fn pools(cluster: &KafkaCluster, review: &mut Review) {
    let mut pool_names = BTreeSet::new();
    let mut owners: BTreeMap<i32, &str> = BTreeMap::new();
    let mut roles = BTreeSet::new();
    for pool in &cluster.spec.pools {
        let path = format!("spec.pools[{}]", pool.name);
        if !pool_names.insert(&pool.name) {
            review.invalid(
                &path,
                format!(
                    "two pools are called {:?}: give each a name of its own",
                    pool.name
                ),
            );
        }
        if !syntax::dns_label_with_letter(&pool.name) {
            review.invalid(
                format!("{path}.name"),
                "use lower-case letters, digits and dashes, and begin with a letter: it becomes a label",
            );
        }
        if pool.node_ids.is_empty() {
            review.invalid(
                format!("{path}.nodeIds"),
                "a pool needs a node: list at least one id, or remove the pool",
            );
        }
        if pool.roles.is_empty() {
            review.invalid(
                format!("{path}.roles"),
                "list 'broker', 'controller' or both",
            );
        }
        if pool.roles.len() > 1
            && pool.roles.iter().collect::<BTreeSet<_>>().len() < pool.roles.len()
        {
            review.invalid(
                format!("{path}.roles"),
                "a role is listed twice: list it once",
            );
        }
        if !pool.node_ids.is_empty() {
            roles.extend(pool.roles.iter().copied());
        }
        for &id in &pool.node_ids {
            ids(cluster, id, &path, &pool.name, &mut owners, review);
        }
    }
    if !roles.contains(&NodeRole::Controller) {
        review.invalid("spec.pools", "no pool has the role 'controller': without one there is no quorum, so give it to a pool");
    }
    if !roles.contains(&NodeRole::Broker) {
        review.invalid("spec.pools", "no pool has the role 'broker': without one nothing stores records, so give it to a pool");
    }
}

fn ids<'a>(
    cluster: &KafkaCluster,
    id: i32,
    path: &str,
    pool: &'a str,
    owners: &mut BTreeMap<i32, &'a str>,
    review: &mut Review,
) {
    let path = format!("{path}.nodeIds");
    if !(0..=NODE_ID_AT_MOST).contains(&id) {
        review.invalid(
            &path,
            format!("{id} is no node id: use a number from 0 to {NODE_ID_AT_MOST}"),
        );
    }
    match owners.insert(id, pool) {
        Some(other) if other == pool => review.invalid(&path, format!("node {id} is listed twice: list it once")),
        Some(other) => review.invalid(
            &path,
            format!("node {id} is in pool {other:?} too: an id names one node, so remove it from one of the two"),
        ),
        None => {}
    }
    let derived = names::node(cluster.metadata.name.as_deref().unwrap_or_default(), id);
    if derived.len() > 63 {
        review.invalid(
            path,
            format!(
                "the pod name {derived:?} has more than 63 characters: use a shorter cluster name"
            ),
        );
    }
}

fn overrides(cluster: &KafkaCluster, review: &mut Review) {
    let known: BTreeSet<i32> = cluster
        .spec
        .pools
        .iter()
        .flat_map(|p| p.node_ids.iter().copied())
        .collect();
    for (i, entry) in cluster.spec.overrides.iter().enumerate() {
        let path = format!("spec.overrides[{i}].nodeIds");
        if entry.node_ids.is_empty() {
            review.invalid(
                &path,
                "it is meant for no node: list the ids it is for, or remove it",
            );
        }
        let mut seen = BTreeSet::new();
        for id in &entry.node_ids {
            if !seen.insert(id) {
                review.invalid(&path, format!("node {id} is listed twice: list it once"));
            } else if !known.contains(id) {
                review.invalid(
                    &path,
                    format!("node {id} is in no pool: add it to one, or remove it here"),
                );
            }
        }
    }
}

fn racks(cluster: &KafkaCluster, review: &mut Review) {
    let racks = &cluster.spec.rack_awareness;
    if !syntax::label_key(&racks.topology_key) {
        review.invalid(
            "spec.rackAwareness.topologyKey",
            format!(
                "{:?} cannot be the key of a label; topology.kubernetes.io/zone is the usual one",
                racks.topology_key
            ),
        );
    }
    let mut seen = BTreeSet::new();
    for zone in &racks.zones {
        if zone.is_empty() || !syntax::label_value(zone) {
            review.invalid(
                "spec.rackAwareness.zones",
                format!("{zone:?} cannot be the value of a node's label: name a zone as the nodes do, or remove it"),
            );
        } else if !seen.insert(zone) {
            review.invalid(
                "spec.rackAwareness.zones",
                format!("{zone:?} is listed twice: list it once"),
            );
        }
    }
    let controllers: usize = cluster
        .spec
        .pools
        .iter()
        .filter(|p| p.roles.contains(&NodeRole::Controller))
        .map(|p| p.node_ids.len())
        .sum();
    if controllers > 0 && controllers.is_multiple_of(2) {
        review.warn(
            "spec.pools",
            format!(
                "{controllers} controllers survive the loss of {} as {} do: an odd number is better",
                controllers / 2 - 1,
                controllers - 1
            ),
        );
    }
}

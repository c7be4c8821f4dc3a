//! What may not change once a cluster runs: ids' roles, the quorum, volumes, the cluster id.

use std::collections::{BTreeMap, BTreeSet};

use sdm_api::KafkaCluster;

use crate::quantity;
use crate::resolve::{Node, Resolved, Volume};
use crate::violation::Review;

pub(super) fn check(
    new: (&KafkaCluster, &Resolved),
    old: (&KafkaCluster, &Resolved),
    review: &mut Review,
) {
    let (cluster, meant) = new;
    let (_, before) = old;
    cluster_id(cluster, old.0, review);
    version(&meant.version, &before.version, review);
    controllers(meant, before, review);
    min_isr(cluster, old.0, review);
    leaving(meant, before, review);
    let mut found = Review::default();
    nodes(cluster, meant, before, &mut found);
    // A pool's mistake is one mistake, however many nodes it has: the first of them stands for all.
    let mut seen = BTreeSet::new();
    review.violations.extend(
        found
            .violations
            .into_iter()
            .filter(|v| seen.insert(v.path.clone())),
    );
}

/// Brokers that are taken out go when they host nothing, and nothing is lost; that can take long.
fn leaving(meant: &Resolved, before: &Resolved, review: &mut Review) {
    let stay: BTreeSet<i32> = meant.brokers().map(|n| n.id).collect();
    for node in before.brokers().filter(|n| !stay.contains(&n.id)) {
        review.warn(
            format!("spec.pools[{}].nodeIds", node.pool),
            format_args!(
                "broker {} is taken out: it stays until it hosts no replica, so drain it first; status says what it waits for",
                node.id
            ),
        );
    }
}

fn nodes(cluster: &KafkaCluster, meant: &Resolved, before: &Resolved, review: &mut Review) {
    for node in meant.nodes.values() {
        let Some(was) = before.nodes.get(&node.id) else {
            continue;
        };
        if node.roles != was.roles {
            review.invalid(
                format!("spec.pools[{}].nodeIds", node.pool),
                format!(
                    "node {} was {} and cannot become {}: its volumes are formatted for that; use an id that was never used",
                    node.id,
                    roles(was),
                    roles(node)
                ),
            );
            continue;
        }
        volumes(cluster, node, was, review);
    }
}

fn cluster_id(new: &KafkaCluster, old: &KafkaCluster, review: &mut Review) {
    let running = old
        .spec
        .cluster_id
        .as_ref()
        .or_else(|| old.status.as_ref().and_then(|s| s.cluster_id.as_ref()));
    let Some(running) = running else { return };
    match &new.spec.cluster_id {
        Some(id) if id == running => {}
        None if old.spec.cluster_id.is_none() => {}
        _ => review.invalid(
            "spec.clusterId",
            format!(
                "it cannot change, the volumes are formatted with it: set it to {running:?} again"
            ),
        ),
    }
}

fn version(new: &str, old: &str, review: &mut Review) {
    if let (Some(to), Some(from)) = (minor(new), minor(old))
        && to < from
    {
        review.invalid(
            "spec.version",
            format!("{old} cannot go back to {new}: the metadata on the volumes is of the newer version; set {old} again"),
        );
    }
}

fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn controllers(meant: &Resolved, before: &Resolved, review: &mut Review) {
    let ids = |resolved: &Resolved| {
        resolved
            .controllers()
            .map(|n| n.id)
            .collect::<BTreeSet<_>>()
    };
    let (now, was) = (ids(meant), ids(before));
    if now != was && !was.is_empty() {
        review.invalid(
            "spec.pools",
            format!(
                "changing the controllers of a running cluster is not supported yet: they are {}, and must stay so",
                list(&was)
            ),
        );
    }
}

/// With eligible leader replicas (KIP-966), which new clusters have, the quorum keeps a value of its
/// own, taken from the files when it was formed, and it wins over them ever after.
fn min_isr(new: &KafkaCluster, old: &KafkaCluster, review: &mut Review) {
    const KEY: &str = "min.insync.replicas";
    if new.spec.config.get(KEY) != old.spec.config.get(KEY) {
        review.warn(
            format!("spec.config[{KEY}]"),
            "a running cluster keeps the value it was formed with, whatever is written here; change it with \
             kafka-configs.sh --alter --entity-type brokers --entity-default, or per topic",
        );
    }
}

fn volumes(cluster: &KafkaCluster, node: &Node, was: &Node, review: &mut Review) {
    if let (Some(first), Some(old)) = (node.volumes.first(), was.volumes.first())
        && first.name != old.name
    {
        review.invalid(
            format!("{}.volumes", storage_path(cluster, node, &first.name)),
            format!("the first volume holds node {}'s metadata and must stay first: put {:?} first again", node.id, old.name),
        );
    }
    for old in &was.volumes {
        let Some(new) = node.volumes.iter().find(|v| v.name == old.name) else {
            review.invalid(
                format!("{}.volumes[{}]", storage_path(cluster, node, &old.name), old.name),
                format!("removing a volume is not supported yet, it may hold records of node {}: list it again", node.id),
            );
            continue;
        };
        volume(
            &format!(
                "{}.volumes[{}]",
                storage_path(cluster, node, &new.name),
                new.name
            ),
            node.id,
            new,
            old,
            review,
        );
    }
}

fn volume(path: &str, id: i32, new: &Volume, old: &Volume, review: &mut Review) {
    if let (Some(size), Some(was)) = (quantity::nanos(&new.size), quantity::nanos(&old.size))
        && size < was
    {
        review.invalid(
            format!("{path}.size"),
            format!(
                "volume {:?} of node {id} has {} and cannot shrink to {}: set {} at least",
                new.name, old.size, new.size, old.size
            ),
        );
    }
    if new.storage_class_name != old.storage_class_name {
        let class = old.storage_class_name.as_deref();
        review.invalid(
            format!("{path}.storageClassName"),
            format!(
                "the storage class of volume {:?} of node {id} cannot change: {}",
                new.name,
                class.map_or_else(
                    || "leave it out again".to_owned(),
                    |c| format!("set {c:?} again")
                )
            ),
        );
    }
}

/// Volumes that are to grow in storage classes that cannot: such a size could neither be reached nor taken back.
pub(crate) fn growth(
    cluster: &KafkaCluster,
    meant: &Resolved,
    before: &Resolved,
    classes: &StorageClasses,
    review: &mut Review,
) {
    let mut seen = BTreeSet::new();
    for (node, was) in meant
        .nodes
        .values()
        .filter_map(|n| Some((n, before.nodes.get(&n.id)?)))
    {
        for (new, old) in node
            .volumes
            .iter()
            .filter_map(|v| Some((v, was.volumes.iter().find(|o| o.name == v.name)?)))
        {
            let grows = quantity::nanos(&new.size) > quantity::nanos(&old.size);
            let class = old.storage_class_name.as_deref();
            let Some(class) = classes.rigid(class).filter(|_| grows) else {
                continue;
            };
            let path = format!(
                "{}.volumes[{}].size",
                storage_path(cluster, node, &new.name),
                new.name
            );
            if seen.insert(path.clone()) {
                review.invalid(
                    path,
                    format!(
                        "StorageClass {class:?} cannot grow volumes: leave {}, or have allowVolumeExpansion set in it first",
                        old.size
                    ),
                );
            }
        }
    }
}

/// Which storage classes can grow volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageClasses {
    /// By name.
    pub grow: BTreeMap<String, bool>,
    /// The one of volumes that name none, if that is known.
    pub default: Option<String>,
}

impl StorageClasses {
    /// The name of a class that is known to be unable to grow volumes.
    fn rigid<'a>(&'a self, class: Option<&'a str>) -> Option<&'a str> {
        let class = class.or(self.default.as_deref())?;
        (self.grow.get(class) == Some(&false)).then_some(class)
    }
}

/// Where a node's volume is written down: the last override that names it, else the pool.
fn storage_path(cluster: &KafkaCluster, node: &Node, volume: &str) -> String {
    let last = cluster.spec.overrides.iter().rposition(|o| {
        let mut volumes = o.storage.iter().flat_map(|s| &s.volumes);
        o.node_ids.contains(&node.id) && volumes.any(|v| v.name == volume)
    });
    last.map_or_else(
        || format!("spec.pools[{}].storage", node.pool),
        |i| format!("spec.overrides[{i}].storage"),
    )
}

fn roles(node: &Node) -> &'static str {
    match (node.is_broker(), node.is_controller()) {
        (true, true) => "broker and controller",
        (true, false) => "broker",
        (false, true) => "controller",
        (false, false) => "nothing",
    }
}

pub(super) fn list(ids: &BTreeSet<i32>) -> String {
    ids.iter()
        .map(i32::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

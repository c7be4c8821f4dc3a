//! From what a user wrote to what is meant: defaults applied, overrides merged,
//! everything checked. A [`Resolved`] cannot be wrong any more, and nothing after
//! this module reads the raw spec again.

mod merge;

use std::collections::BTreeMap;

use sdm_api::{
    DeletionPolicy, JvmSpec, KafkaCluster, Listener, NodeRole, PodTemplate, RackAwareness,
    ResourceSpec, TlsSpec,
};

use crate::validate;
use crate::violation::Review;

/// A cluster as it is meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The cluster's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The object's uid, for owner references.
    pub uid: String,
    /// The Kafka version.
    pub version: String,
    /// Secrets to pull images with.
    pub image_pull_secrets: Vec<String>,
    /// The cluster id the user asks for.
    pub cluster_id: Option<String>,
    /// User listeners.
    pub listeners: Vec<Listener>,
    /// Nodes by id.
    pub nodes: BTreeMap<i32, Node>,
    /// Rack awareness.
    pub rack_awareness: RackAwareness,
    /// Certificates.
    pub tls: TlsSpec,
}

/// One node as it is meant: pool and overrides merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The Kafka node id.
    pub id: i32,
    /// Its pool.
    pub pool: String,
    /// What it does, sorted: broker before controller.
    pub roles: Vec<NodeRole>,
    /// The container image.
    pub image: String,
    /// Its volumes; the first holds the metadata.
    pub volumes: Vec<Volume>,
    /// CPU and memory.
    pub resources: ResourceSpec,
    /// The JVM, with the heap decided.
    pub jvm: JvmSpec,
    /// The user's Kafka configuration: cluster, pool and overrides merged.
    pub config: BTreeMap<String, String>,
    /// Additions to the Pod.
    pub template: PodTemplate,
}

/// One volume of a node as it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The volume's name.
    pub name: String,
    /// Its size, a quantity.
    pub size: String,
    /// Its storage class.
    pub storage_class_name: Option<String>,
    /// What happens to it when the cluster goes.
    pub deletion_policy: DeletionPolicy,
}

impl Node {
    /// Whether it stores and serves records.
    #[must_use]
    pub fn is_broker(&self) -> bool {
        self.roles.contains(&NodeRole::Broker)
    }
    /// Whether it votes in the metadata quorum.
    #[must_use]
    pub fn is_controller(&self) -> bool {
        self.roles.contains(&NodeRole::Controller)
    }
}

impl Resolved {
    /// The nodes that are brokers, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|n| n.is_broker())
    }
    /// The nodes that are controllers, by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|n| n.is_controller())
    }
    /// Whether any volume outlives the cluster.
    #[must_use]
    pub fn retains_volumes(&self) -> bool {
        self.nodes
            .values()
            .flat_map(|n| &n.volumes)
            .any(|v| v.deletion_policy == DeletionPolicy::Retain)
    }
}

/// Resolves `cluster`; `old` is the object before the change, where there is one.
///
/// # Errors
/// Every violation at once, together with the warnings.
pub fn resolve(
    cluster: &KafkaCluster,
    old: Option<&KafkaCluster>,
) -> Result<(Resolved, Vec<String>), Review> {
    let meant = merged(cluster);
    let before = old.map(merged);
    let review = validate::review(cluster, &meant, old.zip(before.as_ref()));
    if review.violations.is_empty() {
        Ok((meant, review.warnings))
    } else {
        Err(review)
    }
}

/// Applies defaults and overrides. Of what is wrong nothing is noticed: where an id is in two pools,
/// the first one counts.
pub(crate) fn merged(cluster: &KafkaCluster) -> Resolved {
    let spec = &cluster.spec;
    let mut nodes = BTreeMap::new();
    for pool in &spec.pools {
        for &id in &pool.node_ids {
            nodes
                .entry(id)
                .or_insert_with(|| merge::node(spec, pool, id));
        }
    }
    Resolved {
        name: cluster.metadata.name.clone().unwrap_or_default(),
        namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        uid: cluster.metadata.uid.clone().unwrap_or_default(),
        version: spec.version.clone(),
        image_pull_secrets: spec.image_pull_secrets.clone(),
        cluster_id: spec.cluster_id.clone(),
        listeners: spec.listeners.clone(),
        nodes,
        rack_awareness: spec.rack_awareness.clone(),
        tls: spec.tls.clone(),
    }
}

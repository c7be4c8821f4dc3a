//! `KafkaCluster`: what the owner of a cluster writes down.
//!
//! Rules that one object can say about itself are CEL rules here, so that the
//! API server refuses a violation even with no webhook running. Rules whose cost
//! grows with the square of large lists, or that need other objects, are in
//! `sdm-core`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::KafkaClusterStatus;
use crate::storage::StorageSpec;
use crate::template::{PodTemplate, ResourceSpec};

/// An Apache Kafka cluster in KRaft mode.
///
/// Every broker and controller is a Pod of its own, named by its node id, so one
/// of them can be configured, grown or removed without touching the others.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "kafka.sdm.dev",
    version = "v1beta1",
    kind = "KafkaCluster",
    plural = "kafkaclusters",
    shortname = "kc",
    category = "kafka",
    namespaced,
    status = "KafkaClusterStatus",
    derive = "PartialEq",
    doc = "An Apache Kafka cluster in KRaft mode, its nodes named one by one.",
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.nodesReady"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40").message(Message::Message("a cluster's name may have at most 40 characters: pod and volume names are built from it".into())),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(Message::Message("a cluster's name must be a DNS label that starts with a letter: it becomes part of service names".into()))
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.pools.exists(p, 'controller' in p.roles)").message(Message::Message("at least one pool needs the role 'controller': without one there is no quorum".into())).field_path(".pools"),
    validation = Rule::new("self.pools.exists(p, 'broker' in p.roles)").message(Message::Message("at least one pool needs the role 'broker': without one nothing stores records".into())).field_path(".pools"),
    validation = Rule::new("self.pools.all(p, self.pools.all(q, p.name == q.name || !p.nodeIds.exists(i, i in q.nodeIds)))").message(Message::Message("a node id may appear in one pool only".into())).field_path(".pools"),
    validation = Rule::new("!has(oldSelf.clusterId) || (has(self.clusterId) && self.clusterId == oldSelf.clusterId)").message(Message::Message("clusterId cannot change: the volumes are formatted with it".into())).field_path(".clusterId")
)]
pub struct KafkaClusterSpec {
    /// The Apache Kafka version the nodes run: 4.2.2 or 4.3.1.
    #[serde(default = "default_version")]
    #[x_kube(validation = Rule::new("self in ['4.2.2', '4.3.1']").message(Message::Message("unsupported version: this release runs Kafka 4.2.2 and 4.3.1".into())))]
    #[schemars(length(min = 1, max = 32))]
    pub version: String,

    /// The container image of the nodes; `apache/kafka:<version>` if not given.
    /// It must be laid out like that image: jars in `/opt/kafka/libs`, `java` on the `PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,

    /// Names of Secrets of type `kubernetes.io/dockerconfigjson` to pull the image with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<String>,

    /// The Kafka cluster id, a URL-safe base64 UUID of 22 characters. Chosen at random if not
    /// given. Give it to take over existing volumes. It never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 22, max = 22), regex(pattern = r"^[A-Za-z0-9_-]{22}$"))]
    pub cluster_id: Option<String>,

    /// Kafka configuration of every node, as in `server.properties`. What the operator itself
    /// must decide (ids, listeners, directories, TLS, the quorum) is reserved and refused here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::bounds::config_schema")]
    pub config: BTreeMap<String, String>,

    /// Where clients connect. The listeners `controller` and `replication` always exist, both
    /// with mutual TLS, and are not listed.
    #[serde(default = "default_listeners")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(a, self.exists_one(b, b.port == a.port))").message(Message::Message("two listeners may not share a port".into()))
    )]
    pub listeners: Vec<Listener>,

    /// Groups of nodes that are alike. Node ids are written down, so removing 1 removes node 1
    /// and nobody else.
    #[schemars(length(min = 1, max = 12))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub pools: Vec<NodePool>,

    /// What differs on single nodes. Later entries win over earlier ones, and both over the pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub overrides: Vec<NodeOverride>,

    /// How nodes are spread over racks (availability zones).
    #[serde(default)]
    pub rack_awareness: RackAwareness,

    /// The certificates that the cluster's own authority issues.
    #[serde(default)]
    pub tls: TlsSpec,

    /// Who may use the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenancy: Option<Tenancy>,

    /// How Pods get the identity they ask for with the annotation `kafka.sdm.dev/inject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injection: Option<Injection>,

    /// What happens to volumes when the cluster is deleted. `Retain` keeps them: a cluster
    /// created again under the same name goes on with its data. A volume can say otherwise.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// A listener that clients connect to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The listener's name: lower-case letters and digits. `controller` and `replication` are taken.
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[a-z][a-z0-9]*$"))]
    #[x_kube(validation = Rule::new("!(self in ['controller', 'replication'])").message(Message::Message("the listener names 'controller' and 'replication' are reserved".into())))]
    pub name: String,
    /// The TCP port on every broker. 9090 (controllers) and 9091 (replication) are taken.
    #[schemars(range(min = 1024, max = 65535))]
    #[x_kube(validation = Rule::new("!(self in [9090, 9091])").message(Message::Message("the ports 9090 and 9091 are reserved for controllers and replication".into())))]
    pub port: i32,
    /// `mtls`: clients show a certificate of this cluster's authority. `server`: only the broker
    /// does, and clients are anonymous. `none`: plaintext.
    #[serde(default)]
    pub tls: ListenerTls,
    /// Passwords that clients may log in with (SASL SCRAM), on a listener with `tls: server`. Without any, clients of
    /// such a listener are anonymous.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub sasl: Vec<SaslMechanism>,
}

/// How a client proves a password (KIP-84).
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
)]
pub enum SaslMechanism {
    /// SCRAM-SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// SCRAM-SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
}

impl SaslMechanism {
    /// As Kafka writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }
}

/// Who may use a cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tenancy {
    /// The namespaces whose topics, users and ACLs may refer to this cluster, by their labels. Without it only the
    /// cluster's own namespace may; an empty selector lets all in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<LabelSelector>,
}

/// How Pods get an identity.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Injection {
    /// Where the keys come from.
    #[serde(default)]
    pub mode: InjectionMode,
}

/// Where the keys of Pods that ask for an identity come from.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InjectionMode {
    /// Kubelets make them, where the API server serves pod certificates; else a Secret for each service account.
    #[default]
    Auto,
    /// Kubelets make them, or a Pod that asks is refused: no Secret is ever written.
    PodCertificates,
    /// A Secret for each service account, everywhere: for kubelets that do not have what their API server serves.
    Secret,
}

/// What a listener demands of the transport.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ListenerTls {
    /// Both sides show a certificate.
    #[default]
    Mtls,
    /// The broker shows a certificate; clients are anonymous.
    Server,
    /// Plaintext; clients are anonymous.
    None,
}

/// A group of nodes that are alike.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.roles.all(r, r in oldSelf.roles) && oldSelf.roles.all(r, r in self.roles)").message(Message::Message("a pool's roles cannot change: its nodes' volumes are formatted for them; add a pool with other node ids".into())).field_path(".roles"),
    validation = Rule::new("oldSelf.storage.volumes.all(o, self.storage.volumes.exists(v, v.name == o.name))").message(Message::Message("a volume cannot be removed: it may hold records".into())).field_path(".storage"),
    validation = Rule::new("self.storage.volumes[0].name == oldSelf.storage.volumes[0].name").message(Message::Message("the first volume holds the metadata and must stay first".into())).field_path(".storage"),
    validation = Rule::new("self.storage.volumes.all(v, oldSelf.storage.volumes.all(o, o.name != v.name || quantity(v.size).compareTo(quantity(o.size)) >= 0))").message(Message::Message("a volume may grow and not shrink".into())).field_path(".storage"),
    validation = Rule::new("self.storage.volumes.all(v, oldSelf.storage.volumes.all(o, o.name != v.name || (has(v.storageClassName) == has(o.storageClassName) && (!has(v.storageClassName) || v.storageClassName == o.storageClassName))))").message(Message::Message("a volume's storage class cannot change".into())).field_path(".storage")
)]
pub struct NodePool {
    /// The pool's name, used in labels.
    #[schemars(
        length(min = 1, max = 30),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// What the nodes do: `broker`, `controller`, or both.
    #[serde(default = "default_roles")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Vec<NodeRole>,
    /// The Kafka node ids, unique in the cluster.
    #[schemars(length(min = 1, max = 100), inner(range(min = 0, max = 99999)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub node_ids: Vec<i32>,
    /// The nodes' volumes.
    pub storage: StorageSpec,
    /// CPU and memory of the Kafka container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceSpec>,
    /// The Java virtual machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jvm: Option<JvmSpec>,
    /// Kafka configuration of these nodes; wins over the cluster's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::bounds::config_schema")]
    pub config: BTreeMap<String, String>,
    /// Pod metadata, scheduling, environment, extra volumes and containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
}

/// What a node does in the cluster.
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// Stores and serves records.
    Broker,
    /// Votes in the metadata quorum.
    Controller,
}

/// What differs on single nodes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeOverride {
    /// The nodes meant; each must be in a pool.
    #[schemars(length(min = 1, max = 100), inner(range(min = 0, max = 99999)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub node_ids: Vec<i32>,
    /// Another image for these nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Volumes: one with the name of a pool's volume changes it, another name adds one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<StorageSpec>,
    /// CPU and memory of the Kafka container, instead of the pool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceSpec>,
    /// The Java virtual machine, instead of the pool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jvm: Option<JvmSpec>,
    /// Kafka configuration of these nodes; wins over the pool's, key by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::bounds::config_schema")]
    pub config: BTreeMap<String, String>,
    /// Pod metadata, scheduling, environment, extra volumes and containers, added to the pool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
}

/// The Java virtual machine of a node.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct JvmSpec {
    /// The heap (`-Xms` and `-Xmx`) as a Kubernetes quantity. Half of the memory limit, at most
    /// 6Gi, if not given; 512Mi when there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[1-9][0-9]*(Ki|Mi|Gi|k|M|G)?$")
    )]
    pub heap: Option<String>,
    /// Further options of the `java` command, one each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub options: Vec<String>,
}

/// How nodes are spread over racks.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RackAwareness {
    /// Spread over racks, pin each node's pod to its rack and write `broker.rack`.
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// The label of Kubernetes nodes that names the rack.
    #[serde(default = "default_topology_key")]
    #[schemars(length(min = 1, max = 316))]
    pub topology_key: String,
    /// The racks to use; all that the Kubernetes nodes name if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub zones: Vec<String>,
}

impl Default for RackAwareness {
    fn default() -> Self {
        Self {
            enabled: true,
            topology_key: default_topology_key(),
            zones: Vec::new(),
        }
    }
}

/// The certificates that the cluster's own authority issues.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TlsSpec {
    /// How long the authority's own certificate is valid, in days.
    #[serde(default = "default_ca_days")]
    #[schemars(range(min = 30, max = 36500))]
    pub ca_validity_days: i32,
    /// How long the nodes' and the administrator's certificates are valid, in days. They are
    /// renewed after two thirds of it; a node restarts for that, in its turn.
    #[serde(default = "default_certificate_days")]
    #[schemars(range(min = 1, max = 3650))]
    pub certificate_validity_days: i32,
}

impl Default for TlsSpec {
    fn default() -> Self {
        Self {
            ca_validity_days: default_ca_days(),
            certificate_validity_days: default_certificate_days(),
        }
    }
}

/// What happens to volumes when their owner goes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Keep them.
    #[default]
    Retain,
    /// Delete them, and the records on them.
    Delete,
}

fn default_version() -> String {
    crate::DEFAULT_VERSION.to_owned()
}
fn default_listeners() -> Vec<Listener> {
    vec![Listener {
        name: "clients".to_owned(),
        port: 9092,
        tls: ListenerTls::Mtls,
        sasl: Vec::new(),
    }]
}
fn default_roles() -> Vec<NodeRole> {
    vec![NodeRole::Broker, NodeRole::Controller]
}
fn default_true() -> bool {
    true
}
fn default_topology_key() -> String {
    "topology.kubernetes.io/zone".to_owned()
}
fn default_ca_days() -> i32 {
    3650
}
fn default_certificate_days() -> i32 {
    365
}

//! Who may do what: `KafkaRole`, `KafkaACL` and `KafkaAccessGrant`.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::{BasicStatus, ClusterRef, Pattern};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Operations by type of resource, under one name.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kafka.sdm.dev",
    version = "v1beta1",
    kind = "KafkaRole",
    plural = "kafkaroles",
    shortname = "kr",
    category = "kafka",
    namespaced,
    status = "BasicStatus",
    derive = "PartialEq",
    doc = "Kafka operations by type of resource, under one name. Built in are producer, consumer, admin, viewer, connect and streams.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct KafkaRoleSpec {
    /// What the role may do, by type of resource. A rule applies to those resources of an ACL that are of its type.
    #[schemars(length(min = 1, max = 16))]
    pub rules: Vec<RoleRule>,
}

/// Operations on one type of resource.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RoleRule {
    /// The type of resource.
    pub resource: ResourceType,
    /// The operations.
    #[schemars(length(min = 1, max = 16))]
    pub operations: Vec<Operation>,
}

/// A type of Kafka resource.
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
)]
#[serde(rename_all = "camelCase")]
pub enum ResourceType {
    /// A topic.
    Topic,
    /// A consumer, share or streams group.
    Group,
    /// A transactional id.
    TransactionalId,
    /// The cluster itself.
    Cluster,
    /// A delegation token.
    DelegationToken,
}

/// A Kafka operation, in Kafka's own spelling.
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
)]
pub enum Operation {
    /// Every operation.
    All,
    /// Read.
    Read,
    /// Write.
    Write,
    /// Create.
    Create,
    /// Delete.
    Delete,
    /// Alter.
    Alter,
    /// Describe.
    Describe,
    /// What brokers do to each other.
    ClusterAction,
    /// Describe configurations.
    DescribeConfigs,
    /// Alter configurations.
    AlterConfigs,
    /// Write idempotently (needed by clients before Kafka 3.0 only).
    IdempotentWrite,
}

/// Gives subjects roles on resources, or denies them.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kafka.sdm.dev",
    version = "v1beta1",
    kind = "KafkaACL",
    plural = "kafkaacls",
    shortname = "kacl",
    category = "kafka",
    namespaced,
    status = "KafkaACLStatus",
    derive = "PartialEq",
    doc = "Gives subjects roles on the resources of a Kafka cluster, or denies them.",
    printcolumn(
        name = "Cluster",
        type_ = "string",
        json_path = ".spec.clusterRef.name"
    ),
    printcolumn(name = "Permission", type_ = "string", json_path = ".spec.permission"),
    printcolumn(name = "ACLs", type_ = "integer", json_path = ".status.acls"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.clusterRef == oldSelf.clusterRef").message(Message::Message("clusterRef cannot change: create another object for the other cluster".into())).field_path(".clusterRef")
)]
pub struct KafkaACLSpec {
    /// The cluster.
    pub cluster_ref: ClusterRef,
    /// Who.
    #[schemars(length(min = 1, max = 64))]
    pub subjects: Vec<AclSubject>,
    /// Names of roles: of `KafkaRole` objects in the same namespace, or built in (`producer`, `consumer`, `admin`,
    /// `viewer`, `connect`, `streams`).
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Vec<String>,
    /// On what.
    #[schemars(length(min = 1, max = 64))]
    pub resources: Vec<AclResource>,
    /// From which IP addresses; from everywhere if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 45)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hosts: Vec<String>,
    /// `Allow` or `Deny`. A denial wins over everything allowed.
    #[serde(default)]
    pub permission: Permission,
}

/// Who an ACL speaks of.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AclSubject {
    /// What sort of subject it is.
    #[serde(default)]
    pub kind: SubjectKind,
    /// The user's or service account's name; or with `Principal` the principal as Kafka has it, `User:...`.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// The user's or service account's namespace; the object's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// What sort of subject.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A `KafkaUser`.
    #[default]
    KafkaUser,
    /// A Kubernetes service account, whose principal is `User:<namespace>/<name>`.
    ServiceAccount,
    /// A principal as Kafka has it.
    Principal,
}

/// What an ACL speaks of.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AclResource {
    /// The type of resource.
    #[serde(rename = "type")]
    pub type_: ResourceType,
    /// The resource's name in Kafka; for the cluster itself `kafka-cluster`, which may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub name: Option<String>,
    /// How the name is meant.
    #[serde(default)]
    pub pattern: Pattern,
}

/// Allowed or denied.
#[derive(
    JsonSchema,
    Serialize,
    Deserialize,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
)]
pub enum Permission {
    /// Allowed.
    #[default]
    Allow,
    /// Denied.
    Deny,
}

/// The state of an ACL object as last seen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaACLStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and while it is not, `Reconciling` or `Stalled`, as kstatus defines them.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many Kafka ACLs this object stands for.
    #[serde(default)]
    pub acls: i32,
    /// What of it is not granted, a sentence each with the rule that forbids it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 1024)))]
    pub refused: Vec<String>,
}

/// The owner's consent: other namespaces may reach topics of this namespace.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kafka.sdm.dev",
    version = "v1beta1",
    kind = "KafkaAccessGrant",
    plural = "kafkaaccessgrants",
    shortname = "kag",
    category = "kafka",
    namespaced,
    status = "BasicStatus",
    derive = "PartialEq",
    doc = "The owner's consent: other namespaces may reach topics of this namespace.",
    printcolumn(
        name = "Cluster",
        type_ = "string",
        json_path = ".spec.clusterRef.name"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.clusterRef == oldSelf.clusterRef").message(Message::Message("clusterRef cannot change: create another object for the other cluster".into())).field_path(".clusterRef")
)]
pub struct KafkaAccessGrantSpec {
    /// The cluster.
    pub cluster_ref: ClusterRef,
    /// The namespaces that may.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,
    /// Which topics of this namespace they may reach.
    #[schemars(length(min = 1, max = 64))]
    pub topics: Vec<GrantedTopic>,
    /// What they may do there; `Read`, `Write`, `Describe` and `DescribeConfigs` if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub operations: Vec<Operation>,
    /// Whether they may declare a `KafkaTopic` for one of these topics that exists and belongs to no object. Only the
    /// cluster's own namespace can give that.
    #[serde(default)]
    pub adoption: bool,
}

/// Topics that are granted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GrantedTopic {
    /// The topic's name in Kafka.
    #[schemars(length(min = 1, max = 249))]
    pub name: String,
    /// How the name is meant.
    #[serde(default)]
    pub pattern: Pattern,
}

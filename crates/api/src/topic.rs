//! `KafkaTopic`: a topic that a namespace declares, and owns.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::ClusterRef;

/// A topic of a Kafka cluster.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kafka.sdm.dev",
    version = "v1beta1",
    kind = "KafkaTopic",
    plural = "kafkatopics",
    shortname = "kt",
    category = "kafka",
    namespaced,
    status = "KafkaTopicStatus",
    derive = "PartialEq",
    doc = "A topic of a Kafka cluster.",
    printcolumn(
        name = "Cluster",
        type_ = "string",
        json_path = ".spec.clusterRef.name"
    ),
    printcolumn(
        name = "Partitions",
        type_ = "integer",
        json_path = ".status.partitions"
    ),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
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
    validation = Rule::new("self.clusterRef == oldSelf.clusterRef").message(Message::Message("clusterRef cannot change: create another object for the other cluster".into())).field_path(".clusterRef"),
    validation = Rule::new("has(self.topicName) == has(oldSelf.topicName) && (!has(self.topicName) || self.topicName == oldSelf.topicName)").message(Message::Message("topicName cannot change: Kafka cannot rename a topic".into())).field_path(".topicName"),
    validation = Rule::new("!has(oldSelf.partitions) || !has(self.partitions) || self.partitions >= oldSelf.partitions").message(Message::Message("partitions can grow and not shrink".into())).field_path(".partitions")
)]
pub struct KafkaTopicSpec {
    /// The cluster the topic belongs to.
    pub cluster_ref: ClusterRef,

    /// The topic's name in Kafka; the object's own name if not given. It never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub topic_name: Option<String>,

    /// How many partitions; the brokers' `num.partitions` if not given. It can grow and not shrink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: Option<i32>,

    /// How many replicas each partition has; the brokers' `default.replication.factor` if not given. A change moves
    /// data, throttled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub replicas: Option<i32>,

    /// Topic configuration. A key that is taken out again is reset, if it was this object that had set it; keys that
    /// never stood here are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::bounds::topic_config_schema")]
    pub config: BTreeMap<String, String>,

    /// What happens to the topic and its records when this object is deleted.
    #[serde(default)]
    pub deletion_policy: TopicDeletionPolicy,

    /// Whether a topic that exists already and belongs to no object is taken over.
    #[serde(default)]
    pub adoption: Adoption,

    /// What is done about changes made by hand in Kafka.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

/// What happens to a topic when its object is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicDeletionPolicy {
    /// The topic is deleted, and its records with it.
    #[default]
    Delete,
    /// The topic stays. Only the same namespace can declare it again.
    Retain,
}

/// Whether a topic that exists already is taken over.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adoption {
    /// If it is what the object says: nothing would have to change.
    #[default]
    IfIdentical,
    /// In any case; it is changed to what the object says.
    Always,
    /// Never.
    Never,
}

/// What is done about changes made by hand in Kafka.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriftPolicy {
    /// They are undone.
    #[default]
    Correct,
    /// They are reported in `status.drift` and left.
    Report,
}

/// The state of a topic as last seen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaTopicStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and while it is not, `Reconciling` or `Stalled`, as kstatus defines them.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The topic's name in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub topic_name: Option<String>,
    /// The topic's id in Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 22))]
    pub topic_id: Option<String>,
    /// Partitions it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replicas each of them has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Configuration keys that this object has set, and would reset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub config_keys: Vec<String>,
    /// What differs in Kafka and is left, by `driftPolicy: Report`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 1024)))]
    pub drift: Vec<String>,
}

impl KafkaTopic {
    /// The topic's name in Kafka.
    #[must_use]
    pub fn topic_name(&self) -> &str {
        self.spec
            .topic_name
            .as_deref()
            .or(self.metadata.name.as_deref())
            .unwrap_or_default()
    }
}

//! The structured limits of a policy. What is not given is not limited.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::access::Operation;
use crate::user::Authentication;

/// What a `KafkaCluster` may say. Limits on nodes hold for each node as it is meant: pool and overrides merged.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BrokerLimits {
    /// Kafka versions, where `*` stands for any characters, such as `4.3.*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 20)))]
    pub versions: Vec<String>,
    /// What images of brokers, and of containers beside them, begin with: a registry, or a registry and a path, such as
    /// `registry.example.com/kafka`. The next character is a `/`, `:` or `@`, or there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 255)))]
    pub images: Vec<String>,
    /// Configuration keys that must not be set, where `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 255)))]
    pub forbidden_config: Vec<String>,
    /// What configuration keys may be set to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 64))]
    pub config: BTreeMap<String, ConfigBound>,
    /// Every listener must encrypt, and know its clients by certificate or password.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_tls: bool,
    /// The CPU that a node requests. A node that requests none breaks a `min`; its limit must not exceed `max`, and one
    /// without a limit breaks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<QuantityRange>,
    /// The memory that a node requests, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<QuantityRange>,
    /// The size of each volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_size: Option<QuantityRange>,
    /// Storage classes of volumes. A volume that names none breaks it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)))]
    pub storage_classes: Vec<String>,
    /// How many brokers there must be at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_brokers: Option<i32>,
}

/// What a `KafkaTopic` may say. What it leaves to the brokers is limited where it is set, in the cluster's configuration.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TopicLimits {
    /// Names in Kafka, where `*` stands for any characters and `{namespace}` for the object's namespace, such as
    /// `{namespace}.*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 249)))]
    pub names: Vec<String>,
    /// How many partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<IntRange>,
    /// How many replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<IntRange>,
    /// How long records are kept (`retention.ms`). Kept for ever (`-1`) is more than any `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<DurationRange>,
    /// Configuration keys that must not be set, where `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 255)))]
    pub forbidden_config: Vec<String>,
    /// What configuration keys may be set to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 64))]
    pub config: BTreeMap<String, ConfigBound>,
    /// What all topics of a namespace may come to, in one Kafka cluster. Two topics that are written at the same moment
    /// can both pass; then both are listed in the policy's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_namespace: Option<NamespaceTotals>,
}

/// What all topics of a namespace may come to, in one Kafka cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceTotals {
    /// How many topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub topics: Option<i64>,
    /// How many partitions. A topic that does not say how many counts as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub partitions: Option<i64>,
}

/// What a `KafkaUser` may say.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UserLimits {
    /// How users may log in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub mechanisms: Vec<Authentication>,
    /// Quotas that a user must have, and that may not be higher. A user without one is not limited, so it breaks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<QuotaLimits>,
    /// How long certificates may be valid. It counts as 90 days where a user does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_validity: Option<DurationRange>,
}

/// The highest quotas there may be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QuotaLimits {
    /// Bytes a second that may be produced to one broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub producer_byte_rate: Option<i64>,
    /// Bytes a second that may be fetched from one broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub consumer_byte_rate: Option<i64>,
    /// Per cent of one thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 100_000.0))]
    pub request_percentage: Option<f64>,
    /// Partitions that may be created or deleted a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 1_000_000.0))]
    pub controller_mutation_rate: Option<f64>,
}

/// What a `KafkaACL` may say, and of the operations a `KafkaRole`. A denial gives nothing, so only what allows is limited.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AclLimits {
    /// No resource may be `*` and no principal `User:*`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forbid_wildcards: bool,
    /// Operations that no role may give. `All` is every operation, so it is forbidden along with any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub forbidden_operations: Vec<Operation>,
    /// Addresses, or ranges of them such as `10.0.0.0/8`, that `hosts` must lie in. An ACL without hosts holds from
    /// everywhere, so it breaks it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 2, max = 49)))]
    pub hosts: Vec<String>,
    /// Principals that may be given something, as Kafka has them, where `*` stands for any characters and `{namespace}`
    /// for the object's namespace, such as `User:{namespace}/*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    pub principals: Vec<String>,
}

/// What Pods may ask for with the annotation `kafka.sdm.dev/inject`. Pods are none of the `kinds` of `match`, which makes
/// no difference here; namespaces, labels (the Pod's) and clusters do. Exceptions name service accounts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InjectionLimits {
    /// Kafka clusters that Pods may be clients of, as `namespace/name`, or `name` in any namespace; `*` stands for any
    /// characters and `{namespace}` for the Pod's namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 127)))]
    pub clusters: Vec<String>,
    /// Service accounts that must not be clients, where `*` stands for any characters, such as `default`, whose identity
    /// every Pod has that names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub forbidden_service_accounts: Vec<String>,
    /// How long certificates may be valid. It counts as 168 hours where a Pod does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<DurationRange>,
    /// Keys must be made by kubelets: Pods whose key would be in a Secret are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forbid_secrets: bool,
}

/// What a configuration key may be set to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigBound {
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The greatest number. Where Kafka takes `-1` for no limit, it is more than any `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// The only values. Of a list such as `compact,delete`, each item must be one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 256)))]
    pub one_of: Vec<String>,
    /// It must be set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// A number, at least and at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IntRange {
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

/// A Kubernetes quantity, at least and at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct QuantityRange {
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub min: Option<String>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub max: Option<String>,
}

/// A duration such as `168h` or `1h30m`, at least and at most.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DurationRange {
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = r"^([0-9]+(h|m|s))+$"))]
    pub min: Option<String>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = r"^([0-9]+(h|m|s))+$"))]
    pub max: Option<String>,
}

//! `KafkaPolicy`: what the administrator of a Kubernetes cluster allows the objects of everybody else to say.

mod limits;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::user::QuotaSpec;

pub use limits::{
    AclLimits, BrokerLimits, ConfigBound, DurationRange, InjectionLimits, IntRange,
    NamespaceTotals, QuantityRange, QuotaLimits, TopicLimits, UserLimits,
};

/// What the objects of a Kafka cluster may say.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kafka.sdm.dev",
    version = "v1beta1",
    kind = "KafkaPolicy",
    plural = "kafkapolicies",
    shortname = "kpol",
    category = "kafka",
    status = "KafkaPolicyStatus",
    derive = "PartialEq",
    doc = "What clusters, topics, users and ACLs may say: limits, defaults and CEL rules of the administrator. All policies that match an object hold, in no order.",
    printcolumn(
        name = "Enforcement",
        type_ = "string",
        json_path = ".spec.enforcement"
    ),
    printcolumn(
        name = "Violations",
        type_ = "integer",
        json_path = ".status.violationCount"
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
pub struct KafkaPolicySpec {
    /// Which objects the policy speaks of; all if not given.
    #[serde(rename = "match", default)]
    pub match_: PolicyMatch,

    /// What happens to an object that breaks the policy.
    #[serde(default)]
    pub enforcement: Enforcement,

    /// What a `KafkaCluster` may say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brokers: Option<BrokerLimits>,

    /// What a `KafkaTopic` may say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<TopicLimits>,

    /// What a `KafkaUser` may say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UserLimits>,

    /// What a `KafkaACL` may say, and of the operations a `KafkaRole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acls: Option<AclLimits>,

    /// What Pods may ask for with the annotation `kafka.sdm.dev/inject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injection: Option<InjectionLimits>,

    /// What is filled in when an object is created and does not say it. With `enforcement: Audit` nothing is. Where two
    /// policies would fill in different values, neither does, and the object has to say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<PolicyDefaults>,

    /// Rules in the Common Expression Language, for what no limit above can say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub cel: Vec<CelRule>,

    /// Objects that need not keep the policy, or parts of it, until a date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub exceptions: Vec<PolicyException>,
}

/// Which objects a policy speaks of. Everything that is given must hold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyMatch {
    /// The kinds; all if not given. For Pods that ask for an identity (`injection`) it makes no difference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub kinds: Vec<PolicyKind>,
    /// Names of namespaces, where `*` stands for any characters; all if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,
    /// Namespaces by their labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Labels that the object itself must have. Whoever may write an object may label it, so this narrows advice, not
    /// what is forbidden.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 16))]
    pub labels: BTreeMap<String, String>,
    /// Kafka clusters as `namespace/name`, or `name` in any namespace; `*` stands for any characters. A `KafkaRole`
    /// belongs to no cluster, so it is not matched where this is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 127)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub clusters: Vec<String>,
}

/// A kind that policies speak of.
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
)]
pub enum PolicyKind {
    /// A Kafka cluster.
    KafkaCluster,
    /// A topic.
    KafkaTopic,
    /// A user.
    KafkaUser,
    /// A role.
    KafkaRole,
    /// An ACL.
    KafkaACL,
    /// A grant of access to other namespaces.
    KafkaAccessGrant,
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::KafkaCluster,
        Self::KafkaTopic,
        Self::KafkaUser,
        Self::KafkaRole,
        Self::KafkaACL,
        Self::KafkaAccessGrant,
    ];

    /// The kind's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KafkaCluster => "KafkaCluster",
            Self::KafkaTopic => "KafkaTopic",
            Self::KafkaUser => "KafkaUser",
            Self::KafkaRole => "KafkaRole",
            Self::KafkaACL => "KafkaACL",
            Self::KafkaAccessGrant => "KafkaAccessGrant",
        }
    }

    /// The kind of that name, if policies speak of it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What happens to an object that breaks a policy.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Enforcement {
    /// It is refused. What was there before the policy may be changed, but not be made to break it in another way.
    #[default]
    Deny,
    /// It is accepted, and whoever writes it is told.
    Warn,
    /// It is accepted, and listed in the policy's status.
    Audit,
}

/// What is filled in when an object is created and does not say it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDefaults {
    /// For a `KafkaTopic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<TopicDefaults>,
    /// For a `KafkaUser`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UserDefaults>,
    /// For a `KafkaCluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brokers: Option<BrokerDefaults>,
}

/// What is filled in for a topic.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TopicDefaults {
    /// `spec.partitions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: Option<i32>,
    /// `spec.replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub replicas: Option<i32>,
    /// `spec.config`, key by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::bounds::topic_config_schema")]
    pub config: BTreeMap<String, String>,
}

/// What is filled in for a user.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UserDefaults {
    /// `spec.quotas`, one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<QuotaSpec>,
}

/// What is filled in for a cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BrokerDefaults {
    /// `spec.config`, key by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::bounds::config_schema")]
    pub config: BTreeMap<String, String>,
}

/// A rule in the Common Expression Language.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CelRule {
    /// The rule's name; exceptions refer to it as `cel/<name>`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// An expression that is true of a good object. It sees `object`, `oldObject` (null when an object is created),
    /// `request` (`operation`, `namespace`, `name`, `userInfo`), `namespaceObject` and `cluster` (the `KafkaCluster`, or
    /// null). A rule that cannot be evaluated counts as broken. A rule that mentions `request` or `oldObject` speaks of
    /// changes, so it is not asked of what exists already.
    #[schemars(length(min = 1, max = 2048))]
    pub rule: String,
    /// What to tell whoever breaks the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub message: Option<String>,
    /// An expression whose text is told instead of `message`. If it cannot be evaluated, `message` is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub message_expression: Option<String>,
}

/// Objects that need not keep a policy until a date. Everything that is given must hold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyException {
    /// Names of namespaces, where `*` stands for any characters; all if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// Names of objects, where `*` stands for any characters; all if not given. Of a Pod that asks for an identity it is
    /// the service account's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)))]
    pub names: Vec<String>,
    /// Which parts of the policy, as violations name them: `topics.partitions`, `cel/no-friday`; all if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 96)))]
    pub rules: Vec<String>,
    /// When the exception ends. From then on the policy holds again, with nobody doing anything.
    pub until: Time,
    /// Why there is an exception, for whoever reads the policy later.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,
}

/// What was found among the objects that exist.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaPolicyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and while it is not, `Reconciling` or `Stalled`, as kstatus defines them.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How often existing objects break the policy.
    #[serde(default)]
    pub violation_count: i32,
    /// Where they do: the first 50, by kind, namespace and name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub violations: Vec<PolicyViolation>,
}

/// Where an existing object breaks a policy.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyViolation {
    /// The object's kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Its namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The part of the policy, as exceptions name it.
    #[schemars(length(max = 96))]
    pub rule: String,
    /// The field, if it is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub path: String,
    /// What is wrong.
    #[schemars(length(max = 512))]
    pub message: String,
}

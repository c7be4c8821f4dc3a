//! `KafkaUser`: an identity that a namespace declares, its credential, its quotas and the Secret it is delivered in.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::ClusterRef;

/// A user of a Kafka cluster. Its principal is `User:<namespace>/user/<name>`.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "kafka.sdm.dev",
    version = "v1beta1",
    kind = "KafkaUser",
    plural = "kafkausers",
    shortname = "ku",
    category = "kafka",
    namespaced,
    status = "KafkaUserStatus",
    derive = "PartialEq",
    doc = "A user of a Kafka cluster: a credential, quotas, and the Secret it is delivered in.",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Authentication", type_ = "string", json_path = ".spec.authentication"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secret"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 63").message(Message::Message("a user's name may have at most 63 characters: it becomes part of certificates".into()))
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.clusterRef == oldSelf.clusterRef").message(Message::Message("clusterRef cannot change: create another object for the other cluster".into())).field_path(".clusterRef"),
    validation = Rule::new("(self.authentication == 'external') == has(self.principal)").message(Message::Message("principal is given with authentication 'external', and only then".into())).field_path(".principal")
)]
pub struct KafkaUserSpec {
    /// The cluster the user belongs to.
    pub cluster_ref: ClusterRef,

    /// How it logs in: `tls` (a certificate of the cluster's authority), `scram-sha-512` or `scram-sha-256` (a
    /// password), or `external` (somebody else provides the credential).
    #[serde(default)]
    pub authentication: Authentication,

    /// With `external`: the principal that Kafka makes of it, without `User:`. It must not look like one that is issued
    /// here: `<namespace>/...` and `sdm:...` are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub principal: Option<String>,

    /// With `tls`: the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateSpec>,

    /// With `scram-...`: the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordSpec>,

    /// What the user may use up. What is not given is not limited here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<QuotaSpec>,

    /// The Secret the credential is delivered in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretTemplate>,
}

/// How a user logs in.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// Mutual TLS.
    #[default]
    #[serde(rename = "tls")]
    Tls,
    /// SASL SCRAM-SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    /// SASL SCRAM-SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// Somebody else provides the credential.
    #[serde(rename = "external")]
    External,
}

impl Authentication {
    /// As users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::ScramSha512 => "scram-sha-512",
            Self::ScramSha256 => "scram-sha-256",
            Self::External => "external",
        }
    }

    /// Whether it is a password.
    #[must_use]
    pub fn is_scram(self) -> bool {
        matches!(self, Self::ScramSha256 | Self::ScramSha512)
    }
}

/// A user's certificate.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSpec {
    /// How long each certificate is valid, such as `2160h` or `30m`; at least five minutes, 90 days if not given. It is
    /// renewed after two thirds of that; the one before stays valid to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = r"^([0-9]+(h|m|s))+$"))]
    pub validity: Option<String>,
}

/// A user's password.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSpec {
    /// A password of your own, in a Secret of the same namespace; a random one is made if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKey>,
    /// PBKDF2 iterations, 8,192 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8192, max = 16384))]
    pub iterations: Option<i32>,
    /// How long the credential before a rotation stays valid, such as `24h`; 24 hours if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = r"^([0-9]+(h|m|s))+$"))]
    pub overlap: Option<String>,
}

/// A value in a Secret.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// What a user may use up, per broker (KIP-13, KIP-124, KIP-599).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QuotaSpec {
    /// Bytes a second that may be produced to one broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub producer_byte_rate: Option<i64>,
    /// Bytes a second that may be fetched from one broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub consumer_byte_rate: Option<i64>,
    /// Share of request handler and network threads' time, in per cent of one thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 100_000.0))]
    pub request_percentage: Option<f64>,
    /// Partitions that may be created or deleted a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 1_000_000.0))]
    pub controller_mutation_rate: Option<f64>,
}

/// The Secret a credential is delivered in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretTemplate {
    /// The Secret's name; the user's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: Option<String>,
    /// Labels to add.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 32))]
    pub labels: BTreeMap<String, String>,
    /// Annotations to add.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 32))]
    pub annotations: BTreeMap<String, String>,
    /// What the Secret holds besides the credential itself; `java` and `librdkafka` if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub formats: Vec<SecretFormat>,
    /// Where Pods mount the Secret: files that are named in configurations are looked for there. `/etc/kafka-client` if
    /// not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/[A-Za-z0-9._/-]+$"))]
    pub mount_path: Option<String>,
}

/// A form in which a credential is delivered.
#[derive(
    JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
)]
#[serde(rename_all = "lowercase")]
pub enum SecretFormat {
    /// `tls.crt`, `tls.key` and `ca.crt`, or `username` and `password`. Always there.
    Pem,
    /// `user.p12` and `ca.p12` with `p12.password`.
    Pkcs12,
    /// `client.properties` for Java clients, complete in itself.
    Java,
    /// `librdkafka.properties`, for kcat and everything else built on librdkafka.
    Librdkafka,
    /// `application.properties` for Spring Boot.
    Spring,
    /// `client.env` with `KAFKA_...` variables.
    Env,
    /// A Secret of type `servicebinding.io/kafka`.
    Servicebinding,
}

/// The state of a user as last seen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaUserStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and while it is not, `Reconciling` or `Stalled`, as kstatus defines them.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The principal, as ACLs name it: `User:...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 600))]
    pub principal: Option<String>,
    /// The Secret the credential is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub secret: Option<String>,
    /// When the certificate in the Secret ends, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub certificate_not_after: Option<String>,
    /// During a rotation: the SCRAM user name that stays valid, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousCredential>,
}

/// The credential before a rotation.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PreviousCredential {
    /// Its SCRAM user name.
    #[schemars(length(max = 512))]
    pub username: String,
    /// When it is revoked, RFC 3339.
    #[schemars(length(max = 64))]
    pub until: String,
}

/// Annotation of a `KafkaUser`: a new value asks for a new credential.
pub const ANNOTATION_ROTATE: &str = "kafka.sdm.dev/rotate";
/// Annotation of a `KafkaUser`: a new value ends the overlap of a rotation now.
pub const ANNOTATION_ROTATE_FINISH: &str = "kafka.sdm.dev/rotate-finish";
/// Label of delivered Secrets: the user's name.
pub const LABEL_USER: &str = "kafka.sdm.dev/user";

impl KafkaUser {
    /// The name of the Secret the credential is delivered in.
    #[must_use]
    pub fn secret_name(&self) -> &str {
        self.spec
            .secret
            .as_ref()
            .and_then(|s| s.name.as_deref())
            .or(self.metadata.name.as_deref())
            .unwrap_or_default()
    }
}
